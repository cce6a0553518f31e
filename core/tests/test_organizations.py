"""Organizations from the console: new ones, their numbers and hours, suspended, kept as templates, and removed."""

import io
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import select, text

from ringstead.api.testing import Client, Tenants
from ringstead.blobs import org_blobs
from ringstead.console.hours import situations
from ringstead.db.engine import Database
from ringstead.plugins.enablement import enabled_plugins, set_features
from ringstead.preferences.store import load, set_for_organization
from ringstead.tenancy.calls import call_policy
from ringstead.tenancy.models import (
    Account,
    AuditEntry,
    FeaturePackage,
    Location,
    Membership,
    NumberRange,
    Organization,
    OrganizationTemplate,
    Partner,
    Subscriber,
)

Make = Callable[..., Any]


@pytest.fixture
def partner(tenants: Tenants) -> Partner:
    return tenants.partner()


@pytest.fixture
def desk(tenants: Tenants, partner: Partner, console: Make) -> Client:
    client: Client = console(tenants.staff(partner))
    return client


@pytest.fixture
def org(tenants: Tenants, partner: Partner) -> Organization:
    return tenants.organization(partner, "calllogs", name="Bramble & Finch")


@pytest.fixture
def with_blobs(wsgi: Any) -> Database:
    """The application's own database, which knows where blobs are."""
    found: Database = wsgi.registry["ringstead.database"]
    return found


def block() -> str:
    """The beginning of a hundred numbers that no other test has."""
    return f"+1{secrets.randbelow(8 * 10**7) + 2 * 10**7}"


def problem_at(page: Any, field: str) -> str:
    return str(page.html.find(id=f"{field}-error").get_text())


def by_name(database: Database, partner: Partner, name: str) -> Organization:
    with database.in_partner(partner.id) as session:
        return session.scalars(select(Organization).where(Organization.name == name)).one()


def make(client: Client, status: int = 303, **form: str) -> Any:
    given = {"name": "Larkspur Schools", "time_zone": "Europe/Vienna", "region": "AT", **form}
    return client.post_form("/organizations/new", given, status=status)


def test_an_organization_begins_as_its_template_with_numbers_and_an_invited_admin(
    desk: Client,
    org: Organization,
    partner: Partner,
    database: Database,
    wsgi: Any,
    run_jobs: Make,
) -> None:
    declared = wsgi.registry["ringstead.declared_settings"]
    with database.run_as(org.org_id) as session:
        set_for_organization(session, declared, "core.hours", [["mon", "09:00", "17:00"]])
        set_for_organization(session, declared, "core.holidays", [["2026-12-25", "Christmas Day"]])
        session.get_one(Organization, org.org_id).subscriber_limit = 40
        session.add(NumberRange(partner_id=partner.id, kind="extension", first="300", last="399"))
    desk.post_form(
        f"/organizations/{org.org_id}/settings", {"do": "template", "template": "School"}, status=303
    )
    with database.in_partner(partner.id) as session:
        template = session.scalars(select(OrganizationTemplate)).one()
    numbers, email = block(), f"head-{org.slug}@example.com"
    make(
        desk,
        template=str(template.id),
        dids=f"{numbers}00-{numbers}49",
        admin_name="Pip Larkspur",
        admin_email=email,
        admin_extension="300",
    )
    made = by_name(database, partner, "Larkspur Schools")
    assert (made.slug, made.subscriber_limit) == ("larkspur-schools", 40)
    with database.run_as(made.org_id) as session:
        kept = load(session, declared)
        assert enabled_plugins(session) == {"calllogs"}
        assert kept["core.hours"] == [["mon", "09:00", "17:00"]]
        assert kept["core.holidays"] == [["2026-12-25", "Christmas Day"]]
        assert (kept["core.time_zone"], kept["core.region"]) == ("Europe/Vienna", "AT")
        assert {(r.kind, r.first, r.last) for r in session.scalars(select(NumberRange))} == {
            ("extension", "300", "399"),
            ("did", f"{numbers}00", f"{numbers}49"),
        }
        assert session.scalars(select(Membership)).one().role == "org_admin"
    run_jobs()
    assert any(email in path.read_text() for path in (wsgi.settings.var_dir / "mail").glob("*.eml"))


