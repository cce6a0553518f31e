"""What pages ask the database: a page of calls reads a page of rows, and numbers come from counts that are kept."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from ringstead.api.testing import Person, Tenants

Make = Callable[..., dict[str, Any]]
CALLS = re.compile(r"\bcalllogs_(conversation|leg)\b")
COUNTED = re.compile(r"\bcalllogs_(person|office)_quarter\b")
AGGREGATE = re.compile(r"\b(count|sum|avg|min|max)\s*\(|\bGROUP BY\b|\bDISTINCT\b", re.IGNORECASE)

LISTS = (
    "/",
    "/calls",
    "/calls?q=Marlowe",
    "/calls?q=5550100",
    "/calls?kind=missed&direction=incoming&result=missed&phone=desk&least=0&most=60&tag=x",
    "/calls?from=2026-01-01&to=2026-12-31",
    "/calls/new?shown=0",
    "/search?q=Marlowe",
    "/calls/of/organization",
    "/calls/of/organization?q=5550100",
    "/calls/of/organization?q=0100&kind=missed&person=214",
    "/calls/of/organization/new?shown=0",
)
NUMBERS = ("/calls/chart", "/calls/chart?by=day", "/calls/report", "/calls/report.csv")


@pytest.fixture
def admin(tenants: Tenants) -> Person:
    """Who may see the report."""
    return tenants.person(tenants.organization(None, "calllogs"), extension="214", role="org_admin")


@contextmanager
def statements(app: Any) -> Iterator[list[str]]:
    """The statements about calls that the application sends meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "calllogs_" in statement:
            seen.append(statement)

    event.listen(app.database.app_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(app.database.app_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_counts_nothing_and_reads_a_page(
    path: str, wsgi: Any, portal: Callable[..., Any], admin: Person, switch: Any, leg: Make
) -> None:
    switch.accept(*(leg(admin) for _ in range(30)))
    client = portal(admin)
    with statements(wsgi) as seen:
        client.get(path)
    assert any(CALLS.search(statement) for statement in seen)
    for statement in seen:
        assert not AGGREGATE.search(statement), statement
        assert "LIMIT" in statement, statement


@pytest.mark.parametrize("path", NUMBERS)
def test_numbers_come_from_counts(
    path: str, wsgi: Any, portal: Callable[..., Any], admin: Person, switch: Any, leg: Make
) -> None:
    switch.accept(*(leg(admin) for _ in range(3)))
    client = portal(admin)
    with statements(wsgi) as seen:
        client.get(path)
    assert any(COUNTED.search(statement) for statement in seen)
    assert not [statement for statement in seen if CALLS.search(statement)]


def test_taking_in_waits_no_longer_for_partner_and_horizon(
    wsgi: Any, admin: Person, switch: Any, leg: Make
) -> None:
    """What is new is on no side of a horizon, and what is stale for the partner is noted by who counts it."""
    with statements(wsgi) as seen:
        switch.accept(*(leg(admin) for _ in range(3)))
    (noting,) = [statement for statement in seen if "calllogs_stale_quarter" in statement]
    assert "INSERT INTO calllogs_office_quarter" in noting
    asking = [statement for statement in seen if "calllogs_horizon" in statement]
    assert all("_quarter" in statement for statement in asking), "no statement of its own"
