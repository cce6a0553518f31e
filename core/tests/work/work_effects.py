"""Events, listeners and jobs whose effects a test can count, and a worker process that runs them.

Run as a program: `python work_effects.py DATABASE_URL`. It says «ready» on standard output when it works.
"""

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from ringstead.api import EventListener, JobSpec
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.session import TenantSession
from ringstead.events import Dispatcher, Event
from ringstead.jobs.runner import JobRunner, Timing
from ringstead.logs import configure_logging
from ringstead.plugins.registry import Owned

QUICK = Timing(heartbeat=0.2, stalled=1.0, poll=0.2, grace=10.0, restart=0.2)
EFFECT = text("INSERT INTO effect (org_id, what) VALUES (:org_id, :what)")


@dataclass(frozen=True, kw_only=True)
class Counted(Event):
    """Something to count."""

    number: int
    at: datetime | None = None
    about: UUID | None = None


def leave(session: TenantSession, what: str) -> None:
    """An effect that shows when it is doubled."""
    session.execute(EFFECT, {"org_id": session.org_id, "what": what})


def first(session: TenantSession, event: Event) -> None:
    assert isinstance(event, Counted)
    leave(session, f"first {event.number}")


def second(session: TenantSession, event: Event) -> None:
    assert isinstance(event, Counted)
    leave(session, f"second {event.number}")


def effect_job(database: Database, *, org_id: UUID, what: str) -> None:
    """Leaves its effect once, as a job should: it looks first."""
    with database.run_as(org_id) as session:
        known = "SELECT count(*) FROM effect WHERE org_id = :org_id AND what = :what"
        if not session.scalar(text(known), {"org_id": org_id, "what": what}):
            leave(session, what)


def hang_job(database: Database, *, org_id: UUID) -> None:
    """Begins, and never ends by itself."""
    with database.run_as(org_id) as session:
        leave(session, "begun")
    threading.Event().wait()


def note_time(database: Database) -> None:
    """A periodic job."""
    with database.app_engine.begin() as connection:
        connection.execute(EFFECT, {"org_id": UUID(int=0), "what": "periodic"})


LISTENERS = [
    Owned("core", EventListener(name="core.first", event=Counted, handle=first)),
    Owned("core", EventListener(name="core.second", event=Counted, handle=second)),
]


def specs() -> Mapping[str, JobSpec]:
    """The jobs of the worker process."""
    own = [
        *Dispatcher(LISTENERS).jobs(),
        JobSpec(name="core.effect", run=effect_job),
        JobSpec(name="core.hang", run=hang_job, attempts=3),
        JobSpec(name="core.periodic", run=note_time, every="* * * * *"),
    ]
    return {spec.name: spec for spec in own}


def main() -> None:
    configure_logging("warning")
    database = Database(DatabaseUrls(sys.argv[1], "", ""), pool_size=4)
    print("ready", flush=True)
    JobRunner(specs(), database, 4, QUICK).run()
    print("stopped", flush=True)


if __name__ == "__main__":
    # Imported under its own name, for that is part of the names of its events.
    import work_effects

    work_effects.main()
