"""How long messages stay: the trash for some days, and all messages as long as the organization keeps them.

While a legal hold is on, nothing goes: neither what is old, nor what was deleted, nor anything on a person's behalf.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, select

from ringstead.api import JobSpec
from ringstead.api.blobs import org_blobs
from ringstead.api.models import TenantSession
from ringstead.api.preferences import Preferences
from ringstead.api.switch import Database
from ringstead_voicemail import messages
from ringstead_voicemail.mailboxes import lock_mailbox, read_preferences
from ringstead_voicemail.models import Deposit, Greeting, Link, Message, Recording
from ringstead_voicemail.recordings import FOLDER
from ringstead_voicemail.settings import KEEP_DAYS, LEGAL_HOLD, TRASH_DAYS

LEAST_KEPT: Final = 7
# So long a switch may send a recording again without making a second message of it.
_KEYS_KEPT: Final = timedelta(days=90)
# A deposit puts its bytes before its row; what is younger may still get one.
_UNNAMED_AFTER: Final = timedelta(days=1)
_AT_ONCE: Final = 200


def jobs() -> list[JobSpec]:
    """Each night, for every organization, whether or not it has voicemail on: what was promised is kept."""
    return [
        JobSpec(name="voicemail.retain", run=retain, every="40 2 * * *", per="organization", everywhere=True),
        JobSpec(name="voicemail.sweep", run=sweep, every="10 3 * * *", per="organization", everywhere=True),
    ]


def retain(database: Database, *, org_id: UUID) -> None:
    """Remove what is over, a few hundred messages at a time, each time looking whether a hold has come."""
    while True:
        with database.run_as(org_id) as session:
            rule = read_preferences(session)
            over, where = _over(session, rule, datetime.now(UTC))
            if not over:
                break
            try:
                remove_messages(session, over, where)
            except messages.HeldBack:
                break
    with database.run_as(org_id) as session:
        now = datetime.now(UTC)
        session.execute(delete(Deposit).where(Deposit.created_at < now - _KEYS_KEPT))
        session.execute(delete(Link).where(Link.expires_at < now - timedelta(days=1)))


def _over(
    session: TenantSession, rule: Preferences, now: datetime
) -> tuple[list[tuple[UUID, UUID]], ColumnElement[bool]]:
    """Mailbox and id of some messages that are to go, and what says so."""
    if rule[LEGAL_HOLD]:
        return [], messages.ANY
    trashed = Message.trashed_at < now - timedelta(days=int(rule[TRASH_DAYS]))
    which: Any = (Message.folder == "trash") & trashed
    days = int(rule[KEEP_DAYS])
    if days:
        which = which | (Message.received_at < now - timedelta(days=max(days, LEAST_KEPT)))
    found = select(Message.mailbox_id, Message.id).where(which).limit(_AT_ONCE)
    return [(mailbox_id, message_id) for mailbox_id, message_id in session.execute(found)], which


def remove_messages(
    session: TenantSession,
    which: list[tuple[UUID, UUID]],
    where: ColumnElement[bool] = messages.ANY,
    despite_hold: bool = False,
) -> int:
    """Remove messages, mailbox by mailbox in the order of their ids; how many. Raises `messages.HeldBack`."""
    count = 0
    for mailbox_id in sorted({mailbox_id for mailbox_id, _id in which}):
        mailbox = lock_mailbox(session, mailbox_id)
        ids = [message_id for owner, message_id in which if owner == mailbox_id]
        count += len(messages.remove(session, mailbox, ids, where, despite_hold))
    return count


def sweep(database: Database, *, org_id: UUID) -> None:
    """Remove recordings that nothing names, and blobs that no recording names: what killed processes left, and what
    went with a subscriber."""
    named_by_message = exists().where(
        Message.org_id == Recording.org_id, Message.recording_id == Recording.id
    )
    named_by_greeting = exists().where(
        Greeting.org_id == Recording.org_id, Greeting.recording_id == Recording.id
    )
    before = datetime.now(UTC) - _UNNAMED_AFTER
    with database.run_as(org_id) as session:
        session.execute(
            delete(Recording)
            .where(Recording.created_at < before, ~named_by_message, ~named_by_greeting)
            .execution_options(synchronize_session=False)
        )
        blobs = org_blobs(session)
        known = set(session.scalars(select(Recording.id)))
    for key in list(_unnamed(blobs.keys(FOLDER), known)):
        info = blobs.info(key)
        if info is not None and info.written_at < before:
            blobs.delete(key)


def _unnamed(keys: Iterator[str], known: set[UUID]) -> Iterator[str]:
    for key in keys:
        name = key.removeprefix(f"{FOLDER}/").partition("/")[0]
        try:
            is_known = UUID(name) in known
        except ValueError:
            is_known = False
        if not is_known:
            yield key
