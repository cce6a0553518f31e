"""Calls counted by person and quarter of an hour, and for the organization.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa

from ringstead.api.migrations import create_month_partitions, create_tenant_table

revision = "0002"
down_revision = "0001"

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
    create_tenant_table(
        "calllogs_person_quarter",
        sa.Column("subscriber_id", sa.Uuid(), nullable=False),
        _at(),
        *_measures(),
        key=("subscriber_id", "at"),
        partition_by="at",
    )
    create_month_partitions("calllogs_person_quarter")
    create_tenant_table("calllogs_office_quarter", _at(), *_measures(), key=("at",))


def _at() -> sa.Column[object]:
    return sa.Column("at", sa.DateTime(timezone=True), nullable=False)


def _measures() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in MEASURES]
