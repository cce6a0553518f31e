"""The form of a subscriber: a new one, or one that there is."""

from typing import Any, Final
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import select

from ringstead.api import TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.db.session import TenantSession
from ringstead.preferences.store import load
from ringstead.subscribers import accounts, changes, desk, forms, pages, ranges
from ringstead.subscribers.desk import Desk, desk_of, session_of
from ringstead.tenancy.models import FeaturePackage, Location, Subscriber
from ringstead.tenancy.packages import by_name, list_packages

_ = translations("ringstead")
# How many free numbers are offered.
_OFFERED: Final = 50


def show_new(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/new`: the next free extension stands there already."""
    here = desk_of(request)
    with session_of(request, here) as session:
        free = ranges.free_numbers(session, "extension", 1)
        return _values(
            request, session, here, None, {"extension": free[0] if free else "", "role": "subscriber"}
        )


def create(_context: TenantContext, request: Request) -> Any:
    """`POST …/new` with name, extension, number, email, role, location, and `invite` to send an invitation."""
    here = desk_of(request)
    with session_of(request, here) as session:
        person, problems = _read(request, session, here)
        made = problems if person is None else changes.create(request, session, person)
        if not isinstance(made, Subscriber):
            return _refuse(request, _values(request, session, here, None, _typed(request), made))
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
        return _values(request, session, here, subscriber, _of(session, subscriber))


def change(context: TenantContext, request: Request) -> Any:
    """`POST …/{subscriber}/edit` with the same fields as a new one."""
    here = desk_of(request)
    with session_of(request, here) as session:
        subscriber = desk.find(session, request)
        person, problems = _read(request, session, here, subscriber)
        before = changes.described(session, subscriber)
        if person is not None and desk.is_reader(context, subscriber):
            # Nobody locks themselves out by a slip.
            if person.role != before["role"]:
                problems["role"] = _("That is you. Ask another admin to change this.")
            if person.email != before["email"]:
                problems["email"] = _("That is you. Ask another admin to change this.")
        if person is not None and not here.is_console and _takes_away(session, subscriber, person.package_id):
            problems["package"] = _("Your provider gave this package. Ask them to change it.")
        if person is not None and not problems:
            problems = changes.change(request, session, subscriber, person)
        if person is None or problems:
            return _refuse(request, _values(request, session, here, subscriber, _typed(request), problems))
        request.flash(_("Saved."))
        return pages.to_profile(here, subscriber)


def _refuse(request: Request, values: dict[str, Any]) -> dict[str, Any]:
    return refused(request, {**values, "banner": Banner(_("Nothing was saved yet. See below."), "warn")})


def _read(
    request: Request, session: TenantSession, here: Desk, subscriber: Subscriber | None = None
) -> tuple[changes.Person | None, changes.Problems]:
    return forms.read_person(_typed(request), offer_of(request, session, here.is_console, subscriber))


def offer_of(
    request: Request, session: TenantSession, is_console: bool, subscriber: Subscriber | None = None
) -> forms.Offer:
    """What there is to choose from for a subscriber. An organization's admins give the packages that they may, and
    leave the one that the subscriber has."""
    packages = list_packages(session, given_by_admins=not is_console)
    if subscriber is not None and subscriber.package_id is not None:
        own = session.get(FeaturePackage, (subscriber.partner_id, subscriber.package_id))
        if own is not None and own not in packages:
            packages.append(own)
    region = load(session, request.declared_settings)["core.region"]
    return forms.Offer(region, locations_of(session), by_name(packages))


def _takes_away(session: TenantSession, subscriber: Subscriber, wanted: UUID | None) -> bool:
    """Whether a package that only the partner may give would be taken from a subscriber."""
    if subscriber.package_id is None or subscriber.package_id == wanted:
        return False
    own = session.get(FeaturePackage, (subscriber.partner_id, subscriber.package_id))
    return own is None or not own.admins_give


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
    package = None
    if subscriber.package_id is not None:
        package = session.get(FeaturePackage, (subscriber.partner_id, subscriber.package_id))
    return {
        "name": subscriber.name,
        "package": "" if package is None else package.name,
        "extension": subscriber.extension,
        "number": subscriber.number or "",
        "email": "" if account is None else account.email,
        "role": "subscriber" if member is None else member.role,
        "location": "" if location is None else location.slug,
    }


def _values(
    request: Request,
    session: TenantSession,
    here: Desk,
    subscriber: Subscriber | None,
    typed: dict[str, str],
    problems: changes.Problems | None = None,
) -> dict[str, Any]:
    offer = offer_of(request, session, here.is_console, subscriber)
    return {
        "desk": here,
        "subscriber": subscriber,
        "typed": typed,
        "errors": problems or {},
        "labels": forms.LABELS,
        "roles": [(role, pages.ROLES[role]) for role in forms.ROLES],
        "locations": list(offer.locations.values()),
        "packages": [one.name for one in offer.packages.values()],
        "free_numbers": ranges.free_numbers(session, "did", _OFFERED),
    }
