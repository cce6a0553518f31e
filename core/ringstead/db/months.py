"""Partitions of a month: made when their first row arrives, dropped when their last one is long gone.

Both are functions with their owner's rights, for the application may neither create nor drop tables.
"""

from alembic import op

from ringstead.db.listing import allow_owner_to_read
from ringstead.db.policy import ORG_RULE

# How long a month must have been empty, and nobody have asked for it, before it is dropped. Whoever makes sure of a
# month inserts into it in a later transaction; none lasts that long.
GRACE = "6 hours"
# Written before the moment from which a partition is known to be empty, as the comment of its table.
EMPTY_SINCE = "empty since "


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
        CREATE OR REPLACE FUNCTION {name}_ensure_month(p_at timestamptz) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            v_from timestamptz := date_trunc('month', p_at, 'UTC');
            v_name text := '{name}_' || to_char(v_from AT TIME ZONE 'UTC', 'YYYYMM');
        BEGIN
            -- A comment means that it is about to be dropped for being empty.
            IF to_regclass(v_name) IS NOT NULL AND obj_description(to_regclass(v_name), 'pg_class') IS NULL THEN
                RETURN;
            END IF;
            IF p_at NOT BETWEEN now() - interval '11 years' AND now() + interval '2 months' THEN
                RAISE EXCEPTION 'no partition of {name} for %: further than 11 years back or 2 months ahead', p_at;
            END IF;
            PERFORM pg_advisory_xact_lock(hashtext('{name}_ensure_month'));
            -- A new snapshot sees what was made while we waited; to_regclass may still remember that there was nothing.
            IF EXISTS (SELECT FROM pg_class WHERE relname = v_name AND relnamespace = 'public'::regnamespace) THEN
                EXECUTE format('COMMENT ON TABLE %I IS NULL', v_name);
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
    _grant(f"{name}_ensure_month")


def create_month_dropping(name: str, partition_by: str) -> None:
    """Create the function `NAME_drop_month(timestamptz)`, by which a job gives back the partition of an empty month.

    `partition_by` is the column that the table is partitioned by. The function returns true when the partition is
    dropped, and false when it stays: because it holds a row of whatever tenant, because it is busy (half a second is
    the longest that it waits and makes others wait), or because it was not known to be empty for six hours yet: the
    first call only marks it. `NAME_ensure_month` takes the mark away, so that
    a month that somebody is about to fill stays. Months that ended less than a week ago are never dropped.
    """
    create_month_partitions(name)
    allow_owner_to_read(name)
    op.execute(f"""
        CREATE FUNCTION {name}_drop_month(p_at timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
        SET lock_timeout = '500ms' AS $$
        DECLARE
            v_from timestamptz := date_trunc('month', p_at, 'UTC');
            v_until timestamptz := (v_from AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
            v_name text := '{name}_' || to_char(v_from AT TIME ZONE 'UTC', 'YYYYMM');
            v_table regclass := to_regclass(v_name);
            v_mark text := obj_description(v_table, 'pg_class');
        BEGIN
            -- The owner sees the rows of all tenants while none is entered.
            PERFORM set_config('ringstead.org_id', '', true), set_config('ringstead.partner_id', '', true);
            IF v_table IS NULL OR v_until > now() - interval '7 days' THEN RETURN false; END IF;
            IF EXISTS (SELECT FROM {name} t WHERE t.{partition_by} >= v_from AND t.{partition_by} < v_until) THEN
                RETURN false;
            END IF;
            PERFORM pg_advisory_xact_lock(hashtext('{name}_ensure_month'));
            IF v_mark IS NULL THEN
                EXECUTE format('COMMENT ON TABLE %I IS %L', v_name, '{EMPTY_SINCE}' || now());
                RETURN false;
            END IF;
            IF obj_description(v_table, 'pg_class') IS DISTINCT FROM v_mark
               OR replace(v_mark, '{EMPTY_SINCE}', '')::timestamptz > now() - interval '{GRACE}' THEN
                RETURN false;
            END IF;
            -- The parent first, as whoever inserts does: the other way round, two could wait for one another. And the
            -- parent only: each month more is one more to wait for while everybody else waits.
            LOCK TABLE ONLY {name} IN ACCESS EXCLUSIVE MODE;
            IF EXISTS (SELECT FROM {name} t WHERE t.{partition_by} >= v_from AND t.{partition_by} < v_until) THEN
                RETURN false;
            END IF;
            EXECUTE format('DROP TABLE %I', v_name);
            RETURN true;
        EXCEPTION WHEN lock_not_available THEN
            RETURN false;
        END $$
    """)
    _grant(f"{name}_drop_month")


def _grant(function: str) -> None:
    op.execute(f"REVOKE ALL ON FUNCTION {function}(timestamptz) FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function}(timestamptz) TO ringstead_app, ringstead_operator")