def test_a_template_gives_no_trial_and_nothing_that_is_off_for_all(
    desk: Client, org: Organization, tenants: Tenants, partner: Partner, database: Database
) -> None:
    with database.run_as(org.org_id) as session:
        set_features(session, ["voicemail"], True, datetime.now(UTC) + timedelta(days=9))
    path = f"/organizations/{org.org_id}/settings"
    desk.post_form(path, {"do": "template", "template": "School"}, status=303)
    with database.in_partner(partner.id) as session:
        template = session.scalars(select(OrganizationTemplate)).one()
    assert template.content["features"] == ["calllogs"]
    desk.post_form("/features/of/calllogs", {"do": "off"}, status=303)
    make(desk, template=str(template.id))
    with database.run_as(by_name(database, partner, "Larkspur Schools").org_id) as session:
        assert enabled_plugins(session) == frozenset()


def test_a_template_whose_package_is_gone_gives_nothing(
    desk: Client, org: Organization, tenants: Tenants, partner: Partner, database: Database
) -> None:
    """Without its package, a new organization would have everything."""
    package = tenants.package(partner, "calllogs", name="Basic")
    path = f"/organizations/{org.org_id}/settings"
    desk.post_form(path, {"do": "save", "name": org.name, "limit": "", "package": "Basic"}, status=303)
    desk.post_form(path, {"do": "template", "template": "School"}, status=303)
    with database.in_partner(partner.id) as session:
        template = session.scalars(select(OrganizationTemplate)).one()
        session.get_one(FeaturePackage, (partner.id, package.id)).name = "Basic 2027"
    make(desk, template=str(template.id))
    assert by_name(database, partner, "Larkspur Schools").package_id == package.id
    desk.post_form(f"/packages/{package.id}", {"do": "remove", "instead": ""}, status=303)
    page = make(desk, template=str(template.id), name="Others", status=422)
    assert "The package of this template is gone" in problem_at(page, "template")


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": ""}, "name"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"template": "nonsense"}, "template"),
        ({"template": "01a219c7-d86b-760e-bfb8-80161db41109"}, "template"),
        ({"time_zone": "Middle/Earth"}, "time_zone"),
        ({"region": "Austria"}, "region"),
        ({"region": "XX"}, "region"),
        ({"limit": "many"}, "limit"),
        ({"limit": "000000001" + "9" * 11}, "limit"),
        ({"dids": "a lot"}, "dids"),
        ({"admin_name": "Pip"}, "admin_email"),
        ({"admin_email": "pip@example.com"}, "admin_name"),
    ],
)
def test_what_cannot_be_creates_nothing(
    desk: Client, partner: Partner, database: Database, form: dict[str, str], field: str
) -> None:
    page = make(desk, status=422, **form)
    assert problem_at(page, field)
    with database.in_partner(partner.id) as session:
        assert not session.scalars(select(Organization)).all()


def test_an_admin_outside_the_templates_extensions_is_said_before_anything_is_created(
    desk: Client, org: Organization, partner: Partner, database: Database
) -> None:
    with database.run_as(org.org_id) as session:
        session.add(NumberRange(partner_id=partner.id, kind="extension", first="300", last="399"))
    desk.post_form(
        f"/organizations/{org.org_id}/settings", {"do": "template", "template": "School"}, status=303
    )
    with database.in_partner(partner.id) as session:
        template = session.scalars(select(OrganizationTemplate)).one()
    form = {"admin_name": "Pip", "admin_email": "pip@example.com", "admin_extension": "100"}
    page = make(desk, template=str(template.id), **form, status=422)
    assert "300-399" in problem_at(page, "admin_extension")
    with database.in_partner(partner.id) as session:
        assert len(session.scalars(select(Organization)).all()) == 1


