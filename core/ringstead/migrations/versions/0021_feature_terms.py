"""Features on trial until a day, and on or off for all organizations of a partner.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

from ringstead.db.listing import allow_owner_to_read

revision = "0021"
down_revision = "0020"

NOW = sa.text("now()")
_LEAVE = "PERFORM set_config('ringstead.org_id', '', true), set_config('ringstead.partner_id', '', true);"
_RETURN = """
    PERFORM set_config('ringstead.org_id', v_org, true), set_config('ringstead.partner_id', v_partner, true);
"""
_WHO = """
    v_org text := coalesce(current_setting('ringstead.org_id', true), '');
    v_partner text := coalesce(current_setting('ringstead.partner_id', true), '');
"""


def upgrade() -> None:
    # A trial: on until then. NULL: for good.
    op.add_column("organization_feature", sa.Column("until", sa.DateTime(timezone=True), nullable=True))
    # For all organizations, also those to come: on, off, or (NULL) as each of them has it. What an organization
    # decided later than `decided_at` holds for it.
    op.add_column("partner_feature", sa.Column("for_all", sa.Boolean(), nullable=True))
    op.add_column("partner_feature", sa.Column("until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "partner_feature",
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
    )
    allow_owner_to_read("partner_feature")
    _features_in_use()
    _features_of()


def _features_in_use() -> None:
    """How many organizations of the session's partner have each plugin on, and how many of them on trial."""
    op.execute("DROP FUNCTION features_in_use()")
    op.execute(f"""
        CREATE FUNCTION features_in_use() RETURNS TABLE (plugin text, organizations bigint, trials bigint)
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE {_WHO}
            v_id uuid := nullif(v_partner, '')::uuid;
        BEGIN
            {_LEAVE}
            RETURN QUERY
                WITH partners AS (SELECT * FROM partner_feature p WHERE p.partner_id = v_id),
                own AS (
                    SELECT f.plugin, f.until, f.enabled AND (f.until IS NULL OR f.until > now()) AS is_on
                    FROM organization_feature f JOIN organization o ON o.org_id = f.org_id
                    LEFT JOIN partners p ON p.plugin = f.plugin
                    WHERE o.partner_id = v_id AND (p.for_all IS NULL OR f.changed_at > p.decided_at)),
                counted AS (
                    SELECT w.plugin, count(*) AS spoken, count(*) FILTER (WHERE w.is_on) AS on_,
                           count(*) FILTER (WHERE w.is_on AND w.until IS NOT NULL) AS trials
                    FROM own w GROUP BY w.plugin),
                others AS (
                    SELECT p.plugin, p.until, p.for_all AND (p.until IS NULL OR p.until > now()) AS is_on,
                           (SELECT count(*) FROM organization o WHERE o.partner_id = v_id) AS all_
                    FROM partners p WHERE p.for_all)
                SELECT coalesce(c.plugin, x.plugin),
                       coalesce(c.on_, 0) + CASE WHEN x.is_on THEN x.all_ - coalesce(c.spoken, 0) ELSE 0 END,
                       coalesce(c.trials, 0)
                       + CASE WHEN x.is_on AND x.until IS NOT NULL THEN x.all_ - coalesce(c.spoken, 0) ELSE 0 END
                FROM counted c FULL JOIN others x ON x.plugin = c.plugin;
            {_RETURN}
        END $$
    """)
    _grant("features_in_use()")


def _features_of() -> None:
    """What some of the session's partner's organizations decided themselves."""
    op.execute(f"""
        CREATE FUNCTION features_of(p_orgs uuid[])
        RETURNS TABLE (org_id uuid, plugin text, enabled boolean, until timestamptz, changed_at timestamptz)
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE {_WHO}
        BEGIN
            {_LEAVE}
            RETURN QUERY SELECT f.org_id, f.plugin, f.enabled, f.until, f.changed_at
                FROM organization o JOIN organization_feature f ON f.org_id = o.org_id
                WHERE o.partner_id = nullif(v_partner, '')::uuid AND o.org_id = ANY (p_orgs);
            {_RETURN}
        END $$
    """)
    _grant("features_of(uuid[])")


def _grant(function: str) -> None:
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO ringstead_app, ringstead_operator")
