"""Switch nodes, their keys, and bodies that are read with a bound."""

import gzip
import io
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import webtest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from ringstead.api.testing import Client, Tenants
from ringstead.db.engine import Database
from ringstead.switch.bodies import BodyRefused, read_document, read_lines
from ringstead.switch.nodes import (
    NodeNameTaken,
    SwitchNodeRow,
    authenticate,
    create_node,
    ensure_node,
    list_nodes,
    rekey_node,
)


@pytest.fixture
def name() -> str:
    return f"node-{secrets.token_hex(6)}"


def operator(database: Database) -> Any:
    return database.as_operator("tests", "look after switches")


def test_a_key_is_shown_once_and_stored_as_a_hash(database: Database, name: str, tenants: Tenants) -> None:
    partner = tenants.partner()
    with operator(database) as session:
        key = create_node(session, name, partner.id)
        row = session.scalars(select(SwitchNodeRow).where(SwitchNodeRow.name == name)).one()
        assert key.encode() not in row.key_hash
        assert len(row.key_hash) == 32
        assert name in [node.name for node in list_nodes(session)]
    node = authenticate(database.app_engine, f"Bearer {key}")
    assert node is not None
    assert (node.name, node.partner_id) == (name, partner.id)
    assert node.serves(partner.id)
    assert not node.serves(tenants.partner().id)


def test_names_are_taken_once(database: Database, name: str) -> None:
    with operator(database) as session:
        create_node(session, name)
        with pytest.raises(NodeNameTaken):
            create_node(session, name)


def test_a_new_key_ends_the_old_one(database: Database, name: str) -> None:
    with operator(database) as session:
        old = create_node(session, name)
    with operator(database) as session:
        new = rekey_node(session, name)
        with pytest.raises(LookupError):
            rekey_node(session, f"{name}-nobody")
    assert authenticate(database.app_engine, f"Bearer {old}") is None
    assert authenticate(database.app_engine, f"bearer  {new} ") is not None


def test_a_known_key_stays(database: Database, name: str) -> None:
    with operator(database) as session:
        key, was_known = ensure_node(session, name)
        assert not was_known
        assert ensure_node(session, name, key) == (key, True)
        other, was_known = ensure_node(session, name, "forgotten")
        assert not was_known
        assert other != key


def test_last_seen_moves_once_a_minute(database: Database, name: str) -> None:
    with operator(database) as session:
        key = create_node(session, name)

    def seen() -> datetime | None:
        with operator(database) as session:
            found = session.scalars(
                select(SwitchNodeRow.last_seen_at).where(SwitchNodeRow.name == name)
            ).one()
        assert found is None or isinstance(found, datetime)
        return found

    assert seen() is None
    authenticate(database.app_engine, f"Bearer {key}")
    first = seen()
    assert first is not None
    authenticate(database.app_engine, f"Bearer {key}")
    assert seen() == first
    with operator(database) as session:
        past = datetime.now(UTC) - timedelta(minutes=2)
        session.execute(
            text("UPDATE switch_node SET last_seen_at = :past WHERE name = :name"),
            {"past": past, "name": name},
        )
    authenticate(database.app_engine, f"Bearer {key}")
    now = seen()
    assert now is not None
    assert now > first


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO switch_node (id, name, key_hash) VALUES (gen_random_uuid(), 'x', 'x')",
        "UPDATE switch_node SET key_hash = 'x'",
        "DELETE FROM switch_node",
    ],
)
def test_the_application_makes_no_nodes(statement: str, database: Database) -> None:
    with database.app_engine.begin() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text(statement))


def test_health(wsgi: Any, visitor: Callable[..., Client], tenants: Tenants) -> None:
    app = webtest.TestApp(wsgi, extra_environ={"HTTP_HOST": "localhost:8080"})
    assert app.get("/healthz").text == "ok\n"
    visitor(tenants.partner()).get("/healthz", status=404)


class Drip(io.RawIOBase):
    """A stream that gives one byte at a time, as a slow network does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(1, size) if size >= 0 else 1)


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("stream", [io.BytesIO, Drip])
def test_lines(encoding: str, stream: Any) -> None:
    text_ = b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree"
    body = gzip.compress(text_) if encoding else text_
    lines = list(read_lines(stream(body), encoding, 1000))
    assert lines == [(1, b"one\r"), (4, b"two"), (5, b"three")]
    assert read_document(stream(body), encoding, 1000) == text_[3:]


def test_limits() -> None:
    assert read_document(io.BytesIO(b"x" * 10), "", 10) == b"x" * 10
    for encoding, body in (("", b"x" * 11), ("gzip", gzip.compress(b"x" * 11))):
        with pytest.raises(BodyRefused) as refused:
            read_document(io.BytesIO(body), encoding, 10)
        assert refused.value.status == 413
    with pytest.raises(BodyRefused, match="line 2 is longer"):
        list(read_lines(io.BytesIO(b"short\n" + b"x" * 100), "", 1000, longest=50))


def test_gzip_that_unfolds_after_its_last_byte() -> None:
    """Much output waits in the inflater when the input is at its end."""
    body = gzip.compress(b"x" * 1_000_000)
    assert len(read_document(io.BytesIO(body), "gzip", 1_000_000)) == 1_000_000
    for cut in (1, 5, len(body) - 1):
        with pytest.raises(BodyRefused) as refused:
            read_document(io.BytesIO(body[:-cut]), "gzip", 1_000_000)
        assert refused.value.status == 400
