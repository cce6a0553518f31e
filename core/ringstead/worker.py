"""The job worker's process: the jobs of core and plugins, events and mail, run until it is told to stop."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from ringstead.api.contributions import JobSpec
from ringstead.app import load_registry
from ringstead.blobs import open_blobs
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.events import Dispatcher
from ringstead.jobs.queue import forget_old_work, job_counts
from ringstead.jobs.runner import JobRunner, Timing
from ringstead.mail.compose import Composer
from ringstead.mail.delivery import Postman
from ringstead.mail.transport import open_transport
from ringstead.plugins.registry import Registry
from ringstead.resources import session_info
from ringstead.settings import Settings

_MOST_ROUNDS: Final = 20
log = structlog.get_logger(__name__)


def all_jobs(settings: Settings, registry: Registry) -> dict[str, JobSpec]:
    """Every job that a worker runs, by name."""
    postman = Postman(Composer(settings, registry), open_transport(settings.mail_url, settings.var_dir))
    own = [
        *Dispatcher(registry.listeners().values()).jobs(),
        *postman.jobs(),
        JobSpec(name="core.sweep_blobs", run=_sweeper(settings), every="17 * * * *"),
        JobSpec(name="core.forget_old_work", run=forget_old_work, every="31 3 * * *"),
    ]
    return {**registry.jobs(), **{spec.name: spec for spec in own}}


def _sweeper(settings: Settings) -> Callable[[Database], None]:
    def sweep(_database: Database) -> None:
        """Remove what killed writers left in the object storage."""
        open_blobs(settings).sweep()

    return sweep


def run_worker(settings: Settings, urls: DatabaseUrls, timing: Timing | None = None) -> None:
    """Run jobs until SIGTERM or SIGINT; running ones may end first. A lost database is waited for."""
    registry = load_registry(settings)
    with _database(settings, urls, registry) as database:
        jobs = all_jobs(settings, registry)
        log.info("worker.started", jobs=len(jobs), at_once=settings.worker_concurrency)
        JobRunner(jobs, database, settings.worker_concurrency, timing).run()
        log.info("worker.stopped")


def run_due_jobs(settings: Settings, urls: DatabaseUrls, registry: Registry | None = None) -> None:
    """Run the jobs that are due now, and those that they queue, then return. For tests and scripts.

    With the setting `plugin_strict`, what jobs raised is raised here, as an `ExceptionGroup`.
    """
    registry = registry or load_registry(settings)
    with _database(settings, urls, registry) as database:
        runner = JobRunner(all_jobs(settings, registry), database, settings.worker_concurrency)
        # Of jobs with the same lock, one runs at a time; those behind it are found in the next round.
        for _round in range(_MOST_ROUNDS):
            runner.run(wait=False)
            if not job_counts(database).waiting:
                break
    if settings.plugin_strict and runner.faults:
        raise ExceptionGroup("jobs failed", runner.faults)


@contextmanager
def _database(settings: Settings, urls: DatabaseUrls, registry: Registry) -> Iterator[Database]:
    database = Database(urls, settings.worker_concurrency, session_info(settings, registry))
    try:
        yield database
    finally:
        database.dispose()
