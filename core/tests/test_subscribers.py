"""Looking after subscribers, on the console and in the portal: created, changed, suspended, handed over, removed."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from sqlalchemy import select
from webtest import Upload

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.preferences.store import set_for_organization
from ringstead.tenancy.hours import DAYS
from ringstead.tenancy.models import Account, AuditEntry, Membership, Organization, Subscriber, WebSession

Make = Callable[..., Any]


@pytest.fixture
def org(tenants: Tenants) -> Organization:
    return tenants.organization(name="Bramble & Finch")


@pytest.fixture
def fern(tenants: Tenants, org: Organization) -> Person:
    return tenants.person(org, "Fern Castellan", "org_admin", extension="201")


@pytest.fixture(params=["console", "portal"])
def desk(
    request: pytest.FixtureRequest,
    tenants: Tenants,
    org: Organization,
    fern: Person,
    console: Make,
    portal: Make,
) -> tuple[Client, str]:
    """Who looks after the organization, and the address of the list: a partner admin, or its own admin."""
    if request.param == "console":
        return console(tenants.staff(fern.partner)), f"/organizations/{org.org_id}/subscribers"
    return portal(fern), "/organization/subscribers"


def some_number() -> str:
    """A number that no other test has: each rings at one place of the whole installation."""
    return f"+1{secrets.randbelow(8 * 10**9) + 2 * 10**9}"


def only(database: Database, org: Organization, extension: str) -> Subscriber | None:
    with database.run_as(org.org_id) as session:
        return session.scalars(select(Subscriber).where(Subscriber.extension == extension)).one_or_none()


def problem_at(page: Any, field: str) -> str:
    return str(page.html.find(id=f"{field}-error").get_text())


def add(client: Client, base: str, status: int = 303, **form: str) -> Any:
    return client.post_form(
        f"{base}/new", {"name": "Juno Birdsong", "extension": "214", **form}, status=status
    )


def mails_to(app: Any, address: str) -> list[Any]:
    folder = app.settings.var_dir / "mail"
    found = [message_from_bytes(p.read_bytes(), policy=policy.default) for p in folder.glob("*.eml")]
    return [mail for mail in found if mail["To"] == address]


def test_a_subscriber_is_created_and_invited(
    desk: tuple[Client, str],
    org: Organization,
    fern: Person,
    database: Database,
    visitor: Make,
    run_jobs: Make,
    wsgi: Any,
) -> None:
    client, base = desk
    assert client.get(f"{base}/new").html.find(id="extension")["value"] == "202"
    email = f"juno-{org.slug}@example.com"
    number = some_number()
    add(client, base, number=f"+1 {number[2:5]}-{number[5:8]}-{number[8:]}", email=email.upper(), invite="on")
    juno = only(database, org, "214")
    assert juno is not None
    assert (juno.name, juno.number) == ("Juno Birdsong", number)
    run_jobs()
    (mail,) = mails_to(wsgi, email)
    link = mail.get_body(("plain",)).get_content().partition("/reset/")[2].split()[0]
    browser = visitor(fern.partner)
    token = browser.get(f"/reset/{link}").html.find("input", {"name": "csrf_token"})["value"]
    words = "quiet harbor lantern"
    form = {"password": words, "again": words, "csrf_token": token}
    browser.post_form(f"/reset/{link}", form, status=303)
    token = browser.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    form = {"email": email, "password": words, "csrf_token": token}
    browser.post_form("/sign-in", form, status=303)
    assert ", Juno" in browser.get("/").html.select_one("h1").text
    with database.in_partner(org.partner_id) as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "subscriber.created")).one()
    assert entry.detail["changed"]["number"] == [None, number]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"extension": "2"}, "extension"),
        ({"extension": "201"}, "extension"),
        ({"number": "letters"}, "number"),
        ({"email": "nobody"}, "email"),
        ({"role": "king"}, "role"),
        ({"location": "nowhere"}, "location"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    desk: tuple[Client, str], org: Organization, database: Database, form: dict[str, str], field: str
) -> None:
    client, base = desk
    page = add(client, base, **form, status=422)
    assert problem_at(page, field)
    with database.run_as(org.org_id) as session:
        assert [one.extension for one in session.scalars(select(Subscriber))] == ["201"]


def test_a_number_rings_at_one_place_of_all_partners(
    desk: tuple[Client, str], tenants: Tenants, org: Organization
) -> None:
    tenants.subscriber(tenants.organization(name="Stranger Freight"), number="+12125550777")
    client, base = desk
    page = add(client, base, number="+12125550777", status=422)
    assert "in use" in problem_at(page, "number")
    assert "Stranger" not in page.text


def test_a_full_organization_takes_nobody_more(
    desk: tuple[Client, str], org: Organization, database: Database
) -> None:
    with database.run_as(org.org_id) as session:
        session.get_one(Organization, org.org_id).subscriber_limit = 1
    client, base = desk
    assert "1." in problem_at(add(client, base, status=422), "name")


def test_a_subscriber_is_changed_and_the_trail_tells_what(
    desk: tuple[Client, str], tenants: Tenants, org: Organization, database: Database
) -> None:
    client, base = desk
    juno = tenants.person(org, "Juno Birdsong", extension="214", number="+12125550114")
    assert juno.subscriber is not None
    page = client.get(f"{base}/{juno.subscriber.id}/edit")
    assert page.html.find(id="email")["value"] == juno.account.email
    form = {"name": "Juno Finch", "extension": "214", "number": "", "email": "", "role": "subscriber"}
    client.post_form(f"{base}/{juno.subscriber.id}/edit", form, status=303)
    with database.in_partner(org.partner_id) as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "subscriber.changed"))
        assert entry.detail["changed"] == {
            "name": ["Juno Birdsong", "Juno Finch"],
            "number": ["+12125550114", None],
            "email": [juno.account.email, ""],
        }
        assert not session.scalars(select(Membership).where(Membership.account_id == juno.account.id)).all()


def test_who_is_suspended_is_out_at_once(
    desk: tuple[Client, str], tenants: Tenants, org: Organization, portal: Make
) -> None:
    client, base = desk
    juno = tenants.person(org, "Juno Birdsong")
    tab = portal(juno)
    tab.get("/", status=200)
    client.post_form(f"{base}/{juno.subscriber.id}", {"do": "suspend"}, status=303)  # type: ignore[union-attr]
    tab.get("/", status=303)
    profile = client.get(f"{base}/{juno.subscriber.id}")  # type: ignore[union-attr]
    assert "suspended and cannot sign in" in profile.text
    client.post_form(f"{base}/{juno.subscriber.id}", {"do": "resume"}, status=303)  # type: ignore[union-attr]
    portal(juno).get("/", status=200)


def test_removing_asks_for_the_extension_and_takes_everything(
    desk: tuple[Client, str], tenants: Tenants, org: Organization, database: Database
) -> None:
    client, base = desk
    juno = tenants.person(org, "Juno Birdsong", extension="214")
    path = f"{base}/{juno.subscriber.id}"  # type: ignore[union-attr]
    assert problem_at(client.post_form(path, {"do": "remove", "sure": "201"}, status=422), "sure")
    client.post_form(path, {"do": "remove", "sure": "214"}, status=303)
    client.get(path, status=404)
    assert only(database, org, "214") is None


def test_everybody_is_signed_out_by_a_button(
    desk: tuple[Client, str], tenants: Tenants, org: Organization, portal: Make, database: Database
) -> None:
    client, base = desk
    juno = tenants.person(org, "Juno Birdsong")
    tab = portal(juno)
    client.post_form(f"{base}/{juno.subscriber.id}", {"do": "sign_out"}, status=303)  # type: ignore[union-attr]
    tab.get("/", status=303)
    with database.in_partner(org.partner_id) as session:
        assert not session.scalars(select(WebSession).where(WebSession.account_id == juno.account.id)).all()


def test_nobody_is_invited_without_end(
    desk: tuple[Client, str], tenants: Tenants, org: Organization, run_jobs: Make, wsgi: Any
) -> None:
    client, base = desk
    juno = tenants.person(org, "Juno Birdsong")
    for _ in range(12):
        client.post_form(f"{base}/{juno.subscriber.id}", {"do": "invite"}, status=303)  # type: ignore[union-attr]
    run_jobs()
    assert len(mails_to(wsgi, juno.account.email)) == 10


def test_who_leaves_hands_over_the_number(
    desk: tuple[Client, str], tenants: Tenants, org: Organization, database: Database
) -> None:
    client, base = desk
    juno = tenants.person(org, "Juno Birdsong", extension="214", number="+12125550114")
    tenants.person(org, "Posy Wickersham", extension="210")
    path = f"{base}/{juno.subscriber.id}/hand-over"  # type: ignore[union-attr]
    for to in ("214", "999", ""):
        assert problem_at(client.post_form(path, {"to": to, "number": "on"}, status=422), "to")
    client.post_form(path, {"to": "210", "number": "on", "suspend": "on"}, status=303)
    posy, gone = only(database, org, "210"), only(database, org, "214")
    assert posy is not None
    assert gone is not None
    assert (posy.number, gone.number, gone.status) == ("+12125550114", None, "suspended")


def test_an_admin_does_not_learn_what_another_organization_calls_somebody(
    tenants: Tenants, fern: Person, portal: Make
) -> None:
    stranger = tenants.person(tenants.organization(fern.partner), "Secret Name")
    client = portal(fern)
    form = {"name": "Somebody", "extension": "300", "email": stranger.account.email}
    page = client.post_form("/organization/subscribers/new", form, status=303).follow()
    assert stranger.account.email in page.text
    assert "Secret Name" not in page.text
    assert "Secret Name" not in client.get("/audit").text


def test_an_admin_does_not_learn_whether_there_was_an_account(
    tenants: Tenants, org: Organization, fern: Person, portal: Make, database: Database
) -> None:
    """Whatever an address had before, adding it and inviting look alike."""
    new = f"nobody-{secrets.token_hex(4)}@else.example"
    other = tenants.person(tenants.organization(fern.partner), "Somebody Else")
    suspended = tenants.person(tenants.organization(fern.partner), "Third Person")
    with database.in_partner(fern.partner.id) as session:
        session.get_one(Account, (fern.partner.id, suspended.account.id)).status = "suspended"
        session.get_one(Account, (fern.partner.id, other.account.id)).password_hash = None
    client, seen = portal(fern), set()
    for number, email in enumerate((new, other.account.email, suspended.account.email)):
        extension = f"72{number}"
        add(client, "/organization/subscribers", extension=extension, email=email, invite="on")
        person = only(database, org, extension)
        assert person is not None
        page = client.get(f"/organization/subscribers/{person.id}").html
        shown = page.find("h2", id="identity-title").find_parent("section").get_text(" ", strip=True)
        seen.add(shown.replace(email, "ADDRESS"))
    assert len(seen) == 1, seen


def test_an_admin_does_not_lock_themselves_out(fern: Person, portal: Make) -> None:
    client, path = portal(fern), f"/organization/subscribers/{fern.subscriber.id}"  # type: ignore[union-attr]
    for do in ({"do": "suspend"}, {"do": "remove", "sure": "201"}):
        client.post_form(path, do, status=422)
    form = {"name": "Fern Castellan", "extension": "201", "email": fern.account.email, "role": "subscriber"}
    assert problem_at(client.post_form(f"{path}/edit", form, status=422), "role")
    assert "That is you" in client.post_form(path, {"do": "suspend"}, status=422).text


# Files


def send(client: Client, base: str, contents: bytes, status: int = 303, name: str = "people.csv") -> Any:
    form = {"csrf_token": client.csrf_token, "file": Upload(name, contents)}
    return client.post(f"{base}/import", form, status=status, headers={"Origin": f"http://{client.host}"})


def rows_of(page: Any) -> list[list[str]]:
    return [
        [" ".join(td.get_text(" ").split()) for td in tr.select("td")] for tr in page.html.select("tbody tr")
    ]


def test_five_hundred_people_come_from_a_file_and_go_again(
    desk: tuple[Client, str], org: Organization, database: Database, wsgi: Any, run_jobs: Make
) -> None:
    client, base = desk
    head = "Name,Extension,Number,Email,Role\n"
    people = "".join(
        f"Person {i},{3000 + i},,p{i}-{org.slug}@example.com,{'org admin' if i == 7 else ''}\n"
        for i in range(500)
    )
    wrong = "Nobody,201,,,\nTwice,900,,,\nTwice,900,,,\n,950,,,\nBad,951,letters,nobody,king\n"
    page = send(client, base, (head + people + wrong).encode("utf-8-sig")).follow()
    assert "500 lines can be taken in" in page.text
    results = rows_of(page)
    assert results[499][-1] == "Will be taken in"
    assert [row[-1].startswith("Not taken in") for row in results[500:]] == [True] * 5
    assert "in the file 2 times" in results[501][-1]
    assert only(database, org, "3000") is None, "a dry run"
    path = page.request.path
    client.post_form(path, {"do": "apply"}, status=303)
    with database.run_as(org.org_id) as session:
        assert len(session.scalars(select(Subscriber)).all()) == 501
        admins = session.scalars(select(Membership).where(Membership.role == "org_admin")).all()
        assert len(admins) == 2
        # One of them has chosen a password since.
        account = session.scalars(select(Account).where(Account.email == f"p3-{org.slug}@example.com")).one()
        account.password_changed_at = account.created_at.replace(year=account.created_at.year + 1)
    client.post_form(path, {"do": "apply"}, status=303)
    page = client.post_form(path, {"do": "undo"}, status=303).follow()
    assert [row[-1] for row in rows_of(page)[2:4]] == ["Taken back", "Has signed in since."]
    with database.run_as(org.org_id) as session:
        assert len(session.scalars(select(Subscriber)).all()) == 2


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ("Name,Extension\nJürgen,300\n".encode("latin-1"), "not in UTF-8"),
        (b"", "name, extension is missing"),
        (b"Name,Extension\n", "names nobody"),
        (b"Who,Where\nA,B\n", "missing"),
        (b'Name,Extension\n"Sam,300\n', "cannot be read as CSV"),
        (b"Name,Extension\nSam\0,300\n", "no text"),
        (b"Name,Extension\n" + b"Sam,300\n" * 1001, "more than 1000 lines"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(desk: tuple[Client, str], contents: bytes, why: str) -> None:
    client, base = desk
    assert why in problem_at(send(client, base, contents, status=422), "file")


def test_a_huge_file_is_refused_before_it_is_read(desk: tuple[Client, str]) -> None:
    client, base = desk
    send(client, base, b"Name,Extension\n" + b"Sam Example,300\n" * 1_000_000, status=413)


def test_utf_16_and_semicolons_are_what_spreadsheets_write(desk: tuple[Client, str]) -> None:
    client, base = desk
    page = send(client, base, "Extension;Name\r\n300;Jürgen\r\n".encode("utf-16")).follow()
    assert rows_of(page)[0][1:3] == ["Jürgen", "300"]
    assert "1 line can be taken in" in page.text


def test_a_line_that_is_taken_meanwhile_stops_the_whole_file(
    desk: tuple[Client, str], tenants: Tenants, org: Organization, database: Database
) -> None:
    client, base = desk
    page = send(client, base, b"name,extension\nSam,300\nAlex,301\n").follow()
    tenants.subscriber(org, extension="301")
    page = client.post_form(page.request.path, {"do": "apply"}, status=422)
    assert "Something has changed meanwhile" in page.text
    assert "has this extension already" in rows_of(page)[1][-1]
    assert only(database, org, "300") is None


def test_the_profile_says_what_calls_do_now(
    tenants: Tenants, org: Organization, fern: Person, console: Make, database: Database, wsgi: Any
) -> None:
    desk: Client = console(tenants.staff(fern.partner))
    base = f"/organizations/{org.org_id}"
    path = f"{base}/subscribers/{fern.subscriber.id}"

    def now() -> str:
        return " ".join(desk.get(path).html.select_one("[aria-labelledby=now-title]").get_text(" ").split())

    assert "Calls ring at extension 201" in now()
    assert "The office is closed" not in now()
    with database.run_as(org.org_id) as session:
        declared = wsgi.registry["ringstead.declared_settings"]
        set_for_organization(session, declared, "core.hours", [[day_after(), "00:00", "00:01"]])
    assert "The office is closed" in now()
    for choice, said in (("incoming", "Calls come in; none can be made"), ("none", "No calls, except emerg")):
        desk.post_form(f"{base}/settings", {"do": "suspend", "calls": choice}, status=303)
        assert said in now()
        desk.post_form(f"{base}/settings", {"do": "resume"}, status=303)


def day_after() -> str:
    """A day of the week that is neither today nor next to it, wherever the reader is."""
    return DAYS[(datetime.now(UTC).weekday() + 3) % 7]
