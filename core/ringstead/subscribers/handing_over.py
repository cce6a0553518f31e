"""Somebody leaves: their number and what features keep for them goes to a colleague, and they are suspended."""

from typing import Any

from pyramid.request import Request
from sqlalchemy import select

from ringstead import audit
from ringstead.api import HandedOver, TenantContext, translations
from ringstead.auth.answers import refused
from ringstead.db.session import TenantSession
from ringstead.plugins.asking import ask
from ringstead.subscribers import changes, desk, pages
from ringstead.subscribers.desk import Desk, desk_of, session_of
from ringstead.tenancy.models import Subscriber
from ringstead.web.formats import format_number_e164

_ = translations("ringstead")
HANDED_OVER = audit.declare_action("subscriber.handed-over", _("Handed a subscriber’s things to a colleague"))


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/{subscriber}/hand-over`."""
    here = desk_of(request)
    with session_of(request, here) as session:
        return _values(session, here, desk.find(session, request))


def do(context: TenantContext, request: Request) -> Any:
    """`POST …/{subscriber}/hand-over` with `to` (an extension), `number` and `suspend` (on or missing)."""
    here = desk_of(request)
    typed = {name: request.POST.get(name, "")[:40].strip() for name in ("to", "number", "suspend")}
    with session_of(request, here) as session:
        changes.hold_organization(session)
        subscriber = desk.find(session, request)
        heir = session.scalars(select(Subscriber).where(Subscriber.extension == typed["to"])).one_or_none()
        errors = _errors(context, subscriber, heir, typed)
        if heir is None or errors:
            return refused(request, _values(session, here, subscriber, typed, errors))
        _hand_over(request, session, subscriber, heir, moves_number=bool(typed["number"]))
        if typed["suspend"]:
            changes.set_status(request, session, subscriber, is_active=False)
        return pages.to_profile(here, subscriber)


def _errors(
    context: TenantContext, subscriber: Subscriber, heir: Subscriber | None, typed: dict[str, str]
) -> dict[str, Any]:
    if heir is None or heir.id == subscriber.id or heir.status != "active":
        return {"to": _("Enter the extension of a colleague.")}
    if typed["number"] and subscriber.number and heir.number:
        held = _("${name} has the number ${number}. Take it away first, or leave the number where it is.")
        return {"number": held % {"name": heir.name, "number": heir.number}}
    if typed["suspend"] and desk.is_reader(context, subscriber):
        return {"suspend": _("That is you. Ask another admin.")}
    return {}


def _hand_over(
    request: Request, session: TenantSession, subscriber: Subscriber, heir: Subscriber, moves_number: bool
) -> None:
    gone: dict[str, Any] = {}
    number = subscriber.number
    if moves_number and number:
        # One after the other: no number is two subscribers' at any time.
        subscriber.number = None
        session.flush()
        heir.number = number
        session.flush()
        gone["number"] = number
    given = ask(request.plugins, session, "hand_over", HandedOver, subscriber_id=subscriber.id, to_id=heir.id)
    gone |= {str(one.what): one.count for one in given if one.count}
    detail = {"to": f"{heir.name} ({heir.extension})", "gave": gone}
    audit.record(
        request, HANDED_OVER, target=subscriber.name, detail=detail, subject=subscriber.id, session=session
    )
    done = _("${name} hands over to ${heir}: ${what}.")
    moved = [format_number_e164(number)] if "number" in gone and number else []
    what = ", ".join([*moved, *(f"{n} {w}" for w, n in _counted(given))])
    request.flash(done % {"name": subscriber.name, "heir": heir.name, "what": what or "–"})


def _counted(given: list[HandedOver]) -> list[tuple[str, int]]:
    return [(one.what, one.count) for one in given if one.count]


def _values(
    session: TenantSession,
    here: Desk,
    subscriber: Subscriber,
    typed: dict[str, str] | None = None,
    errors: dict[str, Any] | None = None,
) -> dict[str, Any]:
    colleagues = (
        select(Subscriber)
        .where(Subscriber.id != subscriber.id, Subscriber.status == "active")
        .order_by(Subscriber.name)
        .limit(500)
    )
    return {
        "desk": here,
        "subscriber": subscriber,
        "colleagues": list(session.scalars(colleagues)),
        "typed": typed or {"to": "", "number": "on" if subscriber.number else "", "suspend": "on"},
        "errors": errors or {},
        "labels": {"to": _("Colleague"), "number": _("Number"), "suspend": _("Suspend")},
    }