def test_a_short_name_is_there_once(desk: Client) -> None:
    make(desk)
    assert "short name" in problem_at(make(desk, status=422), "name")
    slug = "larkspur-schools"
    assert "short name" in problem_at(make(desk, status=422, name="Others", slug=slug), "slug")


def test_ranges_that_overlap_are_refused_and_do_not_tell_whose_they_are(
    desk: Client, tenants: Tenants, org: Organization, console: Make
) -> None:
    path, numbers = f"/organizations/{org.org_id}/numbers", block()
    desk.post_form(path, {"kind": "did", "range": f"{numbers}00-{numbers}49"}, status=303)
    page = desk.post_form(path, {"kind": "did", "range": f"{numbers}40-59"}, status=422)
    assert "49 are here already" in problem_at(page, "range-did")
    desk.post_form(path, {"kind": "extension", "range": "200-299"}, status=303)
    desk.post_form(path, {"kind": "extension", "range": "250-350"}, status=422)
    stranger = tenants.organization(name="Stranger Freight")
    other = console(tenants.staff(tenants._partner(stranger.partner_id)))
    page = other.post_form(
        f"/organizations/{stranger.org_id}/numbers", {"kind": "did", "range": f"{numbers}10"}, status=422
    )
    assert "Bramble" not in page.text
    assert "in use or belong elsewhere" in problem_at(page, "range-did")
    other.post_form(
        f"/organizations/{stranger.org_id}/numbers", {"kind": "extension", "range": "200-299"}, status=303
    )
    for wrong in ("", "9-1", "1-999999", "letters", f"{numbers}00-{numbers}4"):
        desk.post_form(path, {"kind": "did", "range": wrong}, status=422)


def test_a_number_that_is_used_at_another_organization_of_the_partner_is_named(
    desk: Client, tenants: Tenants, partner: Partner, org: Organization
) -> None:
    number = f"{block()}07"
    other = tenants.organization(partner, name="Larkspur Schools")
    path = f"/organizations/{other.org_id}/subscribers/new"
    desk.post_form(path, {"name": "Juno", "extension": "214", "number": number}, status=303)
    page = desk.post_form(
        f"/organizations/{org.org_id}/numbers", {"kind": "did", "range": f"{number[:-2]}00-49"}, status=422
    )
    assert f"{number} is in use at Larkspur Schools" in problem_at(page, "range-did")
    page = desk.post_form(path, {"name": "Otis", "extension": "215", "number": number}, status=422)
    assert "Juno (214) has this number" in problem_at(page, "number")


def test_subscribers_get_what_the_ranges_hold(desk: Client, org: Organization, database: Database) -> None:
    path, numbers = f"/organizations/{org.org_id}", block()
    desk.post_form(f"{path}/numbers", {"kind": "did", "range": f"{numbers}00-01"}, status=303)
    desk.post_form(f"{path}/numbers", {"kind": "extension", "range": "200-201"}, status=303)
    form = {"name": "Juno Birdsong", "extension": "300", "number": f"{block()}00"}
    page = desk.post_form(f"{path}/subscribers/new", form, status=422)
    assert "outside" in problem_at(page, "extension")
    assert "none of the organization" in problem_at(page, "number")
    form = {"name": "Juno Birdsong", "extension": "200", "number": f"{numbers}00"}
    desk.post_form(f"{path}/subscribers/new", form, status=303)
    page = desk.get(f"{path}/subscribers/new")
    assert page.html.find(id="extension")["value"] == "201"
    assert [one["value"] for one in page.html.select("#free-numbers option")] == [f"{numbers}01"]
    assert "1 of 2 in use" in desk.get(f"{path}/numbers").text
    with database.run_as(org.org_id) as session:
        wanted = session.scalars(select(NumberRange).where(NumberRange.kind == "did")).one()
    desk.post_form(f"{path}/numbers", {"remove": str(wanted.id)}, status=303)
    with database.run_as(org.org_id) as session:
        assert session.scalars(select(Subscriber.number)).one() == f"{numbers}00"


