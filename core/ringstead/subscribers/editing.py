"""The form of a subscriber: a new one, or one that there is."""

from typing import Any, Final

from pyramid.request import Request
from sqlalchemy import select

from ringstead.api import TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.db.session import TenantSession
from ringstead.preferences.store import load
from ringstead.subscribers import accounts, changes, desk, forms, pages, ranges
from ringstead.subscribers.desk import Desk, desk_of, session_of
from ringstead.tenancy.models import Location, Subscriber

_ = translations("ringstead")
# How many free numbers are offered.
_OFFERED: Final = 50


def show_new(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/new`: the next free extension stands there already."""
    here = desk_of(request)
    with session_of(request, here) as session:
        free = ranges.free_numbers(session, "extension", 1)
        return _values(session, here, None, {"extension": free[0] if free else "", "role": "subscriber"})


def create(_context: TenantContext, request: Request) -> Any:
    """`POST …/new` with name, extension, number, email, role, location, and `invite` to send an invitation."""
    here = desk_of(request)
    with session_of(request, here) as session:
        person, problems = _read(request, session)
        made = problems if person is None else changes.create(request, session, person)
        if not isinstance(made, Subscriber):
            return _refuse(request, _values(session, here, None, _typed(request), made))
        if request.POST.get("invite") and changes.invite(request, session, made):
            request.flash(_("${name} is here, and an invitation is on its way.") % {"name": made.name})
        else:
            request.flash(_("${name} is here.") % {"name": made.name})
        return pages.to_profile(here, made)


def show_edit(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/{subscriber}/edit`."""
    here = desk_of(request)
    with session_of(request, here) as session:
        subscriber = desk.find(session, request)
        return _values(session, here, subscriber, _of(session, subscriber))


def change(context: TenantContext, request: Request) -> Any:
    """`POST …/{subscriber}/edit` with the same fields as a new one."""
    here = desk_of(request)
    with session_of(request, here) as session:
        subscriber = desk.find(session, request)
        person, problems = _read(request, session)
        before = changes.described(session, subscriber)
        if person is not None and desk.is_reader(context, subscriber):
            # Nobody locks themselves out by a slip.
            if person.role != before["role"]:
                problems["role"] = _("That is you. Ask another admin to change this.")
            if person.email != before["email"]:
                problems["email"] = _("That is you. Ask another admin to change this.")
        if person is not None and not problems:
            problems = changes.change(request, session, subscriber, person)
        if person is None or problems:
            return _refuse(request, _values(session, here, subscriber, _typed(request), problems))
        request.flash(_("Saved."))
        return pages.to_profile(here, subscriber)


def _refuse(request: Request, values: dict[str, Any]) -> dict[str, Any]:
    return refused(request, {**values, "banner": Banner(_("Nothing was saved yet. See below."), "warn")})


def _read(request: Request, session: TenantSession) -> tuple[changes.Person | None, changes.Problems]:
    region = load(session, request.declared_settings)["core.region"]
    return forms.read_person(_typed(request), region, locations_of(session))


def _typed(request: Request) -> dict[str, str]:
    return {name: request.POST.get(name, "")[:300] for name in (*forms.FIELDS, "invite")}


def locations_of(session: TenantSession) -> dict[str, Location]:
    """The organization's locations by slug, in order of their names."""
    wanted = select(Location).order_by(Location.name, Location.slug)
    return {location.slug: location for location in session.scalars(wanted)}


def _of(session: TenantSession, subscriber: Subscriber) -> dict[str, str]:
    """What the form of a subscriber says before anybody typed."""
    members = accounts.members_of(session, subscriber.id)
    account, member = members[0] if members else (None, None)
    location = None
    if subscriber.location_id is not None:
        location = session.get(Location, (subscriber.org_id, subscriber.location_id))
    return {
        "name": subscriber.name,
        "extension": subscriber.extension,
        "number": subscriber.number or "",
        "email": "" if account is None else account.email,
        "role": "subscriber" if member is None else member.role,
        "location": "" if location is None else location.slug,
    }


def _values(
    session: TenantSession,
    here: Desk,
    subscriber: Subscriber | None,
    typed: dict[str, str],
    problems: changes.Problems | None = None,
) -> dict[str, Any]:
    return {
        "desk": here,
        "subscriber": subscriber,
        "typed": typed,
        "errors": problems or {},
        "labels": forms.LABELS,
        "roles": [(role, pages.ROLES[role]) for role in forms.ROLES],
        "locations": list(locations_of(session).values()),
        "free_numbers": ranges.free_numbers(session, "did", _OFFERED),
    }
