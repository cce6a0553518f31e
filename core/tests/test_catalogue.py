"""The live catalogue: every tenant's table has the shape that isolation and distribution by `org_id` need."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Row

from ringstead.db.engine import Database

# Tables that hold nobody's rows: platform data, or machinery whose rows carry ids and no content.
PLATFORM_TABLES = {
    "host",
    "job_failure",
    "operator_audit",
    "partner",
    "platform_setting",
    "rate_limit",
    "switch_node",
}
KEYS = """
    SELECT c.relname, i.indisprimary,
           (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0]) AS lead
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace
"""
FOREIGN_KEYS = """
    SELECT c.conrelid::regclass::text AS relname,
           (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1]) AS lead
    FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace
"""
TABLES = """
    SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_get_userbyid(c.relowner) AS owner,
           EXISTS (SELECT FROM pg_attribute a
                   WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND a.attnotnull) AS of_org,
           EXISTS (SELECT FROM pg_attribute a
                   WHERE a.attrelid = c.oid AND a.attname = 'partner_id' AND a.attnotnull) AS of_partner,
           ARRAY(SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p
                 WHERE p.polrelid = c.oid AND p.polname = 'tenant') AS rules
    FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND c.relname NOT LIKE 'alembic_version%' AND c.relname NOT LIKE 'procrastinate_%'
"""


@pytest.fixture(scope="module")
def tables(database: Database) -> Sequence[Row]:
    with database.app_engine.connect() as connection:
        return connection.execute(text(TABLES)).all()


def test_every_table_belongs_to_a_tenant_or_is_known_to_belong_to_none(tables: Sequence[Row]) -> None:
    stray = {t.relname for t in tables if not (t.of_org or t.of_partner)} - PLATFORM_TABLES
    assert not stray, f"give these tables org_id or partner_id, or name them as platform tables: {stray}"


def test_every_tenant_table_is_behind_forced_row_level_security(tables: Sequence[Row]) -> None:
    for table in tables:
        if table.of_org or table.of_partner or table.relname in ("partner", "host"):
            assert table.relrowsecurity, table.relname
            assert table.relforcerowsecurity, table.relname
            assert len(table.rules) == 1, table.relname
            assert "ringstead.org_id" in table.rules[0] or "ringstead.partner_id" in table.rules[0], (
                table.relname
            )


def test_keys_of_organization_tables_lead_with_the_organization(
    database: Database, tables: Sequence[Row]
) -> None:
    of_org = {t.relname for t in tables if t.of_org}
    assert {"subscriber", "membership", "organization_feature"} <= of_org
    with database.app_engine.connect() as connection:
        keys = connection.execute(text(KEYS)).all()
        foreign = connection.execute(text(FOREIGN_KEYS)).all()
    for key in keys:
        if key.relname in of_org:
            assert key.lead == "org_id", f"a unique key of {key.relname} leads with {key.lead}"
    for key in foreign:
        if key.relname in of_org:
            assert key.lead == "org_id", f"a foreign key of {key.relname} leads with {key.lead}"
    assert of_org <= {key.relname for key in keys if key.indisprimary}


def test_no_sequence_is_shared_by_organizations(database: Database, tables: Sequence[Row]) -> None:
    of_org = {t.relname for t in tables if t.of_org}
    with database.app_engine.connect() as connection:
        owned = connection.execute(
            text("""SELECT d.refobjid::regclass::text FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
                    WHERE s.relkind = 'S' AND d.deptype IN ('a', 'i')""")
        ).scalars()
        assert not of_org & set(owned)


def test_the_application_is_an_ordinary_role(database: Database, tables: Sequence[Row]) -> None:
    with database.app_engine.connect() as connection:
        role = connection.execute(
            text(
                "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
            )
        ).one()
    assert tuple(role) == ("ringstead_app", False, False, False)
    assert "ringstead_app" not in {t.owner for t in tables}
    with database.operator_engine.connect() as connection:
        bypass = connection.execute(
            text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
        ).scalar_one()
    assert bypass is False


def test_views_obey_the_reader(database: Database) -> None:
    with database.app_engine.connect() as connection:
        views = connection.execute(
            text("""SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
                    AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)""")
        ).all()
    assert not views
