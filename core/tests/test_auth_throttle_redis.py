"""Counting in a real Redis, and in PostgreSQL while Redis is away."""

import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from limits import RateLimitItemPerMinute
from structlog.testing import capture_logs

from ringstead.api.testing import test_settings
from ringstead.auth.limit_storage import PostgresStorage
from ringstead.auth.services import make_throttle
from ringstead.auth.throttle import Charge, Throttle
from ringstead.db.engine import Database

pytestmark = pytest.mark.slow

THREE = RateLimitItemPerMinute(3)


class Redis:
    """A server of our own; it keeps nothing."""

    def __init__(self) -> None:
        found = shutil.which("redis-server")
        if found is None:
            pytest.fail("No redis-server here. Mend: `make test` brings it, or apt-get install redis-server.")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._program, self.url = found, f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline, "Redis does not start"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._port)) == 0

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def throttle(redis: Redis, database: Database, tmp_path: Path) -> Throttle:
    return make_throttle(test_settings(tmp_path, rate_limit_url=redis.url), database)


@pytest.fixture
def charge() -> Charge:
    return Charge(THREE, ("test", secrets.token_hex(8)))


def in_postgresql(database: Database, charge: Charge) -> int:
    return PostgresStorage(engine=database.app_engine).get(THREE.key_for(charge.digest))


def test_redis_counts_gives_back_and_forgets(throttle: Throttle, charge: Charge, database: Database) -> None:
    assert [throttle.take([charge]) for _ in range(3)] == [0, 0, 0]
    assert 1 <= throttle.take([charge]) <= 60
    throttle.forget([charge])
    for _ in range(10):
        assert throttle.take([charge]) == 0
        throttle.give_back([charge])
    assert in_postgresql(database, charge) == 0


def test_postgresql_counts_while_redis_is_away_and_redis_again_afterwards(
    redis: Redis, throttle: Throttle, charge: Charge, database: Database
) -> None:
    assert throttle.take([charge]) == 0
    redis.stop()
    with capture_logs() as said:
        assert [throttle.take([charge]) for _ in range(3)] == [0, 0, 0]
        assert throttle.take([charge]) > 0
    assert {line["event"] for line in said} == {"throttle.storage_away"}
    assert in_postgresql(database, charge) == 4
    redis.start()
    assert throttle.take([charge]) == 0
    assert in_postgresql(database, charge) == 4


def test_a_redis_that_hangs_does_not_hang_a_sign_in(redis: Redis, throttle: Throttle, charge: Charge) -> None:
    assert throttle.take([charge]) == 0
    redis.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert throttle.take([charge]) == 0
    waited = time.monotonic() - began
    redis.process.send_signal(signal.SIGCONT)
    assert 0.5 < waited < 10
