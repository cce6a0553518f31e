"""Fixtures for jobs, events and mail: a database of their own, and workers in this process and in others."""

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from ringstead.api import JobSpec
from ringstead.api.testing import Tenants
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.migrate import upgrade_all
from ringstead.jobs.runner import JobRunner

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))  # for work_effects, which the worker's process runs as a program
PATIENCE = 60.0


@pytest.fixture(scope="module")
def work_urls(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseUrls]:
    """A database of this module alone, whose queue holds nobody else's jobs, with a table to leave effects in."""
    name = f"work_{secrets.token_hex(6)}"
    urls = postgres_server.create_database(name)
    upgrade_all(urls.owner)
    engine = create_engine(urls.owner)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE effect (org_id uuid, what text)"))
        connection.execute(text("GRANT SELECT, INSERT, DELETE ON effect TO ringstead_app"))
    engine.dispose()
    yield urls
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def work_database(work_urls: DatabaseUrls) -> Iterator[Database]:
    """The engines on it."""
    database = Database(work_urls, pool_size=10)
    yield database
    database.dispose()


@pytest.fixture
def tenants(work_database: Database) -> Tenants:
    """Makes partners and organizations there."""
    return Tenants(work_database)


@pytest.fixture
def run_due(work_database: Database) -> Callable[..., None]:
    """`run_due(spec, …)`: runs the jobs that are due, in this process, and returns."""

    def run(*specs: JobSpec | Mapping[str, JobSpec]) -> None:
        jobs = {s.name: s for spec in specs for s in (spec.values() if isinstance(spec, Mapping) else [spec])}
        JobRunner(jobs, work_database, concurrency=4).run(wait=False)

    return run


@pytest.fixture
def effects(work_database: Database) -> Callable[..., list[str]]:
    """`effects(org_id)`: what was left behind by an organization's listeners and jobs, sorted."""

    def read(org_id: object) -> list[str]:
        with work_database.app_engine.connect() as connection:
            rows = connection.execute(text("SELECT what FROM effect WHERE org_id = :org"), {"org": org_id})
            return sorted(row[0] for row in rows)

    return read


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that another process does."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain for {what}"
        pause.wait(0.01)


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], object], str], None]:
    """`until(condition, what)`."""
    return until


@pytest.fixture
def worker(work_urls: DatabaseUrls) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """`worker()`: starts a worker process that is up when this returns; those left over are killed."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(FOLDER / "work_effects.py"), work_urls.app],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
