"""A trial for all takes nothing away when it ends; what is forbidden counts as off; a package's name is there once,
whatever its case.

Revision ID: 0026
Revises: 0025
"""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.execute("CREATE UNIQUE INDEX feature_package_name ON feature_package (partner_id, lower(name))")
    # How many organizations of the session's partner have each plugin on, and how many of them on trial: the rule of
    # `ringstead.plugins.decisions`, in one statement over all of them.
    op.execute("""
        CREATE OR REPLACE FUNCTION features_in_use() RETURNS TABLE (plugin text, organizations bigint, trials bigint)
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            v_org text := coalesce(current_setting('ringstead.org_id', true), '');
            v_partner text := coalesce(current_setting('ringstead.partner_id', true), '');
            v_id uuid := nullif(v_partner, '')::uuid;
        BEGIN
            PERFORM set_config('ringstead.org_id', '', true), set_config('ringstead.partner_id', '', true);
            RETURN QUERY
                WITH partners AS (SELECT * FROM partner_feature p WHERE p.partner_id = v_id),
                own AS (
                    SELECT f.plugin, f.until, f.enabled AND (f.until IS NULL OR f.until > now()) AS is_on
                    FROM organization_feature f JOIN organization o ON o.org_id = f.org_id
                    LEFT JOIN partners p ON p.plugin = f.plugin
                    WHERE o.partner_id = v_id AND coalesce(p.allowed, true) AND (
                        p.for_all IS NULL OR f.changed_at > p.decided_at
                        OR (p.for_all AND p.until IS NOT NULL AND f.enabled
                            AND (f.until IS NULL OR f.until > p.until)))),
                counted AS (
                    SELECT w.plugin, count(*) AS spoken, count(*) FILTER (WHERE w.is_on) AS on_,
                           count(*) FILTER (WHERE w.is_on AND w.until IS NOT NULL) AS trials
                    FROM own w GROUP BY w.plugin),
                others AS (
                    SELECT p.plugin, p.until, p.for_all AND (p.until IS NULL OR p.until > now()) AS is_on,
                           (SELECT count(*) FROM organization o WHERE o.partner_id = v_id) AS all_
                    FROM partners p WHERE p.for_all AND p.allowed)
                SELECT coalesce(c.plugin, x.plugin),
                       coalesce(c.on_, 0) + CASE WHEN x.is_on THEN x.all_ - coalesce(c.spoken, 0) ELSE 0 END,
                       coalesce(c.trials, 0)
                       + CASE WHEN x.is_on AND x.until IS NOT NULL THEN x.all_ - coalesce(c.spoken, 0) ELSE 0 END
                FROM counted c FULL JOIN others x ON x.plugin = c.plugin;
            PERFORM set_config('ringstead.org_id', v_org, true), set_config('ringstead.partner_id', v_partner, true);
        END $$
    """)
