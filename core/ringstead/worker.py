"""The job worker's process: the jobs of core and plugins, events and mail, run until it is told to stop."""

from ringstead.api.contributions import JobSpec
from ringstead.app import load_registry
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.events import Dispatcher
from ringstead.jobs.queue import forget_old_work
from ringstead.jobs.runner import JobRunner, Timing
from ringstead.mail.compose import Composer
from ringstead.mail.delivery import Postman
from ringstead.mail.transport import open_transport
from ringstead.plugins.registry import Registry
from ringstead.settings import Settings


def all_jobs(settings: Settings, registry: Registry) -> dict[str, JobSpec]:
    """Every job that a worker runs, by name."""
    postman = Postman(Composer(settings, registry), open_transport(settings.mail_url, settings.var_dir))
    own = [
        *Dispatcher(registry.listeners().values()).jobs(),
        *postman.jobs(),
        JobSpec(name="core.forget_old_work", run=forget_old_work, every="31 3 * * *"),
    ]
    return {**registry.jobs(), **{spec.name: spec for spec in own}}


def run_worker(settings: Settings, urls: DatabaseUrls, timing: Timing | None = None) -> None:
    """Run jobs until SIGTERM or SIGINT; running ones may end first. A lost database is waited for."""
    _run(settings, urls, load_registry(settings), timing, wait=True)


def run_due_jobs(settings: Settings, urls: DatabaseUrls, registry: Registry | None = None) -> None:
    """Run the jobs that are due now, and those that they queue, then return. For tests and scripts."""
    _run(settings, urls, registry or load_registry(settings), None, wait=False)


def _run(
    settings: Settings, urls: DatabaseUrls, registry: Registry, timing: Timing | None, wait: bool
) -> None:
    concurrency = settings.worker_concurrency
    database = Database(urls, pool_size=concurrency)
    try:
        JobRunner(all_jobs(settings, registry), database, concurrency, timing).run(wait)
    finally:
        database.dispose()
