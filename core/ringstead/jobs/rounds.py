"""Periodic jobs that are run for each organization: a round queues one job for each, page by page.

How far a round has come stands in `job_round` and is written in the transaction that queues a page. So a round that is
begun again, because its worker was killed or because two workers had it, goes on where the other left off, and no
organization is queued twice for one occurrence. Memory holds one page of ids at most.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from ringstead.api.contributions import JobSpec
from ringstead.db.engine import Database
from ringstead.db.session import TenantScopeMissing
from ringstead.jobs.arguments import encode
from ringstead.plugins.enablement import enabled_plugins
from ringstead.plugins.registry import CORE
from ringstead.tenancy.models import Organization

AT_ONCE: Final = 500
# An earlier round that has not come to its end is over when a later one is due: who waits for it, waits for that one.
_BEGIN: Final = text("""
    INSERT INTO job_round AS known (name, due_at) VALUES (:name, :due_at)
    ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, last_org_id = NULL, finished = false
    WHERE known.due_at < excluded.due_at
""")
_PLACE: Final = text("""
    SELECT last_org_id FROM job_round WHERE name = :name AND due_at = :due_at AND NOT finished FOR UPDATE
""")
# One that still waits from the round before will do for this one; of the same organization, one runs at a time.
_QUEUE: Final = """
    SELECT org_id, enqueue_job(:name, replace(CAST(:arguments AS text), :nobody, org_id::text)::jsonb, NULL,
                               :name || ' ' || org_id, :name || ' ' || org_id)
    FROM {listing}(:after, :limit) AS org_id
"""
_LISTINGS: Final = {
    everywhere: text(_QUEUE.format(listing=name)).bindparams(bindparam("arguments", type_=JSONB))
    for everywhere, name in ((True, "organization_ids"), (False, "active_organization_ids"))
}
_MOVE: Final = text(
    "UPDATE job_round SET last_org_id = coalesce(:last, last_org_id), finished = :finished WHERE name = :name"
)
_NOBODY: Final = UUID(int=0)


def queue_round(database: Database, spec: JobSpec, due_at: datetime) -> int:
    """Queue the job for every organization that is not queued yet for this occurrence; returns how many were."""
    with database.app_engine.begin() as connection:
        connection.execute(_BEGIN, {"name": spec.name, "due_at": due_at})
    count = 0
    while (queued := _queue_page(database, spec, due_at)) is not None:
        count += queued
    return count


def _queue_page(database: Database, spec: JobSpec, due_at: datetime) -> int | None:
    """Queue the next organizations; None when there are none left, or when a later round has begun."""
    with database.app_engine.begin() as connection:
        place = connection.execute(_PLACE, {"name": spec.name, "due_at": due_at}).one_or_none()
        if place is None:
            return None
        values = {"name": spec.name, "after": place.last_org_id, "limit": AT_ONCE}
        wanted = encode({"org_id": _NOBODY})
        rows = connection.execute(
            _LISTINGS[spec.everywhere], {**values, "arguments": wanted, "nobody": str(_NOBODY)}
        ).all()
        last = max((row.org_id for row in rows), default=None)
        connection.execute(_MOVE, {"name": spec.name, "last": last, "finished": len(rows) < AT_ONCE})
    return len(rows)


def due_at(stored: object) -> datetime:
    """The occurrence that the library tells a periodic job by, as seconds since 1970."""
    if not isinstance(stored, int):
        raise TypeError("this job is run for each organization: queue it with org_id=…")
    return datetime.fromtimestamp(stored, UTC)


def run_for(database: Database, spec: JobSpec, org_id: UUID) -> None:
    """Run the job for one organization, unless it was suspended or switched the plugin off and that matters."""
    if spec.everywhere or _has(database, spec.name.partition(".")[0], org_id):
        spec.run(database, org_id=org_id)


def _has(database: Database, plugin: str, org_id: UUID) -> bool:
    try:
        with database.run_as(org_id) as session:
            organization = session.get_one(Organization, org_id)
            return organization.status == "active" and (plugin == CORE or plugin in enabled_plugins(session))
    except TenantScopeMissing:
        return False
