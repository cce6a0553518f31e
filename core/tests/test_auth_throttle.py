"""Counting in PostgreSQL: exact, shared, and kept when the request is rolled back."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, storage_from_string
from sqlalchemy import text

from ringstead.auth.limit_storage import PostgresStorage
from ringstead.auth.throttle import Charge, Throttle
from ringstead.db.engine import Database

THREE = RateLimitItemPerMinute(3)


@pytest.fixture
def storage(database: Database) -> PostgresStorage:
    return PostgresStorage(engine=database.app_engine)


@pytest.fixture
def charge() -> Charge:
    return Charge(THREE, ("test", secrets.token_hex(8)))


class Away(MemoryStorage):
    """A storage whose server does not answer."""

    base_exceptions = ConnectionError

    def incr(self, *_args: Any, **_kwargs: Any) -> int:
        raise ConnectionError("nobody there")


def test_it_is_found_by_its_scheme(database: Database) -> None:
    found = storage_from_string("ringstead+postgresql://", engine=cast(Any, database.app_engine))
    assert isinstance(found, PostgresStorage)
    assert found.check()


def test_a_limit_holds_and_says_how_long(storage: PostgresStorage, charge: Charge) -> None:
    throttle = Throttle(storage)
    assert [throttle.take([charge]) for _ in range(3)] == [0, 0, 0]
    assert 1 <= throttle.take([charge]) <= 60


def test_what_is_given_back_may_be_taken_again(storage: PostgresStorage, charge: Charge) -> None:
    throttle = Throttle(storage)
    for _ in range(20):
        assert throttle.take([charge]) == 0
        throttle.give_back([charge])
    throttle.give_back([charge])
    assert storage.get(THREE.key_for(charge.digest)) == 0


def test_what_one_limit_refuses_costs_the_next_nothing(storage: PostgresStorage, charge: Charge) -> None:
    throttle, second = Throttle(storage), Charge(THREE, ("second", *charge.key))
    for _ in range(6):
        throttle.take([charge, second])
    assert storage.get(THREE.key_for(second.digest)) == 3


def test_forgetting_starts_the_window_anew(storage: PostgresStorage, charge: Charge) -> None:
    throttle = Throttle(storage)
    for _ in range(4):
        throttle.take([charge])
    throttle.forget([charge])
    assert throttle.take([charge]) == 0


def test_a_window_ends(database: Database, storage: PostgresStorage, charge: Charge) -> None:
    throttle = Throttle(storage)
    for _ in range(4):
        throttle.take([charge])
    with database.app_engine.begin() as connection:
        connection.execute(
            text("UPDATE rate_limit SET expires_at = now() - interval '1 second' WHERE key = :key"),
            {"key": THREE.key_for(charge.digest)},
        )
    assert storage.get(THREE.key_for(charge.digest)) == 0
    assert throttle.take([charge]) == 0
    assert storage.get(THREE.key_for(charge.digest)) == 1


def test_requests_at_the_same_time_are_all_counted(storage: PostgresStorage, charge: Charge) -> None:
    throttle = Throttle(storage)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: throttle.take([charge]), range(24)))
    assert answers.count(0) == 3


def test_a_request_that_is_rolled_back_was_counted(
    database: Database, storage: PostgresStorage, charge: Charge
) -> None:
    with database.app_engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("SELECT 1"))
        Throttle(storage).take([charge])
        transaction.rollback()
    assert storage.get(THREE.key_for(charge.digest)) == 1


def test_postgresql_takes_over_when_the_other_storage_is_away(
    storage: PostgresStorage, charge: Charge
) -> None:
    throttle = Throttle(Away(), storage)
    assert [throttle.take([charge]) for _ in range(3)] == [0, 0, 0]
    assert throttle.take([charge]) > 0


def test_no_key_is_stored_readably(database: Database, storage: PostgresStorage) -> None:
    mark = secrets.token_hex(8)
    Throttle(storage).take([Charge(THREE, ("sign-in", f"{mark}@example.com"))])
    with database.app_engine.connect() as connection:
        keys = connection.execute(text("SELECT key FROM rate_limit")).scalars().all()
    assert keys
    assert not any(mark in key for key in keys)


def test_counters_can_be_cleared_and_counted(storage: PostgresStorage) -> None:
    key = secrets.token_hex(8)
    storage.incr(key, 60, 2)
    assert storage.get(key) == 2
    assert storage.get_expiry(key) > 0
    storage.clear(key)
    assert storage.get(key) == 0
