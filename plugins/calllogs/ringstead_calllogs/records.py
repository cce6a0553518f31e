"""The record of a leg as a switch sends it: its fields, and what is wrong with one, by field, with the mend."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

Direction = Literal["incoming", "outgoing", "internal"]
Disposition = Literal[
    "answered",
    "missed",
    "busy",
    "failed",
    "cancelled",
    "voicemail",
    "blocked",
    "forwarded",
    "answered_elsewhere",
]
Key = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=128)]
Number = Annotated[str, Meta(max_length=64)]
Extension = Annotated[str, Meta(min_length=1, max_length=32)]
Time = Annotated[datetime, Meta(tz=True)]

OLDEST: Final = timedelta(days=3653)
NEWEST: Final = timedelta(days=1)
# Dispositions of a leg that nobody picked up.
UNANSWERED: Final = frozenset({"missed", "busy", "failed", "cancelled", "answered_elsewhere"})


# The parties of a record by their names there, and by the attributes that hold them.
PARTIES: Final = (("from", "caller"), ("requested", "requested"), ("to", "called"))


class Party(Struct, frozen=True, forbid_unknown_fields=True):
    """One end of a leg. `subscriber` or `extension` makes the leg that subscriber's; `number` None is withheld."""

    number: Number | None = None
    name: Text | None = None
    subscriber: UUID | None = None
    extension: Extension | None = None


class Guess(Party, frozen=True):
    """An end as a switch tells it that does not know our subscribers: an extension that nobody has is a number."""


class Record(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"caller": "from", "called": "to"}
):
    """One leg. `docs/switch.md` explains every field."""

    id: Key
    linked_id: Key | None = None
    merges: Annotated[list[Key], Meta(max_length=8)] = []
    revision: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    organization: UUID | None = None
    domain: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    direction: Direction
    caller: Party
    requested: Party | None = None
    called: Party
    device: Number | None = None
    started_at: Time
    answered_at: Time | None = None
    ended_at: Time
    disposition: Disposition
    hangup_cause: Annotated[int, Meta(ge=0, le=999)] | None = None
    trace_id: Key | None = None

    @property
    def call(self) -> str:
        """The linked id of the leg's call."""
        return self.linked_id or self.id

    @property
    def parties(self) -> tuple[Party, ...]:
        """All that are given, in the order of `PARTIES`."""
        return (
            (self.caller, self.called)
            if self.requested is None
            else (self.caller, self.requested, self.called)
        )


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record was not taken: its line, its id (if it could be read), the field, what is wrong, and the mend."""

    line: int
    id: str | None
    field: str
    error: str
    mend: str


class Rejected(Exception):
    """A record that is not taken."""

    def __init__(self, rejection: Rejection) -> None:
        self.rejection = rejection
        super().__init__(rejection.error)


_PARTY: Final = {
    "number": "Send up to 64 characters: E.164, or as dialled; null when it is withheld.",
    "name": "Send up to 128 characters, or null.",
    "subscriber": "Send the UUID of a subscriber of the organization, or the extension instead.",
    "extension": "Send the extension of a subscriber of the organization; any other number belongs into `number`.",
}
MENDS: Final = {
    "id": "Send a text of 1 to 128 characters that stays the same whenever this leg is sent.",
    "linked_id": "Send a text of 1 to 128 characters that all legs of the call share, or leave it out.",
    "organization": "Send the UUID of an organization that this switch serves, or its SIP domain as `domain`.",
    "domain": "Send a SIP domain of an organization that this switch serves, or its UUID as `organization`.",
    "direction": "Send incoming, outgoing or internal.",
    "from": "Send an object with number, name, subscriber, extension; all of them may be left out.",
    "to": "Send an object with number, name, subscriber, extension; all of them may be left out.",
    "requested": "Send an object with number, name, subscriber, extension: whom the caller asked for; or leave it out.",
    "merges": "Send a list of up to 8 linked ids of calls that this one took over, or leave it out.",
    "revision": "Send a whole number from 0 to 1000000, higher each time that the leg is corrected.",
    "trace_id": "Send the trace_id of the routing answer in up to 128 characters, or null.",
    "device": "Send the phone's name in up to 64 characters, or null.",
    "started_at": "Send RFC 3339 with an offset, such as 2026-11-23T09:31:00Z, not more than ten years ago.",
    "answered_at": "Send RFC 3339 with an offset, between started_at and ended_at; null when nobody answered.",
    "ended_at": "Send RFC 3339 with an offset, not before started_at.",
    "disposition": f"Send one of {', '.join(Disposition.__args__)}.",  # type: ignore[attr-defined]
    "hangup_cause": "Send the Q.850 cause, or the switch's own number from 0 to 999, or null.",
    **{f"{end}.{field}": mend for end, _ in PARTIES for field, mend in _PARTY.items()},
}
_JSON_MEND: Final = "Send one JSON object, in UTF-8, on a line of its own."
_PLACE: Final = re.compile(r"(?s)(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?")
_FIELD: Final = re.compile(r"(missing required|unknown) field `(?P<name>[^`]*)`")
_ENTRY: Final = re.compile(r"\[[^\]]*\]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class _Id(Struct):
    id: Any = None


_decode = msgspec.json.Decoder(Record).decode
_decode_id = msgspec.json.Decoder(_Id).decode


def read_record(line: int, data: bytes, now: datetime) -> Record:
    """The record of a line. Raises `Rejected`."""
    try:
        record = _decode(data)
    except msgspec.ValidationError as error:
        raise Rejected(_explained(line, _id_of(data), str(error))) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Rejected(
            Rejection(line, None, "", f"This is not JSON: {_short(str(error))}.", _JSON_MEND)
        ) from error
    # JSON escapes control characters, all but DEL: most lines show at a glance that they hold none.
    return _checked(line, record, now, check_text=b"\\" in data or b"\x7f" in data)


def check_record(line: int, record: Record, now: datetime) -> Record:
    """A record that was made of another switch's, if it keeps the rules of ours. Raises `Rejected`."""
    try:
        msgspec.convert(msgspec.to_builtins(record), Record)
    except msgspec.ValidationError as error:
        raise Rejected(_explained(line, _shown_id(record.id), str(error))) from error
    return _checked(line, record, now, check_text=True)


