"""The life of a message: it arrives, is heard, moved, thrown away, brought back, removed. Every change counts anew.

Each function takes the mailbox that the caller has locked (`lock_mailbox`) and ids of messages; ids that are not in
that mailbox are left alone, so nobody changes another's message by naming it. When the counts of a mailbox changed,
`MwiChanged` is emitted in the same transaction: the lamp follows the page, whoever changed what.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Update, any_, bindparam, case, delete, func, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from ringstead.api.models import TenantSession, new_id
from ringstead.api.work import emit
from ringstead_voicemail.events import MessageArrived, MessageReady, MwiChanged
from ringstead_voicemail.mailboxes import read_preferences
from ringstead_voicemail.models import Link, Mailbox, Message, Recording
from ringstead_voicemail.recordings import drop_unused
from ringstead_voicemail.settings import LEGAL_HOLD

ANY: Final = true()
FOLDERS: Final = ("inbox", "saved", "trash")
_IDS = any_(bindparam("ids", type_=ARRAY(Uuid())))
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who left a message: a number (E.164 or extension; None: withheld), a name, the colleague that it was."""

    number: str | None = None
    name: str | None = None
    subscriber_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """Who sent a message on, what they wrote with it, and when it was left at first."""

    by_id: UUID
    by: str
    left_at: datetime
    note: str = ""


def add_message(
    session: TenantSession,
    mailbox: Mailbox,
    recording: Recording,
    caller: Caller,
    received_at: datetime,
    forwarded: Forwarded | None = None,
    message_id: UUID | None = None,
) -> Message:
    """Put a new message into a mailbox. Emits `MessageArrived`, and `MessageReady` if its recording is done."""
    message = Message(
        id=message_id or new_id(),
        mailbox_id=mailbox.id,
        recording_id=recording.id,
        received_at=received_at,
        number=caller.number,
        name=caller.name,
        caller_subscriber_id=caller.subscriber_id,
        size=recording.size,
        seconds=recording.seconds,
    )
    if forwarded is not None:
        message.left_at = forwarded.left_at
        message.forwarded_by_id, message.forwarded_by = forwarded.by_id, forwarded.by
        message.forwarded_at, message.note = datetime.now(UTC), forwarded.note
    session.add(message)
    session.flush()
    which = {"org_id": session.org_id, "mailbox_id": mailbox.id, "message_id": message.id}
    emit(session, MessageArrived(**which))
    if recording.state != "stored":
        emit(session, MessageReady(**which))
    recount(session, mailbox)
    return message


def mark_heard(
    session: TenantSession, mailbox: Mailbox, ids: Iterable[UUID], heard: bool = True
) -> list[UUID]:
    """Mark messages as heard, or as new again; returns those that were not so already."""
    wanted = _in(mailbox).where(Message.heard_at.is_(None) if heard else Message.heard_at.is_not(None))
    return _change(session, mailbox, ids, wanted.values(heard_at=func.now() if heard else None))


def move(
    session: TenantSession, mailbox: Mailbox, ids: Iterable[UUID], folder: str, *, keeps_links: bool = False
) -> list[UUID]:
    """Put messages into a folder; returns those that were elsewhere. What comes out of the trash leaves it for good.

    What somebody throws away is not played by a link any more, unless it `keeps_links`. Raises ValueError for a folder
    that is none.
    """
    if folder not in FOLDERS:
        raise ValueError(f"{folder!r} is no folder; there are {', '.join(FOLDERS)}")
    to_trash = folder == "trash"
    values: dict[str, Any] = {
        "folder": folder,
        "trashed_at": func.now() if to_trash else None,
        "trashed_from": Message.folder if to_trash else None,
    }
    moved = _change(session, mailbox, ids, _in(mailbox).where(Message.folder != folder).values(values))
    if to_trash and moved and not keeps_links:
        session.execute(
            update(Link)
            .where(Link.message_id.in_(moved), Link.revoked_at.is_(None))
            .values(revoked_at=func.now())
            .execution_options(**_UNSYNCHRONIZED)
        )
    return moved


def restore(session: TenantSession, mailbox: Mailbox, ids: Iterable[UUID]) -> list[UUID]:
    """Bring messages back from the trash to where they were; returns those that were in it."""
    back = case((Message.trashed_from == "saved", "saved"), else_="inbox")
    values = {"folder": back, "trashed_at": None, "trashed_from": None}
    return _change(session, mailbox, ids, _in(mailbox).where(Message.folder == "trash").values(values))


class HeldBack(RuntimeError):
    """A legal hold is on: nothing is removed."""


def remove(
    session: TenantSession,
    mailbox: Mailbox,
    ids: Iterable[UUID],
    where: ColumnElement[bool] = ANY,
    despite_hold: bool = False,
) -> list[UUID]:
    """Remove messages for good, and their recordings where nothing else names them; returns those that were there.

    `where` is asked of each again now that the mailbox is locked. Raises `HeldBack` while a legal hold is on.
    """
    if read_preferences(session)[LEGAL_HOLD] and not despite_hold:
        raise HeldBack("a legal hold is on in this organization")
    gone = session.execute(
        delete(Message)
        .where(Message.mailbox_id == mailbox.id, Message.id == _IDS, where)
        .returning(Message.id, Message.recording_id)
        .execution_options(**_UNSYNCHRONIZED),
        {"ids": list(set(ids))},
    ).all()
    drop_unused(session, (recording_id for _id, recording_id in gone))
    if gone:
        recount(session, mailbox)
    return [message_id for message_id, _recording in gone]


def recount(session: TenantSession, mailbox: Mailbox) -> None:
    """Count a locked mailbox's messages and bytes; when the lamp's counts differ from before, say so."""
    session.flush()
    counted = session.execute(_COUNTS, {"mailbox": mailbox.id}).one()
    before = (mailbox.new_count, mailbox.old_count)
    mailbox.new_count, mailbox.old_count = counted.new, counted.old
    mailbox.used_bytes = counted.used
    session.flush()
    if before != (counted.new, counted.old):
        emit(
            session,
            MwiChanged(org_id=session.org_id, mailbox_id=mailbox.id, new=counted.new, old=counted.old),
        )


_COUNTS = select(
    func.count().filter(Message.heard_at.is_(None)).label("new"),
    func.count().filter(Message.heard_at.is_not(None)).label("old"),
    func.coalesce(func.sum(Message.size), 0).label("used"),
).where(Message.mailbox_id == bindparam("mailbox", type_=Uuid()), Message.folder != "trash")


def _in(mailbox: Mailbox) -> Update:
    return update(Message).where(Message.mailbox_id == mailbox.id, Message.id == _IDS)


def _change(session: TenantSession, mailbox: Mailbox, ids: Iterable[UUID], statement: Update) -> list[UUID]:
    session.flush()
    changing = statement.returning(Message.id).execution_options(**_UNSYNCHRONIZED)
    changed: Sequence[UUID] = session.scalars(changing, {"ids": list(set(ids))}).all()
    if changed:
        session.expire_all()
        recount(session, mailbox)
    return list(changed)
