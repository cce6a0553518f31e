"""Runs jobs: a procrastinate worker over the declared jobs that outlives database outages and takes over stalled jobs.

procrastinate fetches, runs and retries. Added here: tasks from the declarations, the reason of each failure, and
starting over when the database was away. `ringstead.jobs.rescue` takes over what a killed worker left.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from croniter import croniter  # type: ignore[import-untyped]  # ships no types
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job
from procrastinate.worker import Worker
from sqlalchemy.engine import make_url

from ringstead.api.contributions import JobSpec
from ringstead.db.engine import Database
from ringstead.jobs.arguments import decode
from ringstead.jobs.failures import explain
from ringstead.jobs.rescue import Rescuer
from ringstead.jobs.rounds import due_at, queue_round, run_for

LONGEST_WAIT: Final = 3600
# Of procrastinate's worker, by the names that it gives them.
SIDE_TASKS: Final = frozenset({"deferrer", "listener", "poll_jobs_to_abort", "update_heartbeats"})
_KEEP_FAILURE: Final = """
    INSERT INTO job_failure (job_id, error) VALUES (%(job_id)s, %(error)s)
    ON CONFLICT (job_id) DO UPDATE SET at = now(), error = excluded.error
"""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: between two signs of life, until a silent worker counts as dead, between two looks into the queue
    (beside its notifications), and for running jobs to end when the worker is told to stop."""

    heartbeat: float = 2.0
    stalled: float = 10.0
    poll: float = 1.0
    grace: float = 10.0
    restart: float = 1.0


class Backoff(BaseRetryStrategy):
    """Try again after about 2, 4, 8 … seconds, an hour at most, until `attempts` are used up."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if job.attempts + 1 >= self.attempts:
            return None
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=wait_after(job.attempts)))


def wait_after(failures: int) -> float:
    """Seconds to wait after `failures` earlier failures; a fifth more or less, so that jobs do not return in a herd."""
    return min(2.0 ** (min(failures, 20) + 1), LONGEST_WAIT) * random.uniform(0.8, 1.2)


class JobRunner:
    """Runs the jobs of `specs` until told to stop. One per process; `run` blocks."""

    def __init__(
        self, specs: Mapping[str, JobSpec], database: Database, concurrency: int, timing: Timing | None = None
    ) -> None:
        self._specs, self._database = dict(specs), database
        self._concurrency, self._timing = concurrency, timing or Timing()
        self._attempt: asyncio.Task[None] | None = None
        self._stopping = False
        self.running: set[int] = set()
        self.faults: list[Exception] = []
        """What jobs raised, the latest hundred."""

    def run(self, wait: bool = True) -> None:
        """Run jobs until SIGTERM or SIGINT; without `wait`, only those that are due now (then errors are raised)."""
        with asyncio.Runner() as runner:
            # One thread more than jobs at once: the library may need one beside them.
            executor = ThreadPoolExecutor(self._concurrency + 1, thread_name_prefix="job")
            runner.get_loop().set_default_executor(executor)
            runner.run(self._run_until_stopped() if wait else self._work(wait=False))

    async def _run_until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        while not self._stopping:
            self._attempt = asyncio.create_task(self._work(wait=True))
            try:
                await self._attempt
                why = "it stopped by itself"
            except asyncio.CancelledError:
                why = "told to stop"
            except Exception as error:
                why = explain(error)
            if not self._stopping:
                log.warning("worker.starts_over", why=why)
                await asyncio.sleep(self._timing.restart)

    def _stop(self, number: signal.Signals) -> None:
        """Let running jobs end and take no new ones; a second signal ends the process at once."""
        self._stopping = True
        asyncio.get_running_loop().remove_signal_handler(number)
        if self._attempt is not None:
            self._attempt.cancel()

    async def _work(self, wait: bool) -> None:
        app = self._app()
        timing = self._timing
        async with app.open_async():
            worker = Worker(
                app,
                name="ringstead",
                concurrency=self._concurrency,
                wait=wait,
                fetch_job_polling_interval=timing.poll,
                shutdown_graceful_timeout=timing.grace,
                listen_notify=wait,
                # What succeeded is of no more use; what failed is kept for somebody to look at.
                delete_jobs="successful",
                install_signal_handlers=False,
                update_heartbeat_interval=timing.heartbeat,
                stalled_worker_timeout=timing.stalled,
                worker_middleware=[self._watch],
            )
            limits = {name: spec.attempts for name, spec in self._specs.items()}
            rescuer = Rescuer(app.connector, limits, timing.stalled, worker, self.running)
            stop = asyncio.Event()
            beside = [rescuer.run(timing.heartbeat, stop), insist_on_cancelling(SIDE_TASKS, 1.0, stop)]
            tasks = [asyncio.create_task(each) for each in beside]
            try:
                await worker.run()  # type: ignore[no-untyped-call]  # the library leaves it untyped
            finally:
                stop.set()
                await asyncio.gather(*tasks)

    def _app(self) -> App:
        url = make_url(self._database.urls.app).set(drivername="postgresql")
        connector = PsycopgConnector(
            conninfo=url.render_as_string(hide_password=False),
            min_size=1,
            max_size=self._concurrency + 2,
            timeout=10,
            kwargs={"connect_timeout": 5, "application_name": "ringstead-worker"},
        )
        app = App(connector=connector)
        for name, spec in self._specs.items():
            task = app.task(name=name, retry=Backoff(spec.attempts))(_function(spec, self._database))
            if spec.every is not None and croniter.is_valid(spec.every):
                app.periodic(cron=spec.every, queueing_lock=f"periodic {name}")(task)
            elif spec.every is not None:
                log.error("job.never_runs", job=name, why=f"{spec.every!r} is no cron expression")
        return app

    async def _watch(
        self, call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker
    ) -> Any:
        """Around every job: know that it runs, and keep why it failed."""
        number = context.job.id
        assert number is not None, "a fetched job has a number"
        self.running.add(number)
        try:
            with structlog.contextvars.bound_contextvars(job=context.job.task_name, job_id=number):
                return await call_next()
        except Exception as error:
            why = explain(error)
            self.faults[:-99] = []
            self.faults.append(error)
            log.warning(
                "job.failed",
                job=context.job.task_name,
                job_id=number,
                attempt=context.job.attempts + 1,
                why=why,
            )
            with suppress(Exception):  # the database itself may be what failed
                await context.app.connector.execute_query_async(_KEEP_FAILURE, job_id=number, error=why)
            raise
        finally:
            self.running.discard(number)


async def insist_on_cancelling(names: Collection[str], every: float, stop: asyncio.Event) -> None:
    """Cancel tasks again that were cancelled and go on.

    psycopg turns the cancellation of a query on a broken connection into its own error, and procrastinate's listener
    takes that as a reason to connect anew: without this, a worker whose database was restarted in the wrong moment
    would wait for it for ever.
    """
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), every)
        for task in asyncio.all_tasks():
            if task.get_name() in names and task.cancelling():
                task.cancel()


def _function(spec: JobSpec, database: Database) -> Callable[..., None]:
    def run(**stored: Any) -> None:
        # The library tells periodic jobs for when they are.
        occurrence = stored.pop("timestamp", None) if spec.every is not None else None
        arguments = decode(stored)
        if spec.per is None:
            spec.run(database, **arguments)
        elif "org_id" in arguments:
            run_for(database, spec, **arguments)
        else:
            queue_round(database, spec, due_at(occurrence))

    return run
