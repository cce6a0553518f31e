"""Keys of a bundle that are preferences: one line for each says how the file and the database write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from ringstead.tenancy import fields, hours


def _same(value: Any) -> Any:
    return value


def opening_hours(value: str) -> str:
    """The hours of one day, as people type them."""
    try:
        hours.parse_day("mon", value)
    except ValueError:
        raise ValueError("use periods such as 9-12, 13:00-17:30; four at most") from None
    return value


def day(value: str) -> str:
    """A day of the calendar (ISO 8601)."""
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("use a date such as 2026-12-25") from None


def holiday_name(value: str) -> str:
    """What a holiday is called: at most 80 characters on one line, or nothing."""
    return fields.display_name(value) if value.strip() else ""


def stored_hours(written: Mapping[str, str | None] | None) -> list[list[str]] | None:
    """`{"mon": "9-12, 13-17"}` as hours are kept; days that are not named are closed."""
    if written is None:
        return None
    return [period for day in hours.DAYS for period in hours.parse_day(day, written.get(day) or "")]


def written_hours(stored: hours.Hours | None) -> dict[str, str] | None:
    """The other way round."""
    if stored is None:
        return None
    texts = {day: hours.day_text(stored, day) for day in hours.DAYS}
    return {day: text for day, text in texts.items() if text}


def _stored_holidays(written: Mapping[str, str]) -> list[list[str]]:
    return [[day, written[day]] for day in sorted(written)]


def _written_holidays(stored: hours.Hours) -> dict[str, str]:
    return {one[0]: one[1] for one in stored}


@dataclass(frozen=True, slots=True)
class KeptSetting:
    """A field of `PartnerPart` or `OrganizationPart` (of both, where both have it), and the preference that it is."""

    field: str
    name: str
    stored: Callable[[Any], Any] = _same
    written: Callable[[Any], Any] = _same


SETTINGS: Final = (
    KeptSetting("locale", "core.locale"),
    KeptSetting("time_zone", "core.time_zone"),
    KeptSetting("hours", hours.HOURS, stored_hours, written_hours),
    KeptSetting("holidays", hours.HOLIDAYS, _stored_holidays, _written_holidays),
)


def written_setting(field: str, stored: Mapping[str, Any]) -> Any:
    """A field as the file has it, from preferences by name; None when there is none."""
    setting = next(one for one in SETTINGS if one.field == field)
    value = stored.get(setting.name)
    return None if value is None else setting.written(value)
