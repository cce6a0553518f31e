"""The gate: who is asked, in which order, and that a plugin which fails costs only itself."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from ringstead.api import SIGNED_IN, Card, SearchHit, TenantContext
from ringstead.api.testing import Tenants
from ringstead.db.engine import Database
from ringstead.plugins import gate as gates
from ringstead.plugins.breaker import Breaker
from ringstead.plugins.cards import Busy, CardThreads, TooSlow
from ringstead.plugins.gate import CardResult, Gate
from ringstead.plugins.loader import LoadedPlugin, load_module
from ringstead.plugins.registry import CORE, Owned, Registry
from ringstead.tenancy.models import OrganizationSetting, Subscriber

Ask = Callable[..., list[str]]
Show = Callable[..., dict[str, CardResult]]


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def hits(*titles: str) -> list[SearchHit]:
    return [SearchHit(title=title, url="/") for title in titles]


def boom(**_kwargs: Any) -> list[SearchHit]:
    raise RuntimeError("boom")


@pytest.fixture
def build(module: Callable[..., Any]) -> Callable[..., Gate]:
    """`build(name={hooks}, …)`: a gate over plugins of these names."""

    def make(strict: bool = False, breaker: Breaker | None = None, **plugins: dict[str, Any]) -> Gate:
        loaded: list[LoadedPlugin] = [
            load_module(name, module(name, **hooks)) for name, hooks in plugins.items()
        ]
        return Gate(Registry(loaded, strict=True), strict, breaker)

    return make


@pytest.fixture
def ask(tenants: Tenants, database: Database, context: Callable[..., TenantContext]) -> Ask:
    """`ask(gate, *plugins)`: the titles that a search finds for an organization with these plugins on."""
    organization = tenants.organization()

    def run(gate: Gate, *plugins: str) -> list[str]:
        ctx = context(organization, gate.registry, plugins or gate.registry.active)
        with database.run_as(organization.org_id) as session:
            found = gate.ask("search", ctx, session, SearchHit, query="box", limit=5)
            session.scalar(select(func.count(Subscriber.id)))  # the transaction still works
        return [hit.title for hit in found]

    return run


@pytest.fixture
def show(tenants: Tenants, database: Database, context: Callable[..., TenantContext]) -> Show:
    """`show(gate)`: the results of the cards of all the gate's plugins, by card id."""
    organization = tenants.organization()
    tenants.subscriber(organization, "Wanda Example")

    def run(gate: Gate, only: frozenset[str] | None = None) -> dict[str, CardResult]:
        ctx = context(organization, gate.registry, gate.registry.active)
        with database.run_as(organization.org_id) as session:
            results = gate.cards(ctx, session, render, only)
            session.scalar(select(func.count(Subscriber.id)))
        return {result.card.id: result for result in results}

    return run


def render(card: Owned[Card], values: Any) -> str:
    if "raise" in values:
        raise KeyError("a name that the template uses")
    return f"<p>{card.item.id}: {values.get('names', '')}</p>"


def card(plugin: str, **values: Any) -> dict[str, Any]:
    """The hooks of a plugin with one card that names the organization's subscribers."""
    given: dict[str, Any] = {
        "id": f"{plugin}.card",
        "title": plugin,
        "permission": SIGNED_IN,
        "template": f"{plugin}/card.pt",
        "query": lambda ctx: select(Subscriber.name),
        "present": lambda ctx, rows: {"names": [row["name"] for row in rows]},
    }
    return {"declare_cards": [Card(**{**given, **values})]}


def test_enabled_plugins_answer_in_order(build: Callable[..., Gate], ask: Ask) -> None:
    names = ("zebra", "ant", CORE, "off")
    gate = build(**{name: {"search": lambda name=name: hits(name)} for name in names})
    assert ask(gate, "zebra", "ant") == [CORE, "ant", "zebra"]


def test_arguments_arrive(build: Callable[..., Gate], ask: Ask) -> None:
    def search(ctx: TenantContext, session: Any, query: str, limit: int) -> list[SearchHit]:
        return hits(f"{query} {limit} {session.org_id == ctx.org_id}")

    assert ask(build(alpha={"search": search})) == ["box 5 True"]


def said_of(gate: Gate) -> str:
    """The breaker's last word on the search of `bad`."""
    return str(gate.breaker._for_all["bad", "search"].last_error)


