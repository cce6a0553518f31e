"""Events: told after the commit, each listener's effect once, whatever is killed meanwhile."""

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from work_effects import EFFECT, LISTENERS, Counted, leave, specs

from ringstead.api import EventListener
from ringstead.api.testing import Tenants
from ringstead.db.base import new_id
from ringstead.db.engine import Database
from ringstead.db.session import TenantScopeMismatch, TenantScopeMissing, TenantSession
from ringstead.events import (
    Dispatcher,
    Event,
    EventDelivery,
    EventOutbox,
    ListenersFailed,
    emit,
    read_event,
)
from ringstead.jobs import job_counts, list_jobs
from ringstead.jobs.arguments import NotPlain, encode
from ringstead.jobs.queue import forget_old_work
from ringstead.plugins.registry import Owned


@dataclass(frozen=True, kw_only=True)
class Told(Event):
    """An event whose listeners belong to a plugin."""

    text: str


@pytest.fixture(autouse=True)
def empty_queue(work_database: Database) -> None:
    with work_database.app_engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))


def outbox(database: Database, org_id: UUID) -> list[EventOutbox]:
    with database.run_as(org_id) as session:
        return list(session.scalars(select(EventOutbox).order_by(EventOutbox.id)))


def deliveries(database: Database, org_id: UUID) -> list[str]:
    with database.run_as(org_id) as session:
        return sorted(session.scalars(select(EventDelivery.listener)))


def listener(
    name: str, handle: Callable[[TenantSession, Event], None], kind: type[Event] = Counted
) -> Owned[EventListener]:
    return Owned(name.partition(".")[0], EventListener(name=name, event=kind, handle=handle))


def test_an_event_has_a_name_and_comes_back_as_it_was() -> None:
    event = Counted(org_id=new_id(), number=3, at=datetime.now(UTC), about=uuid4())
    assert Counted.event_name == "work_effects.Counted"
    assert read_event(Counted, encode(vars(event))) == event


def test_an_event_of_an_older_release_is_still_understood() -> None:
    org_id = new_id()
    stored = encode({"org_id": org_id, "number": 3, "field_that_is_gone": "x"})
    assert read_event(Counted, stored) == Counted(org_id=org_id, number=3)


def test_every_listener_hears_of_it_once(
    work_database: Database,
    tenants: Tenants,
    run_due: Callable[..., None],
    effects: Callable[..., list[str]],
) -> None:
    org = tenants.organization().org_id
    with work_database.run_as(org) as session:
        emit(session, *(Counted(org_id=org, number=n) for n in range(3)))
    assert job_counts(work_database).waiting == 1
    run_due(specs())
    told = [f"first {n}" for n in range(3)] + [f"second {n}" for n in range(3)]
    assert effects(org) == told
    assert all(row.delivered_at for row in outbox(work_database, org))
    job = Dispatcher(LISTENERS)
    job.dispatch(work_database, org_id=org, event_ids=[row.id for row in outbox(work_database, org)])
    assert effects(org) == told


def test_an_event_of_what_was_rolled_back_never_happened(
    work_database: Database,
    tenants: Tenants,
    run_due: Callable[..., None],
    effects: Callable[..., list[str]],
) -> None:
    org = tenants.organization().org_id

    def emit_and_fail() -> None:
        with work_database.run_as(org) as session:
            emit(session, Counted(org_id=org, number=1))
            raise LookupError("the page failed after it emitted the event")

    with pytest.raises(LookupError):
        emit_and_fail()
    run_due(specs())
    assert (effects(org), outbox(work_database, org)) == ([], [])


def test_an_event_belongs_to_the_sessions_organization(work_database: Database, tenants: Tenants) -> None:
    mine, other = tenants.organization(), tenants.organization()
    with work_database.run_as(mine.org_id) as session, pytest.raises(TenantScopeMismatch):
        emit(session, Counted(org_id=other.org_id, number=1))
    with work_database.in_partner(mine.partner_id) as session, pytest.raises(TenantScopeMissing):
        emit(session, Counted(org_id=mine.org_id, number=1))


