"""Mails about new messages, and what becomes of a message once its mail was taken."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from ringstead.api import EventListener, JobSpec
from ringstead.api.directory import find_subscribers, plugins_of
from ringstead.api.models import TenantSession
from ringstead.api.switch import Database
from ringstead.api.work import Event, MailAttachment, queue_mail
from ringstead_voicemail import messages
from ringstead_voicemail.events import MessageReady
from ringstead_voicemail.forwarding import MOST_ATTACHED
from ringstead_voicemail.links import create_link
from ringstead_voicemail.listing import read_messages
from ringstead_voicemail.mailboxes import lock_mailbox, read_preferences
from ringstead_voicemail.message_views import playable
from ringstead_voicemail.models import Mailbox, Message, NotificationAddress
from ringstead_voicemail.recordings import SUFFIXES
from ringstead_voicemail.settings import LINK_DAYS

AFTER: Final = "voicemail.after_mail"
NOTIFY: Final = ("off", "notice", "link", "attach")
AFTER_MAIL: Final = ("keep", "heard", "trash")


def listeners() -> list[EventListener]:
    """Who hears of messages that are ready."""
    return [EventListener(name="voicemail.notice", event=MessageReady, handle=on_ready)]


def jobs() -> list[JobSpec]:
    """What is done after a mail."""
    return [JobSpec(name=AFTER, run=after_mail)]


def on_ready(session: TenantSession, event: Event) -> None:
    """Mail everybody who wants to hear of this mailbox's new messages."""
    assert isinstance(event, MessageReady)
    mailbox = session.get(Mailbox, (event.org_id, event.mailbox_id))
    rows = read_messages(session, [event.mailbox_id], [event.message_id])
    if mailbox is None or mailbox.notify == "off" or not rows or rows[0].heard_at is not None:
        return
    if not is_in_package(session, mailbox):
        return
    verified = select(NotificationAddress.email).where(
        NotificationAddress.mailbox_id == mailbox.id, NotificationAddress.verified_at.is_not(None)
    )
    for email in session.scalars(verified.order_by(NotificationAddress.id)).all():
        _mail(session, mailbox, rows[0], email)


def is_in_package(session: TenantSession, mailbox: Mailbox) -> bool:
    """Whether a mailbox's owner has voicemail by their package; a shared one is nobody's own. Messages are kept, and
    heard once the package has it (decision 0021)."""
    return mailbox.subscriber_id is None or "voicemail" in plugins_of(session, mailbox.subscriber_id)


def _mail(session: TenantSession, mailbox: Mailbox, row: Any, email: str) -> None:
    file = playable(row)
    attach = mailbox.notify == "attach" and file.size <= MOST_ATTACHED
    attachments = []
    if attach:
        ending = SUFFIXES.get(file.media_type, "bin")
        attachments = [MailAttachment(file.key, f"voicemail.{ending}", file.media_type)]
    path = ""
    if mailbox.notify == "link" or (mailbox.notify == "attach" and not attach):
        message = session.get_one(Message, (session.org_id, row.id))
        path = create_link(session, message, email, int(read_preferences(session)[LINK_DAYS]))
    queue_mail(
        session,
        to=email,
        template="voicemail/mail/new_message",
        values={
            "box": mailbox.name or _owner(session, mailbox),
            "who": row.name or "",
            "number": row.number,
            "received_at": row.received_at,
            "seconds": row.seconds,
            "transcript": row.transcript,
            "path": path,
            "message_path": f"/voicemail/messages/{row.id}",
        },
        attachments=attachments,
        on_sent=(AFTER, {"org_id": session.org_id, "message_id": row.id}),
    )


def _owner(session: TenantSession, mailbox: Mailbox) -> str:
    ids = [mailbox.subscriber_id] if mailbox.subscriber_id is not None else []
    return next((found.name for found in find_subscribers(session, ids=ids)), "")


def after_mail(database: Database, *, org_id: UUID, message_id: UUID) -> None:
    """The job, once a server has taken the mail: what the mailbox says is to become of the message."""
    with database.run_as(org_id) as session:
        message = session.get(Message, (org_id, message_id))
        if message is None or message.folder == "trash":
            return
        mailbox = lock_mailbox(session, message.mailbox_id)
        if mailbox.after_mail == "heard":
            messages.mark_heard(session, mailbox, [message_id])
        elif mailbox.after_mail == "trash":
            # The mail's own link still plays it.
            messages.move(session, mailbox, [message_id], "trash", keeps_links=True)
