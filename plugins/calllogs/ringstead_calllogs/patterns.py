"""The reader's way to write dates and times in digits, as CLDR knows it, for whoever writes them.

For Babel, for PostgreSQL's `to_char`, and for the number formats of a spreadsheet.
"""

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from babel import dates

from ringstead.api.formatting import parse_locale

_PART: Final = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_TO_CHAR: Final = {
    "d": "FMDD",
    "dd": "DD",
    "M": "FMMM",
    "MM": "MM",
    "y": "FMYYYY",
    "yyyy": "FMYYYY",
    "H": "FMHH24",
    "HH": "HH24",
    "h": "FMHH12",
    "hh": "HH12",
    "m": "FMMI",
    "mm": "MI",
    "s": "FMSS",
    "ss": "SS",
}
_SHEET: Final = {
    "d": "d",
    "dd": "dd",
    "M": "m",
    "MM": "mm",
    "y": "yyyy",
    "yyyy": "yyyy",
    "H": "h",
    "HH": "hh",
    "h": "h",
    "hh": "hh",
    "m": "mm",  # a lone m would be a month
    "mm": "mm",
    "s": "s",
    "ss": "ss",
    "a": "AM/PM",
}
_PLAIN_DATE, _PLAIN_TIME = "y-MM-dd", "HH:mm:ss"


@lru_cache(maxsize=256)
def date_pattern(locale: str) -> str:
    """Day, month and year in digits, with a year of four: `dd/MM/y`; ISO 8601 where the locale's needs words."""
    pattern = str(_babel(locale).datetime_skeletons["yMd"])
    return pattern if _fields(pattern) <= _TO_CHAR.keys() else _PLAIN_DATE


@lru_cache(maxsize=256)
def time_pattern(locale: str) -> str:
    """A time with seconds: `HH:mm:ss`, `h:mm:ss a`. Spreadsheets read an ordinary space before AM and PM."""
    pattern = str(dates.get_time_format("medium", locale=_babel(locale)).pattern)
    known = _fields(pattern) <= {*_TO_CHAR, "a"}
    return pattern.replace("\u202f", " ") if known else _PLAIN_TIME


@lru_cache(maxsize=20_000)
def date_text(locale: str, day: date) -> str:
    """A date by its pattern."""
    return str(dates.format_date(day, date_pattern(locale), locale=_babel(locale)))


@lru_cache(maxsize=100_000)
def time_text(locale: str, hour: int, minute: int, second: int) -> str:
    """A time by its pattern."""
    moment = datetime(2000, 1, 1, hour, minute, second)
    return str(dates.format_time(moment, time_pattern(locale), locale=_babel(locale)))


def to_char(pattern: str, half: str = "") -> str:
    """A pattern for PostgreSQL. `half` is what stands where AM or PM does; the server knows these two itself."""
    halves_of_day = half if half in ("AM", "am") else _quoted(half)
    return "".join(
        (_TO_CHAR.get(text) or halves_of_day) if is_field else _quoted(text)
        for text, is_field in _parts(pattern)
    )


def sheet_format(pattern: str) -> str:
    """A pattern as the number format of a spreadsheet."""
    parts = [_SHEET[text] if is_field else _in_sheet(text) for text, is_field in _parts(pattern)]
    return "".join(parts)


@lru_cache(maxsize=256)
def halves(locale: str) -> tuple[str, str] | None:
    """AM and PM in the locale's words; None where its clock has twenty-four hours."""
    if "a" not in _fields(time_pattern(locale)):
        return None
    morning, evening = (
        dates.format_time(datetime(2000, 1, 1, hour), "a", locale=_babel(locale)) for hour in (9, 15)
    )
    return str(morning), str(evening)


def _parts(pattern: str) -> list[tuple[str, bool]]:
    """The pieces of a CLDR pattern, and whether each is a field."""
    return [
        (found[1].replace("''", "'") or "'", False) if found[1] is not None else (found[0], bool(found[2]))
        for found in _PART.finditer(pattern)
    ]


def _fields(pattern: str) -> set[str]:
    return {text for text, is_field in _parts(pattern) if is_field}


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if text else ""


def _in_sheet(text: str) -> str:
    """Signs that every spreadsheet takes as they are, and others in quotation marks."""
    return text if set(text) <= set(" -/:.,") else '"' + text.replace('"', "") + '"'


def _babel(locale: str) -> Any:
    return parse_locale(locale) or parse_locale("en")