def test_an_event_carries_no_rows(work_database: Database, tenants: Tenants) -> None:
    org = tenants.organization()
    with work_database.run_as(org.org_id) as session, pytest.raises(NotPlain, match="text is Organization"):
        emit(session, Told(org_id=org.org_id, text=org))  # type: ignore[arg-type]  # what is tested


def test_a_failing_listener_keeps_nobody_back_and_only_it_is_called_again(
    work_database: Database, tenants: Tenants, effects: Callable[..., list[str]]
) -> None:
    org = tenants.organization().org_id
    mended = False

    def fail(session: TenantSession, _event: Event) -> None:
        leave(session, "half done")
        if not mended:
            session.execute(text("SELECT 1/0"))

    job = Dispatcher([LISTENERS[0], listener("core.fail", fail), LISTENERS[1]])
    with work_database.run_as(org) as session:
        emit(session, Counted(org_id=org, number=7), Counted(org_id=org, number=8))
    ids = [row.id for row in outbox(work_database, org)]
    with pytest.raises(ListenersFailed, match=r"core\.fail: DataError") as failure:
        job.dispatch(work_database, org_id=org, event_ids=ids)
    assert str(failure.value).count("core.fail") == 2
    assert effects(org) == ["first 7", "first 8", "second 7", "second 8"]
    assert [row.delivered_at for row in outbox(work_database, org)] == [None, None]
    mended = True
    job.dispatch(work_database, org_id=org, event_ids=ids)
    assert effects(org) == ["first 7", "first 8", "half done", "half done", "second 7", "second 8"]
    assert all(row.delivered_at for row in outbox(work_database, org))


def test_the_job_of_a_failing_listener_is_tried_again(
    work_database: Database, tenants: Tenants, run_due: Callable[..., None]
) -> None:
    org = tenants.organization().org_id

    def fail(_session: TenantSession, _event: Event) -> None:
        raise ConnectionError("the switch is away")

    with work_database.run_as(org) as session:
        emit(session, Counted(org_id=org, number=1))
    run_due({spec.name: spec for spec in Dispatcher([listener("core.fail", fail)]).jobs()})
    (job,) = list_jobs(work_database, "todo")
    assert job.error == "ListenersFailed: core.fail: ConnectionError: the switch is away"


def test_only_listeners_of_plugins_that_are_on_hear_of_it(
    work_database: Database, tenants: Tenants, effects: Callable[..., list[str]]
) -> None:
    partner = tenants.partner()
    having = tenants.organization(partner, "echo").org_id
    lacking = tenants.organization(partner).org_id

    def echo(session: TenantSession, event: Event) -> None:
        assert isinstance(event, Told)
        leave(session, event.text)

    job = Dispatcher([listener("echo.echo", echo, Told), listener("core.echo", echo, Told)])
    for org in (having, lacking):
        with work_database.run_as(org) as session:
            emit(session, Told(org_id=org, text="hello"))
        job.dispatch(work_database, org_id=org, event_ids=[row.id for row in outbox(work_database, org)])
    assert effects(having) == ["hello", "hello"]
    assert effects(lacking) == ["hello"]
    assert deliveries(work_database, lacking) == ["core.echo"]
    assert outbox(work_database, lacking)[0].delivered_at is not None


def test_two_workers_with_one_event_do_it_once(
    work_database: Database, tenants: Tenants, effects: Callable[..., list[str]]
) -> None:
    org = tenants.organization().org_id
    inside = threading.Event()

    def slow(session: TenantSession, _event: Event) -> None:
        inside.set()
        session.execute(text("SELECT pg_sleep(0.1)"))
        leave(session, "slow")

    job = Dispatcher([listener("core.slow", slow), *LISTENERS])
    with work_database.run_as(org) as session:
        emit(session, Counted(org_id=org, number=1))
    ids = [row.id for row in outbox(work_database, org)]
    failures: list[Exception] = []

    def dispatch() -> None:
        try:
            job.dispatch(work_database, org_id=org, event_ids=ids)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=dispatch) for _ in range(4)]
    threads[0].start()
    assert inside.wait(10)
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert effects(org) == ["first 1", "second 1", "slow"]


