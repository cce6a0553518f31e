"""A folder of a mailbox, page by page, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from ringstead.api.models import TenantSession
from ringstead_voicemail.mailboxes import opened_by
from ringstead_voicemail.models import Mailbox, Message, Recording

PAGE_ROWS: Final = 25
COLUMNS: Final = (
    Message.id,
    Message.mailbox_id,
    Message.recording_id,
    Message.folder,
    Message.received_at,
    Message.left_at,
    Message.heard_at,
    Message.number,
    Message.name,
    Message.caller_subscriber_id,
    Message.forwarded_by,
    Message.forwarded_at,
    Message.note,
    Message.size,
    Recording.seconds,
    Recording.state,
    Recording.peaks,
    Recording.media_type,
    Recording.renditions,
    Recording.digest,
    Recording.transcript,
    Recording.transcript_state,
)
JOINED: Final = select(*COLUMNS).join(
    Recording, and_(Recording.org_id == Message.org_id, Recording.id == Message.recording_id)
)
_NEWEST: Final = (Message.received_at.desc(), Message.id.desc())


@dataclass(frozen=True, slots=True)
class Cursor:
    """The message after which a page begins: its time and id, as `TIME_ID` in an address."""

    received_at: datetime
    id: UUID

    @classmethod
    def read(cls, text: str) -> "Cursor | None":
        """The cursor of an address; None for what is none."""
        at, _mark, message_id = text.partition("_")
        try:
            return cls(datetime.fromisoformat(at.replace(" ", "+")), UUID(message_id))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.received_at.isoformat()}_{self.id}"


@dataclass(frozen=True, slots=True)
class Page:
    """Messages of a folder, and where the next, older page begins (None: there is none)."""

    rows: Sequence[Any]
    older: Cursor | None


def read_page(
    session: TenantSession,
    mailbox_id: UUID,
    folder: str,
    query: str = "",
    before: Cursor | None = None,
    *,
    in_words: bool = True,
) -> Page:
    """A page of a folder; with `query`, of those messages whose caller, number or words hold it."""
    statement = JOINED.where(Message.mailbox_id == mailbox_id, Message.folder == folder)
    if query:
        statement = sought(statement, query, in_words=in_words)
    if before is not None:
        later = Message.received_at < before.received_at
        same = and_(Message.received_at == before.received_at, Message.id < before.id)
        statement = statement.where(Message.received_at <= before.received_at, or_(later, same))
    rows = session.execute(statement.order_by(*_NEWEST).limit(PAGE_ROWS + 1)).all()
    shown, has_more = rows[:PAGE_ROWS], len(rows) > PAGE_ROWS
    return Page(shown, Cursor(shown[-1].received_at, shown[-1].id) if has_more else None)


def read_messages(session: TenantSession, mailbox_ids: Sequence[UUID], ids: Sequence[UUID]) -> list[Any]:
    """Those of the messages that are in these mailboxes, newest first."""
    wanted = any_(bindparam("ids", type_=ARRAY(Uuid())))
    boxes = any_(bindparam("boxes", type_=ARRAY(Uuid())))
    found = JOINED.where(Message.id == wanted, Message.mailbox_id == boxes).order_by(*_NEWEST)
    return list(session.execute(found, {"ids": list(ids), "boxes": list(mailbox_ids)}))


def read_my_messages(session: TenantSession, subscriber_id: UUID, ids: Sequence[UUID]) -> list[Any]:
    """Those of the messages that are in mailboxes that a subscriber opens, newest first."""
    wanted = any_(bindparam("ids", type_=ARRAY(Uuid())))
    box = and_(Mailbox.org_id == Message.org_id, Mailbox.id == Message.mailbox_id)
    found = JOINED.join(Mailbox, box).where(Message.id == wanted, opened_by(subscriber_id))
    return list(session.execute(found.order_by(*_NEWEST), {"ids": list(ids)}))


def sought(statement: Select[Any], query: str, *, in_words: bool = True) -> Select[Any]:
    """Of the messages of a statement, those whose caller, number or (`in_words`) words hold `query`."""
    columns: list[Any] = [Message.name, Message.forwarded_by]
    if in_words:
        columns += [Message.note, Recording.transcript]
    found = [column.icontains(query, autoescape=True) for column in columns]
    digits = "".join(char for char in query if char.isdigit())
    if digits:
        found.append(Message.number.contains(digits))
    return statement.where(or_(*found))
