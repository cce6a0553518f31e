"""Where the portal reaches a switch's adapter.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("switch_node", sa.Column("adapter_url", sa.Text(), nullable=True))
    # What the portal presents there: it has to be said, so it cannot be kept as a hash.
    op.add_column("switch_node", sa.Column("adapter_key", sa.Text(), nullable=True))
