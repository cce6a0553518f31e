"""An organization leaves: everything of it is exported, and after a while, or at once, removed for good.

Both walk through the live catalogue: whatever table has an `org_id` that is never null holds an organization's rows,
the core's or a plugin's. The audit trail is the partner's and stays.
"""

import json
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import IO, Any, Final
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import structlog
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError

from ringstead.blobs import org_blobs
from ringstead.db.engine import Database
from ringstead.db.session import TenantScopeMissing, TenantSession
from ringstead.tenancy.directory import announce_hosts
from ringstead.tenancy.models import Account, Host, Membership, Organization

log = structlog.get_logger(__name__)
EXPORT_KEY: Final = "core/organization.zip"
GRACE: Final = timedelta(days=14)
_AT_ONCE: Final = 500
_BATCH: Final = 5000
_PIECE: Final = 1024 * 1024
# Made of the others, and worth nothing to whoever reads the export.
_DERIVED: Final = frozenset({"directory_word"})
_TABLES: Final = text("""
    SELECT c.relname AS name, c.relkind = 'p' AS is_partitioned,
           has_table_privilege(c.oid, 'SELECT') AS is_readable, has_table_privilege(c.oid, 'DELETE') AS is_removable
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND a.attnotnull
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname
""")


def export_organization(database: Database, org_id: UUID) -> int:
    """Put everything of an organization into a ZIP among its blobs: rows as a JSON object a line, for each table, and
    its files. Returns its size. Secrets (hashes of passwords, PINs and tokens) are left out. Memory is bounded."""
    with database.run_as(org_id) as session, tempfile.TemporaryFile() as file:
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            for table in session.execute(_TABLES).all():
                if table.is_readable and table.name not in _DERIVED:
                    # Names come from the catalogue, never from a client.
                    _write_rows(session, archive, table.name, f'SELECT to_jsonb(t) FROM "{table.name}" t')
            _write_rows(session, archive, "account", "SELECT to_jsonb(t) FROM account t")
            _write_blobs(session, archive)
        file.seek(0)
        return org_blobs(session).put(EXPORT_KEY, _pieces(file))


def _write_rows(session: TenantSession, archive: ZipFile, name: str, query: str) -> None:
    rows = session.connection().execute(text(query), execution_options={"yield_per": _AT_ONCE})
    with archive.open(ZipInfo(f"rows/{name}.jsonl"), "w", force_zip64=True) as out:
        for (row,) in rows:
            kept = {column: value for column, value in row.items() if not column.endswith("_hash")}
            out.write(json.dumps(kept, ensure_ascii=False).encode() + b"\n")


def _write_blobs(session: TenantSession, archive: ZipFile) -> None:
    blobs = org_blobs(session)
    for key in blobs.keys(""):
        if key != EXPORT_KEY:
            entry = ZipInfo(f"files/{key}")
            # Sound is compressed already, mostly.
            entry.compress_type = ZIP_STORED
            with archive.open(entry, "w", force_zip64=True) as out:
                for piece in blobs.read(key):
                    out.write(piece)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def remove_organization(database: Database, partner_id: UUID, org_id: UUID) -> None:
    """Remove everything of an organization that is leaving, a few thousand rows at a time. Run again, it goes on where
    it stopped; for one that is not leaving (any more) it does nothing."""
    try:
        with database.run_as(org_id) as session:
            organization = session.get_one(Organization, org_id)
            if organization.status != "leaving":
                return
            tables = [row for row in session.execute(_TABLES).all() if row.is_removable]
            people = list(session.scalars(select(Membership.account_id).distinct()))
            blobs = org_blobs(session)
            for key in list(blobs.keys("")):
                blobs.delete(key)
    except TenantScopeMissing:
        return
    _remove_rows(database, org_id, [table for table in tables if table.name != "organization"])
    with database.in_partner(partner_id) as session:
        session.execute(delete(Host).where(Host.org_id == org_id))
        announce_hosts(session, partner_id)
        left = select(Membership.account_id).where(Membership.account_id == Account.id).exists()
        session.execute(
            delete(Account)
            .where(Account.id.in_(people), Account.staff_role.is_(None), ~left)
            .execution_options(synchronize_session=False)
        )
        session.execute(delete(Organization).where(Organization.org_id == org_id))
    log.info("organization.removed", org_id=str(org_id))


def _remove_rows(database: Database, org_id: UUID, tables: list[Any]) -> None:
    """Empty the tables; those that others lean on come when these are empty."""
    waiting = tables
    while waiting:
        held = [table for table in waiting if not _is_emptied(database, org_id, table)]
        if len(held) == len(waiting):
            names = ", ".join(table.name for table in held)
            raise RuntimeError(f"these tables hold one another, so their rows cannot be removed: {names}")
        waiting = held


def _is_emptied(database: Database, org_id: UUID, table: Any) -> bool:
    """Remove a table's rows of the organization; False when a row of another table leans on one of them."""
    place = "tableoid, ctid" if table.is_partitioned else "ctid"
    some = f'SELECT {place} FROM "{table.name}" WHERE org_id = :org LIMIT {_BATCH}'
    statement = text(f'DELETE FROM "{table.name}" WHERE ({place}) IN ({some})')
    while True:
        try:
            with database.run_as(org_id) as session:
                result: Any = session.connection().execute(statement, {"org": org_id})
                gone = result.rowcount
        except IntegrityError:
            return False
        if gone < _BATCH:
            return True
