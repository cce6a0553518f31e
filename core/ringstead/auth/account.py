"""One's own account: password, signed-in browsers, latest activity."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from translationstring import TranslationString

from ringstead import audit
from ringstead.api import TenantContext, translations
from ringstead.auth import sessions
from ringstead.auth.answers import busy, refused, too_many
from ringstead.auth.data import EXPORT
from ringstead.auth.guard import SignInGuard
from ringstead.auth.jobs import tell_password_changed
from ringstead.auth.membership import partner_session, places
from ringstead.auth.passwords import Busy, Passwords, normal, problem_with_password
from ringstead.auth.paths import ACCOUNT, SIGN_IN
from ringstead.auth.tokens import SESSION_COOKIE, drop_cookie, set_cookie
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.context import AccountInfo
from ringstead.tenancy.models import Account

_ = translations("ringstead")


@dataclass(frozen=True, slots=True)
class SignedInBrowser:
    """A row of the list of sessions."""

    id: UUID
    browser: str
    system: str
    address: str
    last_seen_at: datetime
    is_this: bool


def account_page(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /account`."""
    return _page(context, request)


def _page(context: TenantContext, request: Request) -> dict[str, Any]:
    me = signed_in(context)
    idle = timedelta(minutes=request.deployment.session_idle_minutes)
    browsers = [
        SignedInBrowser(
            row.id,
            *sessions.browser_name(row.user_agent),
            address=row.address,
            last_seen_at=row.last_seen_at,
            is_this=row.id == me.session_id,
        )
        for row in sessions.list_sessions(request.db, me.id, idle)
    ]
    entries = [(audit.title_of(entry), entry) for entry in audit.own_entries(request.db, me.id)]
    return {
        "me": me,
        "browsers": browsers,
        "entries": entries,
        "may_choose": _belongs_elsewhere(context, request),
        "may_see_support": context.subscriber is not None,
        "may_export": context.subscriber is not None and context.can(EXPORT.name),
        "errors": {},
        "banner": None,
    }


def _belongs_elsewhere(context: TenantContext, request: Request) -> bool:
    if context.site.kind != "portal":
        return False
    with partner_session(request) as session:
        return len(places(session, signed_in(context).id, context.site.org_id)) > 1


def change_password(context: TenantContext, request: Request) -> Any:
    """`POST /account/password` with `current`, `password` and `again`. Every other browser is signed out."""
    me = signed_in(context)
    current, password, again = (request.POST.get(name, "") for name in ("current", "password", "again"))
    errors = password_errors(password, again, me.email, me.name)
    if not current:
        errors["current"] = _("Enter your current password.")
    elif not errors and normal(current) == normal(password):
        errors["password"] = _("This is your current password. Choose another one.")
    if errors:
        return refused(request, {**_page(context, request), "errors": errors})
    guard: SignInGuard = request.registry["ringstead.sign_in_guard"]
    seconds = guard.check_password(me.id)
    if seconds:
        return too_many(request, _page(context, request), seconds)
    passwords: Passwords = request.registry["ringstead.passwords"]
    account = request.db.get_one(Account, (context.partner.id, me.id))
    try:
        if not passwords.verify(account.password_hash, current):
            wrong = {"current": _("That is not your current password.")}
            return refused(request, {**_page(context, request), "errors": wrong})
        account.password_hash = passwords.hash(password)
    except Busy:
        return busy(request, _page(context, request))
    guard.checked(me.id)
    account.password_changed_at = datetime.now(UTC)
    return _password_changed(request, me)


def _password_changed(request: Request, me: AccountInfo) -> Response:
    ended = sessions.end_all(request.db, me.id, but=me.session_id)
    token = sessions.renew(request.db, me.session_id)
    audit.record(request, audit.PASSWORD_CHANGED, detail={"sessions_ended": ended})
    tell_password_changed(request, request.db, me)
    request.flash(_("Your password is changed. Every other browser is signed out."))
    response = HTTPSeeOther(ACCOUNT)
    set_cookie(request, response, SESSION_COOKIE, token, max_age=request.deployment.session_hours * 3600)
    return response


def end_session(context: TenantContext, request: Request) -> Response:
    """`POST /account/sessions/{id}/sign-out`: end one of one's own sessions."""
    me = signed_in(context)
    session_id = id_of(request.matchdict["id"])
    if session_id == me.session_id:
        return _signed_out(request, sessions.end_one(request.db, me.id, session_id))
    if not sessions.end_one(request.db, me.id, session_id):
        raise HTTPNotFound
    audit.record(request, audit.SESSION_REVOKED, target=str(session_id))
    request.flash(_("That browser is signed out."))
    return HTTPSeeOther(ACCOUNT)


def sign_out_everywhere(context: TenantContext, request: Request) -> Response:
    """`POST /account/sign-out-everywhere`: end all of one's sessions, this one too."""
    return _signed_out(request, sessions.end_all(request.db, signed_in(context).id))


def _signed_out(request: Request, ended: int) -> Response:
    audit.record(request, audit.SIGNED_OUT, detail={"sessions_ended": int(ended)})
    request.flash(_("You are signed out."))
    response = HTTPSeeOther(SIGN_IN)
    drop_cookie(request, response, SESSION_COOKIE)
    return response


def password_errors(password: str, again: str, *names: str) -> dict[str, TranslationString]:
    """What is wrong with a new password and its repetition, by field."""
    problem = problem_with_password(password, *names)
    if problem is not None:
        return {"password": problem}
    if password != again:
        return {"again": _("These two passwords differ. Type the new one again.")}
    return {}


def signed_in(context: TenantContext) -> AccountInfo:
    """The person; these pages are reached only by somebody who is signed in."""
    if context.account is None:
        raise LookupError("nobody is signed in")
    return context.account
