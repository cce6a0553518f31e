"""The job worker as it is, with a few listeners and a job more whose effects can be counted."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "core" / "tests" / "work"))

from work_effects import LISTENERS, effect_job

from ringstead.api import JobSpec
from ringstead.app import load_registry
from ringstead.db.embedded import database_urls
from ringstead.db.engine import Database
from ringstead.events import Dispatcher
from ringstead.jobs.runner import JobRunner, Timing
from ringstead.logs import configure_logging
from ringstead.resources import session_info
from ringstead.settings import load_settings
from ringstead.worker import all_jobs


def main() -> None:
    settings = load_settings()
    configure_logging("warning")
    registry = load_registry(settings)
    extra = [
        *Dispatcher([*registry.listeners().values(), *LISTENERS]).jobs(),
        JobSpec(name="core.effect", run=effect_job, attempts=30),
    ]
    jobs = {**all_jobs(settings, registry), **{spec.name: spec for spec in extra}}
    database = Database(database_urls(settings), pool_size=4, info=session_info(settings, registry))
    JobRunner(jobs, database, 4, Timing(heartbeat=0.5, stalled=3.0, poll=0.5, restart=0.2)).run()


if __name__ == "__main__":
    main()
