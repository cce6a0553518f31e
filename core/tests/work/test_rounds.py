"""A periodic job per organization: each organization once for an occurrence, whoever is killed in between."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from ringstead.api import JobSpec
from ringstead.api.testing import Tenants
from ringstead.db.base import new_id
from ringstead.db.engine import Database
from ringstead.jobs import defer, failed_jobs, rounds

RAN: list[UUID] = []
MONDAY = datetime(2026, 11, 23, 2, 15, tzinfo=UTC)


def note(_database: Database, *, org_id: UUID) -> None:
    RAN.append(org_id)


def spec(name: str = "core.tidy", **values: Any) -> JobSpec:
    return JobSpec(**{"name": name, "run": note, "every": "15 2 * * *", "per": "organization", **values})


@pytest.fixture(autouse=True)
def nothing_yet(work_database: Database) -> None:
    RAN.clear()
    with work_database.app_engine.begin() as connection:
        for table in ("procrastinate_periodic_defers", "procrastinate_jobs", "job_round"):
            connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
def organizations(tenants: Tenants) -> set[UUID]:
    """Of two partners, three each; the last one of each is suspended."""
    made = [
        tenants.organization(partner) for partner in (tenants.partner(), tenants.partner()) for _ in "abc"
    ]
    for organization in (made[2], made[5]):
        with tenants.database.run_as(organization.org_id) as session:
            session.execute(text("UPDATE organization SET status = 'suspended'"))
    return {organization.org_id for organization in made if organization not in (made[2], made[5])}


def queued(database: Database) -> Counter[str]:
    """How many jobs there are for each organization."""
    with database.app_engine.connect() as connection:
        query = text("SELECT args #>> '{org_id,$uuid}' FROM procrastinate_jobs WHERE status = 'todo'")
        return Counter(connection.execute(query).scalars())


def test_every_active_organization_gets_one_job(
    work_database: Database, organizations: set[UUID], run_due: Callable[..., None]
) -> None:
    assert rounds.queue_round(work_database, spec(), MONDAY) >= 4
    assert organizations <= {UUID(found) for found in queued(work_database)}
    run_due(spec())
    run_due(spec())
    assert organizations <= set(RAN)
    assert set(Counter(RAN).values()) == {1}
    with work_database.app_engine.connect() as connection:
        active = connection.execute(text("SELECT active_organization_ids(NULL, 100000)")).scalars().all()
    assert set(RAN) == set(active)
    assert active == sorted(active)


def test_a_round_that_is_begun_again_queues_nobody_twice(
    work_database: Database, organizations: set[UUID], run_due: Callable[..., None]
) -> None:
    rounds.queue_round(work_database, spec(), MONDAY)
    run_due(spec())  # so that no waiting job stands in for a second one
    assert rounds.queue_round(work_database, spec(), MONDAY) == 0
    assert rounds.queue_round(work_database, spec(), MONDAY - timedelta(days=1)) == 0
    run_due(spec())
    assert organizations <= set(RAN)
    assert set(Counter(RAN).values()) == {1}
    assert rounds.queue_round(work_database, spec(), MONDAY + timedelta(days=1)) == len(RAN)


@pytest.mark.usefixtures("organizations")
def test_a_round_that_is_killed_in_the_middle_goes_on(
    work_database: Database, run_due: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "AT_ONCE", 2)
    commits = 0

    def die(_connection: Any) -> None:
        nonlocal commits
        commits += 1
        if commits == 3:  # the round's row, a page, and then
            raise ConnectionAbortedError("killed")

    event.listen(work_database.app_engine, "commit", die)
    try:
        with pytest.raises(ConnectionAbortedError):
            rounds.queue_round(work_database, spec(), MONDAY)
    finally:
        event.remove(work_database.app_engine, "commit", die)
    assert len(queued(work_database)) == 2
    run_due(spec())
    assert len(RAN) == 2
    rounds.queue_round(work_database, spec(), MONDAY)
    run_due(spec())
    with work_database.app_engine.connect() as connection:
        active = connection.execute(text("SELECT active_organization_ids(NULL, 100000)")).scalars().all()
    assert sorted(RAN) == active


@pytest.mark.usefixtures("organizations")
def test_two_workers_share_a_round(work_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "AT_ONCE", 1)
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(rounds.queue_round(work_database, spec(), MONDAY)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    jobs = queued(work_database)
    assert sum(counts) == len(jobs)
    assert set(jobs.values()) == {1}


def test_a_later_round_ends_an_earlier_one(
    work_database: Database, organizations: set[UUID], run_due: Callable[..., None]
) -> None:
    for day in (0, 1):
        rounds.queue_round(work_database, spec(), MONDAY + timedelta(days=day))
    assert set(queued(work_database).values()) == {1}, "one waits already: it will do for both"
    run_due(spec())
    assert organizations <= set(RAN)


def test_ten_thousand_organizations_in_pages(
    work_database: Database, tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner, count = tenants.partner(), 1200
    with work_database.as_operator("tests", "make many organizations") as session:
        session.execute(
            text(
                "INSERT INTO organization (org_id, partner_id, slug, name) SELECT id, :partner, id::text, 'Many'"
                " FROM unnest(CAST(:ids AS uuid[])) id"
            ),
            {"partner": partner.id, "ids": [new_id() for _ in range(count)]},
        )
    pages: list[int] = []
    page = rounds._queue_page

    def counting(*arguments: Any) -> int | None:
        found = page(*arguments)
        pages.append(found or 0)
        return found

    monkeypatch.setattr(rounds, "_queue_page", counting)
    assert rounds.queue_round(work_database, spec(), MONDAY) >= count
    assert max(pages) <= rounds.AT_ONCE
    assert len(pages) > count // rounds.AT_ONCE
    with work_database.as_operator("tests", "take them away") as session:
        session.execute(text("DELETE FROM organization WHERE name = 'Many'"))


def test_where_the_plugin_is_off_only_what_must_run_does(
    work_database: Database, tenants: Tenants, run_due: Callable[..., None]
) -> None:
    on, off = tenants.organization(None, "notes"), tenants.organization()
    suspended = tenants.organization(None, "notes")
    with work_database.run_as(suspended.org_id) as session:
        session.execute(text("UPDATE organization SET status = 'suspended'"))
    mine = {on.org_id, off.org_id, suspended.org_id}
    rounds.queue_round(work_database, spec("notes.tidy"), MONDAY)
    run_due(spec("notes.tidy"))
    assert mine & set(RAN) == {on.org_id}
    RAN.clear()
    must = spec("notes.prune", everywhere=True)
    rounds.queue_round(work_database, must, MONDAY)
    run_due(must)
    assert mine <= set(RAN)


def test_one_may_be_queued_by_hand_and_needs_its_organization(
    work_database: Database, tenants: Tenants, run_due: Callable[..., None]
) -> None:
    organization = tenants.organization()
    with work_database.run_as(organization.org_id) as session:
        defer(session, "core.tidy", org_id=organization.org_id)
        defer(session, "core.tidy")
    run_due(spec(attempts=1))
    assert [organization.org_id] == RAN
    assert "org_id" in failed_jobs(work_database)[0].error


def test_the_listing_gives_ids_and_leaves_the_tenant_as_it_is(
    work_database: Database, tenants: Tenants
) -> None:
    own, other = tenants.organization(), tenants.organization()
    with work_database.run_as(own.org_id) as session:
        listed = session.execute(text("SELECT organization_ids(NULL, 100000)")).scalars().all()
        seen = session.execute(text("SELECT org_id FROM organization")).scalars().all()
    assert {own.org_id, other.org_id} <= set(listed)
    assert seen == [own.org_id]
    with work_database.app_engine.connect() as connection:
        after = connection.execute(text("SELECT organization_ids(:id, 1)"), {"id": listed[0]}).scalars().all()
        assert after == listed[1:2]
        assert connection.execute(text("SELECT organization_ids(:id, 1)"), {"id": uuid4()}) is not None


def test_the_worker_tells_a_round_by_its_occurrence(
    work_database: Database, organizations: set[UUID], run_due: Callable[..., None]
) -> None:
    """As the library queues it: under the job's own name, with the time for which it is."""
    with work_database.app_engine.begin() as connection:
        for number in range(2):  # the same occurrence, twice
            connection.execute(
                text(
                    "SELECT enqueue_job('core.tidy', CAST(:arguments AS jsonb), NULL, NULL, :lock)"
                ).bindparams(arguments='{"timestamp": 1795400100}', lock=f"periodic {number}")
            )
    for _ in range(3):
        run_due(spec())
    assert organizations <= set(RAN)
    assert set(Counter(RAN).values()) == {1}
