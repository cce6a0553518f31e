"""The console's search: across a partner's organizations, and never beyond."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from ringstead.api.directory import set_words
from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import Account, Organization, Partner, Subscriber

Make = Callable[..., Any]


@pytest.fixture
def partner(tenants: Tenants) -> Partner:
    return tenants.partner()


@pytest.fixture
def desk(tenants: Tenants, partner: Partner, console: Make) -> Client:
    client: Client = console(tenants.staff(partner, "partner_support"))
    return client


@pytest.fixture
def org(tenants: Tenants, partner: Partner) -> Organization:
    return tenants.organization(partner, name="Bramble & Finch")


@pytest.fixture
def juno(tenants: Tenants, org: Organization) -> Person:
    return tenants.person(org, "Juno Birdsong-O’Hara", extension="21447", number="+12125550114")


def found(client: Client, query: str) -> list[str]:
    return [a.get_text() for a in client.get("/subscribers", {"q": query}).html.select("td a.t1")]


@pytest.mark.parametrize(
    "query",
    [
        "juno",
        "JUN",
        "birdsong",
        "song",
        "hara juno",
        "21447",
        "+1 212 555 0114",
        "0114",
        "(212) 555-0114",
        "12125",
    ],
)
def test_somebody_is_found_by_any_of_their_words(desk: Client, juno: Person, query: str) -> None:
    assert found(desk, query) == ([] if query == "song" else ["Juno Birdsong-O’Hara"])


def test_accents_and_the_trunk_zero_do_not_matter(desk: Client, tenants: Tenants, org: Organization) -> None:
    tenants.subscriber(org, "Zoë Škvorecký", number="+436641234567")
    for query in ("zoe", "skvorecky", "Škvorecký", "0664 1234567"):
        assert found(desk, query) == ["Zoë Škvorecký"], query


def test_an_address_finds_its_owner_also_after_it_changed(
    desk: Client, juno: Person, database: Database, partner: Partner
) -> None:
    assert found(desk, juno.account.email[:9] + "@") == []
    assert found(desk, juno.account.email) == ["Juno Birdsong-O’Hara"]
    with database.in_partner(partner.id) as session:
        session.execute(
            update(Account).where(Account.id == juno.account.id).values(email=f"new-{juno.account.email}")
        )
    assert found(desk, f"new-{juno.account.email}") == ["Juno Birdsong-O’Hara"]
    assert found(desk, juno.account.email) == []


def test_a_phone_finds_its_owner_however_its_address_is_written(
    desk: Client, juno: Person, database: Database
) -> None:
    assert juno.organization is not None
    assert juno.subscriber is not None
    with database.run_as(juno.organization.org_id) as session:
        set_words(session, juno.subscriber.id, "devices", ["00:1B:FC:4a:9e:10"])
    for query in ("00:1b:fc:4a:9e:10", "001BFC4A9E10", "00-1b-fc", "001b.fc4a.9e10"):
        assert found(desk, query) == ["Juno Birdsong-O’Hara"], query
    with database.run_as(juno.organization.org_id) as session:
        set_words(session, juno.subscriber.id, "devices", [])
    assert found(desk, "001bfc4a9e10") == []
    assert found(desk, "juno") == ["Juno Birdsong-O’Hara"]


def test_a_new_name_is_found_and_the_old_one_is_not(desk: Client, juno: Person, database: Database) -> None:
    assert juno.organization is not None
    with database.run_as(juno.organization.org_id) as session:
        session.execute(update(Subscriber).values(name="Juno Finch"))
    assert found(desk, "finch") == ["Juno Finch"]
    assert found(desk, "birdsong") == []


def test_all_organizations_are_searched_and_other_partners_never(
    desk: Client, tenants: Tenants, partner: Partner, juno: Person
) -> None:
    tenants.subscriber(tenants.organization(partner), "Juno Elsewhere")
    stranger = tenants.person(tenants.organization(), "Juno Stranger", number="+12125550999")
    assert found(desk, "juno") == ["Juno Birdsong-O’Hara", "Juno Elsewhere"]
    for query in ("stranger", "+12125550999", stranger.account.email):
        assert found(desk, query) == []


def test_many_are_cut_and_the_page_says_so(desk: Client, tenants: Tenants, org: Organization) -> None:
    for i in range(51):
        tenants.subscriber(org, f"Sam {i:02d}")
    assert len(found(desk, "sam")) == 50
    assert "first 50" in desk.get("/subscribers?q=sam").text