@pytest.mark.parametrize(
    "answer", [None, "text", [1], (SearchHit(title="x", url="/"),), {"title": "x"}, [None]], ids=repr
)
def test_a_wrong_answer_costs_only_itself(build: Callable[..., Gate], ask: Ask, answer: Any) -> None:
    gate = build(bad={"search": lambda query: answer}, good={"search": lambda query: hits("found")})
    assert ask(gate) == ["found"]
    assert "search must return a list of SearchHit" in said_of(gate)


def divide(session: Any) -> list[SearchHit]:
    session.execute(text("SELECT 1 / 0"))
    return []


def swallow(session: Any) -> list[SearchHit]:
    try:
        session.execute(text("SELECT 1 / 0"))
    except Exception:
        return hits("as if nothing had been")
    return []


def leave() -> list[SearchHit]:
    raise SystemExit("this is a library, not a program")


@pytest.mark.parametrize("fault", [boom, divide, swallow, leave])
def test_a_plugin_that_raises_costs_only_itself(
    build: Callable[..., Gate], ask: Ask, fault: Callable[..., Any]
) -> None:
    gate = build(bad={"search": fault}, good={"search": lambda query: hits("found")})
    assert ask(gate) == ["found"]


def test_what_a_failed_plugin_wrote_is_undone(
    build: Callable[..., Gate], ask: Ask, tenants: Tenants, database: Database, context: Callable[..., Any]
) -> None:
    def write_and_fail(session: Any) -> list[SearchHit]:
        session.add(OrganizationSetting(name="bad.mark", value={"x": 1}))
        session.flush()
        raise RuntimeError("after writing")

    gate = build(bad={"search": write_and_fail})
    organization = tenants.organization()
    ctx = context(organization, gate.registry, ["bad"])
    with database.run_as(organization.org_id) as session:
        gate.ask("search", ctx, session, SearchHit, query="x", limit=1)
    with database.run_as(organization.org_id) as session:
        assert session.scalar(select(func.count(OrganizationSetting.name))) == 0


def test_with_strict_it_raises(build: Callable[..., Gate], ask: Ask) -> None:
    with pytest.raises(RuntimeError, match="boom"):
        ask(build(strict=True, bad={"search": lambda query: boom()}))


def test_a_statement_that_takes_too_long_is_stopped(
    build: Callable[..., Gate], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "STATEMENT_SECONDS", 0.1)

    def search(session: Any) -> list[SearchHit]:
        session.execute(text("SELECT pg_sleep(30)"))
        return hits("late")

    gate = build(bad={"search": search}, good={"search": lambda query: hits("found")})
    assert ask(gate) == ["found"]
    assert said_of(gate) == "QueryCanceled"


def test_the_limit_ends_with_the_asking(
    build: Callable[..., Gate], tenants: Tenants, database: Database, context: Callable[..., Any]
) -> None:
    gate, organization = build(good={"search": lambda query: []}), tenants.organization()
    with database.run_as(organization.org_id) as session:
        before = session.scalar(text("SHOW statement_timeout"))
        ctx = context(organization, gate.registry, ["good"])
        gate.ask("search", ctx, session, SearchHit, query="x", limit=1)
        assert session.scalar(text("SHOW statement_timeout")) == before


def collision() -> list[SearchHit]:
    error = RuntimeError("deadlock detected")
    error.sqlstate = "40P01"  # type: ignore[attr-defined]
    raise OperationalError("SELECT", {}, error)


def test_what_is_not_the_plugins_fault_is_not_contained(build: Callable[..., Gate], ask: Ask) -> None:
    with pytest.raises(OperationalError):
        ask(build(unlucky={"search": collision}))


ONE, TWO, THREE, FOUR = (UUID(int=number) for number in range(4))


def fail(breaker: Breaker, *orgs: UUID | None) -> None:
    for org_id in orgs:
        breaker.failed("bad", "search", org_id, "boom")


def admitted(breaker: Breaker, *orgs: UUID) -> list[bool]:
    return [breaker.admits("bad", "search", org_id) for org_id in orgs]


def test_the_breaker_rests_a_plugin_and_then_tries_once() -> None:
    clock = Clock()
    breaker = Breaker(threshold=3, rest=30, clock=clock)
    fail(breaker, ONE, ONE)
    assert admitted(breaker, ONE) == [True]
    fail(breaker, ONE)
    assert admitted(breaker, ONE) == [False]
    assert breaker.admits("bad", "other", ONE)
    clock.now += 31
    assert admitted(breaker, ONE, ONE) == [True, False], "only one try after a rest"
    fail(breaker, ONE)
    clock.now += 29
    assert admitted(breaker, ONE) == [False]
    clock.now += 2
    assert admitted(breaker, ONE) == [True]
    breaker.succeeded("bad", "search", ONE)
    assert admitted(breaker, ONE, ONE) == [True, True]
    assert breaker.why("bad", "search", ONE) == ""


