"""Takes over jobs that nobody runs although they are marked as running.

That is so when a worker was killed (its signs of life stop), and when a worker lost its connection just when it fetched
a job or wrote down the end of one. Every worker looks for both; whoever finds a job first takes it.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog
from procrastinate.connector import BaseConnector
from procrastinate.worker import Worker

_STALLED: Final = """
    job.worker_id IS NULL OR job.worker_id = %(own)s OR NOT EXISTS (
        SELECT FROM procrastinate_workers worker
        WHERE worker.id = job.worker_id
          AND worker.last_heartbeat > now() - make_interval(secs => %(stalled)s::float8))
"""
_FIND: Final = f"""
    SELECT job.id, job.task_name, job.worker_id FROM procrastinate_jobs job
    WHERE job.status = 'doing' AND ({_STALLED})
"""
# The conditions once more, for another worker may have been quicker. A job of which one waiting is enough, and one
# waits, has nothing left to do. A job that is given up and the reason are written in one statement: nobody sees one
# without the other.
_TAKE: Final = f"""
    WITH taken AS (UPDATE procrastinate_jobs job SET
        status = CASE
            WHEN EXISTS (SELECT FROM procrastinate_jobs other
                         WHERE other.status = 'todo' AND other.queueing_lock = job.queueing_lock) THEN 'cancelled'
            WHEN job.attempts + 1 >= %(limit)s THEN 'failed'
            ELSE 'todo' END::procrastinate_job_status,
        attempts = job.attempts + 1, scheduled_at = now(), worker_id = NULL
    WHERE job.id = %(id)s AND job.status = 'doing' AND ({_STALLED})
    RETURNING job.id, job.status::text AS status, pg_notify(
        'procrastinate_any_queue_v1', json_build_object('type', 'job_inserted', 'job_id', job.id)::text)),
    kept AS (INSERT INTO job_failure (job_id, error)
        SELECT id, 'Its worker was killed, or lost the database, each time.' FROM taken WHERE status = 'failed'
        ON CONFLICT (job_id) DO UPDATE SET at = now(), error = excluded.error)
    SELECT id, status FROM taken
"""
_PRUNE: Final = """
    DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => %(stalled)s::float8)
"""
_UNKNOWN_LIMIT: Final = 10
log = structlog.get_logger(__name__)


class Rescuer:
    """Looks for lost jobs while `worker` runs. `limits` are attempts by job name, `running` the worker's jobs now."""

    def __init__(
        self,
        connector: BaseConnector,
        limits: Mapping[str, int],
        stalled: float,
        worker: Worker,
        running: Collection[int],
    ) -> None:
        self._connector, self._limits, self._stalled = connector, limits, stalled
        self._worker, self._running = worker, running
        self._suspects: set[int] = set()

    async def run(self, every: float, stop: asyncio.Event) -> None:
        """Look every so many seconds until told to stop.

        (Not until cancelled: psycopg turns the cancellation of a query on a broken connection into its own error.)
        """
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:
                log.warning("rescue.failed", why=f"{type(error).__name__}: {error}")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)

    async def look(self) -> None:
        """Queue lost jobs again.

        A job of our own is lost when we do not run it at two looks in a row: between them, its end is written down.
        """
        own = self._worker.worker_id
        facts = {"own": own, "stalled": self._stalled}
        found = await self._connector.execute_query_all_async(_FIND, **facts)
        missing = {row["id"] for row in found if row["worker_id"] == own and row["id"] not in self._running}
        for row in found:
            if row["worker_id"] != own or (row["id"] in missing and row["id"] in self._suspects):
                await self._take(row, facts)
        self._suspects = missing
        await self._connector.execute_query_async(_PRUNE, stalled=self._stalled)

    async def _take(self, row: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        limit = self._limits.get(row["task_name"], _UNKNOWN_LIMIT)
        taken = await self._connector.execute_query_all_async(_TAKE, id=row["id"], limit=limit, **facts)
        for job in taken:
            log.warning("job.taken_over", job=row["task_name"], job_id=job["id"], now=job["status"])
