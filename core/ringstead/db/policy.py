"""Wall 2: the row-level security of a table, written in one place.

`FORCE ROW LEVEL SECURITY` binds the owner too. `current_setting(…, true)` reads '' after a transaction that set it,
hence the `nullif`. The role `ringstead_operator` sees all rows; its sessions are audited (`Database.as_operator`).
"""

from collections.abc import Iterable

from alembic import op

ORG = "nullif(current_setting('ringstead.org_id', true), '')::uuid"
PARTNER = "nullif(current_setting('ringstead.partner_id', true), '')::uuid"

ORG_RULE = f"org_id = {ORG}"
PARTNER_RULE = f"partner_id = {PARTNER}"
DIRECTORY_RULE = (
    f"CASE WHEN {ORG} IS NULL THEN partner_id = {PARTNER} "
    f"ELSE org_id = {ORG} AND ({PARTNER} IS NULL OR partner_id = {PARTNER}) END"
)

# What the worker does over all tenants at once. Policies are ORed with the tenant's own: without this condition, one
# meant for the worker would let a tenant do the same to the rows of others.
NO_TENANT = f"{ORG} IS NULL AND {PARTNER} IS NULL"

READ_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")


def protect(table: str, rule: str, grants: Iterable[str] = READ_WRITE) -> None:
    """Give `table` its policy and the application its rights (`grants`: SQL privileges of `ringstead_app`)."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING ({rule}) WITH CHECK ({rule})")
    op.execute(f"CREATE POLICY operator ON {table} TO ringstead_operator USING (true) WITH CHECK (true)")
    grant(table, grants)


def grant(table: str, grants: Iterable[str] = READ_WRITE) -> None:
    """Grant a table to the application and, in full, to the operator; alone for tables that hold no tenant's rows."""
    op.execute(f"GRANT {', '.join(grants)} ON {table} TO ringstead_app")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO ringstead_operator")
