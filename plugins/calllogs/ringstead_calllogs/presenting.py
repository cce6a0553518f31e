"""Conversations as a person reads them: labels, icons, lines of a row, groups of a day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup

from ringstead.api import translations
from ringstead.api.formatting import Formats, format_number_e164, number_tag

_ = translations("ringstead_calllogs")

RECEIVED: Final = {
    "answered": _("Received"),
    "missed": _("Missed"),
    "voicemail": _("Went to voicemail"),
    "answered_elsewhere": _("Answered elsewhere"),
    "forwarded": _("Forwarded"),
    "blocked": _("Blocked"),
}
DIALLED: Final = {
    "answered": _("Dialled"),
    "missed": _("No answer"),
    "voicemail": _("Reached voicemail"),
    "forwarded": _("Forwarded"),
    "blocked": _("Not allowed"),
    "busy": _("Busy"),
    "failed": _("Not connected"),
    "cancelled": _("Cancelled"),
}
LEG: Final = {
    "answered": _("Answered"),
    "missed": _("Not answered"),
    "voicemail": _("Voicemail answered"),
    "answered_elsewhere": _("Answered on another phone"),
    "forwarded": _("Forwarded"),
    "blocked": _("Blocked"),
    "busy": _("Busy"),
    "failed": _("Not reachable"),
    "cancelled": _("Caller hung up"),
}
WITHHELD: Final = _("Number withheld")
NO_NUMBER: Final = _("No number")
CALL: Final = _("Call ${name}")
_ICONS: Final = {
    "missed": "phone-missed",
    "voicemail": "voicemail",
    "forwarded": "phone-forwarded",
    "blocked": "phone-off",
}


def label(outgoing: bool, disposition: str) -> Any:
    """How it ended, in a word or two. Not translated yet."""
    return (DIALLED if outgoing else RECEIVED).get(disposition, disposition)


def icon_name(outgoing: bool, disposition: str) -> str:
    """The symbol of a call."""
    return "phone-outgoing" if outgoing else _ICONS.get(disposition, "phone-incoming")


def party(name: str | None, number: str | None, outgoing: bool) -> Any:
    """Who is at the other end, in one line: the name, else the number. Not translated yet."""
    return name or number or (NO_NUMBER if outgoing else WITHHELD)


@lru_cache(maxsize=50_000)
def dial_url(number: str | None) -> str | None:
    """The address that dials (RFC 3966); None where there is nothing to dial."""
    return f"tel:{quote(number, safe='+*')}" if number and number[0] in "+*#0123456789" else None


@dataclass(frozen=True, slots=True)
class CallRow:
    """A row of the list, ready to show."""

    id: str
    who: Any
    fixed: str | None
    number: Markup | None
    label: str
    icon: str
    missed: str | None
    devices: str
    duration: str
    time: str
    moment: str
    dial: str | None
    dial_label: str


@dataclass(frozen=True, slots=True)
class DayGroup:
    """The calls of one day of the reader's zone. `date` is ISO 8601; `id` is unlike that of the page before."""

    id: str
    date: str
    title: Any
    rows: list[CallRow]


class Words:
    """The fixed texts of rows in the reader's language, translated once for a page and not once for a row."""

    __slots__ = ("_known", "_text")

    def __init__(self, fmt: Formats) -> None:
        self._known: dict[Any, str] = {}
        self._text = fmt.text

    def call(self, who: str) -> str:
        """What the button that calls somebody says."""
        return self(CALL).replace("${name}", who)

    def __call__(self, message: Any) -> str:
        text = self._known.get(message)
        if text is None:
            text = self._known[message] = self._text(message)
        return text


def call_row(row: Any, fmt: Formats, words: Words) -> CallRow:
    """A row from the columns of `listing.COLUMNS`."""
    outgoing = row.direction == "outgoing"
    number, name = row.number, row.name
    tag = number_tag(number) if number is not None else None
    who: Any = name or tag or words(NO_NUMBER if outgoing else WITHHELD)
    return CallRow(
        id=str(row.id),
        who=who,
        fixed="no" if name else None,
        number=tag if name else None,
        label=words(label(outgoing, row.disposition)),
        icon=icon_name(outgoing, row.disposition),
        missed="missed" if row.kind == "missed" else None,
        devices=" + ".join(row.devices),
        duration=fmt.duration(row.talk_seconds if row.disposition == "answered" else None),
        time=fmt.time(row.started_at),
        moment=fmt.iso(row.started_at),
        dial=dial_url(number),
        dial_label=words.call(name or format_number_e164(number)) if number else "",
    )


def day_groups(rows: Iterable[Any], fmt: Formats, continues: date | None = None) -> list[DayGroup]:
    """Rows grouped by the reader's days. `continues` is the day that the page before ended in."""
    groups: list[DayGroup] = []
    words, today = Words(fmt), None
    for row in rows:
        day = fmt.local(row.started_at).date()
        if day != today:
            title = fmt.day(day)
            if not groups and day == continues:
                title = fmt.text(_("${day}, continued", mapping={"day": title}))
            groups.append(DayGroup(f"{row.id.hex[:8]}-{day}", day.isoformat(), title, []))
            today = day
        groups[-1].rows.append(call_row(row, fmt, words))
    return groups


def present_recent(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the landing page's card; its template formats times, as it knows the reader's zone."""
    shown = []
    for row in rows:
        outgoing = row["direction"] == "outgoing"
        answered = row["disposition"] == "answered"
        shown.append(
            {
                "id": row["id"],
                "who": party(row["name"], row["number"], outgoing),
                "fixed": "no" if row["name"] else None,
                "number": row["number"] if not row["name"] else None,
                "label": label(outgoing, row["disposition"]),
                "icon": icon_name(outgoing, row["disposition"]),
                "missed": "missed" if row["kind"] == "missed" else None,
                "devices": " + ".join(row["devices"]),
                "talk_seconds": row["talk_seconds"] if answered else None,
                "started_at": row["started_at"],
                "dial": dial_url(row["number"]),
            }
        )
    return shown
