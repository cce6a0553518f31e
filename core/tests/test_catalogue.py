"""The live catalogue: every tenant's table has the shape that isolation and distribution by `org_id` need."""

import re
from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Row

from ringstead.db.engine import Database

# Tables that hold nobody's rows: platform data, or machinery whose rows carry ids and no content.
PLATFORM_TABLES = {
    "calllogs_dropped_month",
    "host",
    "job_failure",
    "job_round",
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
                   WHERE a.attrelid = c.oid AND a.attname = 'partner_id' AND a.attnotnull) AS of_partner
    FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND c.relname NOT LIKE 'alembic_version%' AND c.relname NOT LIKE 'procrastinate_%'
"""
# What lets the application at rows: permissive policies are ORed, so the weakest of a table decides.
POLICIES = """
    SELECT c.relname, p.polname, rule FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid,
        LATERAL (VALUES (pg_get_expr(p.polqual, p.polrelid)), (pg_get_expr(p.polwithcheck, p.polrelid))) r (rule)
    WHERE p.polpermissive AND p.polroles <> ARRAY['ringstead_operator'::regrole::oid] AND rule IS NOT NULL
"""
ENSURE_MONTH = "SELECT proname FROM pg_proc WHERE proname LIKE '%\\_ensure\\_month'"
DEFINERS = """
    SELECT oid::regprocedure::text AS name, coalesce(array_to_string(proconfig, ' '), '') AS config
    FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace
"""
ORG, PARTNER = (
    f"(NULLIF(current_setting('ringstead.{name}'::text, true), ''::text))::uuid"
    for name in ("org_id", "partner_id")
)
OF_A_TENANT = {f"org_id = {ORG}", f"partner_id = {PARTNER}"}
WITHOUT_A_TENANT = {f"{ORG} IS NULL", f"{PARTNER} IS NULL"}
DIRECTORY = (
    f"CASE WHEN ({ORG} IS NULL) THEN (partner_id = {PARTNER}) "
    f"ELSE ((org_id = {ORG}) AND (({PARTNER} IS NULL) OR (partner_id = {PARTNER}))) END"
)
RULES_OF_THEIR_OWN = {
    "partner": f"id = {PARTNER}",
    "host": f"(name = current_setting('ringstead.host'::text, true)) OR (partner_id = {PARTNER})",
}


@pytest.fixture(scope="module")
def tables(database: Database) -> Sequence[Row]:
    with database.app_engine.begin() as connection:
        # Partitions are made by the application, and are tables like any other.
        for function in connection.execute(text(ENSURE_MONTH)).scalars().all():
            connection.execute(text(f"SELECT {function}(now())"))
        return connection.execute(text(TABLES)).all()


def conjuncts(rule: str) -> set[str]:
    """The conditions that must all hold for a rule to hold, without the brackets around them."""
    parts, depth, closings = [""], 0, 0
    for token in re.split(r"([()]| AND )", rule):
        depth += (token == "(") - (token == ")")
        closings += token == ")" and depth == 0
        if token == " AND " and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    if len(parts) > 1:
        return {condition for part in parts for condition in conjuncts(part)}
    is_in_brackets = rule.startswith("(") and rule.endswith(")") and closings == 1
    return conjuncts(rule[1:-1]) if is_in_brackets else {rule}


def is_a_wall(table: str, rule: str) -> bool:
    """Whether a policy lets through rows of the entered tenant only, or anything only while none is entered."""
    needed = conjuncts(rule)
    return (
        bool(needed & OF_A_TENANT)
        or needed >= WITHOUT_A_TENANT
        or " ".join(rule.split()) in (DIRECTORY, f"({RULES_OF_THEIR_OWN.get(table)})")
    )


def test_every_table_belongs_to_a_tenant_or_is_known_to_belong_to_none(tables: Sequence[Row]) -> None:
    stray = {t.relname for t in tables if not (t.of_org or t.of_partner)} - PLATFORM_TABLES
    assert not stray, f"give these tables org_id or partner_id, or name them as platform tables: {stray}"


def test_every_tenant_table_is_behind_forced_row_level_security(tables: Sequence[Row]) -> None:
    for table in tables:
        if table.of_org or table.of_partner or table.relname in ("partner", "host"):
            assert table.relrowsecurity, table.relname
            assert table.relforcerowsecurity, table.relname


def test_every_policy_lets_through_only_the_tenants_own_rows(
    database: Database, tables: Sequence[Row]
) -> None:
    walled = {t.relname for t in tables if t.of_org or t.of_partner or t.relname in ("partner", "host")}
    with database.app_engine.connect() as connection:
        policies = connection.execute(text(POLICIES)).all()
    assert walled <= {policy.relname for policy in policies}
    open_ones = [
        (p.relname, p.polname, p.rule)
        for p in policies
        if p.relname in walled and not is_a_wall(p.relname, p.rule)
    ]
    assert not open_ones


@pytest.mark.parametrize(
    "rule",
    [
        "true",
        "(expires_at < now())",
        f"((expires_at < now()) AND ({ORG} IS NULL))",
        f"((org_id = {ORG}) OR (state = 'sent'::text))",
        f"(((org_id = {ORG}) OR true) AND (state = 'sent'::text))",
    ],
)
def test_a_weak_policy_is_no_wall(rule: str) -> None:
    assert not is_a_wall("any", rule)


def test_functions_with_their_owners_rights_look_names_up_in_a_fixed_place(database: Database) -> None:
    with database.app_engine.connect() as connection:
        found = connection.execute(text(DEFINERS)).all()
    assert found
    assert not [function.name for function in found if "search_path=public, pg_temp" not in function.config]


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
