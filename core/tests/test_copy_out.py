"""Rows out of the database as CSV made by the server: scoped as any statement, values as values, faults as faults."""

import csv
import io
from contextlib import closing
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, bindparam, func, literal, select
from sqlalchemy.exc import OperationalError

from ringstead.api.bulk import copy_out
from ringstead.api.testing import Tenants
from ringstead.db import session as wall_one
from ringstead.db.engine import Database
from ringstead.db.session import TenantScopeMissing
from ringstead.tenancy.models import Subscriber


def read(pieces: Any, delimiter: str = ",") -> list[list[str]]:
    text = b"".join(piece.csv for piece in pieces).decode()
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def test_rows_come_in_order_and_are_counted(tenants: Tenants, database: Database) -> None:
    org = tenants.organization()
    names = [f"Person {n:05}" for n in range(3)]
    for name in names:
        tenants.subscriber(org, name)
    with database.run_as(org.org_id) as session:
        many = select(Subscriber.name, func.generate_series(1, 4000).label("n")).subquery()
        pieces = list(copy_out(session, select(many.c.name, many.c.n).order_by(many.c.name, many.c.n)))
        assert len(pieces) > 2
        assert sum(piece.rows for piece in pieces) == 12_000
        assert max(len(piece.csv) for piece in pieces) < 70_000
        rows = read(pieces)
        assert rows == [[name, str(n)] for name in names for n in range(1, 4001)]
        # The session goes on.
        assert read(copy_out(session, select(Subscriber.name).where(Subscriber.name == "nobody"))) == []


@pytest.mark.parametrize("down", ["none", "wall 1", "wall 2"])
def test_each_wall_holds_alone(
    down: str, tenants: Tenants, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    org, other = tenants.organization(), tenants.organization()
    tenants.subscriber(org, "Mine")
    tenants.subscriber(other, "Another’s")
    if down == "wall 1":
        monkeypatch.setattr(wall_one, "_criteria", lambda scope: ())
    with database.run_as(org.org_id) as session:
        if down == "wall 2":
            session.connection().exec_driver_sql(
                "SELECT set_config('ringstead.org_id', %s, true)", (str(other.org_id),)
            )
        inner = select(Subscriber.name).where(Subscriber.name != bindparam("not")).subquery()
        rows = read(copy_out(session, select(inner.c.name), {"not": "x"}))
    # With the policies on another organization, the two walls together leave nothing.
    assert rows == ([] if down == "wall 2" else [["Mine"]])


def test_no_scope_no_rows(tenants: Tenants, database: Database) -> None:
    from ringstead.db.session import NO_SCOPE, TenantSession

    with TenantSession(database.app_engine, NO_SCOPE) as session, pytest.raises(TenantScopeMissing):
        list(copy_out(session, select(Subscriber.name)))


@settings(max_examples=80)
@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    delimiter=st.sampled_from(",;\t"),
)
def test_any_text_is_a_value_and_nothing_else(text: str, delimiter: str) -> None:
    database: Database = test_any_text_is_a_value_and_nothing_else.database  # type: ignore[attr-defined]
    org_id = test_any_text_is_a_value_and_nothing_else.org_id  # type: ignore[attr-defined]
    with database.run_as(org_id) as session:
        statement = (
            select(literal(text, Text), bindparam("again", type_=Text)).select_from(Subscriber).limit(1)
        )
        (row,) = read(
            copy_out(session, statement, {"again": f"%s%(x)s{text}"}, delimiter=delimiter), delimiter
        )
    assert row == [text, f"%s%(x)s{text}"]


@pytest.fixture(autouse=True)
def _somewhere(tenants: Tenants, database: Database) -> None:
    org = tenants.organization()
    tenants.subscriber(org)
    test_any_text_is_a_value_and_nothing_else.database = database  # type: ignore[attr-defined]
    test_any_text_is_a_value_and_nothing_else.org_id = org.org_id  # type: ignore[attr-defined]


def test_what_fails_half_way_is_raised(tenants: Tenants, database: Database) -> None:
    org = tenants.organization()
    tenants.subscriber(org)
    n = func.generate_series(1, 100_000).label("n")
    rows = select(n).select_from(Subscriber).subquery()
    with pytest.raises(psycopg.errors.DivisionByZero), database.run_as(org.org_id) as session:
        for _ in copy_out(session, select(1 / (50_000 - rows.c.n))):
            pass
    with database.run_as(org.org_id) as session:
        assert read(copy_out(session, select(func.count()).select_from(Subscriber))) == [["1"]]


def test_who_stops_early_keeps_a_usable_connection(tenants: Tenants, database: Database) -> None:
    org = tenants.organization()
    tenants.subscriber(org, "Mine")
    rows = select(func.generate_series(1, 10_000_000).label("n")).select_from(Subscriber).subquery()
    with pytest.raises(KeyError), database.run_as(org.org_id) as session:  # noqa: PT012
        with closing(copy_out(session, select(rows.c.n))) as pieces:
            assert next(pieces).rows > 1000
        raise KeyError("the caller has seen enough")
    with database.run_as(org.org_id) as session:
        assert session.scalar(select(Subscriber.name)) == "Mine"


def test_a_lost_connection_is_known_as_such(tenants: Tenants, database: Database) -> None:
    org = tenants.organization()
    tenants.subscriber(org)
    rows = select(func.generate_series(1, 10_000_000).label("n")).select_from(Subscriber).subquery()
    with pytest.raises(OperationalError), database.run_as(org.org_id) as session:  # noqa: PT012
        number = session.connection().connection.driver_connection.info.backend_pid
        for _ in copy_out(session, select(rows.c.n)):
            if number:
                with database.app_engine.connect() as other:
                    other.exec_driver_sql("SELECT pg_terminate_backend(%s)", (number,))
                number = 0


def test_other_delimiters_are_refused(tenants: Tenants, database: Database) -> None:
    with (
        database.run_as(tenants.organization().org_id) as session,
        pytest.raises(ValueError, match="delimiter"),
    ):
        list(copy_out(session, select(Subscriber.name), delimiter="'; DROP"))
