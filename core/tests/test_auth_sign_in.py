"""Signing in through the front door: who gets in, where, and what strangers learn."""

from collections.abc import Callable
from typing import Any

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from sqlalchemy import select, text

from ringstead.api.testing import PASSWORD, Client, Person, Tenants
from ringstead.auth.passwords import Busy, Passwords
from ringstead.db.engine import Database
from ringstead.tenancy.models import Account, Host, Membership, Organization, WebSession

Visitor = Callable[..., Client]
Make = Callable[..., Any]


@pytest.fixture
def juno(tenants: Tenants, with_password: Make) -> Person:
    person: Person = with_password(
        tenants.person(tenants.organization(name="Bramble & Finch"), "Juno Halloway")
    )
    return person


def text_of(page: Any) -> str:
    return str(page.html.find("main").get_text(" ", strip=True))


def test_a_subscriber_signs_in_and_goes_on(juno: Person, visitor: Visitor, sign_in: Make) -> None:
    client = visitor(juno.partner)
    client.get("/account", status=303)
    answer = sign_in(client, juno.account.email.upper(), next="/account", status=303)
    assert answer.location == f"http://{client.host}/account"
    assert juno.account.email in client.get("/account").text
    assert client.get("/sign-in").status_int == 303


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example"]
)
def test_signing_in_leads_to_no_other_host(
    juno: Person, visitor: Visitor, sign_in: Make, wanted: str
) -> None:
    client = visitor(juno.partner)
    assert sign_in(client, juno.account.email, next=wanted, status=303).location == f"http://{client.host}/"


def test_wrong_password_and_unknown_address_look_alike(juno: Person, visitor: Visitor, sign_in: Make) -> None:
    wrong = sign_in(visitor(juno.partner), juno.account.email, "wrong password", status=422)
    unknown = sign_in(visitor(juno.partner), "nobody@example.com", "wrong password", status=422)
    assert text_of(wrong) == text_of(unknown)
    assert "sid" not in wrong.headers.get("Set-Cookie", "")
    assert wrong.html.find("input", {"name": "email"})["value"] == juno.account.email
    assert "wrong password" not in wrong.text


