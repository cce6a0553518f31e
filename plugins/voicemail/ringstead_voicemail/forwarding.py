"""Sending messages on: into a colleague's mailbox, or by e-mail."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ringstead.api import TenantContext, translations
from ringstead.api.models import TenantSession
from ringstead.api.work import MailAttachment, queue_mail
from ringstead_voicemail.links import create_link
from ringstead_voicemail.mailboxes import lock_mailbox, mailbox_of_extension, room_in
from ringstead_voicemail.messages import Caller, Forwarded, add_message
from ringstead_voicemail.models import Message
from ringstead_voicemail.recordings import share_recording
from ringstead_voicemail.settings import LINK_DAYS

_ = translations("ringstead_voicemail")
LONGEST_NOTE: Final = 1000
# A larger sound goes as a link: many mail servers take no more.
MOST_ATTACHED: Final = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class NotSent:
    """Why a message was not sent on: the field, and what is wrong with it."""

    field: str
    why: Any


def forward(
    session: TenantSession, context: TenantContext, row: Any, extension: str, note: str
) -> NotSent | None:
    """Put a copy of a message into the mailbox of an extension; None when it is there."""
    if len(note) > LONGEST_NOTE:
        return NotSent("note", _("Write ${n} characters at most.", mapping={"n": LONGEST_NOTE}))
    target = mailbox_of_extension(session, extension) if extension else None
    if target is None:
        return NotSent("extension", _("Nobody has this extension. Enter that of a colleague."))
    mailbox = lock_mailbox(session, target.id)
    if room_in(session, mailbox).is_full:
        return NotSent("extension", _("That mailbox is full."))
    recording = share_recording(session, row.recording_id)
    if recording is None:
        return NotSent("extension", _("The message is not there any more."))
    assert context.subscriber is not None
    sender = Forwarded(
        by_id=context.subscriber_id,
        by=context.subscriber.name,
        left_at=row.left_at or row.received_at,
        note=note,
    )
    caller = Caller(number=row.number, name=row.name, subscriber_id=row.caller_subscriber_id)
    add_message(session, mailbox, recording, caller, datetime.now(UTC), sender)
    return None


def send_by_mail(
    session: TenantSession,
    context: TenantContext,
    row: Any,
    origin: str,
    to: str,
    note: str,
    attach: bool,
    file: MailAttachment,
) -> NotSent | None:
    """Mail a message: its sound attached, or a link to it; None when the mail waits to be sent."""
    if len(note) > LONGEST_NOTE:
        return NotSent("mail_note", _("Write ${n} characters at most.", mapping={"n": LONGEST_NOTE}))
    message = session.get_one(Message, (session.org_id, row.id))
    size = row.renditions.get("mp3", {}).get("size", row.size)
    attached = [file] if attach and size <= MOST_ATTACHED else []
    assert context.subscriber is not None
    values: dict[str, Any] = {
        "sender": context.subscriber.name,
        "note": note,
        "who": row.name or "",
        "number": row.number,
        "received_at": row.received_at,
        "seconds": row.seconds,
        "transcript": row.transcript,
        "link": "",
    }
    try:
        if not attached:
            values["link"] = origin + create_link(session, message, to, context.preferences[LINK_DAYS])
        queue_mail(
            session,
            to=to,
            template="voicemail/mail/forwarded",
            values=values,
            locale=context.locale,
            attachments=attached,
        )
    except ValueError:
        return NotSent("to", _("That is no email address."))
    return None
