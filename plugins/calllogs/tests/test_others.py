"""Others' calls: who may see whose, what a list of them holds, and that every look is kept."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest
from sqlalchemy import select, text

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import AuditEntry, RolePermission
from ringstead_calllogs.erasing import erase_person
from ringstead_calllogs.exporting import export_person
from ringstead_calllogs.listing import PAGE_SIZE
from ringstead_calllogs.looks import Look, Looker, record_looks
from ringstead_calllogs.scopes import Scope
from ringstead_calllogs.whose import FEW

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
TEAM, LOCATION, EVERYBODY = "/calls/of/team/sales", "/calls/of/location/harbour", "/calls/of/organization"


class Office:
    """Ada looks after it; Lea leads «sales» (Ann, Ben); Mo manages «harbour», where Ben and Cid are."""

    def __init__(self, tenants: Tenants, partner: Any = None) -> None:
        self.organization = tenants.organization(partner, "calllogs")

        def person(name: str, extension: str, role: str = "subscriber") -> Person:
            return tenants.person(self.organization, name, role, extension=extension)

        self.ada = person("Ada Admin", "100", "org_admin")
        self.lea, self.mo = person("Lea Lead", "101"), person("Mo Manager", "102")
        self.ann, self.ben, self.cid = person("Ann", "201"), person("Ben", "202"), person("Cid", "203")
        tenants.team(self.organization, "sales", [self.lea], [self.ann, self.ben])
        tenants.location(self.organization, "harbour", [self.mo], [self.ben, self.cid])

    @property
    def people(self) -> list[Person]:
        return [self.ada, self.lea, self.mo, self.ann, self.ben, self.cid]


@pytest.fixture
def office(tenants: Tenants) -> Office:
    return Office(tenants)


@pytest.fixture
def told(office: Office, switch: Any, leg: Make, now: datetime) -> None:
    """One call of each of them, a minute apart: Ada's is the newest, Cid's the oldest."""
    for number, person in enumerate(office.people):
        switch.accept(leg(person, at=now - timedelta(hours=1, minutes=number)))


def whose(page: Any) -> list[str]:
    """Whose calls a page shows, in order."""
    return [" ".join(one.get_text(" ").split()) for one in page.html.select(".calls .whose")]


def id_of(person: Person) -> Any:
    assert person.subscriber is not None
    return person.subscriber.id


@pytest.fixture
def looks(database: Database) -> Callable[[Office], list[tuple[str, str, str, str]]]:
    """`looks(office)`: who, whose, scope and what of all looks, sorted."""

    def read(office: Office) -> list[tuple[str, str, str, str]]:
        names = {id_of(person): person.account.name for person in office.people}
        with database.run_as(office.organization.org_id) as session:
            rows = session.scalars(select(Look)).all()
        return sorted((row.account_name, names[row.subscriber_id], row.scope, row.what) for row in rows)

    return read


# --- Who may ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("path", ["", "/new?shown=0", "/calls.csv", "/report", "/report.csv"])
def test_who_may_see_whose(office: Office, portal: Portal, path: str, tenants: Tenants) -> None:
    other = Office(tenants, office.ada.partner)
    tenants.team(other.organization, "theirs", [other.lea], [other.ann])
    of_everybody = "/calls" if "report" in path else EVERYBODY
    may = {
        "ada": {TEAM: 404, LOCATION: 404, of_everybody: 200},
        "lea": {TEAM: 200, LOCATION: 404, of_everybody: 403},
        "mo": {TEAM: 404, LOCATION: 200, of_everybody: 403},
        "ann": {TEAM: 404, LOCATION: 404, of_everybody: 403},
    }
    for name, expected in may.items():
        client = portal(getattr(office, name))
        got = {place: client.get(place + path, status="*").status_int for place in expected}
        assert got == expected, name
        for place in ("/calls/of/team/theirs", "/calls/of/team/none", "/calls/of/location/sales"):
            assert client.get(place + path, status="*").status_int == 404, name


@pytest.mark.usefixtures("told")
def test_an_organization_gives_and_takes_the_rights(
    office: Office, portal: Portal, database: Database
) -> None:
    def decide(permission: str, granted: bool) -> None:
        with database.run_as(office.organization.org_id) as session:
            session.add(RolePermission(role="subscriber", permission=permission, granted=granted))

    client = portal(office.lea)
    decide("calllogs:team:read", granted=False)
    for path in ("", "/new?shown=0", "/calls.csv", "/report", "/report.csv"):
        client.get(TEAM + path, status=403)
    assert client.get("/calls").html.select_one("nav.scopes") is None
    decide("calllogs:organization:read", granted=True)
    assert len(whose(client.get(EVERYBODY))) == len(office.people)
    decide("calllogs:call:export", granted=False)
    client.get(f"{EVERYBODY}/calls.csv", status=403)
    assert "calls.csv" not in client.get(EVERYBODY).text


@pytest.mark.usefixtures("told")
def test_only_who_has_a_choice_is_offered_one(office: Office, portal: Portal) -> None:
    def offered(person: Person, path: str = "/calls") -> list[tuple[str, bool]]:
        links = portal(person).get(path).html.select("nav.scopes a")
        return [(link["href"], link.get("aria-current") == "page") for link in links]

    assert offered(office.ann) == []
    assert offered(office.lea) == [("/calls", True), (TEAM, False)]
    assert offered(office.mo, LOCATION) == [("/calls", False), (LOCATION, True)]
    assert offered(office.ada, EVERYBODY) == [("/calls", False), (EVERYBODY, True)]
    # What was asked for stays, but for whom and where, which are others there.
    query = "q=wren&result=answered"
    narrowed = offered(office.ada, f"{EVERYBODY}?{query}&person=201")
    assert narrowed == [(f"/calls?{query}", False), (f"{EVERYBODY}?{query}", True)]
    assert offered(office.lea, f"/calls?{query}&tag=vip")[1] == (f"{TEAM}?{query}", False)


# --- What a list holds ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("told")
def test_each_row_says_whose_call_it_is(office: Office, portal: Portal) -> None:
    assert whose(portal(office.lea).get(TEAM)) == ["Lea Lead", "Ann", "Ben"]
    assert whose(portal(office.mo).get(LOCATION)) == ["Ben", "Cid"]
    assert whose(portal(office.ada).get(EVERYBODY)) == [
        "Ada Admin",
        "Lea Lead",
        "Mo Manager",
        "Ann",
        "Ben",
        "Cid",
    ]


@pytest.mark.usefixtures("told")
def test_person_and_location_narrow_a_list(office: Office, portal: Portal) -> None:
    ada, lea, mo = portal(office.ada), portal(office.lea), portal(office.mo)
    assert whose(ada.get(f"{EVERYBODY}?person=202")) == ["Ben"]
    assert whose(ada.get(f"{EVERYBODY}?location=harbour")) == ["Ben", "Cid"]
    assert whose(ada.get(f"{EVERYBODY}?location=harbour&person=203&kind=received&q=wren")) == ["Cid"]
    assert whose(ada.get(f"{EVERYBODY}?location=harbour&kind=missed")) == []
    assert whose(lea.get(f"{TEAM}?location=harbour")) == ["Ben"]
    assert whose(mo.get(f"{LOCATION}?person=203")) == ["Cid"]
    page = lea.get(f"{TEAM}?person=202&location=harbour")
    assert page.html.select_one("#person")["value"] == "202"
    assert [option["value"] for option in page.html.select("#people option")] == ["201", "202", "101"]
    chips = {" ".join(chip.get_text(" ").split()): chip["href"] for chip in page.html.select("p.chips a")}
    assert chips == {"Ben Anybody": f"{TEAM}?location=harbour", "Harbour Any location": f"{TEAM}?person=202"}


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("person=203", "person"),
        ("person=x", "person"),
        ("person=100", "person"),
        ("location=none", "location"),
    ],
)
def test_a_person_or_place_that_is_not_there(office: Office, portal: Portal, query: str, field: str) -> None:
    """Somebody of another team is as unknown as somebody who does not exist."""
    page = portal(office.lea).get(f"{TEAM}?{query}", status=422)
    assert [link["href"] for link in page.html.select(".errsum a")] == [f"#{field}"]
    portal(office.lea).get(f"{TEAM}/calls.csv?{query}", status=422)


def test_the_organizations_list_has_one_row_for_a_call(
    office: Office, portal: Portal, switch: Any, leg: Make
) -> None:
    rang_both = {"linked_id": "both", "requested": {"number": "+12125550190", "name": "Sales"}}
    switch.accept(
        leg(office.ann, **rang_both, disposition="answered_elsewhere"),
        leg(office.ben, **rang_both),
        leg(office.cid, linked_id="nobody", to={"number": "+12125550191"}, disposition="missed"),
    )
    client = portal(office.ada)
    assert sorted(whose(client.get(EVERYBODY))) == ["Ben", "Reached nobody"]
    assert whose(client.get(f"{EVERYBODY}?person=201")) == ["Ann"]
    assert sorted(whose(portal(office.lea).get(TEAM))) == ["Ann", "Ben"]


def test_pages_of_others(
    office: Office, portal: Portal, switch: Any, leg: Make, now: datetime, shown: Callable[[Any], list[str]]
) -> None:
    people = [office.ann, office.ben]
    switch.accept(*(leg(people[n % 2], at=now - timedelta(hours=n * 30)) for n in range(2 * PAGE_SIZE + 3)))
    client = portal(office.lea)
    page = client.get(TEAM)
    seen = [shown(page)]
    while link := page.html.select_one(".more a"):
        assert link["href"].startswith(f"{TEAM}?before=")
        page = client.get(link["href"], headers={"HX-Request": "true"})
        seen.append(shown(page))
    assert [len(ids) for ids in seen] == [PAGE_SIZE, PAGE_SIZE, 3]
    assert len({id_ for ids in seen for id_ in ids}) == 2 * PAGE_SIZE + 3


def test_new_calls_of_others(office: Office, portal: Portal, switch: Any, leg: Make) -> None:
    client = portal(office.lea)
    place = client.get(TEAM).html.select_one(".news")["hx-get"]
    switch.accept(leg(office.ann), leg(office.cid))
    assert "1 new call" in client.get(place).text


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "query", ["person=201", "location=harbour", "q=wren", "phone=desk", "least=1", "most=9&kind=missed"]
)
def test_counting_tells_nothing_about_somebody(office: Office, portal: Portal, query: str) -> None:
    """It is no look, so nobody must learn by it whom a person spoke to."""
    for person, place in ((office.lea, TEAM), (office.ada, EVERYBODY)):
        client = portal(person)
        assert client.get(f"{place}?{query}").html.select_one("[data-poll]") is None
        client.get(f"{place}/new?{query}&shown=0", status=422)
        assert client.get(f"{place}?kind=missed").html.select_one("[data-poll]") is not None
    assert portal(office.ann).get("/calls?q=wren").html.select_one("[data-poll]") is not None


@pytest.mark.usefixtures("told")
def test_notes_and_tags_are_shown_to_nobody_else(
    office: Office, portal: Portal, shown: Callable[[Any], list[str]]
) -> None:
    own = portal(office.ann)
    (call,) = shown(own.get("/calls"))
    own.post_form(f"/calls/{call}", {"note": "Wants a heron", "tags": "herons"}, status=303)
    for person, place in ((office.lea, TEAM), (office.ada, EVERYBODY)):
        client = portal(person)
        for path in (place, f"{place}/{call}", f"{place}/calls.csv", f"{place}?tag=herons"):
            assert "heron" not in client.get(path).text.lower()
        assert client.get(f"{place}/{call}").html.select_one("textarea") is None
        # A tag is nothing that others' calls are found by.
        assert call in shown(client.get(f"{place}?tag=nothing"))
        client.get(f"/calls/{call}", status=404)


@pytest.mark.usefixtures("told")
def test_the_opened_row(
    office: Office, portal: Portal, shown: Callable[[Any], list[str]], switch: Any, leg: Make
) -> None:
    switch.accept(
        leg(office.ann, linked_id="both", disposition="missed", device="Ann’s phone"),
        leg(office.ben, linked_id="both", device="Ben’s phone"),
    )
    ada, lea, mo = portal(office.ada), portal(office.lea), portal(office.mo)
    call = shown(ada.get(f"{EVERYBODY}?person=201&phone=ann"))[0]
    steps = ada.get(f"{EVERYBODY}/{call}").html.select(".legs-list li")
    assert sorted(step.select("span[translate=no]")[0].text for step in steps) == ["Ann", "Ben"]
    own = lea.get(f"{TEAM}/{call}", headers={"HX-Request": "true"})
    assert len(own.html.select(".legs-list li")) == 1
    assert "Ben’s phone" not in own.text
    assert own.html.select("a.link")[-1]["href"] == f"{TEAM}/{call}"
    mo.get(f"{LOCATION}/{call}", status=404)
    for path in (f"{TEAM}/x", f"{TEAM}/{'0' * 32}"):
        lea.get(path, status=404)


@pytest.mark.usefixtures("told")
def test_the_file_says_whose_calls_they_are(office: Office, portal: Portal) -> None:
    client = portal(office.lea)
    form = client.get(f"{TEAM}?person=202").html.select_one("form.filemenu")
    offered = [box["value"] for box in form.select("input[type=checkbox]")]
    assert offered[0] == "whose"
    assert not {"note", "tags"} & {*offered}
    asked = {field["name"]: field["value"] for field in form.select("input[type=hidden]")}
    answer = client.get(form["action"], asked)
    rows = list(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [row[0] for row in rows] == ["Whose call", "Ben"]


@pytest.mark.usefixtures("told")
def test_files_of_others_in_every_format(office: Office, portal: Portal) -> None:
    client = portal(office.lea)
    sheet = openpyxl.load_workbook(
        io.BytesIO(client.get(f"{TEAM}/calls.xlsx?columns=whose,name").body)
    ).active
    first = [row[0].value for row in sheet.iter_rows()]
    assert first[0] == "Whose call"
    assert {*first[1:]} <= {"Ann", "Ben", "Lea Lead"}
    paper = pypdf.PdfReader(io.BytesIO(client.get(f"{TEAM}/calls.pdf?columns=whose,name").body))
    assert "Ben" in paper.pages[0].extract_text()
    client.get(f"{TEAM}/calls.csv?columns=note", status=422)
    client.get("/calls.csv?columns=whose", status=422)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(("who", "place"), [("lea", TEAM), ("mo", LOCATION), ("ada", EVERYBODY)])
def test_others_in_the_background(
    who: str, place: str, office: Office, portal: Portal, decide: Any, run_jobs: Any, looks: Any, wsgi: Any
) -> None:
    decide(office.ada, "calllogs.download_rows", 0)
    client = portal(getattr(office, who))
    page = client.get(f"{place}/calls.csv?columns=whose").follow()
    fields = {
        field["name"]: field["value"] for field in page.html.select("form[action='/calls/downloads'] input")
    }
    assert fields["scope"] == place.removeprefix("/calls/of/")
    client.post_form("/calls/downloads", {**fields, "csrf_token": client.csrf_token}, status=303)
    run_jobs()
    row = client.get("/calls/downloads").html.select_one(".files > li")
    # How many calls somebody had with a number would be known without a look.
    assert not re.search(r"\d calls?\b|\d k?B\b", row.get_text(" "))
    mails = [path.read_text() for path in (Path(wsgi.settings.var_dir) / "mail").glob("*.eml")]
    (mail,) = (mail for mail in mails if getattr(office, who).account.email in mail)
    assert "is ready" in mail
    assert not re.search(r"\d calls?\b", mail)
    assert looks(office) == []
    address = f"/calls/downloads/{row['id'].removeprefix('file-')}"
    decide(office.ada, "calllogs.download_rows", 20_000)
    assert client.get(address).body == client.get(f"{place}/calls.csv?columns=whose").body
    assert re.search(
        r"\d calls?\b", client.get("/calls/downloads").html.select_one(".files > li").get_text(" ")
    )
    seen = looks(office)
    assert {what for _, _, _, what in seen} == {"download"}
    # The first time that a file is fetched is the look; here it was asked for at once as well.
    client.get(address, headers={"Range": "bytes=3-"}, status=206)
    assert looks(office) == seen


@pytest.mark.usefixtures("told")
def test_who_loses_a_right_loses_the_file(
    office: Office, portal: Portal, decide: Any, run_jobs: Any, database: Database, looks: Any
) -> None:
    client = portal(office.lea)

    def order() -> str:
        fields = {"file": "csv", "scope": TEAM.removeprefix("/calls/of/")}
        client.post_form("/calls/downloads", fields, status=303)
        row = client.get("/calls/downloads").html.select_one(".files > li")
        return f"/calls/downloads/{row['id'].removeprefix('file-')}"

    for scope in ("team/none", "location/harbour", "organization", "nonsense", "team"):
        client.post_form("/calls/downloads", {"file": "csv", "scope": scope}, status=404)
    ready = order()
    run_jobs()
    late = order()
    with database.run_as(office.organization.org_id) as session:
        session.execute(text("UPDATE team_member SET is_lead = false"))
    run_jobs()
    client.get(ready, status=404)
    assert (
        "may not see"
        in client.get("/calls/downloads").html.find(id=f"file-{late.rpartition('/')[2]}").get_text()
    )
    with database.run_as(office.organization.org_id) as session:
        session.execute(
            text("UPDATE team_member SET is_lead = true WHERE subscriber_id = :lea"),
            {"lea": id_of(office.lea)},
        )
    decide(office.ada, "calllogs.private_extensions", ["202"])
    client.get(ready, status=410)
    decide(office.ada, "calllogs.private_extensions", [])
    client.get(ready)
    with database.run_as(office.organization.org_id) as session:
        session.execute(
            text("DELETE FROM team_member WHERE subscriber_id = :ann"), {"ann": id_of(office.ann)}
        )
    client.get(ready, status=410)
    with database.run_as(office.organization.org_id) as session:
        session.add(RolePermission(role="subscriber", permission="calllogs:team:read", granted=False))
    client.get(ready, status=404)


# --- Who is excluded ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("told")
def test_excluded_people_are_shown_to_nobody_else(
    office: Office, portal: Portal, decide: Callable[..., None], shown: Callable[[Any], list[str]]
) -> None:
    (call,) = shown(portal(office.ben).get("/calls"))
    decide(office.ada, "calllogs.private_extensions", ["202", "999"])
    for person, place in ((office.ada, EVERYBODY), (office.lea, TEAM), (office.mo, LOCATION)):
        client = portal(person)
        assert "Ben" not in whose(client.get(place))
        assert "Ben" not in whose(client.get(f"{place}?q=Wren"))
        client.get(f"{place}?person=202", status=422)
        client.get(f"{place}/{call}", status=404)
        assert "Ben" not in client.get(f"{place}/calls.csv").text
        report = "/calls/report" if place == EVERYBODY else f"{place}/report"
        assert "Ben" not in client.get(report).text
        assert "Ben" not in client.get(f"{report}.csv").text
    assert whose(portal(office.ada).get(f"{EVERYBODY}?location=harbour")) == ["Cid"]
    assert shown(portal(office.ben).get("/calls")) == [call]


def test_the_phones_of_excluded_people_are_no_step_of_others_calls(
    office: Office, portal: Portal, switch: Any, leg: Make, decide: Callable[..., None], shown: Any
) -> None:
    switch.accept(
        leg(office.ann, linked_id="both"),
        leg(office.ben, linked_id="both", disposition="answered_elsewhere", device="Ben’s phone"),
    )
    decide(office.ada, "calllogs.private_extensions", ["202"])
    client = portal(office.ada)
    (call,) = shown(client.get(EVERYBODY))
    assert "Ben" not in client.get(f"{EVERYBODY}/{call}").text


# --- Looks ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("told")
def test_a_look_is_kept_for_each_one_who_was_shown(office: Office, portal: Portal, looks: Any) -> None:
    client = portal(office.lea)
    client.get(TEAM)
    assert looks(office) == [("Lea Lead", name, "team", "list") for name in ("Ann", "Ben")]
    client.get(f"{TEAM}?person=201")
    assert looks(office).count(("Lea Lead", "Ann", "team", "list")) == 2
    assert looks(office).count(("Lea Lead", "Ben", "team", "list")) == 1


@pytest.mark.usefixtures("told")
def test_nobody_looked_where_nothing_was_shown(office: Office, portal: Portal, looks: Any) -> None:
    lea, ada = portal(office.lea), portal(office.ada)
    lea.get("/calls")
    lea.get(f"{TEAM}?kind=missed")
    lea.get(f"{TEAM}?person=x", status=422)
    lea.get(f"{TEAM}/new?shown=0")
    lea.get(LOCATION, status=404)
    lea.get("/search?q=wren")
    lea.get(f"{TEAM}?person=101")
    ada.get(f"{EVERYBODY}?person=100")
    assert looks(office) == []


@pytest.mark.usefixtures("told")
def test_every_way_to_see_calls_is_kept(office: Office, portal: Portal, looks: Any, shown: Any) -> None:
    (call,) = shown(portal(office.cid).get("/calls"))
    mo, ada = portal(office.mo), portal(office.ada)
    mo.get(f"{LOCATION}/{call}")
    mo.get(f"{LOCATION}/calls.csv?person=202")
    assert looks(office) == [
        ("Mo Manager", "Ben", "location", "download"),
        ("Mo Manager", "Cid", "location", "call"),
    ]
    ada.get("/calls/report")
    named = [look for look in looks(office) if look[3] == "report"]
    assert [name for _, name, scope, _ in named if scope == "organization"] == [
        "Ann",
        "Ben",
        "Cid",
        "Lea Lead",
        "Mo Manager",
    ]


@pytest.mark.usefixtures("told")
def test_the_audit_trail_knows_of_looks(office: Office, portal: Portal, database: Database) -> None:
    client = portal(office.lea)
    client.get(TEAM)
    client.get(f"{TEAM}?person=201")
    with database.run_as(office.organization.org_id) as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    looked = ("calllogs.looked", office.lea.account.id, TEAM)
    assert [(entry.action, entry.actor_account_id, entry.target) for entry in entries] == [looked, looked]
    assert entries[0].detail == {
        "what": "list",
        "count": 2,
        "people": sorted(str(id_of(person)) for person in (office.ann, office.ben)),
    }
    # It is no activity that somebody must check for a stranger's.
    assert client.get("/account").html.find(attrs={"aria-labelledby": "activity-title"}) is None


@pytest.mark.usefixtures("told")
def test_people_see_who_looked_if_the_organization_says_so(
    office: Office, portal: Portal, decide: Callable[..., None]
) -> None:
    own = portal(office.ann)
    own.get("/calls/looks", status=404)
    assert "/calls/looks" not in own.get("/calls").text
    decide(office.ada, "calllogs.looks_visible", True)
    link = own.get("/calls").html.select_one("a[href='/calls/looks']")
    assert "Nobody has looked" in own.get(link["href"]).text
    portal(office.lea).get(TEAM)
    portal(office.ada).get(f"{EVERYBODY}?person=201")
    rows = [" ".join(li.get_text(" ").split()) for li in own.get("/calls/looks").html.select(".looks li")]
    assert rows[0].startswith("Ada Admin List of calls · Organization")
    assert rows[1].startswith("Lea Lead List of calls · Team Sales")
    assert portal(office.cid).get("/calls/looks").html.select(".looks li") == []


def test_pages_of_looks(
    office: Office, portal: Portal, decide: Callable[..., None], database: Database
) -> None:
    decide(office.ada, "calllogs.looks_visible", True)
    with database.run_as(office.organization.org_id) as session:
        for _ in range(27):  # in one moment, as all of a transaction are
            looker = Looker(office.ada.account.id, "Ada Admin", id_of(office.ada))
            record_looks(session, looker, [id_of(office.ann), None], Scope("organization"), "list")
    client = portal(office.ann)
    page = client.get("/calls/looks")
    assert len(page.html.select(".looks li")) == 25
    older = client.get(page.html.select_one("a[rel=next]")["href"])
    assert len(older.html.select(".looks li")) == 2
    assert older.html.select_one("a[rel=next]") is None
    client.get("/calls/looks?before=x", status=422)


def test_looks_are_kept_with_the_page_or_not_at_all(office: Office, database: Database, looks: Any) -> None:
    looker = Looker(office.ada.account.id, "Ada Admin", id_of(office.ada))

    def fail() -> None:
        with database.run_as(office.organization.org_id) as session:
            record_looks(session, looker, [id_of(office.ann)], Scope("organization"), "list")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert looks(office) == []


@pytest.mark.usefixtures("told")
def test_looks_are_among_ones_data_and_go_with_it(
    office: Office, portal: Portal, decide: Callable[..., None], database: Database
) -> None:
    def exported() -> list[tuple[Any, Any]]:
        with database.run_as(office.organization.org_id) as session:
            files = {data.name: list(data.rows) for data in export_person(session, id_of(office.ann))}
        return [(look["what"], look["account_name"]) for look in files["looks"]]

    portal(office.lea).get(TEAM)
    assert exported() == [("list", None)]
    decide(office.ada, "calllogs.looks_visible", True)
    assert exported() == [("list", "Lea Lead")]
    with database.run_as(office.organization.org_id) as session:
        erase_person(session, id_of(office.ann), despite_hold=False)
    assert exported() == []


# --- The report --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("told")
def test_a_teams_report_is_of_its_people(office: Office, portal: Portal) -> None:
    client = portal(office.lea)
    page = client.get(f"{TEAM}/report")

    def names(page: Any) -> Iterable[str]:
        return {row.text for row in page.html.select("[aria-labelledby=by-person] tbody th")}

    assert names(page) == {"Lea Lead", "Ann", "Ben"}
    assert page.html.select_one(".numbers tbody td").text == "3"
    rows = list(csv.reader(io.StringIO(client.get(f"{TEAM}/report.csv").body.decode("utf-8-sig"))))
    assert {row[0] for row in rows[1:]} == {"Lea Lead", "Ann", "Ben"}
    client.get(f"{TEAM}/report?from=x", status=422)
    assert names(portal(office.mo).get(f"{LOCATION}/report")) == {"Ben", "Cid"}
    offered = portal(office.lea).get(f"{TEAM}/report").html.select("nav.scopes a")
    assert offered == []  # there is one only
    assert page.html.select_one("nav.crumbs a")["href"] == TEAM
    assert page.html.select_one("form.filters")["action"] == f"{TEAM}/report"


def test_a_large_team(tenants: Tenants, portal: Portal, switch: Any, leg: Make, now: datetime) -> None:
    """More people than are read one by one: the same list."""
    organization = tenants.organization(None, "calllogs")
    people = [tenants.person(organization, f"Person {n}") for n in range(FEW + 2)]
    tenants.team(organization, "crowd", people[:1], people[1:-1])
    switch.accept(*(leg(person, at=now - timedelta(hours=1, minutes=n)) for n, person in enumerate(people)))
    page = portal(people[0]).get("/calls/of/team/crowd")
    assert whose(page) == [f"Person {n}" for n in range(PAGE_SIZE)]
    assert len(people) - 1 > FEW
    last = portal(people[0]).get("/calls/of/team/crowd/calls.csv").text
    assert f"Person {FEW}" in last
    assert f"Person {FEW + 1}" not in last
