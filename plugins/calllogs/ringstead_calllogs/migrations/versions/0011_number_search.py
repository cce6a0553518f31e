"""The organization's calls by number and by last digits.

Without these a number that is rare is looked for in every call that the organization ever had (decision record 0010
has the figures); each person's own list has so few rows that it needs none. One row for each call, as that is what the
organization's list shows: others would make taking in records slower and be found by nobody.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for column in ("number", "number_reversed"):
        op.create_index(
            f"ix_calllogs_conversation_{column}",
            "calllogs_conversation",
            ["org_id", column, sa.text("started_at DESC")],
            postgresql_where=sa.text("is_primary"),
        )
