"""`POST /switch/v1/voicemail`: a switch brings a recording. `docs/switch.md` describes it.

The answer is sent when the bytes are in object storage and the row is committed. The switch's idempotency key is
committed with the row, so a deposit that is sent again, even at the same time, is one message.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy.dialects.postgresql import insert

from ringstead.api import new_id
from ringstead.api.blobs import OrgBlobs, org_blobs
from ringstead.api.directory import find_subscribers
from ringstead.api.models import TenantScopeMissing, TenantSession
from ringstead.api.numbers import stored_number
from ringstead.api.preferences import load_preferences
from ringstead.api.switch import BodyRefused, Database, SwitchNode, organization_of_domain, problem
from ringstead_voicemail.mailboxes import lock_mailbox, mailbox_of_extension, room_in
from ringstead_voicemail.messages import Caller, add_message
from ringstead_voicemail.models import Deposit
from ringstead_voicemail.recordings import blob_key
from ringstead_voicemail.settings import MESSAGE_SECONDS
from ringstead_voicemail.sounds import SoundRefused, check
from ringstead_voicemail.taking_in import (
    MESSAGE_RENDITIONS,
    MOST_BYTES,
    Spooled,
    Stored,
    add_recording,
    keep,
    spool,
)

_PIECE: Final = 256 * 1024
_LONGEST_KEY: Final = 128
_OLDEST: Final = timedelta(days=3650)
_AHEAD: Final = timedelta(days=1)
# A recorder stops at the limit, not before it.
_GRACE_SECONDS: Final = 5


class DepositRefused(Exception):
    """A recording is not taken; `status` is the answer's, the message says what, where and the mend."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        self.status, self.title = status, title
        super().__init__(detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallData:
    """What a switch says of a recording. `key` names it for ever, among those of its node. `transcript` is what it has
    written down of it already, if it does that."""

    key: str
    mailbox: str
    number: str | None
    name: str | None
    started_at: datetime
    transcript: str = ""

    @classmethod
    def read(cls, values: Any, key: str, now: datetime) -> "CallData":
        """From the parameters of an address, or the fields of an announcement. Raises `DepositRefused`."""
        if not 1 <= len(key) <= _LONGEST_KEY or not key.isprintable():
            what = f"give each recording a key of its own, 1 to {_LONGEST_KEY} printable characters"
            raise DepositRefused(422, "No idempotency key", f"Idempotency-Key: {what}.")
        mailbox = _text(values, "mailbox", 32)
        if not mailbox:
            raise DepositRefused(422, "No mailbox", "mailbox: name the extension whose mailbox it is for.")
        return cls(
            key=key,
            mailbox=mailbox,
            number=_cleaned(values, "number", 64) or None,
            name=_cleaned(values, "name", 128) or None,
            started_at=_time(_text(values, "started_at", 64), now),
            transcript=_cleaned(values, "transcript", 20_000, "\n"),
        )


def receive_message(node: SwitchNode, request: Request, database: Database) -> Response:
    """Take a recording in. 201 `{"message", "duplicate": false}`, or 200 for one that is there already."""
    try:
        if request.headers.get("Content-Encoding"):
            raise BodyRefused(415, "sound is not taken with a Content-Encoding; send it as it is")
        values = _parameters(request)
        call = CallData.read(values, request.headers.get("Idempotency-Key", ""), datetime.now(UTC))
        org_id = organization_of(request, values)
        target = find_target(database, request.declared_settings, node, org_id, call)
        with spool(_pieces(request), min(MOST_BYTES, request.deployment.max_body_bytes)) as spooled:
            is_measured = request.content_length is not None
            message_id, is_new = deposit(database, node, target, call, spooled, is_measured=is_measured)
    except DepositRefused as refused:
        return problem(refused.status, refused.title, str(refused))
    except SoundRefused as refused:
        return problem(422, "Sound refused", str(refused))
    return Response(
        status=201 if is_new else 200, json_body={"message": str(message_id), "duplicate": not is_new}
    )


@dataclass(frozen=True, slots=True)
class Target:
    """Where a recording goes, and what holds for that mailbox."""

    org_id: UUID
    mailbox_id: UUID
    blobs: OrgBlobs
    preferences: Any


def organization_of(request: Request, values: Any) -> UUID | None:
    """The organization that a message names by its id or by a SIP domain of it."""
    named, domain = str(values.get("organization", "")), str(values.get("domain", ""))
    if domain:
        return organization_of_domain(request, domain)
    try:
        return UUID(named)
    except ValueError:
        return None


def find_target(
    database: Database, declared: Any, node: SwitchNode, org_id: UUID | None, call: CallData
) -> Target:
    """The mailbox that a recording is for. Raises `DepositRefused`, in the same words for what is not there and for
    what is another partner's."""
    nowhere = DepositRefused(
        404, "No such mailbox", f"This switch serves no organization that has a mailbox {call.mailbox!r}."
    )
    if org_id is None:
        raise nowhere
    try:
        with database.run_as(org_id) as session:
            partner_id = session.scope.partner_id
            if partner_id is None or not node.serves(partner_id):
                raise nowhere
            mailbox = mailbox_of_extension(session, call.mailbox)
            if mailbox is None:
                raise nowhere
            return Target(
                org_id,
                mailbox.id,
                org_blobs(session),
                load_preferences(session, declared, mailbox.subscriber_id),
            )
    except TenantScopeMissing:
        raise nowhere from None


def deposit(
    database: Database,
    node: SwitchNode,
    target: Target,
    call: CallData,
    spooled: Spooled,
    *,
    is_measured: bool = True,
) -> tuple[UUID, bool]:
    """Store a recording and put it into the mailbox; the message's id, and whether it is new.

    `is_measured`: its sender has said how long it is. Else it may have broken off, as a server takes a chunked body
    that breaks off for one that has ended; then only sound that says itself where it ends is taken.

    Raises `SoundRefused`, `DepositRefused`, `BlobsAway`.
    """
    key = f"{node.id}/{call.key}"
    with database.run_as(target.org_id) as session:
        known = session.get(Deposit, (target.org_id, key))
    if known is not None:
        return _same(known, spooled), False
    most = int(target.preferences[MESSAGE_SECONDS]) + _GRACE_SECONDS
    sound = check(spooled.path, most)
    if not is_measured and sound.codec == "mp3":
        what = "Nothing says where this MP3 ends. Send it with its Content-Length, or as WAV or Ogg Opus."
        raise DepositRefused(411, "Length needed", what)
    stored = keep(target.blobs, spooled, sound)
    try:
        with database.run_as(target.org_id) as session:
            claimed = _claim(session, key, spooled)
            if claimed is not None:
                return _put(session, target, call, stored, claimed), True
            known = session.get_one(Deposit, (target.org_id, key))
    except DepositRefused:
        _drop(target.blobs, stored)
        raise
    _drop(target.blobs, stored)
    return _same(known, spooled), False


def _claim(session: TenantSession, key: str, spooled: Spooled) -> UUID | None:
    """The id for the message of a key that is new; None when another deposit of it was committed meanwhile."""
    claim = insert(Deposit).values(org_id=session.org_id, key=key, message_id=new_id(), digest=spooled.digest)
    claimed: UUID | None = session.scalar(claim.on_conflict_do_nothing().returning(Deposit.message_id))
    return claimed


def _put(session: TenantSession, target: Target, call: CallData, stored: Stored, message_id: UUID) -> UUID:
    mailbox = lock_mailbox(session, target.mailbox_id)
    if room_in(session, mailbox).is_full:
        what = f"Mailbox {call.mailbox} is full. Its owner has to delete messages before it takes another."
        raise DepositRefused(422, "Mailbox full", what)
    recording = add_recording(session, stored, MESSAGE_RENDITIONS)
    if call.transcript:
        recording.transcript_state, recording.transcript = "done", call.transcript
    caller = _caller(session, call, str(target.preferences["core.region"]))
    add_message(session, mailbox, recording, caller, call.started_at, message_id=message_id)
    return message_id


def _caller(session: TenantSession, call: CallData, region: str) -> Caller:
    """Who called: a colleague where the number is one's extension or number."""
    own = find_subscribers(session, extensions=[call.number] if call.number else ())
    number = call.number if own else stored_number(call.number, region)
    if number is not None and not own:
        own = find_subscribers(session, numbers=[number])
    return Caller(number=number, name=call.name, subscriber_id=own[0].id if own else None)


def _same(known: Deposit, spooled: Spooled) -> UUID:
    if known.digest != spooled.digest:
        what = "This key came with other bytes before. Give each recording a key of its own."
        raise DepositRefused(409, "Key taken", f"Idempotency-Key: {what}")
    return known.message_id


def _drop(blobs: OrgBlobs, stored: Stored) -> None:
    blobs.delete(blob_key(stored.id))


def _pieces(request: Request) -> Iterator[bytes]:
    try:
        while piece := request.body_file.read(_PIECE):
            yield piece
    except OSError as error:
        raise BodyRefused(400, "the body ends early; send it again") from error


def _parameters(request: Request) -> Any:
    """Those of the address. Raises `DepositRefused` for bytes that are no text."""
    try:
        return request.GET
    except UnicodeDecodeError:
        what = "The parameters of the address are no UTF-8; encode names as UTF-8, then by percent signs."
        raise DepositRefused(422, "Address refused", what) from None


def _text(values: Any, name: str, longest: int) -> str:
    text = values.get(name, "")
    if not isinstance(text, str) or len(text) > longest or not (text.isprintable() or not text):
        what = f"{name}: at most {longest} printable characters."
        raise DepositRefused(422, "Field refused", what)
    return text.strip()


def _cleaned(values: Any, name: str, longest: int, keep: str = "") -> str:
    """What tells more of a call, cut and without what cannot be shown: it is no reason to lose the call's message."""
    text = values.get(name, "")
    if not isinstance(text, str):
        return ""
    return "".join(c if c.isprintable() or c in keep else " " for c in text[:longest]).strip()


def _time(text: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        # A `+` of an address that nobody encoded reads as a space.
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        at = None
    # Times with offsets are compared as they are: in UTC the first and the last day are outside of the calendar.
    if at is None or at.tzinfo is None or not now - _OLDEST < at < now + _AHEAD:
        what = (
            "started_at: a time as in RFC 3339 with an offset, ten years old at most (2026-11-23T09:31:00Z)."
        )
        raise DepositRefused(422, "Field refused", what)
    return at.astimezone(UTC)