def test_a_suspended_organization_sees_a_notice_and_its_calls_follow_the_policy(
    desk: Client, tenants: Tenants, org: Organization, portal: Make, database: Database
) -> None:
    tab = portal(tenants.person(org))
    path = f"/organizations/{org.org_id}/settings"
    desk.post_form(path, {"do": "suspend", "calls": "some"}, status=422)
    desk.post_form(path, {"do": "suspend", "calls": "incoming"}, status=303)
    page = tab.get("/", status=303).follow(status=403)
    assert "suspended at the moment" in page.text
    with database.run_as(org.org_id) as session:
        assert call_policy(session) == "incoming"
    desk.post_form(path, {"do": "resume"}, status=303)
    tab.get("/", status=200)
    with database.run_as(org.org_id) as session:
        assert call_policy(session) == "all"


def test_support_may_neither_create_nor_close(
    tenants: Tenants, partner: Partner, org: Organization, console: Make
) -> None:
    client = console(tenants.staff(partner, "partner_support"))
    make(client, status=403)
    client.post_form(f"/organizations/{org.org_id}/settings", {"do": "suspend", "calls": "all"}, status=403)
    assert "New organization" not in client.get("/organizations").text


# Hours and locations


@pytest.fixture(params=["console", "portal"])
def keeper(
    request: pytest.FixtureRequest, tenants: Tenants, org: Organization, desk: Client, portal: Make
) -> tuple[Client, str]:
    """Who keeps the organization's hours, and where."""
    if request.param == "console":
        return desk, f"/organizations/{org.org_id}"
    return portal(tenants.person(org, "Fern Castellan", "org_admin")), "/organization"


def test_hours_and_holidays_are_kept(
    keeper: tuple[Client, str], org: Organization, database: Database, wsgi: Any
) -> None:
    client, root = keeper
    form = {"mon": "9-12, 13-17", "time_zone": "Europe/Vienna", "holidays": "2026-12-25 Christmas Day"}
    client.post_form(f"{root}/hours", form, status=303)
    with database.run_as(org.org_id) as session:
        kept = load(session, wsgi.registry["ringstead.declared_settings"])
    assert kept["core.hours"] == [["mon", "09:00", "12:00"], ["mon", "13:00", "17:00"]]
    assert client.get(f"{root}/hours").html.find(id="mon")["value"] == "09:00-12:00, 13:00-17:00"
    wrong = {"mon": "morning", "time_zone": "Middle/Earth", "holidays": "Christmas"}
    page = client.post_form(f"{root}/hours", wrong, status=422)
    assert problem_at(page, "mon")
    assert problem_at(page, "time_zone")
    assert "“Christmas”" in problem_at(page, "holidays")


def test_public_holidays_are_offered_and_not_saved_unasked(
    keeper: tuple[Client, str], org: Organization, database: Database, wsgi: Any
) -> None:
    client, root = keeper
    form = {"do": "public", "year": "2026", "time_zone": "UTC", "holidays": "2026-05-04 Ours"}
    page = client.post_form(f"{root}/hours", form, status=200)
    lines = page.html.find(id="holidays").get_text().split("\n")
    assert "2026-05-04 Ours" in lines
    assert "2026-12-25 Christmas Day" in lines
    for year in ("1066", "020001111", "02026" + "1" * 5000):
        assert problem_at(client.post_form(f"{root}/hours", {**form, "year": year}, status=422), "year")
    with database.run_as(org.org_id) as session:
        assert load(session, wsgi.registry["ringstead.declared_settings"])["core.holidays"] == []


def test_enter_in_a_field_of_hours_saves_them(keeper: tuple[Client, str]) -> None:
    """Browsers take the first button of a form."""
    client, root = keeper
    form = client.get(f"{root}/hours").html.select_one("form:has(#mon)")
    assert form.select("button")[0]["value"] == "save"


