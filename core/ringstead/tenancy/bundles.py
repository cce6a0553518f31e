"""Partners as code: read a bundle, show what would change, apply it; write a live partner down as one.
`docs/tenants.md` explains the file.

Applying is idempotent and never deletes: what a bundle does not name stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sqlalchemy import update
from sqlalchemy.orm import Session

from ringstead.db.engine import Database
from ringstead.tenancy import directory
from ringstead.tenancy.bundle_change import Change
from ringstead.tenancy.bundle_export import Exported, ExportRefused, export_partner
from ringstead.tenancy.bundle_file import FILE_NAME, MAX_BYTES, Bundle, make_bundle, read_bundle
from ringstead.tenancy.bundle_plan import Plan, plan_bundle
from ringstead.tenancy.bundle_source import BundleError
from ringstead.tenancy.bundle_write import FilesDiffer, write_bundle
from ringstead.tenancy.models import Subscriber

__all__ = [
    "FILE_NAME",
    "MAX_BYTES",
    "Bundle",
    "BundleError",
    "Change",
    "ExportRefused",
    "Exported",
    "FilesDiffer",
    "Plan",
    "apply_bundle",
    "apply_plan",
    "bundle_folders",
    "export_partner",
    "make_bundle",
    "plan_bundle",
    "read_bundle",
    "write_bundle",
]


def bundle_folders(tenants: Path) -> list[Path]:
    """The folders below `tenants` that hold a bundle, by name."""
    return sorted(file.parent for file in tenants.glob(f"*/{FILE_NAME}"))


def apply_plan(session: Session, plan: Plan) -> None:
    """Carry out a plan in the transaction in which it was made; other processes learn of it at its commit.

    Raises BundleError, naming the line, when the database refuses a step; roll back then.
    """
    _release_numbers(session, plan.moved_numbers)
    for change in plan.changes:
        try:
            change.run(session, plan.rows)
            session.flush()
        except directory.DirectoryRefused as refused:
            raise BundleError([plan.bundle.source.describe(change.key, refused.reason)]) from refused
    if any(change.news == "hosts" for change in plan.changes):
        directory.announce_hosts(session, plan.rows.partner_id)
    switched = {change.organization for change in plan.changes if change.news == "features"}
    directory.announce_features(session, [plan.rows.organizations[slug].org_id for slug in switched])
    if any(change.news == "allowed" for change in plan.changes):
        directory.announce_allowed(session, plan.rows.partner_id)


def apply_bundle(
    database: Database,
    folder: Path,
    *,
    actor: str,
    dry_run: bool = False,
    installed: Collection[str] | None = None,
) -> Plan:
    """Read the bundle in `folder`, plan, and (unless `dry_run`) apply, in one transaction of the operator.

    `actor` goes into the operator's audit trail. Returns the plan. Raises BundleError; then nothing changed.
    """
    bundle = read_bundle(folder)
    with database.as_operator(actor, f"{'plan' if dry_run else 'apply'} the bundle {bundle.slug}") as session:
        plan = plan_bundle(session, bundle, installed)
        if not dry_run:
            apply_plan(session, plan)
    return plan


def _release_numbers(session: Session, people: list[Subscriber]) -> None:
    """Free the numbers that change hands first: two subscribers may swap theirs."""
    for person in people:
        session.execute(
            update(Subscriber)
            .where(Subscriber.org_id == person.org_id, Subscriber.id == person.id)
            .values(number=None)
            .execution_options(synchronize_session=False)
        )
