"""Mailboxes, recordings, messages, greetings, and how people hear of messages.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.api.migrations import create_tenant_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    _mailboxes()
    _messages()
    _greetings()
    _notices()


def _mailboxes() -> None:
    create_tenant_table(
        "voicemail_mailbox",
        _id("id"),
        _id("subscriber_id", nullable=True),
        sa.Column("extension", sa.Text()),
        _text("name"),
        _created(),
        _count("new_count"),
        _count("old_count"),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("lamp_new", sa.Integer()),
        sa.Column("lamp_old", sa.Integer()),
        _at("lamp_told_at"),
        _text("lamp_error"),
        sa.Column("pin_hash", sa.Text()),
        _at("pin_changed_at"),
        _count("pin_failures"),
        _at("pin_locked_until"),
        sa.Column("pin_day", sa.Date()),
        _count("pin_day_failures"),
        _text("notify", "off"),
        _text("after_mail", "keep"),
        sa.Column("transcribe", sa.Boolean(), nullable=False, server_default=sa.true()),
        _text("language"),
        sa.Column("prompts", JSONB(), nullable=False, server_default="{}"),
        sa.UniqueConstraint("org_id", "subscriber_id"),
        sa.UniqueConstraint("org_id", "extension"),
        sa.ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
        sa.CheckConstraint("(subscriber_id IS NULL) = (extension IS NOT NULL)", name="whose"),
    )
    create_tenant_table(
        "voicemail_member",
        _id("mailbox_id"),
        _id("subscriber_id"),
        _in_mailbox(),
        sa.ForeignKeyConstraint(
            ["org_id", "subscriber_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
        key=("mailbox_id", "subscriber_id"),
    )
    op.create_index("ix_voicemail_member_subscriber", "voicemail_member", ["org_id", "subscriber_id"])


def _messages() -> None:
    create_tenant_table(
        "voicemail_recording",
        _id("id"),
        _text("state", "stored"),
        _text("error"),
        _text("media_type", None),
        _text("codec", None),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        _text("digest", None),
        sa.Column("peaks", sa.LargeBinary()),
        sa.Column("renditions", JSONB(), nullable=False, server_default="{}"),
        _text("transcript_state", "none"),
        _text("transcript"),
        _text("transcript_language"),
        _created(),
    )
    create_tenant_table(
        "voicemail_message",
        _id("id"),
        _id("mailbox_id"),
        _id("recording_id"),
        _text("folder", "inbox"),
        _at("received_at", nullable=False),
        _at("left_at"),
        _at("heard_at"),
        _at("trashed_at"),
        sa.Column("trashed_from", sa.Text()),
        sa.Column("number", sa.Text()),
        sa.Column("name", sa.Text()),
        _id("caller_subscriber_id", nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        _id("forwarded_by_id", nullable=True),
        sa.Column("forwarded_by", sa.Text()),
        _at("forwarded_at"),
        _text("note"),
        _created(),
        _in_mailbox(),
        _of_recording(),
        sa.CheckConstraint("folder IN ('inbox', 'saved', 'trash')", name="folder"),
        sa.CheckConstraint("(folder = 'trash') = (trashed_at IS NOT NULL)", name="trashed"),
    )
    # The list of a folder, newest first; and the counts, from the index alone.
    op.create_index(
        "ix_voicemail_message_list",
        "voicemail_message",
        ["org_id", "mailbox_id", "folder", sa.text("received_at DESC"), sa.text("id DESC")],
    )
    op.create_index(
        "ix_voicemail_message_counts",
        "voicemail_message",
        ["org_id", "mailbox_id"],
        postgresql_include=["heard_at", "size"],
        postgresql_where=sa.text("folder <> 'trash'"),
    )
    op.create_index("ix_voicemail_message_recording", "voicemail_message", ["org_id", "recording_id"])
    op.create_index(
        "ix_voicemail_message_trash",
        "voicemail_message",
        ["org_id", "trashed_at"],
        postgresql_where=sa.text("folder = 'trash'"),
    )
    op.create_index("ix_voicemail_message_received", "voicemail_message", ["org_id", "received_at"])
    create_tenant_table(
        "voicemail_deposit",
        _text("key", None),
        _id("message_id"),
        _text("digest", None),
        _created(),
        key=("key",),
    )
    op.create_index("ix_voicemail_deposit_created", "voicemail_deposit", ["org_id", "created_at"])


def _greetings() -> None:
    create_tenant_table(
        "voicemail_greeting",
        _id("id"),
        _id("mailbox_id"),
        _id("recording_id"),
        _text("kind", None),
        _text("title", None),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("situation", sa.Text()),
        _at("until"),
        _created(),
        _in_mailbox(),
        _of_recording(),
        sa.CheckConstraint("kind IN ('unavailable', 'busy', 'name', 'absence')", name="kind"),
    )
    op.create_index("ix_voicemail_greeting_mailbox", "voicemail_greeting", ["org_id", "mailbox_id"])
    op.create_index("ix_voicemail_greeting_recording", "voicemail_greeting", ["org_id", "recording_id"])
    op.create_index(
        "uq_voicemail_greeting_active",
        "voicemail_greeting",
        ["org_id", "mailbox_id", "kind"],
        unique=True,
        postgresql_where=sa.text("is_active"),
    )


def _notices() -> None:
    create_tenant_table(
        "voicemail_address",
        _id("id"),
        _id("mailbox_id"),
        _id("subscriber_id"),
        _text("email", None),
        sa.Column("token_hash", sa.LargeBinary()),
        _at("verified_at"),
        _created(),
        sa.UniqueConstraint("org_id", "mailbox_id", "email"),
        _in_mailbox(),
    )
    create_tenant_table(
        "voicemail_link",
        _id("id"),
        _id("message_id"),
        _id("mailbox_id"),
        _text("email", None),
        _at("expires_at", nullable=False),
        _at("revoked_at"),
        _created(),
        sa.ForeignKeyConstraint(
            ["org_id", "message_id"], ["voicemail_message.org_id", "voicemail_message.id"], ondelete="CASCADE"
        ),
    )
    op.create_index("ix_voicemail_link_message", "voicemail_link", ["org_id", "message_id"])


def _id(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _text(name: str, default: str | None = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=default)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default="0")


def _at(name: str, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _created() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _in_mailbox() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["org_id", "mailbox_id"], ["voicemail_mailbox.org_id", "voicemail_mailbox.id"], ondelete="CASCADE"
    )


def _of_recording() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["org_id", "recording_id"], ["voicemail_recording.org_id", "voicemail_recording.id"]
    )
