"""The queue's front: put a job in, see what waits or failed, try the failed again.

The queue is procrastinate's tables in the same database. Rows of jobs hold ids, never content, and belong to no tenant:
the role of the application sees them all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from ringstead.db.engine import Database
from ringstead.jobs.arguments import decode, encode

Status = Literal["todo", "doing", "failed"]

_ENQUEUE: Final = text("SELECT enqueue_job(:name, :arguments, :run_at, :lock, :queueing_lock)").bindparams(
    bindparam("arguments", type_=JSONB)
)
_LIST: Final = text("""
    SELECT j.id, j.task_name, j.args, j.status::text, j.attempts, j.scheduled_at, f.at,
           coalesce(f.error, CASE WHEN j.status = 'failed' THEN :unknown ELSE '' END) AS error
    FROM procrastinate_jobs j LEFT JOIN job_failure f ON f.job_id = j.id
    WHERE j.status::text = :status ORDER BY j.id DESC LIMIT :limit
""")
# The library fails a job that it does not know before anything of ours sees it.
_UNKNOWN: Final = "No plugin that works on this installation declares this job."
_COUNT: Final = text("""
    SELECT count(*) FILTER (WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()) AS waiting,
           count(*) FILTER (WHERE status = 'todo' AND scheduled_at > now()) AS scheduled,
           count(*) FILTER (WHERE status = 'doing') AS running,
           count(*) FILTER (WHERE status = 'failed') AS failed
    FROM procrastinate_jobs
""")
# One of a kind may wait at a time: where it waits already, the failed one is left as it is. The notification makes an
# idle worker look at once.
_RETRY: Final = text("""
    WITH retried AS (
        UPDATE procrastinate_jobs j SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL
        WHERE j.id IN (
            SELECT min(f.id) FROM procrastinate_jobs f
            WHERE f.status = 'failed' AND (CAST(:ids AS bigint[]) IS NULL OR f.id = ANY(:ids))
              AND NOT EXISTS (SELECT FROM procrastinate_jobs w
                              WHERE w.status = 'todo' AND w.queueing_lock = f.queueing_lock)
            GROUP BY coalesce(f.queueing_lock, f.id::text))
        RETURNING j.id)
    SELECT retried.id, pg_notify('procrastinate_any_queue_v1',
                                 json_build_object('type', 'job_inserted', 'job_id', retried.id)::text)
    FROM retried
""")
_FORGET: Final = text("SELECT forget_old_work()")


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job in the queue. `error` says why it failed last, `attempts` how often it was tried and has failed."""

    id: int
    name: str
    arguments: Mapping[str, Any]
    status: Status
    attempts: int
    run_at: datetime | None
    failed_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs wait for a worker now, wait for their time, run, and gave up."""

    waiting: int
    scheduled: int
    running: int
    failed: int


def defer(
    session: Session,
    name: str,
    *,
    run_at: datetime | None = None,
    lock: str | None = None,
    queueing_lock: str | None = None,
    **arguments: Any,
) -> int | None:
    """Queue the job `name` in the session's own transaction; the worker sees it once that commits.

    `arguments` are ids, texts, numbers and times (`NotPlain` is raised for anything else). It runs at `run_at` or
    later. Of jobs with the same `lock` one runs at a time, in the order of queueing. With a `queueing_lock`, a job is
    not queued while an equal one waits; then None is returned instead of the job's number.
    """
    row = {
        "name": name,
        "arguments": encode(arguments),
        "run_at": run_at,
        "lock": lock,
        "queueing_lock": queueing_lock,
    }
    number: int | None = session.connection().execute(_ENQUEUE, row).scalar_one()
    return number


def list_jobs(database: Database, status: Status = "failed", limit: int = 100) -> list[JobInfo]:
    """Jobs that wait (`todo`), run (`doing`) or gave up (`failed`), newest first."""
    if status not in get_args(Status):
        raise ValueError(f"{status!r} is no status of a job; use one of {', '.join(get_args(Status))}")
    with database.app_engine.connect() as connection:
        rows = connection.execute(_LIST, {"status": status, "limit": limit, "unknown": _UNKNOWN})
        return [JobInfo(r[0], r[1], decode(r[2]), *r[3:]) for r in rows]


def failed_jobs(database: Database, limit: int = 100) -> list[JobInfo]:
    """Jobs that gave up, newest first."""
    return list_jobs(database, "failed", limit)


def retry_jobs(database: Database, ids: Sequence[int] | None = None) -> list[int]:
    """Queue failed jobs again (all of them without `ids`), with all their attempts; returns those that were."""
    with database.app_engine.begin() as connection:
        rows = connection.execute(_RETRY, {"ids": None if ids is None else list(ids)})
        return sorted(row[0] for row in rows)


def job_counts(database: Database) -> JobCounts:
    """How the queue stands."""
    with database.app_engine.connect() as connection:
        return JobCounts(*connection.execute(_COUNT).one())


def forget_old_work(database: Database) -> None:
    """Delete events delivered a week ago, mail sent a month or given up three months ago, jobs that gave up then.

    Jobs that succeeded are gone already. The ages stand in the database, as policies.
    """
    with database.app_engine.begin() as connection:
        connection.execute(_FORGET)
