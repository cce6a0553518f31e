"""An organization that was suspended before it was closed is suspended again when it is kept.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.add_column(
        "organization",
        sa.Column("was_suspended", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
