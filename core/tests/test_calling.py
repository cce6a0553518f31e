"""Click to call: where a switch can place calls, a button has one's phone ring."""

from collections.abc import Callable

import pytest
from support.adapter import running_adapter

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.switch.nodes import create_node, set_adapter
from ringstead.switch.telling import check_adapter_url


@pytest.fixture
def person(tenants: Tenants) -> Person:
    return tenants.person(tenants.organization(), extension="214")


def test_a_call_is_placed_by_the_switch(
    database: Database, portal: Callable[..., Client], person: Person, run_jobs: Callable[..., None]
) -> None:
    with running_adapter() as adapter:
        with database.as_operator("tests", "a switch with an adapter") as session:
            name = f"calls-{person.partner.slug}"
            create_node(session, name, person.partner.id)
            set_adapter(session, name, adapter.url, adapter.key)
        client = portal(person)
        client.post_form("/call", {"number": "alice"}, status=422)
        answer = client.post_form("/call", {"number": "(212) 555-0147", "back": "//evil.test"}, status=303)
        assert answer.headers["Location"].endswith(f"{client.host}/")
        run_jobs()
        with database.as_operator("tests", "the adapter is gone") as session:
            set_adapter(session, name, None, None)
    ((message, body, key),) = adapter.told
    assert message == "originate"
    assert (body["extension"], body["number"]) == ("214", "2125550147")
    assert key


def test_a_session_places_only_so_many_calls(portal: Callable[..., Client], person: Person) -> None:
    client = portal(person)
    for _ in range(10):
        client.post_form("/call", {"number": "+12125550147"}, status=303)
    answer = client.post_form("/call", {"number": "+12125550147"}, status=429)
    assert int(answer.headers["Retry-After"]) <= 60
    assert "many calls" in answer.text


def test_a_page_says_whether_the_desk_phone_can_call(
    database: Database, portal: Callable[..., Client], person: Person, tenants: Tenants
) -> None:
    other = tenants.person(tenants.organization())
    with database.as_operator("tests", "a switch with an adapter") as session:
        name = f"pages-{person.partner.slug}"
        create_node(session, name, person.partner.id)
        set_adapter(session, name, "http://127.0.0.1:9", None)
    assert '<meta name="call"' in portal(person).get("/").text
    assert '<meta name="call"' not in portal(other).get("/").text


def test_without_a_switch_nothing_happens_later(
    portal: Callable[..., Client], person: Person, run_jobs: Callable[..., None]
) -> None:
    portal(person).post_form("/call", {"number": "+12125550147"}, status=303)
    run_jobs()


@pytest.mark.parametrize("url", ["ftp://x", "switch.example", "https://", "http://u:p@x", "http://x/?a=1"])
def test_an_adapters_address_is_looked_at(url: str) -> None:
    with pytest.raises(ValueError, match="adapter"):
        check_adapter_url(url)


def test_a_node_is_told_where_its_adapter_is(database: Database) -> None:
    with database.as_operator("tests", "no such node") as session, pytest.raises(LookupError):
        set_adapter(session, "nobody", "http://x", None)
    assert check_adapter_url("http://127.0.0.1:8088/") == "http://127.0.0.1:8088"
