"""Calls as a file for a spreadsheet: the rows of a filter in the reader's zone and language, spooled and then sent.

What a spreadsheet would take for a formula gets an apostrophe in front (OWASP, «CSV Injection»), inside a text too:
a spreadsheet that splits lines at another separator than ours makes a cell of what follows it. A telephone number is
no formula though it begins with a plus: it is let through when only digits and spaces follow.

Reading the rows is over before anything is sent, so a slow reader holds no transaction. It holds a thread while a
large file is sent, so a process sends few of those at a time.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import Any, Final
from uuid import UUID
from weakref import WeakSet

from babel import dates, numbers

from ringstead.api import translations
from ringstead.api.formatting import Formats, format_number_e164, parse_locale
from ringstead_calllogs.presenting import label

_ = translations("ringstead_calllogs")
AT_ONCE: Final = 1000
MOST_CALLS: Final = 100_000
PER_ACCOUNT: Final = 2
# Bytes. A file of this size goes out in one piece, which holds no thread; a larger one lies on disk meanwhile.
SMALL: Final = 256 * 1024
_PIECE: Final = 64 * 1024
WHOSE: Final = _("Whose call")
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
_UNSEEN: Final = r"\s\x00-\x1f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_SIGN: Final = re.compile(r"[=+\-@|%\uff1d\uff0b\uff0d\uff20\t\r\n]")
# Quotation marks vanish when a line is split at another separator than ours.
_FORMULA: Final = re.compile(
    rf'(^(?=[\t\r\n])|(?:^|[;,\t\r\n])(?=[{_UNSEEN}"]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]))'
)
_NUMBER: Final = re.compile(r"\+[0-9][0-9 ]*")


class TooManyDownloads(Exception):
    """No place is free for another download; `is_own` when that is because of the same account's downloads."""

    def __init__(self, is_own: bool) -> None:
        self.is_own = is_own
        super().__init__("an account's places are taken" if is_own else "all places are taken")


class TooManyCalls(Exception):
    """More calls fit than a file may have."""


class Place:
    """A place among the downloads of a process. It is taken as long as this lives."""

    def __init__(self, account_id: UUID) -> None:
        self.account_id = account_id


class Downloads:
    """The downloads that a process makes and sends: fewer than half of its threads (but one), two for an account."""

    def __init__(self, web_threads: int) -> None:
        self._most = max(1, (web_threads - 1) // 2)
        # Weakly: a response that is made and then thrown away, as when a lost connection is found out at the commit,
        # gives its place back though nobody closes it.
        self._taken: WeakSet[Place] = WeakSet()
        self._lock = Lock()

    def take(self, account_id: UUID) -> Place:
        """A place for an account. Raises `TooManyDownloads`."""
        with self._lock:
            accounts = [place.account_id for place in self._taken]
            if accounts.count(account_id) >= PER_ACCOUNT:
                raise TooManyDownloads(is_own=True)
            if len(accounts) >= self._most:
                raise TooManyDownloads(is_own=account_id in accounts)
            place = Place(account_id)
            self._taken.add(place)
        return place

    def give_back(self, place: Place) -> None:
        """Let somebody else have it."""
        self._taken.discard(place)


class Spool:
    """A file that is written, and then sent in pieces; closing it, as a server does in the end, frees its place."""

    def __init__(self, downloads: Downloads, account_id: UUID) -> None:
        self._downloads, self._place = downloads, downloads.take(account_id)
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115

    def write(self, rows: Iterable[Any], fmt: Formats, names: Mapping[UUID, str] | None = None) -> int:
        """Write all rows, with a column for whose they are if `names` has people's names by their ids; returns the size
        in bytes. Raises `TooManyCalls`."""
        lines, words = Lines(separator(fmt.locale)), Words(fmt)
        lines.write([words(heading) for heading in (*([] if names is None else [WHOSE]), *HEADINGS)])
        for count, row in enumerate(rows, start=1):
            if count > MOST_CALLS:
                raise TooManyCalls
            whose = [] if names is None else [names.get(row.subscriber_id, "")]
            lines.write([*whose, *_cells(row, fmt, words)])
            if count % AT_ONCE == 0:
                self._file.write(lines.take())
        self._file.write(lines.take())
        size = self._file.tell()
        self._file.seek(0)
        return size

    def read(self) -> bytes:
        """All of it."""
        return self._file.read()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._file.read(_PIECE)
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Remove the file and give the place back."""
        self._file.close()
        self._downloads.give_back(self._place)


def safe_cell(text: str) -> str:
    """Text in which no spreadsheet finds a formula, wherever it splits lines."""
    if _SIGN.search(text) is None or _NUMBER.fullmatch(text):
        return text
    return _FORMULA.sub(r"\1'", text)


@lru_cache(maxsize=256)
def separator(locale: str) -> str:
    """What spreadsheets of a language expect between cells: a semicolon where the comma is for decimals."""
    return ";" if numbers.get_decimal_symbol(parse_locale(locale) or parse_locale("en")) == "," else ","


def file_name(first: date | None, last: date | None, today: date) -> str:
    """`calls_2026-11-01_2026-11-23.csv`."""
    days = [first] if first is not None else []
    return "_".join(["calls", *(day.isoformat() for day in (*days, last or today))]) + ".csv"


class Lines:
    """CSV lines (RFC 4180) that wait to be written, after the mark without which umlauts would not survive."""

    def __init__(self, delimiter: str) -> None:
        self._text = io.StringIO()
        self._text.write("\ufeff")
        self._writer = csv.writer(self._text, delimiter=delimiter)

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
