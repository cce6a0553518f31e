"""Brands that their partner changes: every version is kept; and host names that a partner adds and gives up.

Revision ID: 0024
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.db.listing import allow_owner_to_read
from ringstead.db.policy import ORG, PARTNER, PARTNER_RULE, protect

revision = "0024"
down_revision = "0022"


def upgrade() -> None:
    _versions()
    _hosts()


def _versions() -> None:
    op.create_table(
        "brand_version",
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        # The name as well: an account may be gone by the time somebody asks.
        sa.Column("author_account_id", sa.Uuid(), nullable=True),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("changed", JSONB(), nullable=False),
        sa.Column("brand", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("partner_id", "id"),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"]),
        sa.CheckConstraint("note IN ('', 'found', 'restored')", name="note"),
    )
    protect("brand_version", f"{PARTNER_RULE} AND {ORG} IS NULL", grants=("SELECT", "INSERT"))
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON brand_version "
        "EXECUTE FUNCTION refuse_change()"
    )


def _hosts() -> None:
    # To be read, a host needs only to be named; to be written, it must be the partner's own before and after.
    for command, rule in (("INSERT", "WITH CHECK"), ("UPDATE", "USING"), ("DELETE", "USING")):
        op.execute(
            f"CREATE POLICY own_{command.lower()} ON host AS RESTRICTIVE FOR {command} TO ringstead_app "
            f"{rule} (partner_id = {PARTNER})"
        )
    # Whether a name is somebody else's, or lies above or below one that is; not whose. The owner looks, who sees other
    # partners' rows only outside of all of them, so the function leaves the partner for as long.
    allow_owner_to_read("host")
    op.execute("""
        CREATE FUNCTION host_is_free(p_partner uuid, p_name text) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            v_org text := coalesce(current_setting('ringstead.org_id', true), '');
            v_partner text := coalesce(current_setting('ringstead.partner_id', true), '');
            v_free boolean;
        BEGIN
            PERFORM set_config('ringstead.org_id', '', true), set_config('ringstead.partner_id', '', true);
            SELECT NOT EXISTS (
                SELECT FROM host h WHERE h.partner_id <> p_partner AND (
                    h.name = p_name
                    OR right(p_name, length(h.name) + 1) = '.' || h.name
                    OR right(h.name, length(p_name) + 1) = '.' || p_name)) INTO v_free;
            PERFORM set_config('ringstead.org_id', v_org, true), set_config('ringstead.partner_id', v_partner, true);
            RETURN v_free;
        END $$
    """)
    op.execute("REVOKE ALL ON FUNCTION host_is_free(uuid, text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION host_is_free(uuid, text) TO ringstead_app, ringstead_operator")
