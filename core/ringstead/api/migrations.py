"""Helpers for a plugin's migrations."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from ringstead.db.policy import ORG_RULE, protect


def create_tenant_table(
    name: str, *columns: Any, key: tuple[str, ...] = ("id",), partition_by: str | None = None
) -> None:
    """Create a table of organization-owned rows: `org_id`, primary key `(org_id, *key)`, policy and grants together.

    `columns` are the other columns and constraints. `partition_by` names a timestamp column for monthly range
    partitions (it must be part of `key`); `create_month_partitions` makes the function that makes them.
    """
    options: dict[str, Any] = (
        {} if partition_by is None else {"postgresql_partition_by": f"RANGE ({partition_by})"}
    )
    op.create_table(
        name,
        sa.Column("org_id", sa.Uuid(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("org_id", *key),
        **options,
    )
    protect(name, ORG_RULE)


def create_month_partitions(name: str) -> None:
    """Create the function `NAME_ensure_month(timestamptz)`, by which the application makes the partition of a month.

    The application may not create tables, so the function runs with its owner's rights and does nothing but this. The
    partition gets the parent's policies as its own too: a partition named directly must not go round them, and a backup
    reads it directly. It is made apart
    and then attached, which stops neither readers nor writers of the others; `CREATE TABLE … PARTITION OF` would.
    Calls wait for one another, so make several months in one transaction, and nothing else in it.
    """
    rule = ORG_RULE.replace("'", "''").replace("%", "%%")
    op.execute(f"""
        CREATE FUNCTION {name}_ensure_month(p_at timestamptz) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            v_from timestamptz := date_trunc('month', p_at, 'UTC');
            v_name text := '{name}_' || to_char(v_from AT TIME ZONE 'UTC', 'YYYYMM');
        BEGIN
            IF to_regclass(v_name) IS NOT NULL THEN RETURN; END IF;
            IF p_at NOT BETWEEN now() - interval '11 years' AND now() + interval '2 months' THEN
                RAISE EXCEPTION 'no partition of {name} for %: further than 11 years back or 2 months ahead', p_at;
            END IF;
            PERFORM pg_advisory_xact_lock(hashtext('{name}_ensure_month'));
            -- A new snapshot sees what was made while we waited; to_regclass may still remember that there was nothing.
            IF EXISTS (SELECT FROM pg_class WHERE relname = v_name AND relnamespace = 'public'::regnamespace) THEN
                RETURN;
            END IF;
            EXECUTE format('CREATE TABLE %I (LIKE {name} INCLUDING DEFAULTS INCLUDING GENERATED '
                           'INCLUDING CONSTRAINTS)', v_name);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_name);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_name);
            EXECUTE format('CREATE POLICY tenant ON %I USING ({rule}) WITH CHECK ({rule})', v_name);
            EXECUTE format('CREATE POLICY operator ON %I TO ringstead_operator USING (true) WITH CHECK (true)', v_name);
            EXECUTE format('ALTER TABLE {name} ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           v_name, v_from, (v_from AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
        END $$
    """)
    op.execute(f"REVOKE ALL ON FUNCTION {name}_ensure_month(timestamptz) FROM PUBLIC")
    op.execute(
        f"GRANT EXECUTE ON FUNCTION {name}_ensure_month(timestamptz) TO ringstead_app, ringstead_operator"
    )
