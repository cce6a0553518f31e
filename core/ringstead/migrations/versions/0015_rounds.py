"""Periodic jobs that are run once for each organization.

Revision ID: 0015
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from ringstead.db.listing import create_id_listing
from ringstead.db.policy import grant

revision = "0015"
down_revision = "0004"


def upgrade() -> None:
    # Which round of a job is being queued, and how far: no organization twice in a round, whoever is killed.
    op.create_table(
        "job_round",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_org_id", sa.Uuid()),
        sa.Column("finished", sa.Boolean(), nullable=False, server_default="false"),
    )
    grant("job_round")
    create_id_listing("organization_ids", "organization", "org_id")
    create_id_listing("active_organization_ids", "organization", "org_id", "t.status = 'active'")
