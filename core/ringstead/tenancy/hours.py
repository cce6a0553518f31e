"""Business hours: when an organization, or one of its locations, is open.

Hours are kept as `[day, opens, closes]` texts: `["mon", "09:00", "17:30"]`, in the local time of the place. A time of
closing that is not after the opening is the next day's; `24:00` is the end of the day. Holidays are kept as
`[date, name]`: `["2026-12-25", "Christmas Day"]`; on them it is closed all day.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from ringstead.db.session import TenantSession
from ringstead.preferences.cascade import Preferences
from ringstead.tenancy.models import Location

HOURS: Final = "core.hours"
HOLIDAYS: Final = "core.holidays"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_HOLIDAYS: Final = 200
_TIME: Final = re.compile(r"([01]?\d|2[0-4])(?:[:.]([0-5]\d))?")
_PERIOD: Final = re.compile(rf"\s*{_TIME.pattern}\s*[-–]\s*{_TIME.pattern}\s*")
_MOST_PERIODS: Final = 4
# How far ahead the next opening is looked for.
_AHEAD: Final = 15

Hours = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class OfficeState:
    """Whether it is open, until when that holds (UTC; None: for longer than two weeks), and today's holiday, if any."""

    is_open: bool
    until: datetime | None
    holiday: str = ""


def parse_day(day: str, text: str) -> list[list[str]]:
    """A day's hours as people type them: `9-12, 13:00-17:30`; empty: closed. Raises ValueError."""
    periods = [period for period in text.replace(";", ",").split(",") if period.strip()]
    if len(periods) > _MOST_PERIODS:
        raise ValueError("too many periods")
    return [[day, *_period(period)] for period in periods]


def _period(text: str) -> tuple[str, str]:
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no period like 9:00-17:30")
    first, first_minutes, last, last_minutes = found.groups()
    opens, closes = _clock(first, first_minutes), _clock(last, last_minutes)
    if opens == closes or opens == "24:00":
        raise ValueError(f"{text!r} is no period of time")
    return opens, closes


def _clock(hours: str, minutes: str | None) -> str:
    written = f"{int(hours):02d}:{minutes or '00'}"
    if written > "24:00":
        raise ValueError(f"{written} is no time of day")
    return written


def day_text(hours: Hours, day: str) -> str:
    """A day's hours as they stand in a form."""
    return ", ".join(f"{opens}-{closes}" for one, opens, closes in hours if one == day)


def parse_holidays(text: str) -> list[list[str]]:
    """Lines of `2026-12-25 Christmas Day`, in order, each day once. Raises ValueError that quotes the wrong line."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip():
            written, _space, name = line.strip().partition(" ")
            try:
                found[date.fromisoformat(written).isoformat()] = name.strip()[:80]
            except ValueError:
                raise ValueError(line.strip()[:60]) from None
    if len(found) > MOST_HOLIDAYS:
        raise ValueError(f"{len(found)} days")
    return [[day, found[day]] for day in sorted(found)]


def public_holidays(country: str, year: int, language: str) -> list[list[str]]:
    """The public holidays of a country (ISO 3166) in a year, in one of the languages known for it; none is known for
    some countries."""
    # Takes long to import, and is used once in a while.
    import holidays

    supported = holidays.list_localized_countries().get(country, [])
    chosen = next(
        (one for one in supported if one.replace("_", "-").split("-")[0] == language.split("-")[0]), None
    )
    try:
        found = holidays.country_holidays(country, years=year, language=chosen)
    except NotImplementedError:
        return []
    return [[day.isoformat(), str(name)[:80]] for day, name in sorted(found.items())]


def state_at(hours: Hours, holidays: Hours, zone: ZoneInfo, at: datetime) -> OfficeState | None:
    """Whether it is open `at` a moment (UTC); None where no hours are kept."""
    if not hours:
        return None
    closed = {one[0]: one[1] for one in holidays}
    here = at.astimezone(zone).date()
    holiday = closed.get(here.isoformat(), "")
    begins: datetime | None = None
    for start, end in _merged(_periods(hours, closed, zone, here)):
        if start <= at < end:
            horizon = datetime.combine(here + timedelta(days=_AHEAD - 1), datetime.min.time(), zone)
            return OfficeState(True, end if end < horizon.astimezone(UTC) else None, holiday)
        if start > at:
            begins = start
            break
    return OfficeState(False, begins, holiday)


def _periods(
    hours: Hours, closed: Mapping[str, str], zone: ZoneInfo, here: date
) -> Iterator[tuple[datetime, datetime]]:
    """The periods of the days around, in UTC, in order. Holidays have none; the night before them ends as usual."""
    for offset in range(-1, _AHEAD):
        day = here + timedelta(days=offset)
        if day.isoformat() in closed:
            continue
        for name, opens, closes in sorted(hours, key=lambda one: one[1]):
            if name == DAYS[day.weekday()]:
                start = _moment(day, opens, zone)
                yield start, _moment(day + timedelta(days=closes <= opens), closes, zone)


def _moment(day: date, clock: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, clock.split(":"))
    local = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=hour // 24)
    return local.replace(hour=hour % 24, minute=minute).astimezone(UTC)


def _merged(periods: Iterator[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Periods that touch are one: 24:00 of a day is 00:00 of the next."""
    current: tuple[datetime, datetime] | None = None
    for start, end in periods:
        if current is not None and start <= current[1]:
            current = current[0], max(current[1], end)
            continue
        if current is not None:
            yield current
        current = start, end
    if current is not None:
        yield current


def office_state(
    session: TenantSession, preferences: Preferences, location_id: UUID | None, at: datetime
) -> OfficeState | None:
    """Whether a location of the session's organization (or the organization) is open; None where no hours are kept.

    `preferences` are the organization's. A location without hours or zone of its own has the organization's.
    """
    hours, zone = preferences[HOURS], preferences["core.time_zone"]
    if location_id is not None:
        location = session.get(Location, (session.org_id, location_id))
        if location is not None:
            hours = hours if location.hours is None else location.hours
            zone = location.time_zone or zone
    return state_at(hours, preferences[HOLIDAYS], ZoneInfo(zone), at)
