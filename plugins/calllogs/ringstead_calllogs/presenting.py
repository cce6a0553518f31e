"""Conversations as a person reads them: labels, icons, lines of a row, groups of a day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from uuid import UUID

from ringstead.api import translations
from ringstead.api.formatting import Formats, ListRow, format_number_e164, format_time, number_tag

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
    "abandoned": _("Cancelled"),
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
# A call that no person of the organization had a part in: it ended at an announcement, or at a number nobody has.
NOBODY: Final = _("Reached nobody")
GONE: Final = _("Somebody who has left")
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


class RowKind(NamedTuple):
    """What decides a row's markup; the texts are not translated yet. `who` is None where there is a name or number."""

    who: Any
    is_name: bool
    has_number: bool
    has_devices: bool
    dials: bool
    label: Any
    icon: str
    missed: str | None
    has_note: bool
    has_tags: bool
    is_others: bool
    whose: Any


@dataclass(frozen=True, slots=True)
class Others:
    """What rows of others need: the address below which they open, and the people's names by their ids."""

    path: str
    names: Mapping[UUID, str]

    def instead_of_name(self, person: UUID | None) -> Any:
        """What stands where there is no name to show; None where there is one."""
        if person is None:
            return NOBODY
        return None if person in self.names else GONE

    def name_of(self, person: UUID | None) -> Any:
        """A person's name, or what stands instead of it. Not translated yet."""
        return NOBODY if person is None else self.names.get(person, GONE)


@dataclass(frozen=True, slots=True)
class DayGroup:
    """The calls of one day of the reader's zone. `date` is ISO 8601; `id` is unlike that of the page before."""

    id: str
    date: str
    title: Any
    rows: list[ListRow]


def call_row(row: Any, local: datetime, fmt: Formats, others: Others | None = None) -> ListRow:
    """A row from the columns of `listing.COLUMNS`; `local` is its start in the reader's zone."""
    outgoing, number, name = row.direction == "outgoing", row.number, row.name
    dial, devices = dial_url(number), " + ".join(row.devices)
    kind = RowKind(
        who=None if name or number else NO_NUMBER if outgoing else WITHHELD,
        is_name=bool(name),
        has_number=bool(name and number),
        has_devices=bool(devices),
        dials=dial is not None,
        label=label(outgoing, row.disposition),
        icon=icon_name(outgoing, row.disposition),
        missed="missed" if row.kind == "missed" else None,
        has_note=bool(row.note),
        has_tags=bool(row.tags),
        is_others=others is not None,
        whose=None if others is None else others.instead_of_name(row.subscriber_id),
    )
    tag = number_tag(number) if number else ""
    words = {
        "url": f"{others.path if others is not None else '/calls'}/{row.id}",
        "whose": others.names.get(row.subscriber_id, "") if others is not None else "",
        "who": name or tag,
        "number": tag,
        "devices": devices,
        "duration": fmt.duration(row.talk_seconds if row.disposition == "answered" else None),
        "time": format_time(fmt.locale, local.hour, local.minute),
        "moment": fmt.iso(row.started_at),
        "dial": dial or "",
        "called": name or format_number_e164(number) if number else "",
        "tags": ", ".join(row.tags or ()),
    }
    return ListRow(kind, words)


def day_groups(
    rows: Iterable[Any],
    fmt: Formats,
    continues: date | None = None,
    is_part: bool = False,
    others: Others | None = None,
) -> list[DayGroup]:
    """Rows grouped by the reader's days. `continues` is the day that the page before ended in.

    As a part of that page (`is_part`), its rows go on without a heading of their own.
    """
    groups: list[DayGroup] = []
    today = None
    for row in rows:
        local = fmt.local(row.started_at)
        day = local.date()
        if day != today:
            title = fmt.day(day)
            if not groups and day == continues and is_part:
                title = ""
            elif not groups and day == continues:
                title = fmt.text(_("${day}, continued", mapping={"day": title}))
            groups.append(DayGroup(f"{row.id.hex[:8]}-{day}", day.isoformat(), title, []))
            today = day
        groups[-1].rows.append(call_row(row, local, fmt, others))
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
                "called": row["name"] or (format_number_e164(row["number"]) if row["number"] else ""),
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


def present_leg(leg: Any, person: UUID | None, names: Mapping[UUID, str] | None = None) -> dict[str, Any]:
    """A leg as its person reads it. `talk_seconds` is None when nobody talked.

    For others it says whose phone it was, by `names`: of the leg's own end, which is the caller's when a call goes out.
    """
    own = leg.from_subscriber_id if leg.direction == "outgoing" else leg.to_subscriber_id
    is_persons = person is not None and person in (leg.from_subscriber_id, leg.to_subscriber_id)
    outgoing = leg.from_subscriber_id == person if is_persons else leg.direction == "outgoing"
    until = leg.answered_at or leg.ended_at
    talked = leg.disposition == "answered"
    return {
        "started_at": leg.started_at,
        "whose": names.get(own) if names and own is not None else None,
        "device": leg.device if (leg.direction == "outgoing") == outgoing else None,
        "name": leg.to_name if outgoing else leg.from_name,
        "number": leg.to_number if outgoing else leg.from_number,
        "label": LEG[leg.disposition],
        "ring_seconds": int((until - leg.started_at).total_seconds()),
        "talk_seconds": int((leg.ended_at - until).total_seconds()) if talked else None,
        "hangup_cause": leg.hangup_cause,
        "key": leg.key,
    }
