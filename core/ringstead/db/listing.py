"""Ids for the worker: which organizations or partners there is something to do for, and nothing else about them.

The worker runs as the application's role, which sees no row of a tenant that it has not entered. A listing is a
function with its owner's rights that returns ids, page by page. The owner is held by row-level security as well, so it
gets a policy of its own, which lets it read while no tenant is entered; the function leaves the tenant for as long.
"""

from alembic import op

from ringstead.db.policy import NO_TENANT


def create_id_listing(function: str, table: str, column: str, where: str = "true") -> None:
    """Create `function(p_after uuid, p_limit integer)`: the distinct ids of a table's `column`, in order, after one.

    `where` is a condition on the table's rows. Asked in pages, it takes no more memory than one of them.
    """
    allow_owner_to_read(table)
    op.execute(f"""
        CREATE FUNCTION {function}(p_after uuid, p_limit integer) RETURNS SETOF uuid
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            v_org text := coalesce(current_setting('ringstead.org_id', true), '');
            v_partner text := coalesce(current_setting('ringstead.partner_id', true), '');
        BEGIN
            PERFORM set_config('ringstead.org_id', '', true), set_config('ringstead.partner_id', '', true);
            RETURN QUERY SELECT DISTINCT t.{column} FROM {table} t
                WHERE ({where}) AND (p_after IS NULL OR t.{column} > p_after) ORDER BY t.{column} LIMIT p_limit;
            PERFORM set_config('ringstead.org_id', v_org, true), set_config('ringstead.partner_id', v_partner, true);
        END $$
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {function}(uuid, integer) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function}(uuid, integer) TO ringstead_app, ringstead_operator")


def allow_owner_to_read(table: str) -> None:
    """Let functions with their owner's rights read a table while no tenant is entered."""
    op.execute(f"DROP POLICY IF EXISTS listed ON {table}")
    op.execute(f"CREATE POLICY listed ON {table} FOR SELECT TO ringstead_owner USING ({NO_TENANT})")
