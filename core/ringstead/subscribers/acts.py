"""The buttons of a profile: suspend, let in again, invite, sign out, remove, and what features add."""

from typing import Any, Final

from limits import RateLimitItemPerDay
from pyramid.httpexceptions import HTTPForbidden, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import delete, select

from ringstead import audit
from ringstead.api import TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.auth.throttle import Charge, Throttle
from ringstead.db.session import TenantSession
from ringstead.plugins.enablement import enabled_plugins
from ringstead.privacy import PrivacyFailed
from ringstead.subscribers import changes, desk, pages
from ringstead.subscribers.desk import MANAGE, Desk, desk_of, session_of
from ringstead.tenancy.models import Membership, Subscriber, WebSession

_ = translations("ringstead")
# For one subscriber: their mailbox is not ours to fill.
INVITATIONS: Final = RateLimitItemPerDay(10)
HELPED = audit.declare_action("subscriber.helped", _("Did something for a subscriber"))
SIGNED_OUT = audit.declare_action("subscriber.signed-out", _("Signed a subscriber out everywhere"))


def act(context: TenantContext, request: Request) -> Any:
    """`POST …/{subscriber}` with `do`: suspend, resume, invite, sign_out, remove, or the name of a feature's act."""
    here, do = desk_of(request), request.POST.get("do", "")
    if do == "remove":
        return _remove(context, request, here)
    with session_of(request, here) as session:
        subscriber = desk.find(session, request)
        if do in ("suspend", "resume"):
            return _set_status(context, request, session, here, subscriber)
        if do == "invite":
            _invite(request, session, subscriber)
        elif do == "sign_out":
            _sign_out(request, session, subscriber)
        else:
            _of_a_feature(request, session, subscriber, do)
        return pages.to_profile(here, subscriber)


def _set_status(
    context: TenantContext, request: Request, session: TenantSession, here: Desk, subscriber: Subscriber
) -> Any:
    _ask_right(context)
    is_active = request.POST["do"] == "resume"
    if desk.is_reader(context, subscriber):
        return _refuse(context, request, _("That is you. Ask another admin."))
    changes.set_status(request, session, subscriber, is_active)
    out = _("${name} is suspended and signed out. Calls go on as before.")
    request.flash((_("${name} can sign in again.") if is_active else out) % {"name": subscriber.name})
    return pages.to_profile(here, subscriber)


def _ask_right(context: TenantContext) -> None:
    if not context.can(MANAGE.name):
        raise HTTPForbidden(_("Only admins may do this."))


def _invite(request: Request, session: TenantSession, subscriber: Subscriber) -> None:
    throttle: Throttle = request.registry["ringstead.throttle"]
    if throttle.take([Charge(INVITATIONS, ("core.invite", str(subscriber.org_id), str(subscriber.id)))]):
        request.flash(_("${name} was invited often enough today.") % {"name": subscriber.name}, "warn")
        return
    emails = changes.invite(request, session, subscriber)
    if emails:
        request.flash(_("An invitation is on its way to ${emails}.") % {"emails": ", ".join(emails)})
    else:
        request.flash(
            _("Nobody signs in here yet. Give ${name} an email address first.") % {"name": subscriber.name}
        )


def _sign_out(request: Request, session: TenantSession, subscriber: Subscriber) -> None:
    members = list(session.scalars(select(Membership.id).where(Membership.subscriber_id == subscriber.id)))
    session.execute(delete(WebSession).where(WebSession.membership_id.in_(members)))
    audit.record(request, SIGNED_OUT, target=subscriber.name, subject=subscriber.id, session=session)
    request.flash(_("${name} is signed out everywhere.") % {"name": subscriber.name})


def _of_a_feature(request: Request, session: TenantSession, subscriber: Subscriber, name: str) -> None:
    known = {one.name: one for one in request.plugins.subscriber_acts(enabled_plugins(session))}
    if name not in known:
        raise pages.unknown_act()
    said = known[name].run(session, subscriber.id)
    if said is None:
        request.flash(_("There was nothing to do."))
        return
    detail = {"act": name}
    audit.record(
        request, HELPED, target=subscriber.name, detail=detail, subject=subscriber.id, session=session
    )
    request.flash(said)


def _remove(context: TenantContext, request: Request, here: Desk) -> Response | dict[str, Any]:
    """Removing asks for the extension, so that nobody is removed by a slip."""
    _ask_right(context)
    try:
        with session_of(request, here) as session, session.begin_nested():
            subscriber = desk.find(session, request)
            if desk.is_reader(context, subscriber):
                return _refuse(context, request, _("That is you. Ask another admin."))
            if request.POST.get("sure", "").strip() != subscriber.extension:
                errors = {"sure": _("Enter the extension of who is to be removed.")}
                return refused(request, pages.profile_values(context, request, errors=errors))
            changes.remove(request, session, subscriber)
    except PrivacyFailed as error:
        why = _("Nobody was removed. ${why}") % {"why": str(error)}
        return _refuse(context, request, why)
    request.flash(_("${name} is removed.") % {"name": subscriber.name})
    return HTTPSeeOther(here.path)


def _refuse(context: TenantContext, request: Request, why: Any) -> dict[str, Any]:
    return refused(request, pages.profile_values(context, request, banner=Banner(why, "warn")))
