"""The cards' data is read in one statement, whoever they belong to; a bad query is found and the others are spared."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Date, DateTime, Numeric, Select, Time, cast, event, func, literal, select, text

from ringstead.api import SIGNED_IN, Card, TenantContext
from ringstead.api.testing import Tenants
from ringstead.db.engine import Database
from ringstead.plugins import batch
from ringstead.plugins.batch import MAX_ROWS, read_batch
from ringstead.plugins.gate import Gate
from ringstead.plugins.loader import load_module
from ringstead.plugins.registry import Owned, Registry
from ringstead.tenancy.models import Organization, Subscriber


def card(plugin: str, query: Callable[[TenantContext], Select[Any]]) -> Owned[Card]:
    return Owned(
        plugin,
        Card(
            id=f"{plugin}.card",
            title=plugin,
            permission=SIGNED_IN,
            template=f"{plugin}/card.pt",
            present=lambda ctx, rows: {"rows": rows},
            query=query,
        ),
    )


def cards(**queries: Select[Any]) -> list[Owned[Card]]:
    return [card(plugin, lambda ctx, query=query: query) for plugin, query in queries.items()]


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(database.app_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.app_engine, "before_cursor_execute", note)


@pytest.fixture
def organization(tenants: Tenants) -> Organization:
    partner = tenants.partner()
    organization, other = tenants.organization(partner), tenants.organization(partner)
    tenants.subscriber(organization, "Ada Example", extension="101")
    tenants.subscriber(organization, "Ben Example", extension="102")
    tenants.subscriber(other, "Stranger Example")
    return organization


@pytest.fixture
def read(
    database: Database, organization: Organization, context: Callable[..., TenantContext]
) -> Callable[..., Any]:
    """`read(cards)`: rows and faults by card id."""
    ctx = context(organization, Registry([]), [])

    def run(wanted: list[Owned[Card]]) -> Any:
        with database.run_as(organization.org_id) as session:
            return read_batch(ctx, session, wanted)

    return run


def test_the_number_of_statements_does_not_grow_with_the_number_of_plugins(
    database: Database,
    organization: Organization,
    module: Callable[..., Any],
    context: Callable[..., TenantContext],
) -> None:
    sent_for = {}
    for count in (1, 5, 20):
        names = [f"plugin{number}" for number in range(count)]
        registry = Registry(
            [load_module(n, module(n, declare_cards=[card(n, _names).item])) for n in names], strict=True
        )
        gate = Gate(registry, strict=True)
        ctx = context(organization, registry, names)
        with database.run_as(organization.org_id) as session, counted(database) as sent:
            results = gate.cards(ctx, session, lambda card, values: str(values["rows"]))
        assert [result.html for result in results] == [
            "[{'name': 'Ada Example'}, {'name': 'Ben Example'}]"
        ] * count
        sent_for[count] = len(sent)
    assert len(set(sent_for.values())) == 1, sent_for
    assert sent_for[1] <= 5, "savepoint, time limit, the one SELECT, end of the savepoint, the scope"


def _names(_ctx: TenantContext) -> Select[Any]:
    return select(Subscriber.name).order_by(Subscriber.name)


def test_values_come_back_with_their_types(read: Callable[..., Any], organization: Organization) -> None:
    moment = "2026-11-24T10:30:00.5+00:00"
    query = select(
        Subscriber.id,
        Subscriber.name.label("who"),
        Subscriber.number,
        cast(moment, DateTime(timezone=True)).label("at"),
        cast("2026-11-24", Date).label("day"),
        cast("10:30", Time).label("opens"),
        cast("12.30", Numeric(10, 2)).label("rate"),
        literal(7).label("count"),
        literal(True).label("flag"),
        func.jsonb_build_array(1, "a").label("list"),
    ).where(Subscriber.extension == "101")
    rows, faults = read(cards(alpha=query))
    assert not faults
    (row,) = rows["alpha.card"]
    assert isinstance(row["id"], UUID)
    assert (row["who"], row["number"]) == ("Ada Example", None)
    assert row["at"] == datetime.fromisoformat(moment)
    assert row["at"].tzinfo is not None
    assert (row["day"], row["opens"].hour) == (date(2026, 11, 24), 10)
    assert (row["rate"], row["count"], row["flag"], row["list"]) == (Decimal("12.3"), 7, True, [1, "a"])


def test_only_the_organizations_rows_are_read(read: Callable[..., Any]) -> None:
    rows, _ = read(
        cards(alpha=select(Subscriber.name), beta=select(func.count().label("n")).select_from(Subscriber))
    )
    assert {row["name"] for row in rows["alpha.card"]} == {"Ada Example", "Ben Example"}
    assert rows["beta.card"] == [{"n": 2}]


def test_order_and_limit_are_kept(read: Callable[..., Any]) -> None:
    query = select(Subscriber.name).order_by(Subscriber.name.desc())
    rows, _ = read(cards(alpha=query, beta=query.limit(1)))
    assert [row["name"] for row in rows["alpha.card"]] == ["Ben Example", "Ada Example"]
    assert [row["name"] for row in rows["beta.card"]] == ["Ben Example"]


@pytest.mark.parametrize("limit", [None, 100_000])
def test_a_card_gets_no_more_rows_than_fit(read: Callable[..., Any], limit: int | None) -> None:
    query: Select[Any] = select(func.generate_series(1, 500).label("n"))
    rows, _ = read(cards(alpha=query.limit(limit)))
    assert [row["n"] for row in rows["alpha.card"]] == list(range(1, MAX_ROWS + 1))


def test_no_rows_is_an_empty_list(read: Callable[..., Any]) -> None:
    rows, faults = read(cards(alpha=select(Subscriber.name).where(Subscriber.extension == "none")))
    assert (rows, faults) == ({"alpha.card": []}, {})


def test_the_guilty_card_is_found_and_the_others_spared(read: Callable[..., Any]) -> None:
    rows, faults = read(
        cards(
            alpha=select(Subscriber.name),
            bad=select((Subscriber.name + text("no_such_column")).label("x")),
            worse=select((func.count(Subscriber.id) / 0).label("x")),
            zeta=select(Subscriber.extension),
        )
    )
    assert set(faults) == {"bad.card", "worse.card"}
    assert len(rows["alpha.card"]) == 2
    assert {row["extension"] for row in rows["zeta.card"]} == {"101", "102"}


def test_a_slow_query_is_stopped_and_the_others_spared(
    read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "BATCH_SECONDS", 0.2)
    monkeypatch.setattr(batch, "ALONE_SECONDS", 0.2)
    rows, faults = read(
        cards(
            alpha=select(Subscriber.name),
            slow=select(func.pg_sleep(30).label("x")),
            zeta=select(Subscriber.name),
        )
    )
    assert set(faults) == {"slow.card"}
    assert len(rows["alpha.card"]) == len(rows["zeta.card"]) == 2


def test_the_hunt_for_slow_queries_ends_too(
    read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "BATCH_SECONDS", 0.1)
    monkeypatch.setattr(batch, "ALONE_SECONDS", 0.1)
    monkeypatch.setattr(batch, "HUNT_SECONDS", 0.25)
    slow = {f"slow{number}": select(func.pg_sleep(30).label("x")) for number in range(20)}
    rows, faults = read(cards(**slow))
    assert rows == {}
    assert len(faults) == 20
    assert str(faults["slow19.card"]) == "there was no time left after slower cards"


def test_reading_leaves_nothing_behind(
    database: Database, organization: Organization, context: Callable[..., TenantContext]
) -> None:
    change = select(func.set_config("ringstead.mark", "left", True).label("x"))
    with database.run_as(organization.org_id) as session:
        before = session.scalar(text("SHOW statement_timeout"))
        read_batch(context(organization, Registry([]), []), session, cards(alpha=change))
        assert session.scalar(text("SHOW statement_timeout")) == before
        assert not session.scalar(text("SELECT current_setting('ringstead.mark', true)"))
