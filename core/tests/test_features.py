"""The partner's features: for all organizations, for one, as a trial, and as a table."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from ringstead import audit
from ringstead.api.testing import Client, Tenants
from ringstead.console.switching import FOR_ALL
from ringstead.db.engine import Database
from ringstead.plugins.enablement import enabled_plugins
from ringstead.tenancy.models import AuditEntry, Organization, Partner, PartnerFeature

Console = Callable[..., Client]
PAGE, TABLE = "/features/of/calllogs", "/features/organizations"


@pytest.fixture
def partner(tenants: Tenants) -> Partner:
    return tenants.partner()


@pytest.fixture
def desk(console: Console, tenants: Tenants, partner: Partner) -> Client:
    return console(tenants.staff(partner))


def has(database: Database, organization: Organization, plugin: str = "calllogs") -> bool:
    with database.run_as(organization.org_id) as session:
        return plugin in enabled_plugins(session)


def day(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def trail(database: Database, partner: Partner) -> list[tuple[str, Any]]:
    with database.in_partner(partner.id) as session:
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        return [(row.action, row.detail) for row in rows if row.action.startswith("feature.")]


def test_on_and_off_for_all_is_seen_in_the_portal_at_once(
    tenants: Tenants, partner: Partner, desk: Client, portal: Console, database: Database
) -> None:
    without = tenants.organization(partner)
    stranger = tenants.organization()
    reader = portal(tenants.person(without))
    reader.get("/calls", status=404)
    desk.post_form(PAGE, {"do": "on"}, status=303)
    reader.get("/calls", status=200)
    assert has(database, tenants.organization(partner)), "one that came later"
    assert not has(database, stranger)
    assert "On" in desk.get(PAGE).html.select_one("#all-title").parent.get_text()
    desk.post_form(PAGE, {"do": "off"}, status=303)
    reader.get("/calls", status=404)
    desk.post_form(
        f"/organizations/{without.org_id}/features", {"plugin": "calllogs", "enabled": "on"}, status=303
    )
    reader.get("/calls", status=200)
    desk.post_form(PAGE, {"do": "forbid"}, status=303)
    reader.get("/calls", status=404)
    desk.post_form(PAGE, {"do": "on", "org": str(without.org_id)}, status=400)
    desk.post_form(PAGE, {"do": "allow"}, status=303)
    desk.post_form(PAGE, {"do": "own"}, status=303)
    reader.get("/calls", status=200)
    decided = [detail["decision"] for action, detail in trail(database, partner) if action == FOR_ALL]
    assert decided == ["on", "off", "forbid", "allow", "own"]


def test_a_trial_says_until_when_on_every_page(
    tenants: Tenants, partner: Partner, desk: Client, database: Database
) -> None:
    organization = tenants.organization(partner, name="Bramble & Finch")
    form = {"do": "trial", "org": str(organization.org_id), "until": day(3)}
    page = desk.post_form(PAGE, form, status=303).follow()
    assert has(database, organization)
    assert "Trial until" in page.text
    assert "1 trial" in desk.get("/features").text
    assert "until" in desk.get(TABLE).html.select_one("table.matrix td .t2").get_text()
    assert "as a trial" in desk.get(f"/organizations/{organization.org_id}").text
    ((action, detail),) = trail(database, partner)
    assert (action, list(detail)) == (audit.FEATURE_ON, ["until"])
    desk.post_form(PAGE, {**form, "do": "on"}, status=303)
    assert "Trial until" not in desk.get(PAGE).text, "for good from now on"


@pytest.mark.parametrize("until", ["", "tomorrow", "2020-01-31", "9999-12-31", "2026-02-30", "\0"])
@pytest.mark.parametrize("place", ["one", "all", "organization"])
def test_a_trial_needs_a_day_to_come(
    tenants: Tenants, partner: Partner, desk: Client, database: Database, until: str, place: str
) -> None:
    organization = tenants.organization(partner)
    status = 400 if until == "\0" else 422
    if place == "organization":
        path = f"/organizations/{organization.org_id}/features"
        desk.post_form(path, {"plugin": "calllogs", "enabled": "trial", "until": until}, status=status)
    else:
        form = {"do": "trial", "until": until} | ({"org": str(organization.org_id)} if place == "one" else {})
        page = desk.post_form(PAGE, form, status=status)
        if status == 422:
            assert page.html.select_one(".err"), "the message stands at the field"
    assert not has(database, organization)


def test_the_table_switches_what_was_changed_and_nothing_else(
    tenants: Tenants, partner: Partner, desk: Client, database: Database
) -> None:
    first, second = tenants.organization(partner, "calllogs"), tenants.organization(partner)
    cells = [f"{org.org_id}/calllogs" for org in (first, second)]
    boxes = desk.get(TABLE).html.select("table.matrix input[type=checkbox]")
    assert {box["value"] for box in boxes if "checked" in box.attrs} == {cells[0]}
    # Somebody else turned it on meanwhile: what this page did not touch stays.
    tenants.switch(second, "voicemail")
    desk.post_form(TABLE, {"was": cells[0], "on": cells[1]}, status=303)
    assert [has(database, org) for org in (first, second)] == [False, True]
    assert has(database, second, "voicemail")
    actions = sorted(action for action, _ in trail(database, partner))
    assert actions == [audit.FEATURE_OFF, audit.FEATURE_ON]


@pytest.mark.parametrize("cell", ["{foreign}/calllogs", "nonsense/calllogs"])
def test_the_table_knows_no_other_partners_organizations(
    tenants: Tenants, desk: Client, database: Database, cell: str
) -> None:
    foreign = tenants.organization()
    desk.post_form(TABLE, {"on": cell.format(foreign=foreign.org_id)}, status=404)
    desk.post_form(
        PAGE, {"do": "on", "org": cell.partition("/")[0].format(foreign=foreign.org_id)}, status=404
    )
    assert not has(database, foreign)


def test_what_is_no_feature_is_refused(tenants: Tenants, partner: Partner, desk: Client) -> None:
    organization = tenants.organization(partner)
    for plugin in ("core", "nonsense"):
        desk.get(f"/features/of/{plugin}", status=404)
        desk.post_form(TABLE, {"on": f"{organization.org_id}/{plugin}"}, status=400)
    desk.post_form(PAGE, {"do": "destroy"}, status=400)


def test_support_looks_and_switches_nothing(tenants: Tenants, partner: Partner, console: Console) -> None:
    tenants.organization(partner)
    client = console(tenants.staff(partner, "partner_support"))
    for path in ("/features", PAGE, TABLE):
        assert not client.get(path).html.select("main form[method=post] button[name=do], main button.primary")
    client.post_form(PAGE, {"do": "on"}, status=403)
    client.post_form(TABLE, {}, status=403)


def test_a_trial_for_all_takes_nothing_from_who_has_it_for_good(
    tenants: Tenants, partner: Partner, desk: Client, database: Database
) -> None:
    paid = tenants.organization(partner, "calllogs")
    other = tenants.organization(partner)
    desk.post_form("/features/of/calllogs", {"do": "trial", "until": day(3)}, status=303)
    assert has(database, paid)
    assert has(database, other)
    with database.in_partner(partner.id) as session:
        row = session.scalars(select(PartnerFeature)).one()
        row.until = datetime.now(UTC) - timedelta(days=1)
    assert has(database, paid)
    assert not has(database, other)
    assert "1 of 2" in line(desk)
    desk.post_form("/features/of/calllogs", {"do": "forbid"}, status=303)
    assert "0 of 2" in line(desk)


def line(desk: Client) -> str:
    """What the list says of call logs."""
    return str(desk.get("/features").html.find("a", href=PAGE).find_parent("tr").get_text(" "))


def test_a_trial_becomes_a_feature_for_good_without_a_gap(
    tenants: Tenants, partner: Partner, desk: Client, database: Database
) -> None:
    org = tenants.organization(partner)
    path = f"/organizations/{org.org_id}"
    desk.post_form(
        f"{path}/features", {"plugin": "calllogs", "enabled": "trial", "until": day(3)}, status=303
    )
    kept = [b for b in desk.get(path).html.select("button[name=enabled]") if b.get_text() == "Keep for good"]
    assert [button["value"] for button in kept] == ["on"]
    desk.post_form(f"{path}/features", {"plugin": "calllogs", "enabled": "on"}, status=303)
    assert "Trial until" not in desk.get(path).text
    assert has(database, org)


def test_a_wrong_day_leaves_the_search_as_it_was(tenants: Tenants, partner: Partner, desk: Client) -> None:
    for name in ("Bramble & Finch", "Larkspur Schools"):
        org = tenants.organization(partner, name=name)
    page = desk.get("/features/of/calllogs?q=lark")
    (form,) = [
        f
        for f in page.html.select("form")
        if f.select_one("input[name=until]") and f.select_one("input[name=org]")
    ]
    page = desk.post_form(form["action"], {"do": "trial", "org": str(org.org_id), "until": ""}, status=422)
    assert page.html.select_one("#until-error") is not None
    assert page.html.select_one("input[name=q]")["value"] == "lark"
