"""Business hours, holidays, and locations, of the whole organization and of each place: on consoles and in portals."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import select, update

from ringstead import audit
from ringstead.api import NavItem, Route, Setting, Situation, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.console.new_organization import slug_of
from ringstead.console.rights import MANAGE
from ringstead.db.base import new_id
from ringstead.db.session import TenantSession
from ringstead.preferences.cascade import Preferences
from ringstead.preferences.store import SettingRefused, load, set_for_organization
from ringstead.subscribers.desk import Desk, desk_of, on_both, session_of
from ringstead.subscribers.pages import unknown_act
from ringstead.tenancy import fields, hours
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.hours import DAYS, HOLIDAYS, HOURS
from ringstead.tenancy.models import Location, Subscriber
from ringstead.web.choices import country_name

_ = translations("ringstead")
CHANGED: Final = audit.declare_action("hours.changed", _("Changed business hours or holidays"))
PLACED: Final = audit.declare_action("location.saved", _("Saved a location"))
REMOVED: Final = audit.declare_action("location.removed", _("Removed a location"))
DAY_TITLES: Final = {
    "mon": _("Monday"),
    "tue": _("Tuesday"),
    "wed": _("Wednesday"),
    "thu": _("Thursday"),
    "fri": _("Friday"),
    "sat": _("Saturday"),
    "sun": _("Sunday"),
}
_WRONG_DAY: Final = _("Write times such as 9:00-12:00, 13:00-17:30, or nothing for closed.")
_LONGEST: Final = 20_000
_YEAR_DIGITS: Final = 4


def routes() -> list[Route]:
    """The organization's hours with its locations, and a location."""
    post, page, place = ("POST",), "hours", "location"
    return [
        *on_both("hours", "/hours", show, MANAGE, page),
        *on_both("hours.change", "/hours", change, MANAGE, page, post),
        *on_both("hours.new", "/locations/new", show_new, MANAGE, place),
        *on_both("hours.create", "/locations/new", save_location, MANAGE, place, post),
        *on_both("hours.location", "/locations/{location}", show_location, MANAGE, place),
        *on_both("hours.save", "/locations/{location}", save_location, MANAGE, place, post),
    ]


def navigation() -> list[NavItem]:
    """For who looks after an organization."""
    return [
        NavItem(
            id="core.hours",
            title=_("Hours and locations"),
            route="core.hours",
            permission=MANAGE.name,
            icon="calendar",
            section="account",
            order=810,
        )
    ]


def settings() -> list[Setting]:
    """What an organization keeps."""
    rule: Any = {"type": list, "default": [], "level": "organization"}
    return [
        Setting(name=HOURS, title=_("Business hours"), **rule),
        Setting(name=HOLIDAYS, title=_("Holidays"), **rule),
    ]