def _checked(line: int, record: Record, now: datetime, check_text: bool) -> Record:
    wrong = _wrong(record, now, check_text)
    if wrong is not None:
        field, what = wrong
        raise Rejected(Rejection(line, _shown_id(record.id), field, what, MENDS[field]))
    return record


def _explained(line: int, shown_id: str | None, message: str) -> Rejection:
    place = _PLACE.fullmatch(message)
    what, path = (place["what"], _ENTRY.sub("", place["path"] or "")) if place else (message, "")
    named = _FIELD.search(what)
    if named is not None:
        path = f"{path}.{named['name']}" if path else named["name"]
        if named[1] == "unknown":
            mend = "Leave the field out, or check how it is spelled."
            return Rejection(line, shown_id, _short(path), "There is no such field.", mend)
        return Rejection(line, shown_id, path, "The field is missing.", MENDS.get(path, _JSON_MEND))
    return Rejection(line, shown_id, path, f"{_short(what)}.", MENDS.get(path, _JSON_MEND))


def _id_of(data: bytes) -> str | None:
    try:
        found = _decode_id(data).id
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return _shown_id(found) if isinstance(found, str) else None


def _shown_id(text: str) -> str:
    return _short(text, 128)


def _short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _wrong(record: Record, now: datetime, check_text: bool) -> tuple[str, str] | None:
    """The first field that is wrong in itself, and what about it."""
    return (_wrong_text(record) if check_text else None) or _wrong_owner(record) or _wrong_time(record, now)


def _wrong_text(record: Record) -> tuple[str, str] | None:
    texts: list[tuple[str, str | None]] = [
        ("id", record.id),
        ("linked_id", record.linked_id),
        ("domain", record.domain),
        ("device", record.device),
        ("trace_id", record.trace_id),
        *(("merges", merged) for merged in record.merges),
    ]
    for end, attribute in PARTIES:
        party = getattr(record, attribute)
        if party is not None:
            texts += [(f"{end}.{name}", getattr(party, name)) for name in ("number", "name", "extension")]
    for field, text in texts:
        if text and _CONTROL.search(text):
            return field, "It holds control characters."
    return None


def _wrong_owner(record: Record) -> tuple[str, str] | None:
    if record.call in record.merges:
        return "merges", "It names the leg's own call."
    if record.organization is None and record.domain is None:
        return "organization", "Neither organization nor domain is given."
    if record.organization is not None and record.domain is not None:
        return "domain", "Both organization and domain are given."
    for party in record.parties:
        if party.subscriber is not None and party.extension is not None:
            end = next(name for name, attribute in PARTIES if getattr(record, attribute) is party)
            return f"{end}.extension", "Both subscriber and extension are given."
    return None


def _wrong_time(record: Record, now: datetime) -> tuple[str, str] | None:
    oldest, newest = now - OLDEST, now + NEWEST
    if oldest <= record.started_at <= record.ended_at <= newest:
        return _wrong_answer(record)
    for field in ("started_at", "answered_at", "ended_at"):
        moment = getattr(record, field)
        if moment is not None and moment < oldest:
            return field, "It is more than ten years ago; is the switch's clock right?"
        if moment is not None and moment > newest:
            return field, "It is more than a day ahead; is the switch's clock right?"
    return "ended_at", "It is before started_at."


def _wrong_answer(record: Record) -> tuple[str, str] | None:
    answered_at, disposition = record.answered_at, record.disposition
    if answered_at is not None:
        if not record.started_at <= answered_at <= record.ended_at:
            return "answered_at", "It is not between started_at and ended_at."
        if disposition in UNANSWERED:
            return "answered_at", f"A leg with the disposition {disposition} has no time of answer."
    elif disposition == "answered":
        return "answered_at", "An answered leg has a time of answer."
    return None


def utc(moment: datetime) -> datetime:
    """A checked time as it is stored."""
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
