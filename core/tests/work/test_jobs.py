"""The queue: with its transaction or not at all, again until it succeeds, taken over when its worker dies."""

import asyncio
import inspect
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from procrastinate.worker import Worker
from sqlalchemy import text
from sqlalchemy.orm import Session

from ringstead.api import JobSpec
from ringstead.api.testing import Tenants
from ringstead.db.engine import Database
from ringstead.jobs import defer, failed_jobs, job_counts, list_jobs, retry_jobs
from ringstead.jobs.arguments import NotPlain, decode, encode
from ringstead.jobs.queue import forget_old_work
from ringstead.jobs.runner import LONGEST_WAIT, SIDE_TASKS, insist_on_cancelling, wait_after

NEWS: list[dict[str, Any]] = []
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.uuids() | st.datetimes(timezones=st.just(UTC)),
    st.lists,
    max_leaves=5,
)


def tell(_database: Database, **arguments: Any) -> None:
    NEWS.append(arguments)


def stumble(_database: Database, *, fault: str) -> None:
    raise RuntimeError(f"{fault}\n[parameters: a secret]")


TELL = JobSpec(name="core.tell", run=tell)


@pytest.fixture(autouse=True)
def no_news(work_database: Database) -> None:
    NEWS.clear()
    with work_database.app_engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_periodic_defers"))
        connection.execute(text("DELETE FROM procrastinate_jobs"))


def make_due(database: Database) -> None:
    with database.app_engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))


@given(st.dictionaries(st.text(min_size=1), PLAIN))
def test_arguments_come_back_as_they_were(values: dict[str, Any]) -> None:
    assert decode(encode(values)) == values


@pytest.mark.parametrize("value", [object(), {"a": 1}, datetime(2026, 1, 1), b"raw"])
def test_what_cannot_travel_is_refused_by_name(value: object) -> None:
    with pytest.raises(NotPlain, match="number_of_things"):
        encode({"number_of_things": value})


def test_a_job_runs_with_the_arguments_it_was_given(
    work_database: Database, tenants: Tenants, run_due: Callable[..., None]
) -> None:
    org, at, other = tenants.organization().org_id, datetime.now(UTC), uuid4()
    with work_database.run_as(org) as session:
        assert defer(session, "core.tell", org_id=org, at=at, ids=[other], count=3)
    run_due(TELL)
    assert [{"org_id": org, "at": at, "ids": [other], "count": 3}] == NEWS
    assert job_counts(work_database).waiting == 0
    assert list_jobs(work_database, "todo") == []


def test_a_job_lives_and_dies_with_the_callers_transaction(
    work_database: Database, tenants: Tenants, run_due: Callable[..., None]
) -> None:
    def queue_and_fail() -> None:
        with work_database.run_as(tenants.organization().org_id) as session:
            defer(session, "core.tell", kept=False)
            raise LookupError("the page failed after it queued the job")

    with pytest.raises(LookupError):
        queue_and_fail()
    run_due(TELL)
    assert NEWS == []


def test_a_job_waits_for_its_time(work_database: Database, run_due: Callable[..., None]) -> None:
    with Session(work_database.app_engine) as session, session.begin():
        defer(session, "core.tell", run_at=datetime.now(UTC) + timedelta(hours=1), when="later")
    run_due(TELL)
    assert NEWS == []
    assert job_counts(work_database).scheduled == 1
    make_due(work_database)
    run_due(TELL)
    assert NEWS == [{"when": "later"}]


def test_one_of_a_kind_waits_and_nothing_queued_meanwhile_is_missed(
    work_database: Database, run_due: Callable[..., None]
) -> None:
    with Session(work_database.app_engine) as session, session.begin():
        assert defer(session, "core.tell", queueing_lock="prune", turn=1) is not None
    with Session(work_database.app_engine) as late, late.begin():
        assert defer(late, "core.tell", queueing_lock="prune", turn=2) is None
        # A worker that took the job now would not see what this transaction is about to commit.
        run_due(TELL)
        assert NEWS == []
    run_due(TELL)
    assert NEWS == [{"turn": 1}]
    with Session(work_database.app_engine) as session, session.begin():
        assert defer(session, "core.tell", queueing_lock="prune", turn=3) is not None


