"""The three database roles: the owner migrates, the app runs, the operator does audited cross-tenant work.

The same SQL serves the embedded server and, printed by `ringstead db roles --print`, an administrator's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg

OWNER: Final = "ringstead_owner"
APP: Final = "ringstead_app"
OPERATOR: Final = "ringstead_operator"
ROLES: Final = (OWNER, APP, OPERATOR)
DATABASE: Final = "ringstead"

# Rights of a role are never altered when it exists: an administrator may have narrowed them, and on managed
# servers only the provider may. `ringstead doctor` says when a role may too much.
_SETUP: Final = f"""\
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['{OWNER}', '{APP}', '{OPERATOR}'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role_name);
        END IF;
    END LOOP;
    -- An administrator who is no superuser must be a member of the owner to hand things over to it.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT {OWNER} TO %I', current_user);
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO {OWNER}', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO {APP}, {OPERATOR}', current_database());
END
$$;
ALTER SCHEMA public OWNER TO {OWNER};
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO {APP}, {OPERATOR};
"""


@dataclass(frozen=True, slots=True)
class RoleFault:
    """A role that may too much or too little for the walls to hold; `mend` is SQL or a sentence."""

    role: str
    fault: str
    mend: str


def roles_sql() -> str:
    """The SQL that makes roles and grants, to run in Ringstead's database by an administrator; idempotent."""
    return _SETUP


def ensure_roles(connection: psycopg.Connection[Any]) -> None:
    """Make roles and grants in the connected database; idempotent. Needs a superuser or CREATEROLE."""
    connection.execute(_SETUP)


def app_role_faults(connection: psycopg.Connection[Any]) -> list[RoleFault]:
    """What is wrong with the role that `connection` signed in as, for it to run the application."""
    row = connection.execute(
        "SELECT rolname, rolsuper, rolbypassrls, pg_has_role(pg_roles.oid, datdba, 'MEMBER')"
        " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
    ).fetchone()
    assert row is not None, "current_user is always in pg_roles"
    role, is_superuser, bypasses, is_owner = row
    faults = []
    if is_superuser:
        faults.append(RoleFault(role, "is a superuser, which no policy holds", f"sign in as {APP}"))
    if bypasses:
        faults.append(RoleFault(role, "bypasses row-level security", f"ALTER ROLE {role} NOBYPASSRLS"))
    if is_owner and not is_superuser:
        faults.append(RoleFault(role, "owns the database, so it could drop a policy", f"sign in as {APP}"))
    return faults
