"""A forgotten password, from asking for a link to signing in with the new one."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from ringstead import audit
from ringstead.api.testing import PASSWORD, Client, Person, Tenants, test_settings
from ringstead.auth.jobs import forget_expired, send_reset
from ringstead.auth.models import PasswordReset, ResetRequest
from ringstead.auth.tokens import hash_token
from ringstead.db.base import new_id
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.jobs import job_counts
from ringstead.tenancy.models import AuditEntry, WebSession
from ringstead.worker import run_due_jobs

Visitor = Callable[..., Client]
Make = Callable[..., Any]
NEW = "heron lantern quarry"


@pytest.fixture
def juno(tenants: Tenants, with_password: Make) -> Person:
    person: Person = with_password(tenants.person(tenants.organization(), "Juno Halloway"))
    return person


@pytest.fixture
def mails_to(database: Database, database_urls: DatabaseUrls, tmp_path: Path) -> Callable[[str], list[str]]:
    """`mails_to(email)`: runs the worker until nothing waits, and gives the texts of new mails to somebody."""

    def collect(email: str) -> list[str]:
        settings = test_settings(tmp_path)
        while job_counts(database).waiting:
            run_due_jobs(settings, database_urls)
        found = []
        for file in sorted((tmp_path / "mail").glob("**/*.eml")):
            message = message_from_bytes(file.read_bytes(), policy=default)
            body = message.get_body(("plain",))
            if message["To"] == email and body is not None:
                found.append(body.get_content())
            file.unlink()
        return found

    return collect


def ask(client: Client, email: str, status: int = 200) -> Any:
    token = client.get("/forgot").html.find("input", {"name": "csrf_token"})["value"]
    return client.post("/forgot", {"csrf_token": token, "email": email}, status=status)


def follow(
    client: Client, path: str, password: str = NEW, again: str | None = None, status: int = 303
) -> Any:
    token = client.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    form = {"csrf_token": token, "password": password, "again": password if again is None else again}
    return client.post(path, form, status=status)


def link(database: Database, person: Person, token: str = "t" * 43, **values: Any) -> str:
    """A link as the mail would hold it; each test has its own partner, so tokens do not meet."""
    row = PasswordReset(
        account_id=person.account.id,
        token_hash=hash_token(token),
        **{"expires_at": datetime.now(UTC) + timedelta(minutes=5), **values},
    )
    with database.in_partner(person.partner.id) as session:
        session.add(row)
    return f"/reset/{token}"


def ask_again(database: Database, person: Person, hours: int = 1) -> UUID:
    """What the page writes when somebody asks, whose time ends in so many hours."""
    row = ResetRequest(
        id=new_id(),
        email=person.account.email,
        origin="http://x.test",
        address="192.0.2.1",
        expires_at=datetime.now(UTC) + timedelta(hours=hours),
    )
    with database.in_partner(person.partner.id) as session:
        session.add(row)
    return row.id


def test_from_the_mail_to_the_new_password(
    juno: Person, visitor: Visitor, portal: Make, sign_in: Make, mails_to: Make
) -> None:
    elsewhere, client = portal(juno), visitor(juno.partner)
    ask(client, juno.account.email.upper())
    (mail,) = mails_to(juno.account.email)
    found = re.search(rf"http://{re.escape(client.host)}:8080(/reset/[\w-]{{43}})", mail)
    assert found, mail
    assert "Juno Halloway" in mail
    client.get(found[1], status=200)
    follow(client, found[1])
    elsewhere.get("/account", status=303)
    sign_in(visitor(juno.partner), juno.account.email, PASSWORD, status=422)
    sign_in(visitor(juno.partner), juno.account.email, NEW, status=303)
    client.get(found[1], status=404)
    follow(client, found[1], status=404)
    (notice,) = mails_to(juno.account.email)
    assert "password" in notice


def test_the_answer_is_the_same_for_an_unknown_address_and_no_mail_is_sent(
    juno: Person, visitor: Visitor, mails_to: Make
) -> None:
    known = ask(visitor(juno.partner), juno.account.email)
    unknown = ask(visitor(juno.partner), "nobody@example.com")
    assert known.text.replace(juno.account.email, "X") == unknown.text.replace("nobody@example.com", "X")
    assert mails_to("nobody@example.com") == []


def test_the_queue_holds_no_address_and_the_request_goes_when_it_is_done(
    juno: Person, visitor: Visitor, portal: Make, database: Database, mails_to: Make
) -> None:
    # Signed in, too: whoever is inside an organization asks as one outside of it.
    for client in (visitor(juno.partner), portal(juno)):
        ask(client, juno.account.email)
    with database.app_engine.connect() as connection:
        waiting = (
            "SELECT args FROM procrastinate_jobs WHERE task_name = 'core.send_reset' AND status = 'todo'"
        )
        jobs = connection.execute(text(waiting)).scalars().all()
    mine = [job for job in jobs if job["partner_id"] == {"$uuid": str(juno.partner.id)}]
    assert [set(job) for job in mine] == [{"partner_id", "request_id"}] * 2
    assert len(mails_to(juno.account.email)) == 2
    with database.in_partner(juno.partner.id) as session:
        assert session.scalar(select(func.count()).select_from(ResetRequest)) == 0


def test_a_request_that_nobody_looked_at_is_forgotten(juno: Person, database: Database) -> None:
    ask_again(database, juno, hours=-1)
    alive = ask_again(database, juno)
    forget_expired(database)
    with database.in_partner(juno.partner.id) as session:
        assert session.scalars(select(ResetRequest.id)).all() == [alive]


def test_somebody_suspended_gets_no_link(
    juno: Person, visitor: Visitor, with_password: Make, mails_to: Make
) -> None:
    with_password(juno, status="suspended")
    ask(visitor(juno.partner), juno.account.email)
    assert mails_to(juno.account.email) == []


def test_an_address_that_cannot_be_one_is_refused(juno: Person, visitor: Visitor) -> None:
    for typed in ("", "juno", "juno@", "@example.com"):
        assert ask(visitor(juno.partner), typed, status=422).html.find(id="email-error")


def test_only_the_newest_link_works_and_a_job_run_twice_makes_one(juno: Person, database: Database) -> None:
    old = link(database, juno)
    asked = ask_again(database, juno)
    for _ in range(2):
        send_reset(database, partner_id=juno.partner.id, request_id=asked)
    with database.in_partner(juno.partner.id) as session:
        (row,) = session.scalars(select(PasswordReset)).all()
        asked = session.scalars(select(AuditEntry.action)).all()
        mails = session.execute(text("SELECT count(*) FROM mail_message")).scalar_one()
    assert row.token_hash != hash_token(old.rpartition("/")[2])
    assert asked == [audit.PASSWORD_RESET_ASKED]
    assert mails == 1


@pytest.mark.parametrize(
    "path", ["/reset/nonsense", "/reset/" + "x" * 5000, "/reset/%00", "/reset/%E2%98%8E", "/reset/%FF"]
)
def test_a_link_that_never_was_is_dead(juno: Person, visitor: Visitor, path: str) -> None:
    visitor(juno.partner).get(path, status=[400, 404])


def test_an_old_link_is_dead(juno: Person, visitor: Visitor, database: Database) -> None:
    path = link(database, juno, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    visitor(juno.partner).get(path, status=404)
    follow(visitor(juno.partner), path, status=404)


def test_another_partners_link_is_dead(
    juno: Person, tenants: Tenants, visitor: Visitor, database: Database
) -> None:
    path = link(database, juno)
    stranger = visitor(tenants.partner())
    stranger.get(path, status=404)
    follow(stranger, path, status=404)
    visitor(juno.partner).get(path, status=200)


def test_a_bad_new_password_does_not_use_the_link_up(
    juno: Person, visitor: Visitor, database: Database
) -> None:
    path, client = link(database, juno), visitor(juno.partner)
    assert follow(client, path, "short", status=422).html.find(id="password-error")
    assert follow(client, path, "password1234", status=422).html.find(id="password-error")
    assert follow(client, path, NEW, NEW + "x", status=422).html.find(id="again-error")
    follow(client, path, status=303)


def test_the_link_works_for_somebody_signed_in_elsewhere_too(
    juno: Person, tenants: Tenants, portal: Make, database: Database
) -> None:
    client = portal(tenants.person(tenants.organization(juno.partner)))
    path = link(database, juno)
    client.get(path, status=200)
    form = {"csrf_token": client.csrf_token, "password": NEW, "again": NEW}
    client.post(path, form, status=303)
    with database.in_partner(juno.partner.id) as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == audit.PASSWORD_RESET)).all()
    assert [entry.actor_account_id for entry in entries] == [juno.account.id]


def test_after_a_reset_the_owner_is_no_stranger(
    juno: Person, visitor: Visitor, sign_in: Make, database: Database
) -> None:
    client = visitor(juno.partner)
    for _ in range(9):
        sign_in(client, juno.account.email, "wrong")
    sign_in(client, juno.account.email, status=429)
    follow(client, link(database, juno))
    sign_in(client, juno.account.email, NEW, status=303)


def test_what_has_expired_is_forgotten(juno: Person, tenants: Tenants, database: Database) -> None:
    link(database, juno, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    link(database, juno, token="u" * 43)
    tenants.session_token(juno)
    tenants.session_token(juno)
    with database.in_partner(juno.partner.id) as session:
        first = session.scalars(select(WebSession.id).order_by(WebSession.id)).first()
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(WebSession).where(WebSession.id == first).values(expires_at=past))
    forget_expired(database)
    with database.in_partner(juno.partner.id) as session:
        assert session.scalar(select(func.count()).select_from(PasswordReset)) == 1
        assert session.scalar(select(func.count()).select_from(WebSession)) == 1
