"""A server that stops answering without closing its connections."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from ringstead.db import patience
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database
from ringstead.web.transactions import is_database_away


@pytest.fixture
def server() -> Iterator[tuple[Database, list[int]]]:
    """A server of this test's own, and its processes."""
    with tempfile.TemporaryDirectory(prefix="patience-") as home:
        postgres = EmbeddedPostgres(Path(home) / "postgres", durable=False)
        with postgres:
            database = Database(postgres.create_database("patience"))
            first = int((Path(home) / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
            yield database, [first]
            database.dispose()


def family(first: int) -> list[int]:
    """A process and its children."""
    found = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [first, *map(int, found)]


def test_a_frozen_server_is_given_up(
    server: tuple[Database, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, [first] = server
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(patience, "CONNECT_SECONDS", 2)
    with database.app_engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.rollback()
        frozen = family(first)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(OperationalError) as caught:
                connection.execute(text("SELECT 2"))
            assert time.monotonic() - started < 8
            assert is_database_away(caught.value)
            with pytest.raises(OperationalError) as caught, database.app_engine.connect():
                pass
            assert is_database_away(caught.value)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
    with database.app_engine.connect() as connection:
        assert connection.execute(text("SELECT 3")).scalar_one() == 3


def test_a_long_statement_is_left_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.2)
    knocks = []
    connect = psycopg.connect
    monkeypatch.setattr(psycopg, "connect", lambda **named: knocks.append(1) or connect(**named))
    with database.app_engine.connect() as connection:
        assert connection.execute(text("SELECT 4 FROM pg_sleep(1)")).scalar_one() == 4
    assert knocks
