"""Notices.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa

from ringstead.api.migrations import create_tenant_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_tenant_table(
        "noticeboard_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.ForeignKeyConstraint(
            ["org_id", "author_id"], ["subscriber.org_id", "subscriber.id"], ondelete="CASCADE"
        ),
    )
