"""Signing in and out, and choosing an organization."""

from datetime import timedelta
from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from translationstring import TranslationString

from ringstead import audit
from ringstead.api import TenantContext, translations
from ringstead.auth import sessions
from ringstead.auth.answers import Banner, busy, refused, too_many
from ringstead.auth.forms import email_address, safe_next
from ringstead.auth.guard import SignInGuard, attempt_of, remember_device
from ringstead.auth.membership import Place, find_account, partner_session, places
from ringstead.auth.passwords import Busy, Passwords
from ringstead.auth.paths import SIGN_IN
from ringstead.auth.policy import is_suspended
from ringstead.auth.tokens import SESSION_COOKIE, drop_cookie, presented_token_hash, set_cookie
from ringstead.db.session import TenantSession
from ringstead.tenancy.addresses import queried
from ringstead.tenancy.context import AccountInfo
from ringstead.tenancy.models import Account

_ = translations("ringstead")
Person = Account | AccountInfo

WRONG = _("That email and password don’t go together. Check both and try again.")
ACCOUNT_SUSPENDED = _("Your sign-in is suspended. Ask whoever looks after your phones.")
PLACE_SUSPENDED = _("Your phone service is suspended at the moment. Ask whoever looks after your phones.")
NO_PORTAL = _("Your password is right, but there is no phone for you at this address. Check the address.")
NO_CONSOLE = _("Your password is right, but this address is for staff. Sign in where your phone’s portal is.")


def sign_in_page(context: TenantContext, request: Request) -> Any:
    """`GET /sign-in`. Somebody who is signed in goes on; in a suspended organization he is told so."""
    values = _values(wanted=queried(request, "next"))
    if is_suspended(request):
        return refused(request, {**values, "banner": Banner(PLACE_SUSPENDED, "warn")}, 403)
    if context.account is not None:
        return HTTPSeeOther(safe_next(values["next"]))
    return values


def submit_sign_in(context: TenantContext, request: Request) -> Any:
    """`POST /sign-in` with `email`, `password` and `next`.

    Nothing in the answer, nor in the time it takes, says whether the address has an account.
    """
    typed, password = request.POST.get("email", ""), request.POST.get("password", "")
    values = _values(typed[:254], request.POST.get("next", ""))
    email = email_address(typed)
    if email is None:
        values["errors"]["email"] = _("Enter your email address, such as name@example.com.")
    if not password:
        values["errors"]["password"] = _("Enter your password.")
    if email is None or not password:
        return refused(request, values)
    guard: SignInGuard = request.registry["ringstead.sign_in_guard"]
    attempt = attempt_of(request, email)
    seconds = guard.try_sign_in(attempt)
    if seconds:
        return too_many(request, values, seconds)
    with partner_session(request) as session:
        try:
            account = _verified(request, session, email, password)
        except Busy:
            guard.not_tried(attempt)
            return busy(request, values)
        if account is None:
            return refused(request, {**values, "banner": Banner(WRONG)})
        guard.succeeded(attempt)
        return _admit(request, session, account, values)


def _verified(request: Request, session: TenantSession, email: str, password: str) -> Account | None:
    """The account if the password is right. A failure is noted; a hash made with older parameters is made anew."""
    passwords: Passwords = request.registry["ringstead.passwords"]
    account = find_account(session, email)
    stored = None if account is None else account.password_hash
    if not passwords.verify(stored, password) or account is None or stored is None:
        # Never what was typed: people type passwords into the wrong field.
        known = {"known": account is not None}
        audit.record(request, audit.SIGN_IN_FAILED, detail=known, actor=account, session=session)
        return None
    if passwords.is_outdated(stored):
        account.password_hash = passwords.hash(password)
    return account


def _admit(request: Request, session: TenantSession, account: Account, values: dict[str, Any]) -> Any:
    """The password is right: let in, let choose, or say what is in the way."""
    wanted = safe_next(values["next"])
    if account.status != "active":
        return _kept_out(request, session, account, values, ACCOUNT_SUSPENDED)
    if request.site.kind == "console":
        if account.staff_role is None:
            return _kept_out(request, session, account, values, NO_CONSOLE)
        return _enter(request, session, account, None, wanted)
    belongs = places(session, account.id, request.site.org_id)
    is_open = [place for place in belongs if place.is_open]
    if not is_open:
        return _kept_out(request, session, account, values, PLACE_SUSPENDED if belongs else NO_PORTAL)
    if len(is_open) == 1:
        return _enter(request, session, account, is_open[0], wanted)
    return _let_choose(request, session, account, wanted)


