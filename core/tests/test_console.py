"""The partner's console: its own organizations only, and features that are on from the next request."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from ringstead import audit
from ringstead.api.testing import Tenants
from ringstead.db.base import new_id
from ringstead.db.engine import Database
from ringstead.plugins.enablement import enabled_plugins
from ringstead.tenancy import organizations as module
from ringstead.tenancy.models import AuditEntry, Organization, PartnerFeature

Make = Callable[..., Any]


@pytest.fixture
def org(tenants: Tenants) -> Organization:
    return tenants.organization(name="Bramble & Finch")


@pytest.fixture
def staff(tenants: Tenants, org: Organization, console: Make) -> Make:
    """`staff(role)`: a console client of the partner of `org`."""
    partner = tenants._partner(org.partner_id)

    def make(role: str = "partner_admin") -> Any:
        return console(tenants.staff(partner, role))

    return make


def switch(
    client: Any, org: Organization, plugin: str = "calllogs", enabled: str = "on", status: int = 303
) -> Any:
    return client.post_form(
        f"/organizations/{org.org_id}/features", {"plugin": plugin, "enabled": enabled}, status=status
    )


def is_on(database: Database, org: Organization, plugin: str = "calllogs") -> bool:
    with database.run_as(org.org_id) as session:
        return plugin in enabled_plugins(session)


def names_on(page: Any) -> list[str]:
    return [a.get_text() for a in page.html.select("table a.t1")]


@pytest.mark.parametrize("role", ["partner_admin", "partner_support"])
def test_staff_see_their_partners_organizations_and_no_others(
    tenants: Tenants, org: Organization, staff: Make, role: str
) -> None:
    tenants.organization(name="Stranger Freight")
    tenants.subscriber(org)
    page = staff(role).get("/organizations")
    assert names_on(page) == ["Bramble & Finch"]
    assert page.html.select_one("td.num").get_text() == "1"


def test_another_partners_organization_does_not_exist(
    tenants: Tenants, staff: Make, database: Database
) -> None:
    foreign, client = tenants.organization(), staff()
    for id in (foreign.org_id, new_id(), "nonsense", "%00", "1"):
        client.get(f"/organizations/{id}", status=404)
        client.post_form(f"/organizations/{id}/features", {"plugin": "calllogs", "enabled": "on"}, status=404)
        client.get(f"/organizations?after={id}", status=400 if id == "%00" else 404)
    assert not is_on(database, foreign)


def test_a_feature_is_on_from_the_next_request(
    tenants: Tenants, org: Organization, staff: Make, portal: Make, database: Database
) -> None:
    subscriber, client = portal(tenants.person(org)), staff()
    subscriber.get("/", status=200)
    switch(client, org)
    assert is_on(database, org)
    assert "Calls turned on" in client.get(f"/organizations/{org.org_id}").text
    switch(client, org, enabled="off")
    assert not is_on(database, org)
    with database.in_partner(org.partner_id) as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(e.action, e.target, e.org_id) for e in entries] == [
        (audit.FEATURE_ON, "calllogs", org.org_id),
        (audit.FEATURE_OFF, "calllogs", org.org_id),
    ]
    assert {e.actor_name for e in entries} == {"Tansy Example"}


def test_switching_to_what_it_is_already_changes_nothing(
    org: Organization, staff: Make, database: Database
) -> None:
    client = staff()
    switch(client, org)
    switch(client, org)
    with database.in_partner(org.partner_id) as session:
        assert len(session.scalars(select(AuditEntry)).all()) == 1


def test_support_may_look_and_not_change(org: Organization, staff: Make, database: Database) -> None:
    client = staff("partner_support")
    page = client.get(f"/organizations/{org.org_id}")
    assert not page.html.find("form", action=f"/organizations/{org.org_id}/features")
    switch(client, org, status=403)
    assert not is_on(database, org)


@pytest.mark.parametrize("role", ["subscriber", "org_admin"])
def test_a_subscriber_has_no_console(tenants: Tenants, org: Organization, console: Make, role: str) -> None:
    client = console(tenants.person(org, role=role))
    client.get("/", status=303)
    client.get(f"/organizations/{org.org_id}", status=303)


@pytest.mark.parametrize(
    ("plugin", "enabled"),
    [("nonsense", "on"), ("core", "off"), ("", "on"), ("\0", "on"), ("calllogs", ""), ("calllogs", "maybe")],
)
def test_a_malformed_switch_is_refused(
    org: Organization, staff: Make, database: Database, plugin: str, enabled: str
) -> None:
    switch(staff(), org, plugin, enabled, status=400)
    assert not is_on(database, org)


def test_what_the_platform_refuses_a_partner_cannot_turn_on(
    org: Organization, staff: Make, database: Database
) -> None:
    with database.in_partner(org.partner_id) as session:
        session.add(PartnerFeature(plugin="calllogs", allowed=False))
    client = staff()
    assert "Not allowed" in client.get(f"/organizations/{org.org_id}").text
    switch(client, org, status=400)


def test_the_list_is_searched_and_paged(
    tenants: Tenants, org: Organization, staff: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE_SIZE", 3)
    partner = tenants._partner(org.partner_id)
    for name in ("Alder", "Alder", "Beech 100%", "Cedar", "cedar_2", "Elm"):
        tenants.organization(partner, name=name)
    client, seen = staff(), []
    page = client.get("/organizations")
    while True:
        seen += names_on(page)
        link = page.html.find("a", rel="next")
        if link is None:
            break
        page = client.get(link["href"])
    assert sorted(seen) == sorted(
        ["Bramble & Finch", "Alder", "Alder", "Beech 100%", "Cedar", "cedar_2", "Elm"]
    )
    assert len(seen) == 7
    assert names_on(client.get("/organizations?q=CEDAR")) == ["Cedar", "cedar_2"]
    assert names_on(client.get("/organizations?q=100%25")) == ["Beech 100%"]
    assert names_on(client.get("/organizations?q=r_2")) == ["cedar_2"]
    assert "No organization is called" in client.get("/organizations?q=zzz").text
    client.get("/organizations?q=%00", status=400)
