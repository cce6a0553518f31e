"""A forgotten password: ask for a mail, follow its link, set a new one."""

from datetime import UTC, datetime
from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import delete, select

from ringstead import audit
from ringstead.api import TenantContext, translations
from ringstead.auth import sessions
from ringstead.auth.account import password_errors
from ringstead.auth.answers import busy, refused, too_many
from ringstead.auth.forms import email_address
from ringstead.auth.guard import SignInGuard, remember_device
from ringstead.auth.jobs import ask_for_reset, tell_password_changed
from ringstead.auth.membership import partner_session
from ringstead.auth.models import PasswordReset
from ringstead.auth.passwords import Busy, Passwords
from ringstead.auth.paths import SIGN_IN
from ringstead.auth.tokens import SESSION_COOKIE, drop_cookie, hash_token
from ringstead.db.session import TenantSession
from ringstead.tenancy.models import Account

_ = translations("ringstead")


def forgot_page(_context: TenantContext, _request: Request) -> dict[str, Any]:
    """`GET /forgot`."""
    return {"errors": {}, "banner": None, "email": "", "sent": False}


def submit_forgot(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`POST /forgot` with `email`.

    The same is done for every address: a job is queued, and only that job looks whether there is such an account. So
    neither the answer nor the time it takes tells.
    """
    typed = request.POST.get("email", "")
    values: dict[str, Any] = {"errors": {}, "banner": None, "email": typed[:254], "sent": False}
    email = email_address(typed)
    if email is None:
        errors = {"email": _("Enter your email address, such as name@example.com.")}
        return refused(request, {**values, "errors": errors})
    guard: SignInGuard = request.registry["ringstead.sign_in_guard"]
    seconds = guard.ask_reset(request.site.partner.id, email, request.client_address)
    if seconds:
        return too_many(request, values, seconds)
    ask_for_reset(request, email)
    return {**values, "sent": True}


def reset_page(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /reset/{token}`. Looking does not use the link up: mail programs look at links too."""
    with partner_session(request) as session:
        if _owner(session, request.matchdict["token"]) is None:
            return _dead_link(request)
    return _values(request)


def submit_reset(_context: TenantContext, request: Request) -> Any:
    """`POST /reset/{token}` with `password` and `again`. Every browser of the account is signed out."""
    token, password, again = (
        request.matchdict["token"],
        request.POST.get("password", ""),
        request.POST.get("again", ""),
    )
    with partner_session(request) as session:
        account = _owner(session, token)
        if account is None:
            return _dead_link(request)
        errors = password_errors(password, again, account.email, account.name)
        if errors:
            return refused(request, {**_values(request), "errors": errors})
        passwords: Passwords = request.registry["ringstead.passwords"]
        try:
            hashed = passwords.hash(password)
        except Busy:
            return busy(request, _values(request))
        if not _use_up(session, token, account):
            return _dead_link(request)
        account.password_hash, account.password_changed_at = hashed, datetime.now(UTC)
        ended = sessions.end_all(session, account.id)
        audit.record(
            request, audit.PASSWORD_RESET, detail={"sessions_ended": ended}, actor=account, session=session
        )
        tell_password_changed(request, session, account)
        return _go_on(request, account)


def _go_on(request: Request, account: Account) -> HTTPSeeOther:
    request.flash(_("Your new password is set. Sign in with it."))
    response = HTTPSeeOther(SIGN_IN)
    drop_cookie(request, response, SESSION_COOKIE)
    # Whoever reads the account's mail is no stranger, even while strangers have used up the account's tries.
    remember_device(request, response, account.email)
    return response


def _owner(session: TenantSession, token: str) -> Account | None:
    """Whose password a link may set; None when it is unknown, used or older than an hour."""
    return session.scalars(
        select(Account)
        .join(PasswordReset, PasswordReset.account_id == Account.id)
        .where(
            PasswordReset.token_hash == hash_token(token),
            PasswordReset.expires_at > datetime.now(UTC),
            Account.status == "active",
        )
    ).one_or_none()


def _use_up(session: TenantSession, token: str, account: Account) -> bool:
    """Delete the link, and all others of the account; False when somebody used it in this very moment."""
    used = (
        delete(PasswordReset).where(PasswordReset.token_hash == hash_token(token)).returning(PasswordReset.id)
    )
    if session.execute(used).first() is None:
        return False
    session.execute(delete(PasswordReset).where(PasswordReset.account_id == account.id))
    return True


def _values(request: Request) -> dict[str, Any]:
    return {"errors": {}, "banner": None, "token": request.matchdict["token"], "is_alive": True}


def _dead_link(request: Request) -> dict[str, Any]:
    return refused(request, {**_values(request), "is_alive": False}, 404)
