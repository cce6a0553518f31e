"""How far an organization's calls were removed, what each run removed, and partitions that go when they are empty.

Revision ID: 0030
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from ringstead.api.migrations import create_month_dropping, create_tenant_table

revision = "0030"
down_revision = "0003"

COUNTED = ("calls", "legs", "leg_keys", "merges", "conversations", "annotations", "person_quarters")
PARTITIONED = (
    ("calllogs_leg", "started_at"),
    ("calllogs_conversation", "started_at"),
    ("calllogs_person_quarter", "at"),
)


def upgrade() -> None:
    create_tenant_table("calllogs_horizon", _at("until"), key=())
    create_tenant_table(
        "calllogs_retention_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        _at("began_at"),
        _at("finished_at", nullable=True),
        _at("kept_since", nullable=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in COUNTED),
        sa.Column("why", sa.Text(), nullable=False, server_default=""),
    )
    for table, column in PARTITIONED:
        create_month_dropping(table, column)
    # Months belong to all tenants together, so this is nobody's: names of partitions, and when they went.
    op.create_table(
        "calllogs_dropped_month",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column(
            "dropped_at", sa.DateTime(timezone=True), primary_key=True, server_default=sa.text("now()")
        ),
    )
    op.execute("GRANT SELECT, INSERT ON calllogs_dropped_month TO ringstead_app, ringstead_operator")


def _at(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