def test_one_organizations_faults_rest_nothing_for_another() -> None:
    breaker = Breaker(threshold=3)
    fail(breaker, *[ONE] * 20, *[None] * 20)
    assert admitted(breaker, ONE, TWO) == [False, True]


def test_what_fails_for_several_in_a_row_rests_for_all() -> None:
    clock = Clock()
    breaker = Breaker(threshold=3, rest=30, clock=clock)
    fail(breaker, ONE, TWO)
    breaker.succeeded("bad", "search", FOUR)
    fail(breaker, ONE, TWO)
    assert admitted(breaker, FOUR) == [True]
    fail(breaker, THREE)
    assert admitted(breaker, ONE, FOUR) == [False, False]
    assert breaker.why("bad", "search", FOUR) == "boom"
    clock.now += 31
    assert admitted(breaker, FOUR, TWO) == [True, False], "one try for all"
    breaker.succeeded("bad", "search", FOUR)
    assert admitted(breaker, TWO, FOUR) == [True, True]


def test_the_breaker_forgets_what_it_has_no_room_for() -> None:
    breaker = Breaker(threshold=1, size=2)
    breaker.succeeded("bad", "search", ONE)
    for org_id in (ONE, TWO, THREE):
        fail(breaker, org_id)
        breaker.succeeded("bad", "search", FOUR)
    assert admitted(breaker, THREE, TWO, ONE) == [False, False, True]


def test_a_plugin_that_fails_again_and_again_is_not_called(build: Callable[..., Gate], ask: Ask) -> None:
    calls = []

    def search(query: str) -> list[SearchHit]:
        calls.append(query)
        raise RuntimeError("boom")

    gate = build(bad={"search": search})
    for _ in range(6):
        ask(gate)
    assert len(calls) == 3


def test_bad_data_of_one_organization_costs_nobody_else_the_feature(
    build: Callable[..., Gate], tenants: Tenants, database: Database, context: Callable[..., TenantContext]
) -> None:
    spoiled, sound = tenants.organization(), tenants.organization()

    def search(ctx: TenantContext) -> list[SearchHit]:
        return boom() if ctx.org_id == spoiled.org_id else hits("found")

    def present(ctx: TenantContext, rows: Any) -> dict[str, Any]:
        return boom() if ctx.org_id == spoiled.org_id else {}  # type: ignore[return-value]

    gate = build(bad={"search": search, **card("bad", present=present)})
    for organization in (*[spoiled] * 5, sound):
        ctx = context(organization, gate.registry, ["bad"])
        with database.run_as(organization.org_id) as session:
            found = gate.ask("search", ctx, session, SearchHit, query="x", limit=1)
            (result,) = gate.cards(ctx, session, render)
    assert [hit.title for hit in found] == ["found"]
    assert not result.failure


def test_a_plugin_that_dawdles_rests_too(
    build: Callable[..., Gate], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "SLOW_SECONDS", 0.0)
    gate = build(slow={"search": lambda query: hits("slow")})
    assert [ask(gate) for _ in range(4)] == [["slow"]] * 3 + [[]]


def test_cards_get_their_rows(build: Callable[..., Gate], show: Show) -> None:
    results = show(build(alpha=card("alpha"), beta=card("beta", query=None)))
    assert results["alpha.card"].html == "<p>alpha.card: ['Wanda Example']</p>"
    assert results["beta.card"].html == "<p>beta.card: []</p>"


def test_only_wanted_and_permitted_cards_are_made(build: Callable[..., Gate], show: Show) -> None:
    gate = build(alpha=card("alpha"), beta=card("beta"))
    assert set(show(gate, frozenset({"beta.card"}))) == {"beta.card"}