def situations(session: TenantSession, subscriber_id: UUID) -> list[Situation]:
    """Whether the place where a subscriber is, or their organization, is closed now; none where no hours are kept."""
    zone = Setting(name="core.time_zone", title="", type=str, default="UTC", level="subscriber")
    kept = load(session, {setting.name: setting for setting in (*settings(), zone)})
    subscriber = session.get(Subscriber, (session.org_id, subscriber_id))
    location_id = None if subscriber is None else subscriber.location_id
    state = hours.office_state(session, kept, location_id, datetime.now(UTC))
    if state is None:
        return []
    return [Situation(id="core.closed", title=_("The office is closed"), is_now=not state.is_open)]


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/hours`. With `year`, that year's public holidays stand in the form, to be saved or not."""
    here = desk_of(request)
    with session_of(request, here) as session:
        return _values(request, session, here)


def change(_context: TenantContext, request: Request) -> Any:
    """`POST …/hours` with a field for each day, `time_zone`, and `holidays` (a line each: date and name); or `do`
    public with `year`, which puts the public holidays into the form."""
    here, do = desk_of(request), request.POST.get("do", "save")
    with session_of(request, here) as session:
        if do == "public":
            return _with_public_holidays(request, session, here)
        if do != "save":
            raise unknown_act()
        errors: dict[str, Any] = {}
        wanted = {HOURS: read_days(request, errors), "core.time_zone": _zone(request, errors)}
        wanted[HOLIDAYS] = _holidays(request, errors)
        before = load(session, request.declared_settings)
        if not errors:
            try:
                for name, value in wanted.items():
                    set_for_organization(session, request.declared_settings, name, value)
            except SettingRefused:
                errors["time_zone"] = _("Your provider has fixed this.")
        if errors:
            return _refuse(request, _values(request, session, here, typed=_typed(request), errors=errors))
        detail = audit.changed({name: before[name] for name in wanted}, wanted)
        audit.record(request, CHANGED, detail=detail, session=session)
    request.flash(_("Saved."))
    return HTTPSeeOther(request.path)


def _with_public_holidays(request: Request, session: TenantSession, here: Desk) -> dict[str, Any]:
    """The form with the public holidays of a year added to what is typed; nothing is saved."""
    typed = _typed(request)
    year = request.POST.get("year", "")
    errors: dict[str, Any] = {}
    region = load(session, request.declared_settings)["core.region"]
    found: list[list[str]] = []
    if year.isdecimal() and len(year) == _YEAR_DIGITS and 2000 <= int(year) <= 2100:
        found = hours.public_holidays(region, int(year), request.tenant.locale)
    if not found:
        errors["year"] = _("No public holidays are known for this year and country.")
    try:
        known = hours.parse_holidays(typed["holidays"])
    except ValueError:
        known = []
        errors["holidays"] = _wrong_line(typed["holidays"])
    if not errors:
        both = {one[0]: one[1] for one in [*found, *known]}
        typed["holidays"] = holiday_text([[day, both[day]] for day in sorted(both)])
        banner = Banner(_("The public holidays stand below. Save to keep them."), "info")
        return _values(request, session, here, typed=typed, banner=banner)
    return _refuse(request, _values(request, session, here, typed=typed, errors=errors))


def read_days(request: Request, errors: dict[str, Any]) -> list[list[str]]:
    """The hours of the form's seven fields; a wrong one is named in `errors`."""
    found: list[list[str]] = []
    for day in DAYS:
        try:
            found += hours.parse_day(day, request.POST.get(day, "")[:200])
        except ValueError:
            errors[day] = _WRONG_DAY
    return found


def _zone(request: Request, errors: dict[str, Any]) -> str:
    zone = str(request.POST.get("time_zone", ""))
    try:
        return fields.time_zone(zone)
    except ValueError:
        errors["time_zone"] = _("Choose a time zone of the list, such as Europe/Vienna.")
        return ""


def _holidays(request: Request, errors: dict[str, Any]) -> list[list[str]]:
    text = request.POST.get("holidays", "")[:_LONGEST]
    try:
        return hours.parse_holidays(text)
    except ValueError:
        errors["holidays"] = _wrong_line(text)
        return []


def _wrong_line(text: str) -> Any:
    try:
        hours.parse_holidays(text)
    except ValueError as error:
        wrong = _("“${line}” is no day: write 2026-12-25 and a name on each line, ${n} lines at most.")
        return wrong % {"line": str(error), "n": hours.MOST_HOLIDAYS}
    return ""


def holiday_text(days: Any) -> str:
    """Holidays as they stand in the form."""
    return "\n".join(f"{day} {name}".strip() for day, name in days)


def _typed(request: Request) -> dict[str, str]:
    names = (*DAYS, "time_zone", "holidays", "year", "name")
    return {name: request.POST.get(name, "")[:_LONGEST] for name in names}


def _refuse(request: Request, values: dict[str, Any]) -> dict[str, Any]:
    return refused(request, {**values, "banner": Banner(_("Nothing was saved yet. See below."), "warn")})


def _days_of(kept: Any) -> dict[str, str]:
    return {day: hours.day_text(kept, day) for day in DAYS}


def _values(
    request: Request, session: TenantSession, here: Desk, typed: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    kept = load(session, request.declared_settings)
    standing = {
        **_days_of(kept[HOURS]),
        "time_zone": kept["core.time_zone"],
        "holidays": holiday_text(kept[HOLIDAYS]),
        "year": str(datetime.now(request.tenant.time_zone).year),
    }
    locations = list(session.scalars(select(Location).order_by(Location.name, Location.slug)))
    return {
        "desk": here,
        "typed": typed or standing,
        "days": DAY_TITLES,
        "zones": request.declared_settings["core.time_zone"].choices,
        "country": country_name(kept["core.region"], request.tenant.locale),
        "locations": [(one, _state(session, kept, one)) for one in locations],
        "state": _state(session, kept, None),
        "errors": {},
        "labels": {**DAY_TITLES, "time_zone": _("Time zone"), "holidays": _("Holidays"), "year": _("Year")},
        **more,
    }


def _state(session: TenantSession, kept: Preferences, location: Location | None) -> hours.OfficeState | None:
    return hours.office_state(session, kept, None if location is None else location.id, datetime.now(UTC))


# Locations


def show_new(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/locations/new`."""
    here = desk_of(request)
    with session_of(request, here) as session:
        return _location_values(request, session, here, None, {})


def show_location(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/locations/{location}`."""
    here = desk_of(request)
    with session_of(request, here) as session:
        location = _find(session, request)
        typed = {
            "name": location.name,
            "time_zone": location.time_zone or "",
            "own": "" if location.hours is None else "on",
            **_days_of(location.hours or []),
        }
        return _location_values(request, session, here, location, typed)


