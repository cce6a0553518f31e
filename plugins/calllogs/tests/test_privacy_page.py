"""The page on which an organization says whose calls are private, and whether people are told of looks."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import AuditEntry, Organization, PartnerSetting

Portal = Callable[..., Client]
PAGE = "/calls/privacy"


@pytest.fixture
def organization(tenants: Tenants) -> Organization:
    return tenants.organization(None, "calllogs")


@pytest.fixture
def admin(tenants: Tenants, organization: Organization) -> Person:
    return tenants.person(organization, "Ada Admin", "org_admin", extension="100")


@pytest.fixture
def ben(tenants: Tenants, organization: Organization) -> Person:
    return tenants.person(organization, "Ben", extension="202")


def test_somebody_becomes_private_and_is_told_of_looks(
    admin: Person, ben: Person, portal: Portal, switch: Any, leg: Callable[..., Any], database: Database
) -> None:
    switch.accept(leg(ben))
    client, own = portal(admin), portal(ben)
    assert client.get("/").html.find("a", href=PAGE) is not None
    everybody = "/calls/of/organization"
    assert "Ben" in client.get(everybody).text
    own.get("/calls/looks", status=404)
    page = client.post_form(PAGE, {"private": "202", "looks_visible": "on"}).follow()
    assert page.html.find("input", id="private")["value"] == "202"
    assert page.html.find("input", id="looks_visible").has_attr("checked")
    assert "Ben" in page.html.select_one("[aria-labelledby=private-people]").text
    assert "Ben" not in client.get(everybody).text
    assert "Ada Admin" in own.get("/calls/looks").text
    client.post_form(PAGE, {"private": "", "looks_visible": "on"})
    assert "Ben" in client.get(everybody).text
    with database.in_partner(admin.partner.id) as session:
        changes = session.scalars(
            select(AuditEntry.detail)
            .where(AuditEntry.action == "calllogs.privacy.changed")
            .order_by(AuditEntry.id)
        ).all()
    assert changes == [
        {"calllogs.private_extensions": ["202"], "calllogs.looks_visible": True},
        {"calllogs.private_extensions": []},
    ]
    assert "Changed who sees calls" in client.get("/account").text


@pytest.mark.usefixtures("ben")
def test_extensions_are_told_apart_by_commas_and_spaces(admin: Person, portal: Portal) -> None:
    page = portal(admin).post_form(PAGE, {"private": " 202;100,, 202 "}).follow()
    assert page.html.find("input", id="private")["value"] == "202, 100"


@pytest.mark.usefixtures("ben")
@pytest.mark.parametrize("wrong", ["999", "202, 2O2", "Ben", "²", "9" * 300, "\ud800", "1 " * 300])
def test_what_is_no_extension_is_refused(admin: Person, portal: Portal, wrong: str) -> None:
    client = portal(admin)
    if wrong == "1 " * 300:
        wrong = " ".join(str(number) for number in range(1000, 1300))
    page = client.post_form(PAGE, {"private": wrong.encode("utf-8", "replace")}, status=422)
    assert page.html.select_one("#private-error") is not None
    assert client.get(PAGE).html.find("input", id="private")["value"] == ""


def test_another_organizations_extension_is_unknown(admin: Person, tenants: Tenants, portal: Portal) -> None:
    tenants.person(tenants.organization(admin.partner, "calllogs"), "Stranger", extension="777")
    portal(admin).post_form(PAGE, {"private": "777"}, status=422)


def test_what_the_partner_fixed_is_only_shown(admin: Person, portal: Portal, database: Database) -> None:
    with database.in_partner(admin.partner.id) as session:
        session.add(PartnerSetting(name="calllogs.looks_visible", value=True, locked=True))
    client = portal(admin)
    page = client.get(PAGE)
    assert "Your provider has fixed this." in page.text
    assert page.html.find("input", id="looks_visible") is None
    # Sent all the same, it is refused, and nothing else of the form is stored.
    page = client.post_form(PAGE, {"private": "100", "looks_visible": "off"}).follow()
    assert page.html.select_one("[aria-labelledby=private-people]") is None
    page = client.post_form(PAGE, {"private": "100"}).follow()
    assert "Ada Admin" in page.html.select_one("[aria-labelledby=private-people]").text
    client.get("/calls/looks")
    with database.in_partner(admin.partner.id) as session:
        session.add(PartnerSetting(name="calllogs.private_extensions", value=["100"], locked=True))
    page = client.get(PAGE)
    assert page.html.select_one("main form") is None
    assert page.html.select_one("dl dd").text == "100"


def test_it_is_for_admins(ben: Person, portal: Portal) -> None:
    client = portal(ben)
    client.get(PAGE, status=403)
    assert client.get("/").html.find("a", href=PAGE) is None