FAULTS: dict[str, dict[str, Any]] = {
    "query raises": {"query": lambda ctx: boom()},
    "query is no select": {"query": lambda ctx: "SELECT 1"},
    "query fails": {"query": lambda ctx: select(func.length(text("no_such_column")))},
    "query divides": {"query": lambda ctx: select((func.count(Subscriber.id) / 0).label("n"))},
    "present raises": {"present": lambda ctx, rows: boom()},
    "present is no mapping": {"present": lambda ctx, rows: [1]},
    "template raises": {"present": lambda ctx, rows: {"raise": True}},
    "present leaves": {"present": lambda ctx, rows: leave()},
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_faulty_card_costs_only_itself(build: Callable[..., Gate], show: Show, fault: str) -> None:
    gate = build(alpha=card("alpha"), bad=card("bad", **FAULTS[fault]), zeta=card("zeta"))
    results = show(gate)
    assert results["bad.card"].html == ""
    assert results["bad.card"].failure
    assert "SELECT" not in results["bad.card"].failure.upper() or fault == "query is no select"
    for good in ("alpha.card", "zeta.card"):
        assert results[good].html == f"<p>{good}: ['Wanda Example']</p>"


def test_a_faulty_card_raises_with_strict(build: Callable[..., Gate], show: Show) -> None:
    with pytest.raises(RuntimeError, match="boom"):
        show(build(strict=True, bad=card("bad", present=lambda ctx, rows: boom())))


def test_a_card_that_fails_again_and_again_rests(build: Callable[..., Gate], show: Show) -> None:
    calls = []

    def present(ctx: Any, rows: Any) -> dict[str, Any]:
        calls.append(1)
        raise RuntimeError("boom")

    gate = build(bad=card("bad", present=present))
    results = [show(gate)["bad.card"] for _ in range(5)]
    assert len(calls) == 3
    assert {result.failure for result in results} == {"RuntimeError: boom"}


@pytest.fixture
def hang() -> Iterator[Callable[..., dict[str, Any]]]:
    """A `present` that does not come back until the test is over."""
    over = threading.Event()

    def present(ctx: Any, rows: Any) -> dict[str, Any]:
        over.wait(30)
        return {}

    yield present
    over.set()


def test_a_card_that_hangs_costs_its_time_and_not_the_page(
    build: Callable[..., Gate], show: Show, monkeypatch: pytest.MonkeyPatch, hang: Callable[..., Any]
) -> None:
    monkeypatch.setattr(gates, "CARD_SECONDS", 0.3)
    gate = build(alpha=card("alpha"), slow=card("slow", present=hang))
    started = time.monotonic()
    results = show(gate)
    assert time.monotonic() - started < 5
    assert results["slow.card"].failure == "TooSlow: took longer than 0.3 seconds"
    assert results["alpha.card"].html
    assert show(gate)["slow.card"].failure == "TooSlow: an earlier call has not ended yet"


def test_data_and_rendering_share_the_pages_time(
    build: Callable[..., Gate], show: Show, monkeypatch: pytest.MonkeyPatch, hang: Callable[..., Any]
) -> None:
    monkeypatch.setattr(gates, "CARD_SECONDS", 1.0)
    monkeypatch.setattr(gates, "LEAST_SECONDS", 0.1)
    monkeypatch.setattr(gates, "read_batch", lambda *_: time.sleep(0.8) or ({}, {}))
    gate = build(alpha=card("alpha"), slow=card("slow", present=hang))
    started = time.monotonic()
    results = show(gate)
    assert time.monotonic() - started < 1.5
    assert results["alpha.card"].html
    assert results["slow.card"].failure.startswith("Busy"), "what others used up is not the card's fault"


def test_a_thread_that_hangs_is_not_joined_by_more_of_its_kind(hang: Callable[..., Any]) -> None:
    threads = CardThreads(seconds=0.1, threads=1)
    first = threads.render({"slow": lambda: str(hang(None, None)), "waiting": lambda: "never begun"})
    assert isinstance(first["slow"], TooSlow)
    assert isinstance(first["waiting"], Busy), "a card that found no thread is not at fault"
    again = threads.render({"slow": lambda: "called"})
    assert isinstance(again["slow"], TooSlow)


def test_a_card_comes_back_after_its_late_call_ended() -> None:
    threads, over, ended = CardThreads(seconds=0.1), threading.Event(), threading.Event()

    def late() -> str:
        over.wait(30)
        return "late"

    assert isinstance(threads.render({"card": late})["card"], TooSlow)
    threads._late["card"][0].add_done_callback(lambda future: ended.set())
    over.set()
    assert ended.wait(30)
    assert threads.render({"card": lambda: "quick"})["card"] == "quick"


def test_cards_that_hang_leave_threads_for_the_others(hang: Callable[..., Any]) -> None:
    threads = CardThreads(seconds=0.1, threads=4)
    slow = {f"slow{number}": lambda: str(hang(None, None)) for number in range(4)}
    assert all(isinstance(answer, TooSlow) for answer in threads.render(slow).values())
    assert threads.render({**slow, "quick": lambda: "quick"})["quick"] == "quick"