def test_a_location_has_hours_of_its_own_or_those_of_all(
    keeper: tuple[Client, str], tenants: Tenants, org: Organization, database: Database
) -> None:
    client, root = keeper
    form = {"name": "Pier Street", "own": "on", "sat": "10-14", "time_zone": "America/Los_Angeles"}
    client.post_form(f"{root}/locations/new", form, status=303)
    client.post_form(f"{root}/locations/new", {"name": "Pier Street"}, status=303)
    with database.run_as(org.org_id) as session:
        first, second = session.scalars(select(Location).order_by(Location.slug)).all()
    assert (first.slug, first.hours, first.time_zone) == (
        "pier-street",
        [["sat", "10:00", "14:00"]],
        "America/Los_Angeles",
    )
    assert (second.slug, second.hours, second.time_zone) == ("pier-street-2", None, None)
    # Who writes hours and leaves out the tick means them; who takes the tick away does not.
    client.post_form(f"{root}/locations/{second.id}", {"name": "Annexe", "mon": "8-9"}, status=303)
    client.post_form(f"{root}/locations/{first.id}", {"name": "Pier Street", "sat": "10-14"}, status=303)
    with database.run_as(org.org_id) as session:
        kept = {one.name: one.hours for one in session.scalars(select(Location))}
    assert kept == {"Annexe": [["mon", "08:00", "09:00"]], "Pier Street": None}
    sam = tenants.subscriber(org)
    with database.run_as(org.org_id) as session:
        session.get_one(Subscriber, (org.org_id, sam.id)).location_id = first.id
    assert problem_at(client.post_form(f"{root}/locations/{first.id}", {"name": ""}, status=422), "name")
    client.post_form(f"{root}/locations/{first.id}", {"do": "remove"}, status=303)
    with database.run_as(org.org_id) as session:
        assert session.get_one(Subscriber, (org.org_id, sam.id)).location_id is None


def test_greetings_may_follow_a_closed_office(
    tenants: Tenants, org: Organization, database: Database, wsgi: Any
) -> None:
    sam, declared = tenants.subscriber(org), wsgi.registry["ringstead.declared_settings"]

    def states() -> list[tuple[str, bool]]:
        with database.run_as(org.org_id) as session:
            return [(one.id, one.is_now) for one in situations(session, sam.id)]

    assert states() == []
    always = [[day, "00:00", "24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")]
    with database.run_as(org.org_id) as session:
        set_for_organization(session, declared, "core.hours", always)
    assert states() == [("core.closed", False)]
    today, tomorrow = (datetime.now(UTC) + timedelta(days=n) for n in (0, 1))
    with database.run_as(org.org_id) as session:
        feast = [[day.date().isoformat(), "Feast"] for day in (today, tomorrow)]
        set_for_organization(session, declared, "core.holidays", feast)
    assert states() == [("core.closed", True)]
    place = tenants.location(org, "pier-street")
    with database.run_as(org.org_id) as session:
        session.get_one(Subscriber, (org.org_id, sam.id)).location_id = place.id
        set_for_organization(session, declared, "core.holidays", [])
        session.get_one(Location, (org.org_id, place.id)).hours = []
    assert states() == []


# Removing