def test_a_listener_sees_its_own_organization_only(work_database: Database, tenants: Tenants) -> None:
    org, other = tenants.organization().org_id, tenants.organization().org_id
    for each in (org, other):
        with work_database.run_as(each) as session:
            emit(session, Told(org_id=each, text="mine"))
    seen: list[tuple[UUID, int]] = []

    def look(session: TenantSession, _event: Event) -> None:
        seen.append((session.org_id, len(session.scalars(select(EventOutbox)).all())))

    job = Dispatcher([listener("core.look", look, Told)])
    job.dispatch(work_database, org_id=org, event_ids=[row.id for row in outbox(work_database, org)])
    # The ids of another organization's events lead nowhere.
    job.dispatch(work_database, org_id=org, event_ids=[row.id for row in outbox(work_database, other)])
    assert seen == [(org, 1)]


def test_delivered_events_are_forgotten_after_a_week(work_database: Database, tenants: Tenants) -> None:
    org = tenants.organization().org_id
    with work_database.run_as(org) as session:
        emit(session, *(Counted(org_id=org, number=n) for n in range(3)))
    old, new, waiting = outbox(work_database, org)
    job = Dispatcher(LISTENERS)
    job.dispatch(work_database, org_id=org, event_ids=[old.id, new.id])
    with work_database.run_as(org) as session:
        age = text("UPDATE event_outbox SET delivered_at = now() - interval '8 days' WHERE id = :id")
        session.execute(age, {"id": old.id})
    forget_old_work(work_database)
    assert [row.id for row in outbox(work_database, org)] == [new.id, waiting.id]
    assert len(deliveries(work_database, org)) == 2


def test_the_application_may_delete_across_tenants_only_what_is_old(
    work_database: Database, tenants: Tenants
) -> None:
    org = tenants.organization().org_id
    with work_database.run_as(org) as session:
        emit(session, Counted(org_id=org, number=1))
    with work_database.app_engine.begin() as connection:
        assert connection.execute(text("DELETE FROM event_outbox")).rowcount == 0
    assert len(outbox(work_database, org)) == 1


@pytest.mark.slow
def test_no_effect_is_lost_or_doubled_when_workers_are_killed(
    work_database: Database,
    tenants: Tenants,
    worker: Callable[[], subprocess.Popen[str]],
    effects: Callable[..., list[str]],
    until: Callable[..., None],
) -> None:
    """Five workers in a row are killed in the middle of their work, while more events come in."""
    org = tenants.organization().org_id
    acknowledged: list[int] = []

    def write() -> None:
        for number in range(120):
            with work_database.run_as(org) as session:
                emit(session, Counted(org_id=org, number=number))
            acknowledged.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    for goal in (10, 40, 80, 120, 170):
        process = worker()
        until(lambda goal=goal: len(effects(org)) >= goal, f"{goal} effects")
        process.kill()
        process.wait()
    writer.join()
    worker()
    expected = sorted(f"{who} {n}" for n in acknowledged for who in ("first", "second"))
    until(lambda: len(effects(org)) >= len(expected), "all effects")
    until(
        lambda: job_counts(work_database).running + job_counts(work_database).waiting == 0, "an empty queue"
    )
    assert effects(org) == expected
    assert len(acknowledged) == 120


def test_effects_show_when_they_are_doubled(
    work_database: Database, effects: Callable[..., list[str]]
) -> None:
    """What the other tests rely on."""
    org = new_id()
    with work_database.app_engine.begin() as connection:
        connection.execute(EFFECT, [{"org_id": org, "what": "same"}] * 2)
    assert effects(org) == ["same", "same"]
