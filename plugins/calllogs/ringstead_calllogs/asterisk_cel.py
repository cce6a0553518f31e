"""Asterisk's channel event logging: the events of one request, made legs of ours. Pure: nothing is kept in between.

A channel that was dialled is a leg, from its CHAN_START to its end; a channel that dialled nobody is one, too. A leg's
`revision` is the number of the call's events: send them once more with later ones, and what is known by then takes the
place of what was. Calls whose linked ids met (attended transfer, pickup) are one by `merges`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from ringstead_calllogs.asterisk import (
    DOMAIN_MEND,
    Endpoint,
    dialled,
    direction_of,
    endpoint,
    is_inside,
    leaves_message,
    mailbox,
)
from ringstead_calllogs.causes import UNANSWERED_BY_CAUSE
from ringstead_calllogs.foreign import Fields, Wrong, checked, end, json_object, owner
from ringstead_calllogs.preparing import Row, Terms
from ringstead_calllogs.records import Disposition, Guess, Record, Rejected, Rejection

ALIASES: Final = {
    "eventname": "eventtype",
    "name": "cid_name",
    "cidname": "cid_name",
    "calleridname": "cid_name",
    "num": "cid_num",
    "cidnum": "cid_num",
    "calleridnum": "cid_num",
    "channel": "channame",
    "channelname": "channame",
    "application": "appname",
    "acctcode": "accountcode",
    "eventextra": "extra",
    "bridgepeer": "peer",
}
_KEY: Final = "Send the channel's uniqueid, of which the name of the switch and 128 characters are left."
TERMS: Final[Terms] = {
    "id": ("uniqueid", _KEY),
    "linked_id": ("linkedid", _KEY),
    "merges": ("linkedid", "A call is one with up to 8 others."),
    "organization": ("accountcode", DOMAIN_MEND),
    "domain": ("accountcode", DOMAIN_MEND),
    "from.number": ("cid_num", "Send a number of up to 64 characters."),
    "to.number": ("exten", "Send a number of up to 64 characters."),
    "requested.number": ("exten", "Send a number of up to 64 characters."),
    "started_at": ("eventtime", "Send times with an offset, or seconds since 1970."),
    "answered_at": ("eventtime", "Send times with an offset, or seconds since 1970."),
    "ended_at": ("eventtime", "Send times with an offset, or seconds since 1970."),
    "device": ("channame", "Send a channel's name as Asterisk gives it."),
}
_WHOLE_MEND: Final = "Send all events of a call in one request, at best when its LINKEDID_END has come."
_STATUS: Final[dict[str, Disposition]] = {
    "CANCEL": "cancelled",
    "BUSY": "busy",
    "NOANSWER": "missed",
    "CHANUNAVAIL": "failed",
    "CONGESTION": "failed",
}
_MOST_MERGES: Final = 8
_TEXTS: Final = ("cid_num", "cid_name", "accountcode", "exten", "appname", "appdata")


@dataclass(slots=True)
class _Event:
    """One row, checked."""

    line: int
    kind: str
    at: datetime
    texts: dict[str, str]
    extra: dict[str, Any]
    channel: str
    uniqueid: str
    linkedid: str


@dataclass(slots=True)
class _Channel:
    """What the events of a channel say."""

    line: int
    name: str
    uniqueid: str
    linkedid: str
    endpoint: Endpoint
    number: str = ""
    caller_name: str = ""
    exten: str = ""
    account: str = ""
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    box: str = ""
    cause: int = 0
    dial_status: str = ""

    @property
    def is_calling(self) -> bool:
        """Whether it began a call: then its own id is the linked one."""
        return self.uniqueid == self.linkedid


@dataclass(slots=True)
class _Call:
    """Events whose linked ids met."""

    events: list[_Event] = field(default_factory=list)
    linked: set[str] = field(default_factory=set)


def read_events(
    lines: Iterable[tuple[int, bytes]], node: str, domain: str, is_utc: bool, now: datetime
) -> Iterator[Row | Rejection | None]:
    """The legs of the events, what is wrong with some, and None for a leg that has not ended.

    `node` begins the ids of legs; `domain` is of calls without an accountcode.
    """
    events: list[_Event] = []
    for line, data in lines:
        try:
            events.append(_event(line, data, is_utc))
        except Wrong as wrong:
            yield wrong.rejection(line)
    for call in _calls(events):
        yield from _Legs(call, node, domain, now).rows()


def _event(line: int, data: bytes, is_utc: bool) -> _Event:
    fields = Fields(json_object(data), "", ALIASES, is_utc)
    needed = {}
    for name in ("eventtype", "uniqueid", "channame"):
        needed[name] = fields.text(name)
        if not needed[name]:
            raise Wrong(fields.named(name), "The field is missing.", "Send it as Asterisk gives it.")
    at = fields.moment("eventtime")
    if at is None:
        raise Wrong(fields.named("eventtime"), "The field is missing.", TERMS["started_at"][1])
    return _Event(
        line,
        needed["eventtype"].upper(),
        at,
        {name: fields.text(name) for name in _TEXTS},
        _extra(fields),
        needed["channame"],
        needed["uniqueid"],
        fields.text("linkedid") or needed["uniqueid"],
    )


def _extra(fields: Fields) -> dict[str, Any]:
    """What `extra` holds: JSON, since Asterisk 12."""
    try:
        found = msgspec.json.decode(fields.text("extra") or "{}")
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _calls(events: Iterable[_Event]) -> list[_Call]:
    """The events by call. A channel whose linked id changes joins two, and so does a transfer between two channels."""
    into: dict[str, str] = {}

    def root(name: str) -> str:
        while into.setdefault(name, name) != name:
            into[name] = into[into[name]]
            name = into[name]
        return name

    ordered = sorted(events, key=lambda event: (event.at, event.line))
    by_channel: dict[str, str] = {}
    for event in ordered:
        known = by_channel.setdefault(event.uniqueid, event.linkedid)
        into[root(event.linkedid)] = root(known)
    for event in ordered:
        if event.kind == "ATTENDEDTRANSFER":
            for name in (
                "channel2_uniqueid",
                "transferee_channel_uniqueid",
                "transfer_target_channel_uniqueid",
            ):
                other = by_channel.get(str(event.extra.get(name)))
                if other is not None:
                    into[root(other)] = root(event.linkedid)
    calls: dict[str, _Call] = defaultdict(_Call)
    for event in ordered:
        call = calls[root(event.linkedid)]
        call.events.append(event)
        call.linked.add(event.linkedid)
    return list(calls.values())


class _Legs:
    """The legs of one call."""

    def __init__(self, call: _Call, node: str, domain: str, now: datetime) -> None:
        self._call, self._node, self._domain, self._now = call, node, domain, now
        self._channels: dict[str, _Channel] = {}
        # Who is handed on, from when: whoever is rung from then on is rung for them.
        self._handed_on: list[tuple[datetime, str]] = []
        for event in call.events:
            self._take(event)
        self._oldest = min(call.linked, key=_age)

    def rows(self) -> Iterator[Row | Rejection | None]:
        """A leg for each channel that ended, unless it is the switch's own or dialled others."""
        callers = {caller.uniqueid for channel in self._phones() if (caller := self._caller(channel))}
        for channel in list(self._channels.values()):
            if channel.endpoint.is_local:
                continue
            if channel.ended_at is None:
                yield None  # It is still under way.
            elif channel.started_at is None or self._caller(channel) is None:
                what = "The call's beginning is not here: there is no CHAN_START of this channel, or of who called."
                yield Rejection(channel.line, channel.uniqueid[:128], "linkedid", what, _WHOLE_MEND)
            elif not channel.is_calling or channel.box or channel.uniqueid not in callers:
                try:
                    yield checked(channel.line, self._record(channel), TERMS, self._now)
                except Rejected as rejected:
                    yield rejected.rejection

    def _phones(self) -> list[_Channel]:
        return [c for c in self._channels.values() if not c.is_calling and not c.endpoint.is_local]

    def _take(self, event: _Event) -> None:
        channel = self._channels.get(event.uniqueid)
        if channel is None:
            channel = _Channel(
                event.line, event.channel, event.uniqueid, event.linkedid, endpoint(event.channel)
            )
            self._channels[event.uniqueid] = channel
        texts = event.texts
        channel.number = channel.number or texts["cid_num"]
        channel.caller_name = channel.caller_name or texts["cid_name"]
        channel.account = channel.account or texts["accountcode"]
        if event.kind == "CHAN_START":
            channel.started_at, channel.exten = event.at, texts["exten"]
        elif event.kind == "ANSWER":
            channel.answered_at = channel.answered_at or event.at
        elif event.kind in ("HANGUP", "CHAN_END"):
            channel.ended_at = max(channel.ended_at or event.at, event.at)
            self._hang_up(channel, event)
        elif event.kind == "BLINDTRANSFER":
            self._handed_on.append((event.at, str(event.extra.get("transferee_channel_uniqueid", ""))))
        elif event.kind == "APP_START" and leaves_message(texts["appname"]):
            channel.box = mailbox(texts["appdata"])

    @staticmethod
    def _hang_up(channel: _Channel, event: _Event) -> None:
        cause = event.extra.get("hangupcause")
        channel.cause = cause if isinstance(cause, int) and 0 <= cause <= 999 else channel.cause
        channel.dial_status = str(event.extra.get("dialstatus") or channel.dial_status)

    def _caller(self, channel: _Channel) -> _Channel | None:
        """Who rang a channel: the one that began its call, unless they handed another one on before."""
        if channel.is_calling:
            return channel
        if channel.started_at is not None:
            for at, uniqueid in reversed(self._handed_on):
                if at <= channel.started_at and uniqueid != channel.uniqueid and uniqueid in self._channels:
                    return self._channels[uniqueid]
        return self._channels.get(channel.linkedid)

    def _record(self, channel: _Channel) -> Record:
        caller = self._caller(channel) or channel
        called = None if channel is caller else channel
        wanted = dialled(caller.exten)
        to = self._called_end(called, caller, wanted)
        disposition, answered_at = self._ending(called, caller)
        direction = direction_of(caller.endpoint, called.endpoint if called else None, wanted, caller.number)
        device = (caller if direction == "outgoing" else channel).endpoint.device
        merges = sorted(self._call.linked - {self._oldest}, key=_age)[:_MOST_MERGES]
        assert channel.started_at is not None
        assert channel.ended_at is not None
        return Record(
            **owner(caller.account, channel.account, self._domain),
            id=f"{self._node}-{channel.uniqueid}",
            linked_id=f"{self._node}-{self._oldest}",
            merges=[f"{self._node}-{name}" for name in merges],
            revision=min(len(self._call.events), 1_000_000),
            direction=direction,
            caller=end(caller.number, caller.caller_name, caller.endpoint.extension),
            called=to,
            requested=end(wanted) if wanted and wanted not in (to.number, to.extension) else None,
            device=device or None,
            started_at=channel.started_at,
            answered_at=answered_at,
            ended_at=channel.ended_at,
            disposition=disposition,
            hangup_cause=channel.cause,
        )

    def _called_end(self, called: _Channel | None, caller: _Channel, wanted: str) -> Guess:
        if called is not None:
            extension = called.endpoint.extension
            return end(wanted, "" if not extension else called.caller_name, extension)
        is_tried = not caller.answered_at and is_inside(wanted)
        return end(wanted, "", caller.box or (wanted if is_tried else ""))

    def _ending(self, called: _Channel | None, caller: _Channel) -> tuple[Disposition, datetime | None]:
        if called is None:
            if caller.box:
                return "voicemail", caller.answered_at
            return ("answered", caller.answered_at) if caller.answered_at else (_given_up(caller), None)
        if called.answered_at is not None:
            return "answered", called.answered_at
        if self._others_answered(called):
            return "answered_elsewhere", None
        by_cause = UNANSWERED_BY_CAUSE.get(called.cause)
        if by_cause is not None and called.cause != 16:
            return by_cause, None
        return _given_up(caller), None

    def _others_answered(self, channel: _Channel) -> bool:
        """Whether another phone of the same ringing was picked up."""
        return any(
            other.answered_at is not None
            and other.started_at is not None
            and other.linkedid == channel.linkedid
            and channel.started_at is not None
            and channel.ended_at is not None
            and other.started_at <= channel.ended_at
            and channel.started_at <= other.answered_at
            for other in self._phones()
            if other is not channel
        )


def _given_up(caller: _Channel) -> Disposition:
    """How a call that nobody took ended, by what Dial() says; without it, whoever called hung up."""
    found = _STATUS.get(caller.dial_status.upper())
    return found or ("failed" if caller.cause not in (0, 16) else "cancelled")


def _age(uniqueid: str) -> tuple[int, int, str]:
    """The order in which channels were made: `systemname-1795426260.42` is the 42nd, in that second."""
    second, _, number = uniqueid.rpartition("-")[2].partition(".")
    return _whole(second), _whole(number), uniqueid


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0
