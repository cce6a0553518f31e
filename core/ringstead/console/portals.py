"""Open portal: from a subscriber's profile into their portal, in a new tab."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import update

from ringstead import audit
from ringstead.api import Route, TenantContext, translations
from ringstead.auth import support
from ringstead.auth.answers import Banner, busy, refused, too_many
from ringstead.auth.guard import SignInGuard
from ringstead.auth.passwords import Busy, Passwords
from ringstead.preferences.store import load
from ringstead.subscribers.pages import named, profile_values
from ringstead.tenancy.context import AccountInfo
from ringstead.tenancy.models import Account, SupportSession, WebSession

_ = translations("ringstead")
PATTERN = "/organizations/{id}/subscribers/{subscriber}/portal"


def routes() -> list[Route]:
    """The form on a profile; whoever reloads what it led to goes back there."""
    return [
        Route(
            name="core.console.portal",
            pattern=PATTERN,
            view=open_portal,
            permission=support.OPEN.name,
            methods=("POST",),
            renderer="core/subscriber.pt",
            site="console",
        ),
        Route(
            name="core.console.portal_page",
            pattern=PATTERN,
            view=to_profile,
            permission=support.OPEN.name,
            site="console",
        ),
    ]


def to_profile(_context: TenantContext, request: Request) -> Response:
    """`GET …/portal`."""
    return HTTPSeeOther(_profile_url(request))


def open_portal(context: TenantContext, request: Request) -> Any:
    """`POST …/portal` with `reason`, `look` (to change nothing), and `password` when it was not given lately.

    `wish` names one that the subscriber has allowed. Leads to the portal, or asks where the organization wants it.
    """
    organization, subscriber = named(request)
    me = context.account
    assert me is not None  # the route asks for somebody who is signed in
    reason = " ".join(request.POST.get("reason", "").split())
    typed = {"reason": reason[: support.LONGEST_REASON], "look": request.POST.get("look", "")}
    wish = _allowed(request, me, subscriber.id)
    if wish is None and not 0 < len(reason) <= support.LONGEST_REASON:
        wrong = _("Say why, in ${n} characters at most.", mapping={"n": support.LONGEST_REASON})
        return _refuse(context, request, typed, {"reason": wrong})
    answer = _step_up(context, request, me, typed)
    if answer is not None:
        return answer
    if wish is None:
        asks = _asks_consent(request, organization.org_id)
        wish = support.ask(request.db, me, subscriber, reason, bool(typed["look"]), asks)
        if asks:
            support.record(request, audit.SUPPORT_ASKED, wish, request.db)
            support.tell_subscriber(request, request.db, wish, "core/mail/support_asked")
            asked = _("${name} was asked, by email too. Come back when they have answered.")
            request.flash(asked % {"name": subscriber.name})
            return HTTPSeeOther(_profile_url(request))
    return _to_portal(request, wish, subscriber.name)


def _to_portal(request: Request, wish: SupportSession, name: str) -> dict[str, Any]:
    """A page that leads on: a form must not lead to another host by itself."""
    ticket = support.make_ticket(wish)
    request.override_renderer = "core/console_ticket.pt"
    request.response.headers["Cache-Control"] = "no-store"
    origin = support.portal_origin(request, request.db, wish.org_id)
    return {"portal_url": f"{origin}/support/{ticket}", "profile_url": _profile_url(request), "name": name}


def _allowed(request: Request, me: AccountInfo, subscriber_id: UUID) -> SupportSession | None:
    """The wish that the form names, if it is one's own and was allowed. One that needed no consent, and was not used at
    once, is not kept for a time when the organization asks for it."""
    named_wish = request.POST.get("wish", "")
    return next(
        (
            wish
            for wish in support.of_subscriber(request.db, subscriber_id, actor_id=me.id)
            if str(wish.id) == named_wish and wish.needs_consent and support.is_usable(wish)
        ),
        None,
    )


def _step_up(context: TenantContext, request: Request, me: AccountInfo, typed: dict[str, str]) -> Any:
    """Ask for the password, and for the stronger proofs that features add, unless they were given lately; None when
    all is well."""
    if not support.needs_password(request.db, me):
        return None
    password = request.POST.get("password", "")
    if not password:
        return _refuse(context, request, typed, {"password": _("Enter your password.")})
    guard: SignInGuard = request.registry["ringstead.sign_in_guard"]
    seconds = guard.check_password(me.id)
    if seconds:
        return too_many(request, profile_values(context, request, typed=typed), seconds)
    passwords: Passwords = request.registry["ringstead.passwords"]
    account = request.db.get_one(Account, (context.partner.id, me.id))
    try:
        if not passwords.verify(account.password_hash, password):
            return _refuse(context, request, typed, {"password": _("That is not your password.")})
    except Busy:
        return busy(request, profile_values(context, request, typed=typed))
    guard.checked(me.id)
    wrong = _wrong_proofs(context, request)
    if wrong:
        return _refuse(context, request, typed, wrong)
    request.db.execute(
        update(WebSession).where(WebSession.id == me.session_id).values(verified_at=datetime.now(UTC))
    )
    return None


def _wrong_proofs(context: TenantContext, request: Request) -> dict[str, Any]:
    """What is wrong with the proofs that features ask for beside the password."""
    try:
        return {
            f"step-{one.id}": _("That is not right. Try again.")
            for one in support.step_ups(request, context)
            if not one.verify(request.POST.get(one.id, "")[:200])
        }
    except support.ProofAway:
        return {"password": _("A proof that you have set up cannot be checked now. Try again later.")}


def _asks_consent(request: Request, org_id: UUID) -> bool:
    """Whether the organization wants its people to be asked."""
    with request.database.run_as(org_id) as session:
        return bool(load(session, request.declared_settings)[support.CONSENT])


def _refuse(context: TenantContext, request: Request, typed: dict[str, str], errors: dict[str, Any]) -> Any:
    banner = Banner(_("The portal was not opened."), "warn")
    return refused(request, profile_values(context, request, typed=typed, errors=errors, banner=banner))


def _profile_url(request: Request) -> str:
    words = request.matchdict
    url: str = request.route_path(
        "core.console.subscribers.profile", id=words["id"], subscriber=words["subscriber"]
    )
    return url
