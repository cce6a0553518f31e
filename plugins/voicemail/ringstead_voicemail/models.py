"""Mailboxes, what is in them, and what callers hear.

A *recording* is sound: the bytes as they came, and what was made of them. Messages and greetings each name one; a
forwarded message names the same one as the message that it was made from. Blobs of a recording stand under
`voicemail/recordings/ID/`. Times are UTC, durations whole seconds, sizes bytes.
"""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api.models import Base, CreatedAt, OrgScoped, new_id

DEFAULT_PROMPTS: Final = {"caller": True, "time": True, "instructions": True, "skip_pin": False}


class Mailbox(OrgScoped, Base):
    """Where messages for somebody land: for one subscriber, or (without `subscriber_id`) for several people.

    `new_count` and `old_count` are what the lamp shows: messages that nobody has heard, and heard ones, the trash left
    out. `used_bytes` are those of the same messages. `lamp_*` is what the switch confirmed last, or why it did not.
    """

    __tablename__ = "voicemail_mailbox"
    __table_args__ = (UniqueConstraint("org_id", "subscriber_id"), UniqueConstraint("org_id", "extension"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subscriber_id: Mapped[UUID | None]
    extension: Mapped[str | None]
    """A shared mailbox's own extension; a subscriber's mailbox has theirs."""
    name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[CreatedAt]

    new_count: Mapped[int] = mapped_column(default=0)
    old_count: Mapped[int] = mapped_column(default=0)
    used_bytes: Mapped[int] = mapped_column(BigInteger, default=0)

    lamp_new: Mapped[int | None]
    lamp_old: Mapped[int | None]
    lamp_told_at: Mapped[datetime | None]
    lamp_error: Mapped[str] = mapped_column(default="")

    pin_hash: Mapped[str | None]
    pin_changed_at: Mapped[datetime | None]
    pin_failures: Mapped[int] = mapped_column(default=0)
    pin_locked_until: Mapped[datetime | None]
    pin_day: Mapped[date | None]
    pin_day_failures: Mapped[int] = mapped_column(default=0)

    notify: Mapped[str] = mapped_column(default="off")
    """What the mail about a new message holds: off, notice, link or attach."""
    after_mail: Mapped[str] = mapped_column(default="keep")
    """What becomes of a message once its mail was taken: keep, heard or trash."""
    transcribe: Mapped[bool] = mapped_column(default=True)
    language: Mapped[str] = mapped_column(default="")
    """Of prompts and transcripts; empty: the subscriber's own."""
    prompts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What the phone says around messages: `caller`, `time`, `instructions`, `skip_pin`; what is missing is as in
    `DEFAULT_PROMPTS`. Read `all_prompts`."""

    @property
    def all_prompts(self) -> dict[str, bool]:
        """Every prompt, chosen or not."""
        return {**DEFAULT_PROMPTS, **self.prompts}

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to several people."""
        return self.subscriber_id is None


class MailboxMember(OrgScoped, Base):
    """Somebody who opens a shared mailbox."""

    __tablename__ = "voicemail_member"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "mailbox_id"], ["voicemail_mailbox.org_id", "voicemail_mailbox.id"], ondelete="CASCADE"
        ),
    )

    mailbox_id: Mapped[UUID] = mapped_column(primary_key=True)
    subscriber_id: Mapped[UUID] = mapped_column(primary_key=True)


class Recording(OrgScoped, Base):
    """Sound. `state` is stored (no renditions yet), ready, or failed (`error` says why; the original is there).

    `media_type` and `codec` are the original's (`wav/pcm16`, `mp3`, `ogg/opus` …), `digest` its SHA-256. `peaks` are
    bars of the waveform, a byte each, 0 to 255. `renditions` maps a name (`mp3`, `wav`, `wav8`, `wav16`) to
    `{"size", "digest", "media_type"}`; the blob is `voicemail/recordings/ID/NAME`, that of the original `…/original`.
    `transcript_state` is none, queued, done or failed.
    """

    __tablename__ = "voicemail_recording"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    state: Mapped[str] = mapped_column(default="stored")
    error: Mapped[str] = mapped_column(default="")
    media_type: Mapped[str]
    codec: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[int]
    digest: Mapped[str]
    peaks: Mapped[bytes | None]
    renditions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    transcript_state: Mapped[str] = mapped_column(default="none")
    transcript: Mapped[str] = mapped_column(default="")
    transcript_language: Mapped[str] = mapped_column(default="")
    created_at: Mapped[CreatedAt]


class Message(OrgScoped, Base):
    """What a caller left in a mailbox. `folder` is inbox, saved or trash; `trashed_from` where it was before.

    `number` is E.164 or an extension, None when it is withheld. `heard_at` is when it was played first since it was
    new. A forwarded one says who sent it on, when, and with which note; it was `left_at` first.
    """

    __tablename__ = "voicemail_message"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "mailbox_id"], ["voicemail_mailbox.org_id", "voicemail_mailbox.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "recording_id"], ["voicemail_recording.org_id", "voicemail_recording.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    mailbox_id: Mapped[UUID]
    recording_id: Mapped[UUID]
    folder: Mapped[str] = mapped_column(default="inbox")
    received_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    trashed_at: Mapped[datetime | None]
    trashed_from: Mapped[str | None]
    number: Mapped[str | None]
    name: Mapped[str | None]
    caller_subscriber_id: Mapped[UUID | None]
    size: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[int]
    forwarded_by_id: Mapped[UUID | None]
    forwarded_by: Mapped[str | None]
    forwarded_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")
    created_at: Mapped[CreatedAt]


class Deposit(OrgScoped, Base):
    """An idempotency key of a switch, and the message that came of it. `key` is `NODE/KEY`."""

    __tablename__ = "voicemail_deposit"

    key: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[UUID]
    digest: Mapped[str]
    created_at: Mapped[CreatedAt]


class Greeting(OrgScoped, Base):
    """What callers hear. `kind` is unavailable, busy, name or absence; the switch plays the active one of a kind.

    An active `absence` goes before all others until `until`. With `situation` a greeting is played while that holds
    (the subscriber is away, the office is closed), in the place of the active one of its kind.
    """

    __tablename__ = "voicemail_greeting"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "mailbox_id"], ["voicemail_mailbox.org_id", "voicemail_mailbox.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["org_id", "recording_id"], ["voicemail_recording.org_id", "voicemail_recording.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    mailbox_id: Mapped[UUID]
    recording_id: Mapped[UUID]
    kind: Mapped[str]
    title: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=False)
    situation: Mapped[str | None]
    until: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class NotificationAddress(OrgScoped, Base):
    """An e-mail address that hears of new messages once its owner has confirmed it. `token_hash` is the link's."""

    __tablename__ = "voicemail_address"
    __table_args__ = (
        UniqueConstraint("org_id", "mailbox_id", "email"),
        ForeignKeyConstraint(
            ["org_id", "mailbox_id"], ["voicemail_mailbox.org_id", "voicemail_mailbox.id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    mailbox_id: Mapped[UUID]
    subscriber_id: Mapped[UUID]
    """Who wants to hear there: it goes when they do not open the mailbox any more."""
    email: Mapped[str]
    token_hash: Mapped[bytes | None]
    verified_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class Link(OrgScoped, Base):
    """A link that plays one message without signing in, until `expires_at` or until it is revoked."""

    __tablename__ = "voicemail_link"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "message_id"], ["voicemail_message.org_id", "voicemail_message.id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    message_id: Mapped[UUID]
    mailbox_id: Mapped[UUID]
    email: Mapped[str]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
