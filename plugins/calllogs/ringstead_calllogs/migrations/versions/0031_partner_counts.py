"""Calls counted for a partner over all of its organizations.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

from ringstead.api.migrations import (
    create_id_listing,
    create_partner_table,
    create_tenant_table,
    list_for_partner,
)

revision = "0031"
down_revision = "0030"

MEASURES = (
    "answered",
    "missed",
    "elsewhere",
    "dialled",
    "reached",
    "internal",
    "talk_seconds",
    "wait_seconds",
    "longest_wait",
)


def upgrade() -> None:
    list_for_partner("calllogs_office_quarter")
    op.create_index("ix_calllogs_office_quarter_partner", "calllogs_office_quarter", ["partner_id", "at"])
    create_partner_table(
        "calllogs_partner_quarter",
        _at(),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in MEASURES),
        key=("at",),
    )
    create_tenant_table(
        "calllogs_stale_quarter", _at(), sa.Column("id", sa.Uuid(), nullable=False), key=("at", "id")
    )
    list_for_partner("calllogs_stale_quarter")
    op.create_index("ix_calllogs_stale_quarter_partner", "calllogs_stale_quarter", ["partner_id"])
    create_id_listing("calllogs_stale_partners", "calllogs_stale_quarter", "partner_id")
    # What was counted before there were sums of partners is summed up in the first minute.
    op.execute("ALTER TABLE calllogs_office_quarter NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE calllogs_stale_quarter NO FORCE ROW LEVEL SECURITY")
    op.execute("""
        INSERT INTO calllogs_stale_quarter (org_id, partner_id, at, id)
        SELECT org_id, partner_id, at, gen_random_uuid() FROM calllogs_office_quarter
    """)
    op.execute("ALTER TABLE calllogs_office_quarter FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE calllogs_stale_quarter FORCE ROW LEVEL SECURITY")


def _at() -> sa.Column[object]:
    return sa.Column("at", sa.DateTime(timezone=True), nullable=False)
