"""Asterisk's call detail records: a row, named as CDR() or as the AMI event `Cdr` names it, made one of our legs. Pure.

A row is one leg: who called, and one channel that was dialled. `docs/switch.md` has the table.
"""

import re
from datetime import datetime, timedelta
from typing import Final

from ringstead_calllogs.asterisk import (
    DOMAIN_MEND,
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
from ringstead_calllogs.records import Disposition, Guess, Record, Rejected

ALIASES: Final = {
    "source": "src",
    "destination": "dst",
    "destinationcontext": "dcontext",
    "callerid": "clid",
    "destinationchannel": "dstchannel",
    "lastapplication": "lastapp",
    "starttime": "start",
    "calldate": "start",
    "answertime": "answer",
    "endtime": "end",
    "billableseconds": "billsec",
}
_KEY: Final = "Send the channel's uniqueid, of which the name of the switch and 128 characters are left."
_NUMBER: Final = "Send a number of up to 64 characters."
TERMS: Final[Terms] = {
    "id": ("uniqueid", _KEY),
    "linked_id": ("linkedid", _KEY),
    "organization": ("accountcode", DOMAIN_MEND),
    "domain": ("accountcode", DOMAIN_MEND),
    "from.number": ("src", _NUMBER),
    "to.number": ("dst", _NUMBER),
    "requested.number": ("dst", _NUMBER),
    "started_at": ("start", "Send when the row began: ISO 8601 with an offset, or seconds since 1970."),
    "answered_at": ("answer", "Send a time from start to end, or nothing."),
    "ended_at": ("end", "Send a time not before start, or the duration in seconds."),
    "device": ("channel", "Send a channel's name as Asterisk gives it."),
    "hangup_cause": ("hangupcause", "Send a number from 0 to 999."),
}
_ENDS: Final[dict[str, Disposition]] = {
    "ANSWERED": "answered",
    "ANSWER": "answered",
    "8": "answered",
    "NO ANSWER": "missed",
    "NOANSWER": "missed",
    "0": "missed",
    "1": "missed",
    "BUSY": "busy",
    "4": "busy",
    "FAILED": "failed",
    "2": "failed",
    "CONGESTION": "failed",
    "16": "failed",
}
_CLID: Final = re.compile(r'\s*"?(?P<name>[^"<]*?)"?\s*(?:<[^>]*>)?\s*', re.S)
_DIALLING: Final = frozenset({"dial", "queue", "followme", "page"})
_LONGEST: Final = 30 * 24 * 3600


def read_row(line: int, data: bytes, node: str, domain: str, is_utc: bool, now: datetime) -> Row | None:
    """The leg of a row; None for one that says nothing. `node` begins its ids, `domain` is of rows without accountcode.

    Raises `Rejected`.
    """
    uniqueid = None
    try:
        row = _Row(Fields(json_object(data), "", ALIASES, is_utc))
        uniqueid = row.fields.text("uniqueid")
        return None if row.is_idle() else checked(line, row.record(node, domain), TERMS, now)
    except Wrong as wrong:
        raise Rejected(wrong.rejection(line, uniqueid)) from wrong


class _Row:
    """One row."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.caller = endpoint(fields.text("channel"))
        dialled_channel = fields.text("dstchannel")
        self.called = endpoint(dialled_channel) if dialled_channel else None
        self.application = fields.text("lastapp").lower()
        self.started_at = self._needed("start")
        self.ended_at = self._end()

    def is_idle(self) -> bool:
        """Whether the row is what is left of a call after the dialling: it rang nobody and nobody took it."""
        if self.called is not None:
            return False
        if self.caller.is_local:
            return True
        begun = self.fields.text("uniqueid").rpartition("-")[2].partition(".")[0]
        is_later = begun.isascii() and begun.isdigit() and self.started_at.timestamp() >= int(begun[:12]) + 1
        return is_later and self.application not in _DIALLING and self._disposition() != "answered"

    def record(self, node: str, domain: str) -> Record:
        """Our leg."""
        text = self.fields.text
        box = mailbox(text("lastdata")) if self.called is None and leaves_message(self.application) else ""
        disposition = "voicemail" if box and self._disposition() == "answered" else self._disposition()
        number = text("dst")
        called = self._called_end(box, number)
        direction = direction_of(self.caller, self.called, number, text("cnum", "src"))
        asked = text("did") or dialled(number)
        answered = self.fields.moment("answer") if disposition in ("answered", "voicemail") else None
        key = f"{node}-{self._needed_text('uniqueid')}"
        device = self.caller.device if direction == "outgoing" else (self.called or self.caller).device
        return Record(
            **owner(text("accountcode"), text("peeraccount"), domain),
            id=f"{key}-{text('sequence', 'dstchannel') or 0}",
            linked_id=f"{node}-{text('linkedid')}" if text("linkedid") else key,
            direction=direction,
            caller=self._calling_end(),
            called=called,
            requested=end(asked) if asked and asked not in (called.number, called.extension) else None,
            device=device or None,
            started_at=self.started_at,
            answered_at=answered or (self._answered_at() if disposition == "answered" else None),
            ended_at=self.ended_at,
            disposition=disposition,
            hangup_cause=self._cause(),
        )

    def _calling_end(self) -> Guess:
        told = _CLID.fullmatch(self.fields.text("clid"))
        name = self.fields.text("cnam") or (told["name"] if told else "")
        number = self.fields.text("cnum", "src")
        return end(
            number, "" if name == number else name, "" if self.caller.is_local else self.caller.extension
        )

    def _called_end(self, box: str, number: str) -> Guess:
        name = self.fields.text("dst_cnam")
        if box or (self.called is not None and self.called.extension):
            return end(name=name, extension=box or (self.called or self.caller).extension)
        is_tried = self.called is None and self._disposition() != "answered" and is_inside(number)
        return end(dialled(number), name, dialled(number) if is_tried else "")

    def _disposition(self) -> Disposition:
        told = self.fields.text("disposition").upper()
        found = _ENDS.get(told)
        if found is None:
            known = "Send ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION."
            raise Wrong(self.fields.named("disposition"), "There is no such disposition.", known)
        if found == "answered":
            return found
        if self.application == "transfer":
            return "forwarded"
        if self.fields.text("dialstatus").upper() == "CANCEL":
            return "cancelled"
        # Cause 16 is on every channel that the dialplan hangs up, and tells nothing of who gave up.
        cause = self._cause()
        return found if cause in (None, 0, 16) else UNANSWERED_BY_CAUSE.get(cause or 0, found)

    def _cause(self) -> int | None:
        text = self.fields.text("hangupcause")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else None

    def _needed_text(self, name: str) -> str:
        text = self.fields.text(name)
        if not text:
            raise Wrong(self.fields.named(name), "The field is missing.", TERMS["id"][1])
        return text

    def _needed(self, name: str) -> datetime:
        moment = self.fields.moment(name)
        if moment is None:
            raise Wrong(self.fields.named(name), "The field is missing.", TERMS["started_at"][1])
        return moment

    def _end(self) -> datetime:
        return self.fields.moment("end") or self.started_at + self._seconds("duration")

    def _answered_at(self) -> datetime:
        """When a row that says only how long somebody talked was answered."""
        return max(self.started_at, self.ended_at - self._seconds("billsec"))

    def _seconds(self, name: str) -> timedelta:
        text = self.fields.text(name) or "0"
        try:
            seconds = float(text)
        except ValueError as error:
            raise Wrong(self.fields.named(name), "This is no number.", "Send seconds.") from error
        if not 0 <= seconds <= _LONGEST:
            raise Wrong(self.fields.named(name), "This is less than none, or a month.", "Send seconds.")
        return timedelta(seconds=seconds)