def test_two_that_queue_the_same_at_once_make_one_job(work_database: Database) -> None:
    results: list[int | None] = []

    def queue() -> None:
        with Session(work_database.app_engine) as session, session.begin():
            results.append(defer(session, "core.tell", queueing_lock="same"))

    threads = [threading.Thread(target=queue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert sum(number is not None for number in results) == 1
    assert job_counts(work_database).waiting == 1


def test_jobs_with_one_lock_run_one_after_another(
    work_database: Database, run_due: Callable[..., None]
) -> None:
    inside, most, guard = 0, 0, threading.Lock()

    def enter(_database: Database, *, turn: int) -> None:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        with work_database.app_engine.connect() as connection:  # long enough for another to come in
            connection.execute(text("SELECT pg_sleep(0.02)"))
        with guard:
            inside -= 1
        NEWS.append({"turn": turn})

    with Session(work_database.app_engine) as session, session.begin():
        for turn in range(6):
            defer(session, "core.enter", lock="one trunk", turn=turn)
    for _ in range(6):  # a job whose lock is held is not due: the worker of a test leaves then
        run_due(JobSpec(name="core.enter", run=enter))
    assert [news["turn"] for news in NEWS] == [0, 1, 2, 3, 4, 5]
    assert most == 1


def test_a_failed_job_is_tried_again_later_and_says_why(
    work_database: Database, run_due: Callable[..., None]
) -> None:
    with Session(work_database.app_engine) as session, session.begin():
        defer(session, "core.stumble", fault="the switch was away")
    before = datetime.now(UTC)
    run_due(JobSpec(name="core.stumble", run=stumble))
    (job,) = list_jobs(work_database, "todo")
    assert (job.attempts, job.error) == (1, "RuntimeError: the switch was away")
    assert job.run_at is not None
    assert timedelta(seconds=1) < job.run_at - before < timedelta(seconds=10)
    make_due(work_database)
    run_due(JobSpec(name="core.stumble", run=lambda _database, fault: NEWS.append({"fault": fault})))
    assert NEWS == [{"fault": "the switch was away"}]
    assert list_jobs(work_database, "todo") == []


def test_waits_double_up_to_an_hour() -> None:
    waits = [wait_after(n) for n in range(40)]
    assert all(0.8 * 2 ** (n + 1) <= waits[n] <= 1.2 * 2 ** (n + 1) for n in range(11))
    assert max(waits) <= LONGEST_WAIT * 1.2


def test_a_job_that_gave_up_is_kept_listed_and_can_be_tried_again(
    work_database: Database, run_due: Callable[..., None]
) -> None:
    with Session(work_database.app_engine) as session, session.begin():
        number = defer(session, "core.stumble", fault="no such mailbox")
    run_due(JobSpec(name="core.stumble", run=stumble, attempts=1))
    (job,) = failed_jobs(work_database)
    assert (job.id, job.name, job.arguments) == (number, "core.stumble", {"fault": "no such mailbox"})
    assert job.error == "RuntimeError: no such mailbox"
    assert "secret" not in job.error
    assert job.failed_at is not None
    assert job_counts(work_database).failed == 1
    forget_old_work(work_database)
    assert retry_jobs(work_database, [number or 0, 999_999]) == [number]
    assert retry_jobs(work_database) == []
    run_due(JobSpec(name="core.stumble", run=lambda _database, fault: NEWS.append({"fault": fault})))
    assert NEWS == [{"fault": "no such mailbox"}]
    assert failed_jobs(work_database) == []


def test_a_job_that_nobody_declares_fails_visibly(
    work_database: Database, run_due: Callable[..., None]
) -> None:
    with Session(work_database.app_engine) as session, session.begin():
        defer(session, "gone.tell")
    run_due(TELL)
    (job,) = failed_jobs(work_database)
    assert job.name == "gone.tell"
    assert "No plugin" in job.error


def test_a_job_goes_on_when_told_to_stop_and_the_worker_ends_after_it(
    work_database: Database,
    tenants: Tenants,
    worker: Callable[[], subprocess.Popen[str]],
    effects: Callable[..., list[str]],
    until: Callable[..., None],
) -> None:
    org = tenants.organization().org_id
    with work_database.run_as(org) as session:
        for number in range(20):
            defer(session, "core.effect", org_id=org, what=str(number))
    process = worker()
    until(lambda: effects(org), "a first effect")
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.read() == "stopped\n"
    assert process.wait() == 0
    assert list_jobs(work_database, "doing") == []
    assert len(effects(org)) + job_counts(work_database).waiting >= 20


@pytest.mark.slow
def test_a_killed_workers_job_is_taken_over(
    work_database: Database,
    tenants: Tenants,
    worker: Callable[[], subprocess.Popen[str]],
    effects: Callable[..., list[str]],
    until: Callable[..., None],
) -> None:
    """It is begun anew by each next worker, until its attempts are used up."""
    org = tenants.organization().org_id
    with work_database.run_as(org) as session:
        defer(session, "core.hang", org_id=org)
    for count in (1, 2, 3):
        process = worker()
        until(lambda count=count: len(effects(org)) == count, f"start {count} of the job")
        process.kill()
        process.wait()
    worker()
    until(lambda: failed_jobs(work_database), "the job to be given up")
    assert "killed" in failed_jobs(work_database)[0].error
    assert len(effects(org)) == 3


def test_a_job_whose_end_could_not_be_written_is_found(
    work_database: Database,
    tenants: Tenants,
    worker: Callable[[], subprocess.Popen[str]],
    effects: Callable[..., list[str]],
    until: Callable[..., None],
) -> None:
    """A living worker's job that it does not run: so it is when the connection broke as it fetched it."""
    org = tenants.organization().org_id
    worker()
    alive = "SELECT max(id) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '1 second'"

    def own() -> int | None:
        with work_database.app_engine.connect() as connection:
            number: int | None = connection.execute(text(alive)).scalar()
            return number

    until(own, "a sign of life")
    with work_database.run_as(org) as session:
        number = defer(session, "core.effect", org_id=org, what="found")
        session.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker WHERE id = :id"),
            {"worker": own(), "id": number},
        )
    until(lambda: effects(org) == ["found"], "the lost job")


def test_periodic_jobs_run_without_being_asked(
    worker: Callable[[], subprocess.Popen[str]], effects: Callable[..., list[str]], until: Callable[..., None]
) -> None:
    worker()
    until(lambda: "periodic" in effects(UUID(int=0)), "the periodic job")


def test_the_worker_outlives_its_connections(
    work_database: Database,
    tenants: Tenants,
    worker: Callable[[], subprocess.Popen[str]],
    effects: Callable[..., list[str]],
    until: Callable[..., None],
) -> None:
    org = tenants.organization().org_id
    process = worker()
    for number in range(3):
        with work_database.run_as(org) as session:
            defer(session, "core.effect", org_id=org, what=str(number))
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    " AND application_name = 'ringstead-worker'"
                )
            )
        until(lambda number=number: str(number) in effects(org), "the effect of a job")
    assert process.poll() is None
    assert effects(org) == ["0", "1", "2"]


def test_a_task_that_lost_its_cancellation_is_cancelled_again() -> None:
    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async def main() -> None:
        stop = asyncio.Event()
        insisting = asyncio.create_task(insist_on_cancelling(SIDE_TASKS, 0.01, stop))
        task = asyncio.create_task(stubborn(), name="listener")
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        stop.set()
        await insisting

    asyncio.run(asyncio.wait_for(main(), 10))


def test_the_library_names_its_tasks_as_we_think() -> None:
    worker = inspect.getsource(Worker._start_side_tasks)
    assert set(re.findall(r'name="(\w+)"', worker)) == SIDE_TASKS
