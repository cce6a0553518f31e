"""Teams with their leads, locations with their managers, and at which location a subscriber is.

Revision ID: 0010
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

from ringstead.api.migrations import create_tenant_table

revision = "0010"
down_revision = "0015"


def upgrade() -> None:
    for group in ("team", "location"):
        create_tenant_table(
            group,
            _uuid("id"),
            sa.Column("slug", sa.Text(), nullable=False),
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column(
                "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
            ),
            sa.UniqueConstraint("org_id", "slug"),
        )
    create_tenant_table(
        "team_member",
        _uuid("team_id"),
        _uuid("subscriber_id"),
        sa.Column("is_lead", sa.Boolean(), nullable=False),
        _of("team"),
        _of("subscriber"),
        key=("team_id", "subscriber_id"),
    )
    op.create_index("ix_team_member_subscriber_id", "team_member", ["org_id", "subscriber_id"])
    create_tenant_table(
        "location_manager",
        _uuid("location_id"),
        _uuid("subscriber_id"),
        _of("location"),
        _of("subscriber"),
        key=("location_id", "subscriber_id"),
    )
    op.create_index("ix_location_manager_subscriber_id", "location_manager", ["org_id", "subscriber_id"])
    op.add_column("subscriber", sa.Column("location_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_subscriber_location_id_location",
        "subscriber",
        "location",
        ["org_id", "location_id"],
        ["org_id", "id"],
        ondelete="SET NULL (location_id)",
    )
    op.create_index("ix_subscriber_location_id", "subscriber", ["org_id", "location_id"])


def _uuid(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=False)


def _of(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["org_id", f"{table}_id"], [f"{table}.org_id", f"{table}.id"], ondelete="CASCADE"
    )