def test_an_unknown_address_costs_as_much_work(
    juno: Person, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes time is the hash: one for each try, with the same parameters, whether there is an account or not."""
    hashed: list[Parameters] = []
    verify = PasswordHasher.verify

    def counted(hasher: PasswordHasher, stored: str, password: bytes) -> bool:
        hashed.append(extract_parameters(stored))
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for email in (juno.account.email, "nobody@example.com"):
        client = visitor(juno.partner)
        token = client.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
        form = {"csrf_token": token, "email": email, "password": "wrong password"}
        client.post("/sign-in", form, status=422)
    known, unknown = hashed
    assert known == unknown


@pytest.mark.parametrize(
    ("email", "password", "field"),
    [
        ("", "x", "email"),
        ("juno", "x", "email"),
        ("juno@example.com", "", "password"),
    ],
)
def test_an_incomplete_form_names_the_field(
    juno: Person, visitor: Visitor, sign_in: Make, email: str, password: str, field: str
) -> None:
    page = sign_in(visitor(juno.partner), email, password, status=422)
    assert page.html.find(id=f"{field}-error")


def test_a_form_that_is_no_utf8_is_refused(juno: Person, visitor: Visitor) -> None:
    client = visitor(juno.partner)
    token = client.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    body = f"csrf_token={token}&email=%FF%FE&password=x".encode()
    client.post("/sign-in", body, status=[400, 422])
    client.get("/sign-in?next=%FF%FE", status=[200, 400])


def test_staff_sign_in_on_the_console_and_not_on_the_portal(
    tenants: Tenants, juno: Person, visitor: Visitor, sign_in: Make, with_password: Make
) -> None:
    tansy = with_password(tenants.staff(juno.partner))
    console = visitor(juno.partner, "console")
    assert sign_in(console, tansy.account.email, status=303)
    assert console.get("/").status_int == 200
    assert "no phone" in text_of(sign_in(visitor(juno.partner), tansy.account.email, status=403))
    assert "for staff" in text_of(sign_in(visitor(juno.partner, "console"), juno.account.email, status=403))


def test_a_session_of_the_portal_is_none_on_the_console(
    tenants: Tenants, juno: Person, visitor: Visitor, with_password: Make, database: Database
) -> None:
    with_password(juno, staff_role="partner_admin")
    token = tenants.session_token(juno, "portal")
    console = visitor(juno.partner, "console")
    console.set_cookie("sid", token)
    console.get("/", status=303)
    console.set_cookie("sid", tenants.session_token(juno, "console"))
    console.get("/", status=200)


def test_another_partners_token_opens_nothing(tenants: Tenants, juno: Person, visitor: Visitor) -> None:
    stranger = visitor(tenants.partner())
    stranger.set_cookie("sid", tenants.session_token(juno))
    stranger.get("/account", status=303)


def test_another_partners_password_opens_nothing(
    tenants: Tenants, juno: Person, visitor: Visitor, sign_in: Make
) -> None:
    sign_in(visitor(tenants.partner()), juno.account.email, status=422)


@pytest.mark.parametrize("table", ["account", "subscriber", "organization"])
def test_who_is_suspended_is_told_so_and_only_with_the_right_password(
    database: Database, juno: Person, visitor: Visitor, sign_in: Make, table: str
) -> None:
    with database.in_partner(juno.partner.id) as session:
        session.execute(text(f"UPDATE {table} SET status = 'suspended'"))
    refused = sign_in(visitor(juno.partner), juno.account.email, status=403)
    assert "suspended" in text_of(refused)
    assert "sid=" not in str(refused.headers.getall("Set-Cookie"))
    assert "suspended" not in text_of(sign_in(visitor(juno.partner), juno.account.email, "wrong", status=422))


def test_a_suspension_ends_what_is_signed_in(database: Database, juno: Person, portal: Make) -> None:
    client = portal(juno)
    client.get("/account", status=200)
    with database.in_partner(juno.partner.id) as session:
        session.scalars(select(Organization)).one().status = "suspended"
    client.get("/account", status=303)
    assert "suspended" in text_of(client.get("/sign-in", status=403))


def test_an_outdated_hash_is_made_anew_at_sign_in(
    database: Database, juno: Person, visitor: Visitor, sign_in: Make
) -> None:
    old = PasswordHasher(1, 8 * 1024, 1).hash(PASSWORD)
    with database.in_partner(juno.partner.id) as session:
        session.get_one(Account, (juno.partner.id, juno.account.id)).password_hash = old
    sign_in(visitor(juno.partner), juno.account.email, status=303)
    with database.in_partner(juno.partner.id) as session:
        new = session.get_one(Account, (juno.partner.id, juno.account.id)).password_hash
    assert new is not None
    assert new != old
    assert Passwords().verify(new, PASSWORD)


def test_a_full_pool_is_said_and_not_counted(
    wsgi: Any, juno: Person, visitor: Visitor, sign_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> bool:
        raise Busy

    client = visitor(juno.partner)
    with monkeypatch.context() as patch:
        patch.setattr(Passwords, "verify", full)
        for _ in range(12):
            page = sign_in(client, juno.account.email, status=429)
            assert page.headers["Retry-After"] == "2"
    sign_in(client, juno.account.email, status=303)


class TestChoosing:
    """An account with several organizations."""

    @pytest.fixture
    def places(self, tenants: Tenants, juno: Person, database: Database) -> tuple[Membership, Membership]:
        second = tenants.organization(juno.partner, name="Larkspur Schools")
        subscriber = tenants.subscriber(second, "J. Halloway")
        membership = Membership(account_id=juno.account.id, subscriber_id=subscriber.id, role="org_admin")
        with database.run_as(second.org_id) as session:
            session.add(membership)
        assert juno.membership is not None
        return juno.membership, membership

    @staticmethod
    def choose(client: Client, membership: object, status: int = 303, wanted: str = "") -> Any:
        page = client.get("/choose")
        token = page.html.find("input", {"name": "csrf_token"})["value"]
        values = {"csrf_token": token, "membership": str(membership), "next": wanted}
        return client.post("/choose", values, status=status)

    def test_one_is_chosen_and_opened(
        self, juno: Person, places: tuple[Membership, Membership], visitor: Visitor, sign_in: Make
    ) -> None:
        client = visitor(juno.partner)
        answer = sign_in(client, juno.account.email, next="/account", status=303)
        assert answer.location == f"http://{client.host}/choose?next=%2Faccount"
        client.get("/account", status=303)
        page = client.get("/choose")
        assert "Larkspur Schools" in page.text
        assert "Bramble &amp; Finch" in page.text
        before = client.cookies["sid"]
        assert self.choose(client, places[1].id, wanted="/account").location.endswith("/account")
        assert client.cookies["sid"] != before
        client.get("/account", status=200)
        # And over to the other one.
        self.choose(client, places[0].id)
        client.get("/account", status=200)

    def test_only_what_is_offered_can_be_chosen(
        self,
        juno: Person,
        places: tuple[Membership, Membership],
        tenants: Tenants,
        visitor: Visitor,
        sign_in: Make,
        database: Database,
    ) -> None:
        client = visitor(juno.partner)
        sign_in(client, juno.account.email, status=303)
        other = tenants.person(tenants.organization(juno.partner))
        assert other.membership is not None
        for nonsense in (other.membership.id, "", "nonsense"):
            self.choose(client, nonsense, status=422)
        with database.run_as(places[1].org_id) as session:
            session.scalars(select(Organization)).one().status = "suspended"
        self.choose(client, places[1].id, status=422)
        client.get("/account", status=303)

    def test_a_host_of_one_organization_opens_only_that(
        self,
        juno: Person,
        places: tuple[Membership, Membership],
        database: Database,
        visitor: Visitor,
        sign_in: Make,
        tenants: Tenants,
        with_password: Make,
    ) -> None:
        name = f"larkspur.{juno.partner.slug}.test"
        with database.as_operator("tests", "make a host") as session:
            session.add(Host(name=name, partner_id=juno.partner.id, org_id=places[1].org_id, kind="portal"))
        client = visitor(juno.partner)
        client.host, client.extra_environ["HTTP_HOST"] = name, name
        assert sign_in(client, juno.account.email, status=303).location == f"http://{name}/"
        with database.in_partner(juno.partner.id) as session:
            rows = session.scalars(select(WebSession).where(WebSession.account_id == juno.account.id)).all()
            assert [row.org_id for row in rows] == [places[1].org_id]
        stranger = with_password(tenants.person(tenants.organization(juno.partner)))
        client.reset()
        sign_in(client, stranger.account.email, status=403)

    def test_without_a_sign_in_there_is_nothing_to_choose(self, juno: Person, visitor: Visitor) -> None:
        assert visitor(juno.partner).get("/choose").location.endswith("/sign-in")

    def test_the_time_to_choose_ends(
        self,
        juno: Person,
        places: tuple[Membership, Membership],
        visitor: Visitor,
        sign_in: Make,
        database: Database,
    ) -> None:
        client = visitor(juno.partner)
        sign_in(client, juno.account.email, status=303)
        client.get("/choose", status=200)
        with database.in_partner(juno.partner.id) as session:
            session.execute(text("UPDATE web_session SET expires_at = now() - interval '1 second'"))
        client.get("/choose", status=303)
