"""The page on which an organization decides how long its calls are kept, and sees what the nights removed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import AuditEntry, PartnerSetting
from ringstead_calllogs.keeping import read_rule
from ringstead_calllogs.retention import prune

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def admin(tenants: Tenants) -> Person:
    return tenants.person(tenants.organization(None, "calllogs"), "Ada Admin", "org_admin")


def rule(database: Database, person: Person) -> tuple[int | None, bool]:
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        found = read_rule(session)
    return found.days, found.is_held


def test_for_ever_until_somebody_decides(admin: Person, portal: Portal, database: Database) -> None:
    client = portal(admin)
    page = client.get("/calls/retention")
    assert "Calls are kept for ever." in page.text
    assert "No night so far" in page.text
    assert page.html.find("input", id="keep_days")["value"] == "0"
    page = client.post_form("/calls/retention", {"keep_days": "90"}).follow()
    assert "Calls are kept for 90 days." in page.text
    assert rule(database, admin) == (90, False)
    page = client.post_form("/calls/retention", {"keep_days": "90", "legal_hold": "on"}).follow()
    assert "A legal hold is on" in page.text
    assert page.html.find("input", id="legal_hold").has_attr("checked")
    assert rule(database, admin) == (90, True)
    client.post_form("/calls/retention", {"keep_days": ""})
    assert rule(database, admin) == (None, False)
    with database.in_partner(admin.partner.id) as session:
        changes = session.scalars(
            select(AuditEntry.detail)
            .where(AuditEntry.action == "calllogs.retention.changed")
            .order_by(AuditEntry.id)
        ).all()
    assert changes == [
        {"calllogs.keep_days": 90},
        {"calllogs.legal_hold": True},
        {"calllogs.keep_days": 0, "calllogs.legal_hold": False},
    ]
    assert "Changed how long calls are kept" in client.get("/account").text


@pytest.mark.parametrize("days", ["1", "6", "3654", "-1", "x", "1.5", "٣٠", "9" * 30, "30 days"])
def test_a_number_that_is_none(admin: Person, portal: Portal, database: Database, days: str) -> None:
    page = portal(admin).post_form("/calls/retention", {"keep_days": days}, status=422)
    field = page.html.find("input", id="keep_days")
    assert (field["aria-invalid"], field["value"]) == ("true", days)
    assert "from 7 to 3653" in page.html.find(id="keep_days-error").text
    assert [link["href"] for link in page.html.select(".errsum a")] == ["#keep_days"]
    assert page.html.select_one("nav [aria-current=page]")["href"] == "/calls/retention"
    assert rule(database, admin) == (None, False)


def test_what_the_nights_removed(
    admin: Person, portal: Portal, switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    client = portal(admin)
    switch.accept(*(leg(admin, at=now - timedelta(days=40 + n)) for n in range(3)))
    client.post_form("/calls/retention", {"keep_days": "30"})
    assert admin.organization is not None
    prune(database, admin.organization.org_id)
    client.post_form("/calls/retention", {"keep_days": "30", "legal_hold": "on"})
    prune(database, admin.organization.org_id)
    nights = client.get("/calls/retention").html.select("[aria-labelledby=runs-title] li")
    assert "Nothing removed: a legal hold is on" in nights[0].text
    assert "3 calls removed" in nights[1].text
    assert client.get("/calls").html.select(".calls > li") == []


def test_what_the_provider_has_fixed(admin: Person, portal: Portal, database: Database) -> None:
    with database.in_partner(admin.partner.id) as session:
        session.execute(
            text("INSERT INTO partner_setting VALUES (:partner, 'calllogs.keep_days', '180', true)"),
            {"partner": admin.partner.id},
        )
    client = portal(admin)
    page = client.get("/calls/retention")
    assert "Calls are kept for 180 days." in page.text
    assert "Your provider has fixed this." in page.text
    assert page.html.find("input", id="keep_days") is None
    client.post_form("/calls/retention", {"keep_days": "0", "legal_hold": "on"}, status=303)
    assert rule(database, admin) == (180, False), "nothing, also not what was open"


@pytest.mark.parametrize(
    ("fixed", "free", "sent", "after"),
    [
        ("calllogs.keep_days", "legal_hold", {"legal_hold": "on"}, (180, True)),
        ("calllogs.legal_hold", "keep_days", {"keep_days": "30"}, (30, True)),
    ],
)
def test_what_the_provider_left_open_is_decided_alone(
    fixed: str,
    free: str,
    sent: dict[str, str],
    after: tuple[int | None, bool],
    admin: Person,
    portal: Portal,
    database: Database,
) -> None:
    with database.in_partner(admin.partner.id) as session:
        session.execute(
            text("INSERT INTO partner_setting VALUES (:partner, :name, CAST(:value AS jsonb), true)"),
            {"partner": admin.partner.id, "name": fixed, "value": "180" if "days" in fixed else "true"},
        )
    client = portal(admin)
    page = client.get("/calls/retention")
    assert [field["name"] for field in page.html.select("main form .input, main form .check")] == [free]
    assert "Your provider has fixed this." in page.text
    client.post_form("/calls/retention", sent, status=303)
    assert rule(database, admin) == after


def test_how_many_calls_go_in_the_coming_night(
    admin: Person, portal: Portal, switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    client = portal(admin)
    switch.accept(*(leg(admin, at=now - timedelta(days=age)) for age in (1, 20, 40, 41)))
    page = client.post_form("/calls/retention", {"keep_days": "30"}).follow()
    assert "2 calls are older and go in the coming night." in page.text
    assert admin.organization is not None
    prune(database, admin.organization.org_id)
    assert "in the coming night" not in client.get("/calls/retention").text
    page = client.post_form("/calls/retention", {"keep_days": "7"}).follow()
    assert "1 call is older and goes in the coming night." in page.text
    page = client.post_form("/calls/retention", {"keep_days": "7", "legal_hold": "on"}).follow()
    assert "in the coming night" not in page.text


def test_who_may_see_and_not_decide(admin: Person, portal: Portal, database: Database) -> None:
    assert admin.organization is not None
    with database.run_as(admin.organization.org_id) as session:
        session.execute(
            text(
                "INSERT INTO role_permission VALUES (:org, 'org_admin', 'calllogs:retention:change', false)"
            ),
            {"org": admin.organization.org_id},
        )
    client = portal(admin)
    assert client.get("/calls/retention").html.find("input", id="keep_days") is None
    client.post_form("/calls/retention", {"keep_days": "30"}, status=403)


def test_subscribers_have_no_such_page(tenants: Tenants, admin: Person, portal: Portal) -> None:
    assert admin.organization is not None
    client = portal(tenants.person(admin.organization))
    client.get("/calls/retention", status=403)
    assert "/calls/retention" not in client.get("/calls").text


def test_nothing_changes_when_what_the_partner_fixed_is_sent(
    admin: Person, portal: Portal, database: Database
) -> None:
    with database.in_partner(admin.partner.id) as session:
        session.add(PartnerSetting(name="calllogs.legal_hold", value=True, locked=True))
    portal(admin).post_form("/calls/retention", {"keep_days": "90", "legal_hold": "off"}, status=303)
    assert rule(database, admin) == (None, True)
