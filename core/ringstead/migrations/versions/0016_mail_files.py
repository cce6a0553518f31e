"""Files that go with a mail, and what is done once it is sent.

Revision ID: 0016
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("mail_message", sa.Column("attachments", JSONB(), nullable=False, server_default="[]"))
    op.add_column("mail_message", sa.Column("on_sent", JSONB(), nullable=True))
