"""A feature that is switched is on or off with the very next request, in every process that serves."""

from collections.abc import Callable
from typing import Any

import pytest

from ringstead.api.testing import Client, Tenants


@pytest.fixture(scope="module")
def two_apps(wsgi: Any, app_with: Callable[..., Any]) -> tuple[Any, Any]:
    """Two applications with caches and connections of their own, like two processes."""
    return wsgi, app_with()


def test_every_process_sees_a_switch_at_once(
    tenants: Tenants, portal: Callable[..., Client], two_apps: tuple[Any, Any]
) -> None:
    organization = tenants.organization()
    person = tenants.person(organization)
    clients = [portal(person, app=app) for app in two_apps]
    for enabled in (True, False, True, False):
        tenants.switch(organization, "calllogs", enabled=enabled)
        for client in clients:
            client.get("/calls", status=200 if enabled else 404)
            assert ('href="/calls"' in client.get("/").text) is enabled


def test_the_console_switches_for_every_process(
    tenants: Tenants,
    portal: Callable[..., Client],
    console: Callable[..., Client],
    two_apps: tuple[Any, Any],
) -> None:
    organization = tenants.organization()
    person = tenants.person(organization)
    staff = console(tenants.staff(person.partner), app=two_apps[0])
    page = f"/organizations/{organization.org_id}/features"
    for state, status in (("on", 200), ("off", 404)):
        staff.post_form(page, {"plugin": "calllogs", "enabled": state}, status=303)
        for app in two_apps:
            portal(person, app=app).get("/calls", status=status)


def test_the_home_page_takes_few_round_trips(
    tenants: Tenants, portal: Callable[..., Client], wsgi: Any
) -> None:
    """However many features have cards: their data is read in one statement."""
    from sqlalchemy import event

    sent: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    person = tenants.person(tenants.organization(None, "calllogs"))
    client = portal(person)
    client.get("/")
    engine = wsgi.database.app_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        client.get("/")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    # open_session; savepoint, time limit, the one SELECT for all cards, end of the savepoint.
    assert len(sent) <= 5, sent