def save_location(_context: TenantContext, request: Request) -> Any:
    """`POST …/locations/new` or `…/locations/{location}` with `name`, `time_zone` (empty: the organization's), `own`
    (on: the hours are those of the fields for each day); or `do` remove."""
    here = desk_of(request)
    with session_of(request, here) as session:
        location = _find(session, request) if "location" in request.matchdict else None
        if request.POST.get("do") == "remove" and location is not None:
            _remove(request, session, location)
            return HTTPSeeOther(f"{here.root}/hours")
        errors: dict[str, Any] = {}
        values = _read_location(request, location, errors)
        if errors:
            typed = {**_typed(request), "own": request.POST.get("own", "")}
            return _refuse(
                request, {**_location_values(request, session, here, location, typed), "errors": errors}
            )
        before = {} if location is None else {name: getattr(location, name) for name in values}
        if location is None:
            location = Location(id=new_id(), slug=_free_slug(session, values["name"]))
            session.add(location)
        for name, value in values.items():
            setattr(location, name, value)
        session.flush()
        detail = audit.changed(before, values)
        audit.record(request, PLACED, target=location.name, detail=detail, session=session)
    request.flash(_("Saved."))
    return HTTPSeeOther(f"{here.root}/hours")


def _read_location(request: Request, location: Location | None, errors: dict[str, Any]) -> dict[str, Any]:
    name = ""
    try:
        name = fields.display_name(request.POST.get("name", ""))
    except ValueError:
        errors["name"] = _("Enter a name of at most 80 characters.")
    zone = _zone(request, errors) if request.POST.get("time_zone") else None
    has_typed = any(request.POST.get(day, "").strip() for day in DAYS)
    # Whoever takes the tick away goes back to the organization's hours; who never set it and writes hours means them.
    had_own = location is not None and location.hours is not None
    is_own = bool(request.POST.get("own")) or (has_typed and not had_own)
    return {"name": name, "time_zone": zone, "hours": read_days(request, errors) if is_own else None}


def _free_slug(session: TenantSession, name: str) -> str:
    base = slug_of(name)[:36] or "location"
    taken = set(session.scalars(select(Location.slug)))
    numbered = (base if n == 1 else f"{base}-{n}" for n in range(1, len(taken) + 2))
    return next(slug for slug in numbered if slug not in taken)


def _remove(request: Request, session: TenantSession, location: Location) -> None:
    """Remove a location; who was there is nowhere in particular then."""
    session.execute(update(Subscriber).where(Subscriber.location_id == location.id).values(location_id=None))
    session.delete(location)
    audit.record(request, REMOVED, target=location.name, session=session)
    request.flash(_("${name} is removed.") % {"name": location.name})


def _find(session: TenantSession, request: Request) -> Location:
    found = session.get(Location, (session.org_id, id_of(request.matchdict["location"])))
    if found is None:
        raise HTTPNotFound
    return found


def _location_values(
    request: Request, session: TenantSession, here: Desk, location: Location | None, typed: dict[str, str]
) -> dict[str, Any]:
    return {
        "desk": here,
        "location": location,
        "typed": typed,
        "days": DAY_TITLES,
        "zones": request.declared_settings["core.time_zone"].choices,
        "errors": {},
        "labels": {"name": _("Name"), "time_zone": _("Time zone"), **DAY_TITLES},
    }
