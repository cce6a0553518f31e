"""Read the data of many cards in one statement.

Each card's SELECT becomes a JSON array inside one query, so the number of round trips does not grow with the number of
plugins. When the batch fails, each query is tried alone in a savepoint, to find the guilty one and spare the others.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Date, DateTime, Select, Uuid, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ringstead.api.contributions import Card
from ringstead.plugins.registry import Owned
from ringstead.tenancy.context import TenantContext

Rows = Sequence[Mapping[str, Any]]
# A card that asks for more is a page.
MAX_ROWS = 50


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
        with session.begin_nested():
            return _run(session, queries), faults
    except OperationalError:
        raise
    except Exception:
        return _one_by_one(session, queries, faults)


def _one_by_one(
    session: Session, queries: Mapping[str, Select[Any]], faults: dict[str, Exception]
) -> tuple[dict[str, Rows], dict[str, Exception]]:
    rows: dict[str, Rows] = {}
    for card_id, query in queries.items():
        try:
            with session.begin_nested():
                rows |= _run(session, {card_id: query})
        except OperationalError:
            raise
        except Exception as error:
            faults[card_id] = error
    return rows, faults


def _checked(query: object) -> Select[Any]:
    if not isinstance(query, Select):
        raise TypeError(f"query must return a SELECT, not {type(query).__name__}")
    return query


def _run(session: Session, queries: Mapping[str, Select[Any]]) -> dict[str, Rows]:
    columns = []
    for number, query in enumerate(queries.values()):
        rows = (
            query.limit(MAX_ROWS).subquery(f"card{number}")
            if query._limit_clause is None
            else query.subquery(f"card{number}")
        )
        row = literal_column(f"to_jsonb(card{number})", JSONB)
        columns.append(
            select(func.coalesce(func.jsonb_agg(row), func.jsonb_build_array()))
            .select_from(rows)
            .scalar_subquery()
        )
    answer = session.execute(select(*columns)).one()
    return {
        card_id: _typed(query, rows) for (card_id, query), rows in zip(queries.items(), answer, strict=True)
    }


def _typed(query: Select[Any], rows: list[dict[str, Any]]) -> Rows:
    """Give JSON values back the types that the query's columns have."""
    readers = {c.key: reader for c in query.selected_columns if c.key and (reader := _reader(c.type))}
    for row in rows:
        for key, reader in readers.items():
            if row.get(key) is not None:
                row[key] = reader(row[key])
    return rows


def _reader(column_type: object) -> Callable[[str], Any] | None:
    if isinstance(column_type, DateTime):
        return datetime.fromisoformat
    if isinstance(column_type, Date):
        return date.fromisoformat
    if isinstance(column_type, Uuid):
        return UUID
    return None