def test_an_organization_is_removed_in_two_steps_and_exported_before(
    desk: Client,
    tenants: Tenants,
    partner: Partner,
    org: Organization,
    portal: Make,
    with_blobs: Database,
    wsgi: Any,
    run_jobs: Make,
) -> None:
    juno = tenants.person(org, "Juno Birdsong")
    both = tenants.person(org, "Pip Larkspur")
    fern = tenants.person(org, "Fern Castellan", "org_admin")
    twin = tenants.subscriber(tenants.organization(partner))
    with with_blobs.run_as(twin.org_id) as session:
        session.add(Membership(account_id=both.account.id, subscriber_id=twin.id, role="subscriber"))
    tenants.location(org, "pier-street", managers=[juno], people=[juno])
    with with_blobs.run_as(org.org_id) as session:
        org_blobs(session).put("voicemail/recordings/1", [b"sound"])
    path, tab = f"/organizations/{org.org_id}/removal", portal(juno)
    desk.post_form(path, {"do": "leave", "sure": "nonsense"}, status=422)
    desk.post_form(path, {"do": "leave", "sure": org.slug}, status=303)
    tab.get("/", status=303)
    desk.post_form(path, {"do": "remove", "sure": org.slug}, status=422)
    run_jobs()
    mails = [path.read_text() for path in (wsgi.settings.var_dir / "mail").glob("*.eml")]
    assert [fern.account.email in mail for mail in mails if "Your organization is closed" in mail].count(
        True
    ) == 1
    answer = desk.get(f"{path}/export.zip")
    with ZipFile(io.BytesIO(answer.body)) as archive:
        names = archive.namelist()
        people = [json.loads(line) for line in archive.read("rows/subscriber.jsonl").splitlines()]
        accounts = archive.read("rows/account.jsonl").decode()
        assert archive.read("files/voicemail/recordings/1") == b"sound"
    assert {one["name"] for one in people} == {"Juno Birdsong", "Pip Larkspur", "Fern Castellan"}
    assert "rows/location.jsonl" in names
    assert juno.account.email in accounts
    assert "hash" not in accounts
    desk.post_form(path, {"do": "remove", "sure": org.slug}, status=303)
    run_jobs()
    desk.get(path, status=404)
    with with_blobs.in_partner(partner.id) as session:
        assert not session.scalars(select(Subscriber).where(Subscriber.org_id == org.org_id)).all()
        emails = set(session.scalars(select(Account.email)))
        done = [row.action for row in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    assert juno.account.email not in emails
    assert both.account.email in emails, "they have another organization"
    assert [a for a in done if a.startswith("organization.")] == [
        "organization.leaves",
        "organization.exported",
        "organization.removed",
    ]
    with with_blobs.as_operator("tests", "look whether anything is left") as session:
        tables = session.scalars(
            text(
                "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' "
                "AND column_name = 'org_id' AND is_nullable = 'NO'"
            )
        ).all()
        left = {
            table
            for table in tables
            if session.scalar(
                text(f'SELECT count(*) FROM "{table}" WHERE org_id = :org'), {"org": org.org_id}
            )
        }
    assert left <= {"audit_link"}


def test_a_closed_organization_can_be_brought_back(
    desk: Client, tenants: Tenants, org: Organization, portal: Make, with_blobs: Database, run_jobs: Make
) -> None:
    person, path = tenants.person(org), f"/organizations/{org.org_id}/removal"
    desk.post_form(path, {"do": "leave", "sure": org.slug}, status=303)
    run_jobs()
    desk.post_form(path, {"do": "keep"}, status=303)
    desk.get(f"{path}/export.zip", status=404)
    portal(person).get("/", status=200)
    with with_blobs.run_as(org.org_id) as session:
        assert session.get_one(Organization, org.org_id).leaves_at is None
        assert list(org_blobs(session).keys("")) == []


# The overview


def test_the_overview_counts_what_is_the_partners_only(
    desk: Client, tenants: Tenants, partner: Partner, org: Organization
) -> None:
    tenants.subscriber(org)
    tenants.subscriber(tenants.organization(name="Stranger Freight", partner=tenants.partner()))
    page = desk.get("/")
    counts = [b.get_text() for b in page.html.select(".stat b")]
    assert counts == ["1", "0", "1", "0"]
    features = {
        li.select_one(".t1").get_text(): li.select_one(".num").get_text()
        for li in page.html.find(id="features-title").find_parent("section").select("li")
    }
    assert features["Calls"] == "1 organization"
    assert features["Voicemail"] == "0 organizations"


def test_one_that_was_suspended_is_so_again_when_it_is_kept(
    desk: Client, org: Organization, with_blobs: Database, run_jobs: Make
) -> None:
    settings, path = f"/organizations/{org.org_id}/settings", f"/organizations/{org.org_id}/removal"
    desk.post_form(settings, {"do": "suspend", "calls": "all"}, status=303)
    desk.post_form(path, {"do": "leave", "sure": org.slug}, status=303)
    run_jobs()
    desk.post_form(path, {"do": "keep"}, status=303)
    with with_blobs.run_as(org.org_id) as session:
        assert session.get_one(Organization, org.org_id).status == "suspended"
