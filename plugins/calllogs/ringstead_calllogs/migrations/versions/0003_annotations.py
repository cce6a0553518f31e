"""Notes and tags on conversations.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.api.migrations import create_tenant_table

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    create_tenant_table(
        "calllogs_annotation",
        sa.Column("subscriber_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("tags", JSONB, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        key=("subscriber_id", "conversation_id"),
    )
