"""Makes a table, then fails.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

from ringstead.api.migrations import create_tenant_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_tenant_table("misfit_migration_table", sa.Column("id", sa.Uuid(), nullable=False))
    op.execute("ALTER TABLE no_such_table ADD COLUMN x integer")
