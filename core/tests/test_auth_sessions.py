"""Sessions: cookies, fixation, revocation, expiry, and the page of one's own account."""

from collections.abc import Callable
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from sqlalchemy import select, update

from ringstead.api.testing import PASSWORD, Client, Person, Tenants
from ringstead.auth.sessions import browser_name
from ringstead.auth.tokens import hash_token
from ringstead.db.engine import Database
from ringstead.tenancy.models import Host, WebSession

Visitor = Callable[..., Client]
Make = Callable[..., Any]
NEW = "heron lantern quarry"


@pytest.fixture
def juno(tenants: Tenants, with_password: Make) -> Person:
    person: Person = with_password(tenants.person(tenants.organization(), "Juno Halloway"))
    return person


def rows_of(database: Database, person: Person) -> list[WebSession]:
    with database.in_partner(person.partner.id) as session:
        return list(session.scalars(select(WebSession).where(WebSession.account_id == person.account.id)))


def cookies_of(answer: Any) -> SimpleCookie:
    jar = SimpleCookie()
    for header in answer.headers.getall("Set-Cookie"):
        jar.load(header)
    return jar


def test_the_cookie_over_http_is_closed_to_scripts(juno: Person, visitor: Visitor, sign_in: Make) -> None:
    answer = sign_in(visitor(juno.partner), juno.account.email, status=303)
    cookie = cookies_of(answer)["sid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert not cookie["domain"]
    assert not cookie["secure"]
    assert len(cookie.value) >= 43


def test_the_cookie_over_https_is_bound_to_host_and_tls(
    juno: Person, visitor: Visitor, app_with: Make
) -> None:
    client = visitor(juno.partner, app=app_with(public_scheme="https"))
    page = client.get("/sign-in")
    visitors = cookies_of(page)["__Host-pre"]
    assert visitors["secure"]
    client.set_cookie("__Host-pre", visitors.value)
    token = page.html.find("input", {"name": "csrf_token"})["value"]
    form = {"csrf_token": token, "email": juno.account.email, "password": PASSWORD}
    answer = client.post("/sign-in", form, status=303)
    assert answer.location.startswith("https://")
    for name, cookie in cookies_of(answer).items():
        assert name.startswith("__Host-")
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["path"] == "/"
        assert not cookie["domain"]
    client.set_cookie("sid", cookies_of(answer)["__Host-sid"].value)
    client.get("/account", status=303)
    client.set_cookie("__Host-sid", cookies_of(answer)["__Host-sid"].value)
    client.get("/account", status=200)


def test_only_the_hash_of_a_token_is_stored(
    juno: Person, visitor: Visitor, sign_in: Make, database: Database
) -> None:
    client = visitor(juno.partner)
    sign_in(client, juno.account.email, status=303)
    (row,) = rows_of(database, juno)
    assert row.token_hash == hash_token(client.cookies["sid"])
    assert client.cookies["sid"].encode() not in row.token_hash


def test_a_token_that_was_there_before_signing_in_is_worth_nothing_after(
    tenants: Tenants, juno: Person, visitor: Visitor, sign_in: Make
) -> None:
    planted = tenants.session_token(juno)
    client = visitor(juno.partner)
    page = client.get("/sign-in")
    token = page.html.find("input", {"name": "csrf_token"})["value"]
    form = {"csrf_token": token, "email": juno.account.email, "password": PASSWORD}
    client.set_cookie("sid", "made-up-by-somebody-else")
    client.extra_environ["HTTP_COOKIE"] += f"; pre={client.cookies['pre']}"
    answer = client.post("/sign-in", form, status=303)
    assert cookies_of(answer)["sid"].value != "made-up-by-somebody-else"
    client.set_cookie("sid", "made-up-by-somebody-else")
    client.get("/account", status=303)
    # A real one of another sign-in ends, too, when its browser signs in anew.
    client.set_cookie("sid", planted)
    form["csrf_token"] = client.csrf_token
    client.post("/sign-in", form, status=303)
    client.get("/account", status=303)


def test_one_may_sign_in_as_somebody_else_of_another_organization(
    tenants: Tenants, juno: Person, portal: Make, with_password: Make, visitor: Visitor
) -> None:
    other = with_password(tenants.person(tenants.organization(juno.partner), "Otis Marlowe"))
    client = portal(juno)
    form = {"csrf_token": client.csrf_token, "email": other.account.email, "password": PASSWORD}
    answer = client.post("/sign-in", form, status=303)
    after = visitor(juno.partner)
    after.set_cookie("sid", cookies_of(answer)["sid"].value)
    assert other.account.email in after.get("/account").text
    client.get("/account", status=303)


def test_signing_out_ends_the_session_and_takes_the_cookie(
    juno: Person, portal: Make, database: Database
) -> None:
    client = portal(juno)
    answer = client.post_form("/sign-out", status=303)
    assert cookies_of(answer)["sid"].value == ""
    assert rows_of(database, juno) == []
    client.get("/account", status=303)


@pytest.mark.parametrize(
    "values",
    [
        {"expires_at": -timedelta(seconds=1)},
        {"last_seen_at": -timedelta(minutes=61)},
    ],
)
def test_a_session_ends_by_itself(
    juno: Person, portal: Make, database: Database, values: dict[str, timedelta]
) -> None:
    client = portal(juno)
    client.get("/account", status=200)
    (row,) = rows_of(database, juno)
    with database.in_partner(juno.partner.id) as session:
        changed = {name: row.created_at + delta for name, delta in values.items()}
        session.execute(update(WebSession).where(WebSession.id == row.id).values(changed))
    client.get("/account", status=303)


@pytest.mark.parametrize("minutes", [1, 60])
def test_somebody_who_goes_on_working_stays_signed_in(
    juno: Person, portal: Make, database: Database, app_with: Make, minutes: int
) -> None:
    client = portal(juno, app_with(session_idle_minutes=minutes))
    for _ in range(3):
        client.get("/account", status=200)
        # As if the time until the next page had passed: most of what a session may be idle.
        with database.in_partner(juno.partner.id) as session:
            earlier = WebSession.last_seen_at - timedelta(minutes=minutes) * 0.55
            session.execute(
                update(WebSession)
                .where(WebSession.account_id == juno.account.id)
                .values(last_seen_at=earlier)
            )


def test_a_host_of_one_organization_knows_nobody_of_another(
    tenants: Tenants, juno: Person, portal: Make, database: Database
) -> None:
    theirs = tenants.organization(juno.partner)
    hosts = {"theirs": theirs.org_id, "ours": juno.membership.org_id if juno.membership else None}
    with database.as_operator("tests", "hosts of organizations") as session:
        for name, org_id in hosts.items():
            name = f"{name}.{juno.partner.slug}.test"
            session.add(Host(name=name, partner_id=juno.partner.id, org_id=org_id, kind="portal"))
    client = portal(juno)
    for name, status in (("ours", 200), ("theirs", 303)):
        client.extra_environ["HTTP_HOST"] = f"{name}.{juno.partner.slug}.test"
        client.get("/account", status=status)


def test_the_account_page_lists_browsers_and_ends_them(
    juno: Person, portal: Make, database: Database
) -> None:
    here, there = portal(juno), portal(juno)
    there.get("/account", headers={"User-Agent": "x"})
    page = here.get("/account")
    forms = page.html.find_all("form", action=lambda a: a and a.startswith("/account/sessions/"))
    assert len(forms) == 2
    assert page.text.count("This one") == 1
    mine = hash_token(here.extra_environ["HTTP_COOKIE"].partition("=")[2])
    (other,) = [row.id for row in rows_of(database, juno) if row.token_hash != mine]
    here.post_form(f"/account/sessions/{other}/sign-out", status=303)
    there.get("/account", status=303)
    here.get("/account", status=200)
    (own,) = [row.id for row in rows_of(database, juno)]
    assert here.post_form(f"/account/sessions/{own}/sign-out").location.endswith("/sign-in")
    here.get("/account", status=303)


def test_nobody_ends_anybody_elses_session(
    tenants: Tenants, juno: Person, portal: Make, database: Database
) -> None:
    victim = tenants.person(juno.organization or tenants.organization())
    theirs = portal(victim)
    (row,) = rows_of(database, victim)
    client = portal(juno)
    for id in (row.id, "nonsense", "00000000-0000-0000-0000-000000000000", "%00"):
        client.post_form(f"/account/sessions/{id}/sign-out", status=404)
    theirs.get("/account", status=200)


def test_signing_out_everywhere_ends_all(juno: Person, portal: Make) -> None:
    here, there = portal(juno), portal(juno)
    here.post_form("/account/sign-out-everywhere", status=303)
    here.get("/account", status=303)
    there.get("/account", status=303)


def test_a_changed_password_ends_other_browsers_and_renews_this_ones_token(
    juno: Person, portal: Make, visitor: Visitor, sign_in: Make
) -> None:
    here, there = portal(juno), portal(juno)
    before = here.extra_environ["HTTP_COOKIE"]
    answer = here.post_form(
        "/account/password", {"current": PASSWORD, "password": NEW, "again": NEW}, status=303
    )
    there.get("/account", status=303)
    here.get("/account", status=303)
    here.set_cookie("sid", cookies_of(answer)["sid"].value)
    assert here.extra_environ["HTTP_COOKIE"] != before
    here.get("/account", status=200)
    sign_in(visitor(juno.partner), juno.account.email, PASSWORD, status=422)
    sign_in(visitor(juno.partner), juno.account.email, NEW, status=303)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"current": "", "password": NEW, "again": NEW}, "current"),
        ({"current": "wrong", "password": NEW, "again": NEW}, "current"),
        ({"current": PASSWORD, "password": "short", "again": "short"}, "password"),
        ({"current": PASSWORD, "password": "Juno Halloway", "again": "Juno Halloway"}, "password"),
        ({"current": PASSWORD, "password": NEW, "again": NEW + "x"}, "again"),
    ],
)
def test_a_password_that_cannot_be_changed_names_the_field(
    juno: Person, portal: Make, visitor: Visitor, sign_in: Make, values: dict[str, str], field: str
) -> None:
    client, other = portal(juno), portal(juno)
    page = client.post_form("/account/password", values, status=422)
    assert page.html.find(id=f"{field}-error")
    assert NEW not in page.text
    other.get("/account", status=200)
    sign_in(visitor(juno.partner), juno.account.email, PASSWORD, status=303)


def test_the_current_password_cannot_be_guessed_there(juno: Person, portal: Make) -> None:
    client = portal(juno)
    wrong = {"current": "wrong", "password": NEW, "again": NEW}
    statuses = [client.post_form("/account/password", wrong, status="*").status_int for _ in range(9)]
    assert statuses == [422] * 8 + [429]


def test_staff_have_the_same_page(tenants: Tenants, juno: Person, console: Make, with_password: Make) -> None:
    client = console(with_password(tenants.staff(juno.partner)))
    assert client.get("/account").status_int == 200
    client.post_form("/account/password", {"current": PASSWORD, "password": NEW, "again": NEW}, status=303)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", ("Firefox", "Linux")),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150 Safari/537.36 Edg/150",
            ("Edge", "Windows"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1",
            ("Safari", "iPhone"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 HeadlessChrome/150 Safari/537.36",
            ("Chrome", "Android"),
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) CriOS/150 Mobile/15E Safari/604.1", ("Chrome", "iPhone")),
        ("curl/8.0", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_browser_is_called_by_its_name(header: str, expected: tuple[str, str]) -> None:
    assert browser_name(header) == expected
