"""Password resets and the counters of throttling.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from ringstead.db.policy import NO_TENANT, ORG, PARTNER_RULE, grant, protect

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "password_reset",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "id"),
        sa.UniqueConstraint("partner_id", "token_hash"),
        sa.ForeignKeyConstraint(
            ["partner_id", "account_id"], ["account.partner_id", "account.id"], ondelete="CASCADE"
        ),
    )
    op.create_index("ix_password_reset_partner_id_account_id", "password_reset", ["partner_id", "account_id"])
    op.create_index("ix_password_reset_expires_at", "password_reset", ["expires_at"])
    # Links are handled before anybody is inside an organization, so from inside there are none.
    protect("password_reset", f"{PARTNER_RULE} AND {ORG} IS NULL")

    op.create_table(
        "reset_request",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "id"),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_reset_request_expires_at", "reset_request", ["expires_at"])
    protect("reset_request", f"{PARTNER_RULE} AND {ORG} IS NULL")

    # Counters may be lost in a crash and must cost no write-ahead log. A key is a hash, so no row is anybody's.
    op.create_table(
        "rate_limit",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_rate_limit_expires_at", "rate_limit", ["expires_at"])
    grant("rate_limit")

    op.create_index(
        "ix_audit_entry_partner_id_actor_account_id_id",
        "audit_entry",
        ["partner_id", "actor_account_id", "id"],
    )
    _expiry()


def _expiry() -> None:
    """Let the application delete what has expired, of whichever partner, and nothing else.

    A DELETE without a condition needs no policy for reading; with no partner entered, only the policy `expired` lets
    rows go.
    """
    for table in ("web_session", "password_reset", "reset_request"):
        op.execute(
            f"CREATE POLICY expired ON {table} FOR DELETE TO ringstead_app USING (expires_at < now() AND {NO_TENANT})"
        )
    op.execute("""
        CREATE FUNCTION forget_expired() RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM set_config('ringstead.partner_id', '', true), set_config('ringstead.org_id', '', true);
            DELETE FROM web_session;
            DELETE FROM password_reset;
            DELETE FROM reset_request;
            DELETE FROM rate_limit WHERE expires_at < now();
        END $$
    """)
