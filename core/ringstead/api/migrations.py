"""Helpers for a plugin's migrations."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from ringstead.db.listing import create_id_listing
from ringstead.db.months import create_month_dropping, create_month_partitions
from ringstead.db.policy import DIRECTORY_RULE, ORG, ORG_RULE, PARTNER, PARTNER_RULE, protect

__all__ = [
    "create_id_listing",
    "create_month_dropping",
    "create_month_partitions",
    "create_partner_table",
    "create_tenant_table",
    "list_for_partner",
]


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


def create_partner_table(name: str, *columns: Any, key: tuple[str, ...] = ("id",)) -> None:
    """Create a table of rows that belong to a partner and to none of its organizations: `partner_id`, primary key
    `(partner_id, *key)`, policy and grants together. Inside an organization there are none of them.
    """
    op.create_table(
        name,
        sa.Column("partner_id", sa.Uuid(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("partner_id", *key),
    )
    protect(name, f"{PARTNER_RULE} AND {ORG} IS NULL")


def list_for_partner(name: str) -> None:
    """Let a partner list a tenant table's rows across its organizations: the model becomes `DirectoryScoped`.

    The table gets `partner_id`, filled for the rows that there are, and by default with the session's own partner; its
    policy shows a partner's session all of the partner's rows, and an organization's session still only its own.
    """
    op.add_column(name, sa.Column("partner_id", sa.Uuid(), nullable=True, server_default=sa.text(PARTNER)))
    # The owner is held by the policies, too: let go for this one statement, in a transaction that nobody sees.
    for table in (name, "organization"):
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    op.execute(f"UPDATE {name} r SET partner_id = o.partner_id FROM organization o WHERE o.org_id = r.org_id")
    for table in (name, "organization"):
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.alter_column(name, "partner_id", nullable=False)
    op.execute(f"ALTER POLICY tenant ON {name} USING ({DIRECTORY_RULE}) WITH CHECK ({DIRECTORY_RULE})")
