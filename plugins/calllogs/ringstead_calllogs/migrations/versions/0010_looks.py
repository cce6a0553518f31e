"""Who looked at whose calls.

Revision ID: 0010
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

from ringstead.api.migrations import create_tenant_table

revision = "0010"
down_revision = "0031"


def upgrade() -> None:
    create_tenant_table(
        "calllogs_look",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("subscriber_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("account_name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_name", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
    )
    op.create_index(
        "ix_calllogs_look_person",
        "calllogs_look",
        ["org_id", "subscriber_id", sa.text("at DESC"), sa.text("id DESC")],
    )
