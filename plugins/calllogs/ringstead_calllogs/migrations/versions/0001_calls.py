"""Legs, their keys, and conversations.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.api.migrations import create_month_partitions, create_tenant_table

revision = "0001"
down_revision = None

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    create_tenant_table(
        "calllogs_leg_key",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("linked_id", TEXT, nullable=False),
        sa.Column("leg_id", sa.Uuid(), nullable=False),
        _at("started_at"),
        sa.Column("revision", sa.Integer(), nullable=False),
    )
    op.create_index("ix_calllogs_leg_key_linked", "calllogs_leg_key", ["org_id", "linked_id"])
    create_tenant_table(
        "calllogs_merge", sa.Column("id", TEXT, nullable=False), sa.Column("into_id", TEXT, nullable=False)
    )
    op.create_index("ix_calllogs_merge_into", "calllogs_merge", ["org_id", "into_id"])
    _legs()
    _conversations()


def _legs() -> None:
    ends = [
        column
        for end in ("from", "requested", "to")
        for column in (
            sa.Column(f"{end}_subscriber_id", sa.Uuid()),
            sa.Column(f"{end}_number", sa.Text()),
            sa.Column(f"{end}_name", sa.Text()),
        )
    ]
    create_tenant_table(
        "calllogs_leg",
        _at("started_at"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("linked_id", TEXT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        _at("answered_at", nullable=True),
        _at("ended_at"),
        sa.Column("hangup_cause", sa.Integer()),
        *ends,
        sa.Column("device", sa.Text()),
        sa.Column("trace_id", sa.Text()),
        sa.Column("node_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        key=("started_at", "id"),
        partition_by="started_at",
    )
    create_month_partitions("calllogs_leg")


def _conversations() -> None:
    create_tenant_table(
        "calllogs_conversation",
        _at("started_at"),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscriber_id", sa.Uuid()),
        sa.Column("linked_id", TEXT, nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("is_internal", sa.Boolean(), nullable=False),
        sa.Column("disposition", sa.Text(), nullable=False),
        sa.Column("number", TEXT),
        sa.Column("number_reversed", TEXT, sa.Computed("reverse(number)", persisted=True)),
        sa.Column("name", sa.Text()),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("other_subscriber_id", sa.Uuid()),
        sa.Column("requested_number", sa.Text()),
        sa.Column("requested_name", sa.Text()),
        _at("answered_at", nullable=True),
        _at("ended_at"),
        sa.Column("ring_seconds", sa.Integer(), nullable=False),
        sa.Column("talk_seconds", sa.Integer(), nullable=False),
        sa.Column("devices", JSONB, nullable=False),
        sa.Column("leg_count", sa.Integer(), nullable=False),
        sa.Column("trace_id", sa.Text()),
        # The id first: so it finds one call by its id, and no page is ever read in this index's order.
        key=("id", "started_at"),
        partition_by="started_at",
    )
    op.create_index(
        "ix_calllogs_conversation_list",
        "calllogs_conversation",
        ["org_id", "subscriber_id", sa.text("started_at DESC"), sa.text("id DESC")],
    )
    op.create_index(
        "ix_calllogs_conversation_primary",
        "calllogs_conversation",
        ["org_id", sa.text("started_at DESC"), sa.text("id DESC")],
        postgresql_where=sa.text("is_primary"),
    )
    create_month_partitions("calllogs_conversation")


def _at(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
