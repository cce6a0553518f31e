"""Calls as a file for a spreadsheet: the rows of a filter, streamed, in the reader's zone and language.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, «CSV Injection»). A telephone
number is no formula though it begins with a plus: it is let through when only digits and spaces follow.
"""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from babel import dates

from ringstead.api import translations
from ringstead.api.formatting import Formats, format_number_e164, parse_locale
from ringstead.api.switch import Database
from ringstead_calllogs.listing import Listing
from ringstead_calllogs.presenting import label

_ = translations("ringstead_calllogs")
AT_ONCE: Final = 1000
HEADINGS: Final = (
    _("Date"),
    _("Time"),
    _("Time (UTC)"),
    _("Result"),
    _("Name"),
    _("Number"),
    _("Number (E.164)"),
    _("Phone"),
    _("Ringing (seconds)"),
    _("Talking (seconds)"),
)
# Spreadsheets skip what cannot be seen before a sign, and know the signs of East Asian width too.
_FORMULA: Final = re.compile(
    r"[\s\x00-\x1f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]|[\t\r\n]"
)
_NUMBER: Final = re.compile(r"\+[0-9][0-9 ]*")


def safe_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def file_name(first: date | None, last: date | None, today: date) -> str:
    """`calls_2026-11-01_2026-11-23.csv`."""
    days = [first] if first is not None else []
    return "_".join(["calls", *(day.isoformat() for day in (*days, last or today))]) + ".csv"


def stream_csv(database: Database, org_id: UUID, listing: Listing, fmt: Formats) -> Iterator[bytes]:
    """The file in pieces of about a thousand rows, read in a transaction of its own: the page's is over by then."""
    lines = _Lines()
    words = Words(fmt)
    lines.write([words(heading) for heading in HEADINGS])
    with database.run_as(org_id) as session:
        for count, row in enumerate(listing.all(session, AT_ONCE), start=1):
            lines.write(_cells(row, fmt, words))
            if count % AT_ONCE == 0:
                yield lines.take()
    yield lines.take()


class _Lines:
    """CSV lines (RFC 4180) that wait to be sent."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)

    def write(self, cells: list[str]) -> None:
        """Add a line."""
        self._writer.writerow([safe_cell(cell) for cell in cells])

    def take(self) -> bytes:
        """The lines since the last time."""
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()


class Words:
    """The fixed texts of rows in the reader's language, translated once for a file and not once for a row."""

    __slots__ = ("_known", "_text")

    def __init__(self, fmt: Formats) -> None:
        self._known: dict[Any, str] = {}
        self._text = fmt.text

    def __call__(self, message: Any) -> str:
        text = self._known.get(message)
        if text is None:
            text = self._known[message] = self._text(message)
        return text


def _cells(row: Any, fmt: Formats, words: Words) -> list[str]:
    local = fmt.local(row.started_at)
    number = row.number or ""
    answered = row.disposition == "answered"
    return [
        _date(fmt.locale, local.date()),
        _time(fmt.locale, local.hour, local.minute, local.second),
        row.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        words(label(row.direction == "outgoing", row.disposition)),
        row.name or "",
        format_number_e164(number),
        number,
        " + ".join(row.devices),
        str(row.ring_seconds),
        str(row.talk_seconds) if answered else "",
    ]


@lru_cache(maxsize=20_000)
def _date(locale: str, day: date) -> str:
    """The reader's order of day, month and year, in digits, with a year of four."""
    return str(dates.format_skeleton("yMd", day, locale=parse_locale(locale) or parse_locale("en")))


@lru_cache(maxsize=100_000)
def _time(locale: str, hour: int, minute: int, second: int) -> str:
    moment = datetime(2000, 1, 1, hour, minute, second)
    text = dates.format_time(moment, "medium", locale=parse_locale(locale) or parse_locale("en"))
    # Spreadsheets read a time with an ordinary space before AM and PM.
    return text.replace("\u202f", " ")
