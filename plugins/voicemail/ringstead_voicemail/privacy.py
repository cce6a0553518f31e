"""A person's voicemail: all of it for themselves to have, and gone when they are to be forgotten."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, select, update

from ringstead.api import Erasure, ErasureRefused, PersonalData, PersonalFile, translations
from ringstead.api.models import TenantSession
from ringstead_voicemail.listing import JOINED
from ringstead_voicemail.mailboxes import read_preferences
from ringstead_voicemail.models import (
    Greeting,
    Mailbox,
    MailboxMember,
    Message,
    NotificationAddress,
    Recording,
)
from ringstead_voicemail.recordings import SUFFIXES, blob_key, drop_unused
from ringstead_voicemail.retention import remove_messages
from ringstead_voicemail.settings import LEGAL_HOLD

_ = translations("ringstead_voicemail")


def export_person(session: TenantSession, subscriber_id: UUID) -> list[PersonalData]:
    """Their mailbox, its messages and greetings with their sound, and that they left others messages.

    What they said to others is in the others' mailboxes, and theirs.
    """
    mailbox = session.scalars(select(Mailbox).where(Mailbox.subscriber_id == subscriber_id)).one_or_none()
    # Not what others made of them: sent on, with which words, heard or not.
    left = JOINED.where(Message.caller_subscriber_id == subscriber_id, Message.forwarded_by_id.is_(None))
    parts = [PersonalData(name="voicemail-left-for-others", rows=_left(session, left.order_by(Message.id)))]
    if mailbox is None:
        return parts
    mine = JOINED.where(Message.mailbox_id == mailbox.id).order_by(Message.id)
    greetings = select(Greeting).where(Greeting.mailbox_id == mailbox.id).order_by(Greeting.id)
    addresses = select(NotificationAddress).where(NotificationAddress.mailbox_id == mailbox.id)
    settings = {
        "notify": mailbox.notify,
        "after_mail": mailbox.after_mail,
        "transcribe": mailbox.transcribe,
        "language": mailbox.language,
        "prompts": dict(mailbox.prompts),
        "addresses": [address.email for address in session.scalars(addresses)],
    }
    return [
        PersonalData(name="voicemail-settings", rows=[settings]),
        PersonalData(
            name="voicemail-messages", rows=_rows(session, mine), files=_sounds(session, Message, mailbox.id)
        ),
        PersonalData(
            name="voicemail-greetings",
            rows=[
                {
                    "id": one.id,
                    "kind": one.kind,
                    "title": one.title,
                    "active": one.is_active,
                    "created_at": one.created_at,
                }
                for one in session.scalars(greetings)
            ],
            files=_sounds(session, Greeting, mailbox.id),
        ),
        *parts,
    ]


def _sounds(
    session: TenantSession, kind: type[Message] | type[Greeting], mailbox_id: UUID
) -> Iterator[PersonalFile]:
    """The recordings of a mailbox's messages or greetings as they came, named by the row's `id`."""
    recording = and_(Recording.org_id == kind.org_id, Recording.id == kind.recording_id)
    found = select(kind.id, Recording.id, Recording.media_type).join(Recording, recording)
    for row_id, recording_id, media_type in session.execute(found.where(kind.mailbox_id == mailbox_id)):
        yield PersonalFile(name=f"{row_id}.{SUFFIXES.get(media_type, 'bin')}", blob=blob_key(recording_id))


def _left(session: TenantSession, statement: Any) -> Iterator[dict[str, Any]]:
    for row in session.execute(statement):
        yield {"received_at": row.received_at, "seconds": row.seconds, "transcript": row.transcript}


def _rows(session: TenantSession, statement: Any) -> Iterator[dict[str, Any]]:
    for row in session.execute(statement):
        yield {
            "id": row.id,
            "folder": row.folder,
            "received_at": row.received_at,
            "heard_at": row.heard_at,
            "number": row.number,
            "name": row.name,
            "seconds": row.seconds,
            "transcript": row.transcript,
            "forwarded_by": row.forwarded_by,
            "note": row.note,
        }


def erase_person(session: TenantSession, subscriber_id: UUID, despite_hold: bool) -> list[Erasure]:
    """Their mailbox with all that is in it; in what others keep they are not named any more. Not under a legal hold."""
    if read_preferences(session)[LEGAL_HOLD] and not despite_hold:
        raise ErasureRefused("voicemail is under a legal hold in this organization")
    mailbox = session.scalars(select(Mailbox).where(Mailbox.subscriber_id == subscriber_id)).one_or_none()
    removed = greetings = 0
    if mailbox is not None:
        found = select(Message.mailbox_id, Message.id).where(Message.mailbox_id == mailbox.id)
        removed = remove_messages(
            session, [(box, one) for box, one in session.execute(found)], despite_hold=despite_hold
        )
        sounds = session.scalars(
            delete(Greeting).where(Greeting.mailbox_id == mailbox.id).returning(Greeting.recording_id)
        ).all()
        greetings = len(sounds)
        drop_unused(session, sounds)
        session.execute(delete(Mailbox).where(Mailbox.id == mailbox.id))
    for kind in (MailboxMember, NotificationAddress):
        session.execute(delete(kind).where(kind.subscriber_id == subscriber_id))
    named = _forget_caller(session, subscriber_id)
    return [
        Erasure(what="voicemail messages", count=removed),
        Erasure(what="voicemail greetings", count=greetings),
        Erasure(what="names in others' voicemail", count=named),
    ]


def _forget_caller(session: TenantSession, subscriber_id: UUID) -> int:
    """Take name and number out of messages that others keep, and who sent them on."""
    options = {"synchronize_session": False}
    left = (
        update(Message)
        .where(Message.caller_subscriber_id == subscriber_id)
        .values(caller_subscriber_id=None, name=None, number=None)
        .returning(Message.id)
        .execution_options(**options)
    )
    sent = (
        update(Message)
        .where(Message.forwarded_by_id == subscriber_id)
        .values(forwarded_by_id=None, forwarded_by="–", note="")
        .returning(Message.id)
        .execution_options(**options)
    )
    return len(session.scalars(left).all()) + len(session.scalars(sent).all())
