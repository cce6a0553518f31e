"""Feature packages: what a kind of subscriber has, who decides about their preferences, and what their menu is."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.preferences.store import SettingRefused, load, set_for_subscriber
from ringstead.tenancy.models import FeaturePackage, Organization, Partner, Subscriber

Console = Callable[..., Client]


@pytest.fixture
def partner(tenants: Tenants) -> Partner:
    return tenants.partner()


@pytest.fixture
def org(tenants: Tenants, partner: Partner) -> Organization:
    return tenants.organization(partner, "calllogs", "voicemail", name="Bramble & Finch")


@pytest.fixture
def desk(console: Console, tenants: Tenants, partner: Partner) -> Client:
    return console(tenants.staff(partner))


def menu(page: Any) -> list[str]:
    return [link.get_text(strip=True) for link in page.html.select("nav a span, .side a")]


def has(page: Any, path: str) -> bool:
    return page.html.select_one(f'nav a[href="{path}"]') is not None


def test_a_package_gives_some_features_and_no_others_at_once(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console
) -> None:
    person, other = tenants.person(org), tenants.person(org)
    assert person.subscriber is not None
    client = portal(person)
    assert has(client.get("/"), "/voicemail")
    tenants.give(person.subscriber, tenants.package(partner, "calllogs"))
    page = client.get("/")
    assert not has(page, "/voicemail")
    assert has(page, "/calls")
    client.get("/voicemail", status=404)
    portal(other).get("/voicemail", status=200)
    tenants.switch(org, "calllogs", enabled=False)
    client.get("/calls", status=404)


def test_a_package_takes_a_right_away_and_with_it_the_page(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console
) -> None:
    person = tenants.person(org)
    assert person.subscriber is not None
    client = portal(person)
    client.get("/voicemail/greetings", status=200)
    package = tenants.package(partner, "calllogs", "voicemail", closed=["voicemail:greeting:manage"])
    tenants.give(person.subscriber, package)
    client.get("/voicemail", status=200)
    client.get("/voicemail/greetings", status=403)


def test_the_organizations_package_is_of_whoever_has_none(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console, desk: Client
) -> None:
    small, large = tenants.package(partner, "calllogs"), tenants.package(partner, "calllogs", "voicemail")
    person, favoured = tenants.person(org), tenants.person(org)
    assert favoured.subscriber is not None
    tenants.give(favoured.subscriber, large)
    form = {"do": "save", "name": org.name, "limit": "", "package": small.name}
    desk.post_form(f"/organizations/{org.org_id}/settings", form, status=303)
    portal(person).get("/voicemail", status=404)
    portal(favoured).get("/voicemail", status=200)
    desk.post_form(f"/organizations/{org.org_id}/settings", {**form, "package": "nonsense"}, status=422)


def test_a_package_that_is_not_there_gives_nothing(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console, database: Database
) -> None:
    person = tenants.person(org)
    assert person.subscriber is not None
    package = tenants.package(partner, "calllogs")
    tenants.give(person.subscriber, package)
    with database.in_partner(partner.id) as session:
        session.delete(session.get_one(FeaturePackage, (partner.id, package.id)))
    portal(person).get("/calls", status=404)
    portal(person).get("/", status=200)


@pytest.mark.parametrize(
    ("who", "by_subscriber", "by_admin", "holds"),
    [("everybody", True, True, "FR"), ("admins", False, True, "FR"), ("partner", False, False, "DE")],
)
def test_a_package_says_who_decides(
    tenants: Tenants,
    partner: Partner,
    org: Organization,
    database: Database,
    wsgi: Any,
    who: str,
    by_subscriber: bool,
    by_admin: bool,
    holds: str,
) -> None:
    declared = wsgi.registry["ringstead.declared_settings"]
    subscriber = tenants.subscriber(org)
    tenants.give(subscriber, tenants.package(partner, settings={"core.region": ["DE", who]}))

    def store(**how: bool) -> bool:
        try:
            with database.run_as(org.org_id) as session:
                set_for_subscriber(session, declared, subscriber.id, "core.region", "FR", **how)
        except SettingRefused:
            return False
        return True

    with database.run_as(org.org_id) as session:
        assert load(session, declared, subscriber.id)["core.region"] == "DE"
        assert load(session, declared)["core.region"] == "US", "of the organization, nobody's package"
    assert (store(), store(by_admin=True)) == (by_subscriber, by_admin)
    with database.run_as(org.org_id) as session:
        found = load(session, declared, subscriber.id).resolve("core.region")
    assert found.value == holds
    assert (found.locked_by == "package") == (who != "everybody")


def test_admins_do_not_take_away_what_only_the_partner_gives(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console, database: Database
) -> None:
    """It would give them, and their people, all that the organization has."""
    dear = tenants.package(partner, "calllogs", name="Dear", admins_give=False)
    fern = tenants.person(org, role="org_admin")
    tenants.give(fern.subscriber, dear)
    admin = portal(fern)
    path = f"/organization/subscribers/{fern.subscriber.id}/edit"
    form = {"name": fern.subscriber.name, "extension": fern.subscriber.extension, "email": fern.account.email}
    page = admin.post_form(path, {**form, "role": "org_admin", "package": ""}, status=422)
    assert "Your provider gave this package" in page.html.find(id="package-error").get_text()
    admin.post_form(path, {**form, "role": "org_admin", "package": "Dear"}, status=303)
    with database.run_as(org.org_id) as session:
        assert session.get_one(Subscriber, (org.org_id, fern.subscriber.id)).package_id == dear.id


def test_two_admins_at_one_package_are_told(
    tenants: Tenants, partner: Partner, console: Console, database: Database
) -> None:
    package = tenants.package(partner, "calllogs", name="Basic")
    desk = console(tenants.staff(partner))
    path = f"/packages/{package.id}"
    base = desk.get(path).html.select_one("input[name=base]")["value"]
    form = {"do": "save", "name": "Basic"}
    desk.post_form(path, {**form, "base": base}, status=303)
    page = desk.post_form(path, {**form, "name": "Mine", "base": base}, status=422)
    assert "Somebody changed this package meanwhile" in page.text
    newer = page.html.select_one("input[name=base]")["value"]
    desk.post_form(path, {**form, "name": "Mine", "base": newer}, status=303)


def test_admins_change_what_is_left_to_them(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console, database: Database, wsgi: Any
) -> None:
    settings = {"core.region": ["DE", "admins"], "core.time_zone": ["Europe/Vienna", "partner"]}
    subscriber = tenants.subscriber(org)
    tenants.give(subscriber, tenants.package(partner, settings=settings))
    admin = portal(tenants.person(org, role="org_admin"))
    path = f"/organization/subscribers/{subscriber.id}/settings"
    page = admin.get(path)
    assert "Fixed" in page.text
    assert page.html.find(id="value-core.time_zone").has_attr("disabled")
    shown = {name: page.html.find(id=f"value-core.{name}").select("option") for name in ("region", "locale")}
    assert "Austria" in {option.get_text() for option in shown["region"]}, "by names, not by codes"
    assert "Deutsch" in {option.get_text() for option in shown["locale"]}
    form = {"value-core.region": "FR", "value-core.time_zone": "UTC"}
    admin.post_form(path, form, status=303)
    with database.run_as(org.org_id) as session:
        now = load(session, wsgi.registry["ringstead.declared_settings"], subscriber.id)
    assert (now["core.region"], now["core.time_zone"]) == ("FR", "Europe/Vienna")
    admin.post_form(path, {"value-core.region": "Atlantis"}, status=422)
    admin.post_form(path, {"value-core.region": ""}, status=303)
    with database.run_as(org.org_id) as session:
        now = load(session, wsgi.registry["ringstead.declared_settings"], subscriber.id)
    assert now["core.region"] == "DE"


def test_a_mailbox_has_the_room_of_its_owners_package(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console
) -> None:
    person = tenants.person(org)
    assert person.subscriber is not None
    tenants.give(
        person.subscriber,
        tenants.package(partner, "voicemail", settings={"voicemail.quota_mb": [7, "everybody"]}),
    )
    assert "7 MB" in portal(person).get("/voicemail/settings").text


# --- on the console -----------------------------------------------------------------------------------------------


def fields_of(page: Any) -> dict[str, Any]:
    """What the form of a package would send as it stands."""
    form = page.html.find("form", id="package")
    values: dict[str, Any] = {}
    for box in form.select("input[name]"):
        if box.get("type") in ("checkbox",) and not box.has_attr("checked"):
            continue
        values.setdefault(box["name"], []).append(box.get("value", "on"))
    for select_ in form.select("select[name]"):
        chosen = select_.select_one("option[selected]") or select_.select_one("option")
        values[select_["name"]] = [chosen["value"]]
    return values


def test_a_partner_makes_a_package_sees_the_menu_and_gives_it(
    tenants: Tenants, partner: Partner, org: Organization, desk: Client, portal: Console, database: Database
) -> None:
    form = fields_of(desk.get("/packages/new"))
    form |= {"name": ["Basic"], "feature": ["calllogs"], "do": ["preview"]}
    form["may"].remove("core:data:export")
    seen = desk.post_form("/packages/new", form, status=200).html.find(id="menu").get_text()
    assert "Calls" in seen
    assert "Voicemail" not in seen
    desk.post_form("/packages/new", {**form, "do": ["save"]}, status=303)
    with database.in_partner(partner.id) as session:
        package = session.scalars(select(FeaturePackage)).one()
    assert (package.features, package.closed) == (["calllogs"], ["core:data:export"])
    assert "Basic" in desk.get("/packages").text
    assert fields_of(desk.get(f"/packages/{package.id}"))["feature"] == ["calllogs"]

    person = tenants.person(org)
    assert person.subscriber is not None
    profile = f"/organizations/{org.org_id}/subscribers/{person.subscriber.id}"
    edit = {"name": "Juno", "extension": person.subscriber.extension, "email": person.account.email}
    desk.post_form(f"{profile}/edit", {**edit, "package": "nonsense"}, status=422)
    desk.post_form(f"{profile}/edit", {**edit, "package": "basic"}, status=303)
    shown = desk.get(profile).html.find("h2", id="menu-title").find_parent("section").get_text()
    assert "Basic" in shown
    assert "Voicemail" not in shown
    portal(person).get("/voicemail", status=404)
    portal(person).post_form("/account/data", status=403)


def test_a_package_in_use_is_removed_only_for_another(
    tenants: Tenants, partner: Partner, org: Organization, desk: Client, database: Database
) -> None:
    old, new = tenants.package(partner, "calllogs"), tenants.package(partner, "voicemail")
    foreign = tenants.package(tenants.partner(), "voicemail")
    subscriber = tenants.subscriber(org)
    tenants.give(subscriber, old)
    path = f"/packages/{old.id}"
    desk.post_form(path, {"do": "remove"}, status=422)
    desk.post_form(path, {"do": "remove", "instead": foreign.name}, status=422)
    desk.post_form(path, {"do": "remove", "instead": new.name}, status=303)
    desk.get(path, status=404)
    with database.run_as(org.org_id) as session:
        assert session.get_one(Subscriber, (org.org_id, subscriber.id)).package_id == new.id


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("name", "", "name"),
        ("name", "x" * 81, "name"),
        ("value-voicemail.quota_mb", "many", "value-voicemail.quota_mb"),
        ("value-voicemail.message_seconds", "9999", "value-voicemail.message_seconds"),
        ("value-core.time_zone", "Nowhere/Land", "value-core.time_zone"),
        ("who-core.region", "nobody", "who-core.region"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    desk: Client, partner: Partner, database: Database, field: str, value: str, where: str
) -> None:
    form = {**fields_of(desk.get("/packages/new")), "name": ["Basic"], "do": ["save"], field: [value]}
    page = desk.post_form("/packages/new", form, status=422)
    assert page.html.select_one(f'.errsum a[href="#{where}"]')
    with database.in_partner(partner.id) as session:
        assert session.scalars(select(FeaturePackage)).all() == []


def test_names_are_known_once(tenants: Tenants, partner: Partner, desk: Client) -> None:
    tenants.package(partner, name="Basic")
    form = {**fields_of(desk.get("/packages/new")), "name": ["BASIC"], "do": ["save"]}
    assert "already" in desk.post_form("/packages/new", form, status=422).text


def test_admins_give_what_they_may(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console, database: Database
) -> None:
    tenants.package(partner, "calllogs", name="Open")
    tenants.package(partner, "calllogs", name="Dear", admins_give=False)
    admin = portal(tenants.person(org, role="org_admin"))
    options = [
        one["value"] for one in admin.get("/organization/subscribers/new").html.select("#package option")
    ]
    assert options == ["", "Open"]
    form = {"name": "Juno", "extension": "7001"}
    admin.post_form("/organization/subscribers/new", {**form, "package": "Dear"}, status=422)
    admin.post_form("/organization/subscribers/new", {**form, "package": "Open"}, status=303)
    with database.run_as(org.org_id) as session:
        made = session.scalars(select(Subscriber).where(Subscriber.extension == "7001")).one()
    assert made.package_id is not None


def test_support_sees_the_portal_with_the_subscribers_package(
    tenants: Tenants, partner: Partner, org: Organization, portal: Console, console: Console
) -> None:
    person: Person = tenants.person(org)
    assert person.subscriber is not None
    tenants.give(person.subscriber, tenants.package(partner, "calllogs"))
    support = console(tenants.staff(partner, "partner_support"))
    support.get("/packages", status=200)
    support.get("/packages/new", status=403)
