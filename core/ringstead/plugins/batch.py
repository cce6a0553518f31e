"""Read the data of many cards in one statement.

Each card's SELECT becomes a JSON array inside one query, so the number of round trips does not grow with the number of
plugins. When the batch fails, each query is tried alone in a savepoint, to find the guilty one and spare the others.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Date,
    DateTime,
    Float,
    LargeBinary,
    Numeric,
    Select,
    Time,
    Uuid,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import Subquery

from ringstead.api.contributions import Card
from ringstead.plugins.faults import is_portals
from ringstead.plugins.registry import Owned
from ringstead.tenancy.context import TenantContext

Rows = Sequence[Mapping[str, Any]]
# A card that asks for more is a page.
MAX_ROWS = 50
# How long the batch may take; then, when it failed, one query alone, and all of those together. Batch and hunt together
# leave some of the page's two seconds for rendering.
BATCH_SECONDS = 1.0
ALONE_SECONDS = 0.3
HUNT_SECONDS = 0.7


def read_batch(
    ctx: TenantContext, session: Session, cards: Sequence[Owned[Card]]
) -> tuple[dict[str, Rows], dict[str, Exception]]:
    """Rows by card id, and the faults of cards whose query could not be built or run."""
    queries: dict[str, Select[Any]] = {}
    faults: dict[str, Exception] = {}
    for card in cards:
        if card.item.query is None:
            continue
        try:
            queries[card.item.id] = _checked(card.item.query(ctx))
        except Exception as error:
            faults[card.item.id] = error
    if not queries:
        return {}, faults
    try:
        return _run(session, queries, BATCH_SECONDS), faults
    except Exception as error:
        if is_portals(error):
            raise
        return _one_by_one(session, queries, faults)


def _one_by_one(
    session: Session, queries: Mapping[str, Select[Any]], faults: dict[str, Exception]
) -> tuple[dict[str, Rows], dict[str, Exception]]:
    rows: dict[str, Rows] = {}
    deadline = time.monotonic() + HUNT_SECONDS
    for card_id, query in queries.items():
        left = deadline - time.monotonic()
        if left <= 0:
            faults[card_id] = TimeoutError("there was no time left after slower cards")
            continue
        try:
            rows |= _run(session, {card_id: query}, min(left, ALONE_SECONDS))
        except Exception as error:
            if is_portals(error):
                raise
            faults[card_id] = error
    return rows, faults


def _checked(query: object) -> Select[Any]:
    if not isinstance(query, Select):
        raise TypeError(f"query must return a SELECT, not {type(query).__name__}")
    return query


@contextmanager
def _undone(session: Session, seconds: float) -> Iterator[None]:
    """A savepoint with a time limit that is rolled back in any case: that ends the limit, and nothing was written."""
    savepoint = session.begin_nested()
    try:
        session.connection().exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}")
        yield
    finally:
        savepoint.rollback()


def _run(session: Session, queries: Mapping[str, Select[Any]], seconds: float) -> dict[str, Rows]:
    # A star, not the columns: naming them anew for each page would cost more than reading them.
    tables = [
        select(literal_column("*")).select_from(query.subquery()).limit(MAX_ROWS).subquery(f"card{number}")
        for number, query in enumerate(queries.values())
    ]
    columns = [
        select(func.coalesce(func.jsonb_agg(_row(table)), func.jsonb_build_array()))
        .select_from(table)
        .scalar_subquery()
        for table in tables
    ]
    with _undone(session, seconds):
        answer = session.execute(select(*columns)).one()
    return {
        card_id: _typed(card_id, query, rows)
        for (card_id, query), rows in zip(queries.items(), answer, strict=True)
    }


def _row(table: Subquery) -> Any:
    return literal_column(f"to_jsonb({table.name})", JSONB)


Readers = Mapping[str, Callable[[Any], Any]]
_readers: dict[tuple[str, tuple[str, ...]], Readers] = {}


def _typed(card_id: str, query: Select[Any], rows: list[dict[str, Any]]) -> Rows:
    """Give JSON values back the types that the query's columns have."""
    if not rows:
        return rows
    # A card's labels stand for its columns: one of them has the same type on every page.
    key = (card_id, tuple(rows[0]))
    readers = _readers.get(key)
    if readers is None:
        readers = _readers[key] = _readers_of(query)
    for row in rows:
        for name, reader in readers.items():
            if row.get(name) is not None:
                row[name] = reader(row[name])
    return rows


def _readers_of(query: Select[Any]) -> Readers:
    columns = query.subquery().c
    return {column.name: reader for column in columns if (reader := _reader(column.type))}


def _reader(column_type: object) -> Callable[[Any], Any] | None:
    if isinstance(column_type, DateTime):
        return datetime.fromisoformat
    if isinstance(column_type, Date):
        return date.fromisoformat
    if isinstance(column_type, Time):
        return time_of_day.fromisoformat
    if isinstance(column_type, Uuid):
        return UUID
    if isinstance(column_type, LargeBinary):
        return _bytes
    if isinstance(column_type, Numeric) and not isinstance(column_type, Float) and column_type.asdecimal:
        return _decimal
    return None


def _bytes(value: str) -> bytes:
    # As PostgreSQL writes it in JSON: `\\x` and hexadecimal digits.
    return bytes.fromhex(value.removeprefix("\\x"))


def _decimal(value: float | int) -> Decimal:
    # JSON numbers come as floats, whose shortest spelling is the one that the database wrote (up to 15 digits).
    return Decimal(str(value))