def _kept_out(
    request: Request, session: TenantSession, account: Account, values: dict[str, Any], why: TranslationString
) -> dict[str, Any]:
    audit.record(
        request, audit.SIGN_IN_FAILED, detail={"known": True, "why": str(why)}, actor=account, session=session
    )
    return refused(request, {**values, "banner": Banner(why, "warn")}, 403)


def _enter(
    request: Request, session: TenantSession, person: Person, place: Place | None, wanted: str
) -> Response:
    """Open the session and go on. The browser's old session ends: its token must be worth nothing now."""
    hours: int = request.deployment.session_hours
    sessions.end_by_token(session, presented_token_hash(request))
    token = sessions.open_session(
        session,
        person.id,
        _browser(request),
        timedelta(hours=hours),
        None if place is None else place.org_id,
        None if place is None else place.membership_id,
    )
    org_id = None if place is None else place.org_id
    audit.record(request, audit.SIGNED_IN, actor=person, session=session, org_id=org_id)
    response = HTTPSeeOther(wanted)
    set_cookie(request, response, SESSION_COOKIE, token, max_age=hours * 3600)
    remember_device(request, response, person.email)
    return response


def _let_choose(request: Request, session: TenantSession, account: Account, wanted: str) -> Response:
    """A session without an organization: good for the page that chooses one, and for nothing else."""
    sessions.end_by_token(session, presented_token_hash(request))
    token = sessions.open_session(session, account.id, _browser(request), sessions.CHOOSING)
    response = HTTPSeeOther(
        request.route_path("core.choose", _query={} if wanted == "/" else {"next": wanted})
    )
    set_cookie(request, response, SESSION_COOKIE, token, max_age=int(sessions.CHOOSING.total_seconds()))
    remember_device(request, response, account.email)
    return response


def choose_page(context: TenantContext, request: Request) -> Any:
    """`GET /choose`: the organizations of whoever just signed in, or wants to go over to another one."""
    person = _chooser(context, request)
    if person is None:
        return HTTPSeeOther(SIGN_IN)
    with partner_session(request) as session:
        return _choices(places(session, person.id, request.site.org_id), queried(request, "next"))


def submit_choice(context: TenantContext, request: Request) -> Any:
    """`POST /choose` with `membership`, one of the offered ones."""
    person = _chooser(context, request)
    if person is None:
        return HTTPSeeOther(SIGN_IN)
    chosen, wanted = request.POST.get("membership", ""), request.POST.get("next", "")
    with partner_session(request) as session:
        offered = places(session, person.id, request.site.org_id)
        place = next((p for p in offered if p.is_open and str(p.membership_id) == chosen), None)
        if place is None:
            return refused(
                request, {**_choices(offered, wanted), "banner": Banner(_("Choose one of these."))}
            )
        return _enter(request, session, person, place, safe_next(wanted))


def _chooser(context: TenantContext, request: Request) -> Person | None:
    if context.account is not None:
        return context.account
    return sessions.choosing_account(request.db, presented_token_hash(request))


def sign_out(context: TenantContext, request: Request) -> Response:
    """`POST /sign-out`: end this browser's session; a support session too."""
    if context.support is not None:
        from ringstead.auth.support_views import leave_portal

        return leave_portal(context, request)
    if context.account is not None:
        audit.record(request, audit.SIGNED_OUT)
    sessions.end_by_token(request.db, presented_token_hash(request))
    request.flash(_("You are signed out."))
    response = HTTPSeeOther(SIGN_IN)
    drop_cookie(request, response, SESSION_COOKIE)
    return response


def _browser(request: Request) -> sessions.Browser:
    return sessions.Browser(request.site.kind, request.client_address, header_text(request.user_agent))


def header_text(value: str | None) -> str:
    """A header's value as the database takes it."""
    return (value or "").encode("utf-8", "replace").decode("utf-8", "replace").replace("\0", "")


def _values(email: str = "", wanted: str = "") -> dict[str, Any]:
    return {"errors": {}, "banner": None, "email": email, "next": "" if safe_next(wanted) == "/" else wanted}


def _choices(offered: list[Place], wanted: str) -> dict[str, Any]:
    return {"places": offered, "banner": None, "next": "" if safe_next(wanted) == "/" else wanted}
