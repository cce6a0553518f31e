"""A month's partition goes when no tenant has a row in it and nobody is about to have one, and else it stays."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from ringstead.api.testing import Person
from ringstead.db.engine import Database, DatabaseUrls
from ringstead_calllogs.months import TABLES, drop_month, drop_months
from ringstead_calllogs.retention import _remove_calls
from ringstead_calllogs.storing import legs_of_calls, lock

Make = Callable[..., dict[str, Any]]
# A month of its own for each test: partitions are shared by all of them.
MONTHS = iter(range(30, 100))


@pytest.fixture
def month(now: datetime) -> datetime:
    back = next(MONTHS)
    year, number = divmod(now.year * 12 + now.month - 1 - back, 12)
    return datetime(year, number + 1, 1, tzinfo=UTC)


@pytest.fixture
def owner(database_urls: DatabaseUrls) -> Iterator[Engine]:
    engine = create_engine(database_urls.owner)
    yield engine
    engine.dispose()


def name_of(month: datetime, table: str = "calllogs_leg") -> str:
    return f"{table}_{month:%Y%m}"


def exists(database: Database, name: str) -> bool:
    with database.app_engine.connect() as connection:
        return connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar() is not None


def ensure(database: Database, month: datetime, table: str = "calllogs_leg") -> None:
    with database.app_engine.begin() as connection:
        connection.execute(text(f"SELECT {table}_ensure_month(:at)"), {"at": month})


def mark(owner: Engine, name: str, hours: int) -> None:
    """As if it had been found empty so long ago."""
    since = datetime.now(UTC) - timedelta(hours=hours)
    with owner.begin() as connection:
        connection.execute(text(f"COMMENT ON TABLE {name} IS 'empty since {since.isoformat()}'"))


def test_an_empty_month_goes_after_a_while(database: Database, month: datetime, owner: Engine) -> None:
    name = name_of(month)
    ensure(database, month)
    assert not drop_month(database, "calllogs_leg", name), "it was found empty just now"
    assert not drop_month(database, "calllogs_leg", name), "and not long enough ago"
    mark(owner, name, hours=7)
    assert drop_month(database, "calllogs_leg", name)
    assert not exists(database, name)
    assert not drop_month(database, "calllogs_leg", name)
    with database.app_engine.connect() as connection:
        query = text("SELECT count(*) FROM calllogs_dropped_month WHERE name = :name")
        assert connection.execute(query, {"name": name}).scalar() == 1
    ensure(database, month)
    assert exists(database, name)


def test_a_month_with_anybodys_row_stays(
    database: Database, month: datetime, owner: Engine, person: Person, switch: Any, leg: Make
) -> None:
    switch.accept(leg(person, id="there", at=month + timedelta(days=9)))
    for table in TABLES:
        mark(owner, name_of(month, table), hours=99)
        assert not drop_month(database, table, name_of(month, table))
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        lock(session)
        _remove_calls(session, legs_of_calls(session, ["there"]))
    assert drop_month(database, "calllogs_leg", name_of(month))
    assert drop_month(database, "calllogs_conversation", name_of(month, "calllogs_conversation"))
    # What the person's quarter holds is for the nightly run to remove.
    assert not drop_month(database, "calllogs_person_quarter", name_of(month, "calllogs_person_quarter"))
    switch.accept(leg(person, id="again", at=month + timedelta(days=10)))


def test_whoever_asks_for_a_month_keeps_it(database: Database, month: datetime, owner: Engine) -> None:
    ensure(database, month)
    mark(owner, name_of(month), hours=7)
    ensure(database, month)
    assert not drop_month(database, "calllogs_leg", name_of(month))
    assert exists(database, name_of(month))


def test_a_month_that_is_busy_stays_and_nobody_waits_long(
    database: Database, month: datetime, owner: Engine
) -> None:
    ensure(database, month)
    mark(owner, name_of(month), hours=7)
    with database.app_engine.connect() as reader:
        reader.execute(text(f"SELECT count(*) FROM calllogs_leg WHERE started_at >= '{month:%Y-%m-%d}'"))
        began = datetime.now(UTC)
        assert not drop_month(database, "calllogs_leg", name_of(month))
        assert datetime.now(UTC) - began < timedelta(seconds=5)
    assert drop_month(database, "calllogs_leg", name_of(month))


def test_another_month_that_is_busy_is_not_waited_for(
    database: Database, month: datetime, owner: Engine
) -> None:
    """Such as by a vacuum: while one is waited for, nobody reads the table."""
    other = month - timedelta(days=1)
    for at in (month, other):
        ensure(database, at)
    mark(owner, name_of(month), hours=7)
    with owner.begin() as vacuum:
        vacuum.execute(text(f"LOCK TABLE {name_of(other)} IN SHARE UPDATE EXCLUSIVE MODE"))
        assert drop_month(database, "calllogs_leg", name_of(month))


def test_recent_months_are_never_dropped(database: Database, owner: Engine, now: datetime) -> None:
    ensure(database, now + timedelta(days=31))
    name = name_of(now + timedelta(days=31))
    mark(owner, name, hours=99)
    assert not drop_month(database, "calllogs_leg", name)


def test_records_come_in_while_months_are_dropped(
    database: Database, month: datetime, owner: Engine, person: Person, switch: Any, leg: Make
) -> None:
    """Taking in makes sure of its months first, in a transaction of its own: none of them may go until it inserts."""
    ensure(database, month)
    stop, dropped = threading.Event(), []

    def keep_dropping() -> None:
        while not stop.is_set():
            dropped.append(drop_month(database, "calllogs_leg", name_of(month)))

    thread = threading.Thread(target=keep_dropping)
    thread.start()
    try:
        for number in range(15):
            mark(owner, name_of(month), hours=7)
            ensure(database, month)
            answer = switch.post(leg(person, id=f"leg {number}", at=month + timedelta(hours=number)))
            assert answer.status_int == 200, answer.text
            assert person.organization is not None
            with database.run_as(person.organization.org_id) as session:
                lock(session)
                _remove_calls(session, legs_of_calls(session, [f"leg {number}"]))
    finally:
        stop.set()
        thread.join()
    assert dropped


def test_the_nightly_job_asks_of_every_month(database: Database, month: datetime, owner: Engine) -> None:
    for table in TABLES:
        ensure(database, month, table)
        mark(owner, name_of(month, table), hours=7)
    drop_months(database)
    assert not any(exists(database, name_of(month, table)) for table in TABLES)


def test_the_application_cannot_drop_a_month_itself(database: Database, month: datetime) -> None:
    ensure(database, month)
    with pytest.raises(DBAPIError, match="must be owner"), database.app_engine.begin() as connection:
        connection.execute(text(f"DROP TABLE {name_of(month)}"))


def test_a_partition_keeps_its_wall_when_it_was_marked(database: Database, month: datetime) -> None:
    ensure(database, month)
    drop_month(database, "calllogs_leg", name_of(month))
    with database.app_engine.connect() as connection:
        walled = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = :name"
        assert connection.execute(text(walled), {"name": name_of(month)}).scalar()
