"""What the address bar asks of the call log: read, checked with a message for each field, and written again."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal, get_args
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from ringstead.api import translations

_ = translations("ringstead_calllogs")
Kind = Literal["missed", "received", "dialled"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
DIRECTIONS: Final = {
    "incoming": _("Incoming"),
    "outgoing": _("Outgoing"),
    "internal": _("With a colleague"),
}
RESULTS: Final = {
    "answered": _("Answered"),
    "missed": _("Not answered"),
    "voicemail": _("Voicemail"),
    "answered_elsewhere": _("Answered elsewhere"),
    "forwarded": _("Forwarded"),
    "abandoned": _("Cancelled"),
    "busy": _("Busy"),
    "blocked": _("Blocked"),
    "failed": _("Not connected"),
}
MOST_MINUTES: Final = 24 * 60
# The filter's names in the address bar, in the order of its form, and the fields that they fill.
NAMES: Final = {
    "kind": "kind",
    "from": "first",
    "to": "last",
    "q": "query",
    "direction": "direction",
    "result": "result",
    "phone": "phone",
    "least": "least",
    "most": "most",
    "tag": "tag",
    "person": "person",
    "location": "location",
    "before": "before",
}
# Notes and tags are of one's own calls, people and places of others'.
_OWN_ONLY: Final = ("tag",)
_OTHERS_ONLY: Final = ("person", "location")
MOST_CHARACTERS: Final = 100
FIRST_YEAR, LAST_YEAR = 2000, 2100
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURSOR: Final = re.compile(r"([0-9]{1,17})-([0-9a-f]{32})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: the next one begins after it, newest first."""

    started_at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{(self.started_at - _EPOCH) // _MICROSECOND}-{self.id.hex}"

    @classmethod
    def read(cls, text: str) -> "Cursor | None":
        """The cursor that `str` wrote; None for anything else."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            return None
        started_at = _EPOCH + int(found[1]) * _MICROSECOND
        # A year that fits into every time zone's arithmetic.
        return cls(started_at, UUID(found[2])) if started_at.year <= LAST_YEAR else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls are wanted. `first` and `last` are days of the reader's zone, both included.

    `least` and `most` are minutes of talking; `phone` and `tag` are whole words, in any case. `person` is an extension
    and `location` a slug: they ask for some of the others whose calls the reader may see.
    """

    kind: str | None = None
    first: date | None = None
    last: date | None = None
    query: str = ""
    direction: str | None = None
    result: str | None = None
    phone: str = ""
    least: int | None = None
    most: int | None = None
    tag: str = ""
    person: str = ""
    location: str = ""
    before: Cursor | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether anything but the place in the list is asked for."""
        return replace(self, before=None) != Filter()

    @property
    def further(self) -> bool:
        """Whether something is asked for that stands behind «More filters»."""
        words = self.direction or self.result or self.phone or self.tag or self.person or self.location
        return bool(words) or (self.least, self.most) != (None, None)

    @property
    def singles_out(self) -> bool:
        """Whether it could single out somebody's calls, by who is in them or how long they talked."""
        return bool(self.query or self.phone or self.person or self.location) or (self.least, self.most) != (
            None,
            None,
        )

    def since(self, zone: ZoneInfo) -> datetime | None:
        """When the first day begins."""
        return day_start(self.first, zone) if self.first is not None else None

    def until(self, zone: ZoneInfo) -> datetime | None:
        """When the day after the last one begins."""
        return day_start(self.last + timedelta(days=1), zone) if self.last is not None else None

    def url(self, path: str, **changes: Any) -> str:
        """The address of `path` with this filter; `changes` replace fields."""
        wanted = replace(self, **changes) if changes else self
        values = {name: getattr(wanted, field) for name, field in NAMES.items()}
        query = urlencode({name: str(value) for name, value in values.items() if value not in (None, "")})
        return f"{path}?{query}" if query else path


@dataclass(frozen=True, slots=True)
class FilterForm:
    """What was asked for: the filter as far as it is understood, the texts as typed, and what is wrong with them."""

    filter: Filter
    texts: Mapping[str, str]
    errors: Mapping[str, Any] = field(default_factory=dict)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The moment a day begins in a zone, in UTC. Where clocks skip midnight, it is the moment they do."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def read_filter(values: Mapping[str, str], of_others: bool = False) -> FilterForm:
    """Understand the address bar. Names that nobody asked for are ignored: mail programs add some."""
    texts = {name: values.get(name, "").strip() for name in NAMES}
    texts |= dict.fromkeys(_OWN_ONLY if of_others else _OTHERS_ONLY, "")
    errors: dict[str, Any] = {}
    wanted = Filter(
        kind=_kind(texts["kind"], errors),
        first=_day("from", texts["from"], errors),
        last=_day("to", texts["to"], errors),
        query=_query(texts["q"], errors),
        direction=_choice("direction", texts["direction"], DIRECTIONS, errors),
        result=_choice("result", texts["result"], RESULTS, errors),
        phone=_words("phone", texts["phone"], errors),
        least=_minutes("least", texts["least"], errors),
        most=_minutes("most", texts["most"], errors),
        tag=_words("tag", texts["tag"], errors),
        person=_words("person", texts["person"], errors),
        location=_words("location", texts["location"], errors),
        before=_cursor(texts["before"], errors),
    )
    if wanted.first is not None and wanted.last is not None and wanted.first > wanted.last:
        errors["to"] = _("To: the last day is before the first. Choose a later one, or change the first.")
    if wanted.least is not None and wanted.most is not None and wanted.least > wanted.most:
        errors["most"] = _("At most: this is less than the least. Choose more minutes, or change the least.")
    return FilterForm(wanted, texts, errors)


def _kind(text: str, errors: dict[str, Any]) -> str | None:
    if not text or text in KINDS:
        return text or None
    errors["kind"] = _("There is no such list. Choose All, Missed, Received or Dialled.")
    return None


def _day(name: str, text: str, errors: dict[str, Any]) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is not None and FIRST_YEAR <= day.year < LAST_YEAR:
        return day
    if name == "from":
        errors[name] = _("From: this is not a day. Write it as year-month-day, such as 2026-11-23.")
    else:
        errors[name] = _("To: this is not a day. Write it as year-month-day, such as 2026-11-23.")
    return None


def _choice(name: str, text: str, choices: Mapping[str, Any], errors: dict[str, Any]) -> str | None:
    if not text or text in choices:
        return text or None
    errors[name] = _("There is no such choice. Choose one of the list.")
    return None


def _minutes(name: str, text: str, errors: dict[str, Any]) -> int | None:
    if not text:
        return None
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
    if minutes is not None and minutes <= MOST_MINUTES:
        return minutes
    errors[name] = _("Write whole minutes, from 0 to ${most}.", mapping={"most": MOST_MINUTES})
    return None


def _words(name: str, text: str, errors: dict[str, Any]) -> str:
    words = " ".join(text.split())
    if len(words) > MOST_CHARACTERS:
        errors[name] = _("Write ${most} characters at most.", mapping={"most": MOST_CHARACTERS})
    elif any(unicodedata.category(char) in ("Cc", "Cs") for char in words):
        errors[name] = _("This holds characters that nobody can type. Type it again.")
    else:
        return words
    return ""


def _query(text: str, errors: dict[str, Any]) -> str:
    query = _words("q", text, errors)
    if query and not any(char.isalnum() or char in "*#+" for char in query):
        errors["q"] = _("Search for letters or digits.")
        return ""
    return query


def _cursor(text: str, errors: dict[str, Any]) -> Cursor | None:
    if not text:
        return None
    cursor = Cursor.read(text)
    if cursor is None:
        errors["before"] = _("This page of the list does not exist. Begin with the newest calls.")
    return cursor
