"""Switch nodes.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from ringstead.db.policy import grant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "switch_node",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("partner_id", sa.Uuid(), sa.ForeignKey("partner.id", ondelete="CASCADE"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
    )
    # A platform table: a node serves many tenants, and what it holds is a name and a hash.
    grant("switch_node", ("SELECT",))
    op.execute("GRANT UPDATE (last_seen_at) ON switch_node TO ringstead_app")
