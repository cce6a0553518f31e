"""Open portal: asked for on the console, opened once, seen by everybody it concerns, closed where it has to be."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from sqlalchemy import select, update
from support.people import ask_to_open, enter_portal

from ringstead import audit
from ringstead.api.testing import PASSWORD, Client, Person, Tenants
from ringstead.auth import support
from ringstead.db.engine import Database
from ringstead.preferences.store import set_for_organization
from ringstead.tenancy.models import AuditEntry, SupportSession, WebSession

Make = Callable[..., Any]


@pytest.fixture
def juno(tenants: Tenants, with_password: Make) -> Person:
    person: Person = with_password(tenants.person(tenants.organization(), "Juno Birdsong"))
    return person


@pytest.fixture
def tansy(juno: Person, tenants: Tenants, with_password: Make) -> Person:
    person: Person = with_password(tenants.staff(juno.partner, "partner_admin", "Tansy Greenlow"))
    return person


def path_of(person: Person) -> str:
    assert person.organization is not None
    assert person.subscriber is not None
    return f"/organizations/{person.organization.org_id}/subscribers/{person.subscriber.id}"


def decide(wsgi: Any, database: Database, person: Person, name: str, value: bool = True) -> None:
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        set_for_organization(session, wsgi.registry["ringstead.declared_settings"], name, value)


def row_of(database: Database, person: Person) -> SupportSession:
    with database.in_partner(person.partner.id) as session:
        found = select(SupportSession).order_by(SupportSession.id.desc()).limit(1)
        return session.scalars(found).one()


def mails_to(app: Any, address: str) -> list[Any]:
    folder = app.settings.var_dir / "mail"
    found = [message_from_bytes(p.read_bytes(), policy=policy.default) for p in folder.glob("*.eml")]
    return [mail for mail in found if mail["To"] == address]


def ticket_of(page: Any) -> str:
    """The address on the portal that the console leads to, without its host."""
    return "/support/" + page.html.find("a", {"data-follow": ""})["href"].rpartition("/")[2]


def open_it(console: Client, person: Person, **form: str) -> Any:
    return console.post_form(f"{path_of(person)}/portal", {"reason": "Ticket 4821", **form}, status="*")


def test_a_portal_is_opened_with_a_reason_and_left(
    juno: Person,
    tansy: Person,
    console: Callable[..., Client],
    visitor: Callable[..., Client],
    portal: Callable[..., Client],
    database: Database,
    wsgi: Any,
    run_jobs: Callable[..., None],
) -> None:
    desk = console(tansy)
    profile = desk.get(path_of(juno))
    assert "Juno Birdsong" in profile.text
    assert juno.account.email in profile.text
    ticket = ticket_of(open_it(desk, juno))
    tab = visitor(juno.partner)
    page = tab.get(ticket)
    assert "Juno Birdsong" in page.text
    tab.post_form(ticket, {"csrf_token": token_on(page)}, status=303)
    home = tab.get("/")
    banner = " ".join(home.html.select_one(".imp").get_text(" ").split())
    assert "You are in the portal of Juno Birdsong" in banner
    assert "as Tansy Greenlow" in banner
    assert "Ticket 4821" in banner
    assert ", Juno" in home.html.select_one("h1").text
    assert "/account" not in [link["href"] for link in home.html.select(".side nav a")]
    left = row_of(database, juno).ends_at - datetime.now(UTC)  # type: ignore[operator]
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    run_jobs()
    (mail,) = mails_to(wsgi, juno.account.email)
    assert "Tansy Greenlow" in mail.get_body(("plain",)).get_content()
    assert "Tansy Greenlow" in portal(juno).get("/account/support").text
    assert "Open now" in desk.get(path_of(juno)).text

    answer = tab.post_form("/support/end", status=303)
    assert answer.headers["Location"].endswith("/sign-in")
    assert "You left the portal of Juno Birdsong" in answer.follow().text
    tab.get("/", status=303)
    with database.in_partner(juno.partner.id) as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.action.startswith("support."))).all()
    assert [entry.action for entry in told] == [audit.SUPPORT_OPENED, audit.SUPPORT_ENDED]
    for entry in told:
        assert (entry.actor_name, entry.subject_subscriber_id) == ("Tansy Greenlow", juno.subscriber.id)  # type: ignore[union-attr]
        assert entry.detail["reason"] == "Ticket 4821"


def token_on(page: Any) -> str:
    return str(page.html.find("input", {"name": "csrf_token"})["value"])


def test_a_ticket_works_once_and_soon(
    juno: Person,
    tansy: Person,
    console: Callable[..., Client],
    visitor: Callable[..., Client],
    database: Database,
) -> None:
    ticket = ticket_of(open_it(console(tansy), juno))
    tab = visitor(juno.partner)
    form = {"csrf_token": token_on(tab.get(ticket))}
    tab.post_form(ticket, form, status=303)
    second = visitor(juno.partner)
    second.get(ticket, status=410)
    second.post_form(ticket, {"csrf_token": token_on(second.get("/sign-in"))}, status=410)
    late = ticket_of(open_it(console(tansy), juno))
    with database.in_partner(juno.partner.id) as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(SupportSession).values(ticket_expires_at=past))
    visitor(juno.partner).get(late, status=410)


def test_a_ticket_of_another_partner_or_organization_is_worth_nothing(
    juno: Person,
    tansy: Person,
    tenants: Tenants,
    console: Callable[..., Client],
    visitor: Callable[..., Client],
) -> None:
    ticket = ticket_of(open_it(console(tansy), juno))
    visitor(tenants.partner()).get(ticket, status=410)
    stranger = tenants.staff(tenants.partner(), "partner_admin")
    console(stranger).get(path_of(juno), status=404)
    assert open_it(console(stranger), juno).status_int == 404


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_without_a_reason_nothing_opens(
    juno: Person, tansy: Person, console: Callable[..., Client], database: Database, reason: str
) -> None:
    answer = open_it(console(tansy), juno, reason=reason)
    assert answer.status_int == 422
    assert answer.html.find(id="reason-error")
    with database.in_partner(juno.partner.id) as session:
        assert session.scalars(select(SupportSession)).all() == []


def test_the_password_is_asked_for_when_it_was_given_long_ago(
    juno: Person, tansy: Person, console: Callable[..., Client], database: Database
) -> None:
    desk = console(tansy)
    desk.get("/")
    with database.in_partner(juno.partner.id) as session:
        past = datetime.now(UTC) - timedelta(minutes=11)
        session.execute(update(WebSession).where(WebSession.site == "console").values(verified_at=past))
    assert desk.get(path_of(juno)).html.find("input", {"name": "password"})
    for password in ("", "wrong password here"):
        answer = open_it(desk, juno, password=password)
        assert answer.status_int == 422
        assert answer.html.find(id="password-error")
    assert "data-follow" in open_it(desk, juno, password=PASSWORD).text
    assert not desk.get(path_of(juno)).html.find("input", {"name": "password"})
    assert "data-follow" in open_it(desk, juno).text


def test_guessing_the_password_there_is_slowed_down(
    juno: Person, tansy: Person, console: Callable[..., Client], database: Database
) -> None:
    desk = console(tansy)
    desk.get("/")
    with database.in_partner(juno.partner.id) as session:
        past = datetime.now(UTC) - timedelta(minutes=11)
        session.execute(update(WebSession).where(WebSession.site == "console").values(verified_at=past))
    answers = [open_it(desk, juno, password=f"wrong password {n}").status_int for n in range(9)]
    assert answers == [422] * 8 + [429]


def test_where_people_are_asked_first_nothing_opens_until_they_allow_it(
    juno: Person,
    tansy: Person,
    console: Callable[..., Client],
    visitor: Callable[..., Client],
    portal: Callable[..., Client],
    database: Database,
    wsgi: Any,
    run_jobs: Callable[..., None],
) -> None:
    decide(wsgi, database, juno, support.CONSENT)
    desk, mine = console(tansy), portal(juno)
    assert open_it(desk, juno).status_int == 303
    assert "Waiting for an answer" in desk.get(path_of(juno)).text
    run_jobs()
    (mail,) = mails_to(wsgi, juno.account.email)
    assert "would like to open your portal" in mail.get_body(("plain",)).get_content()
    wish = row_of(database, juno)
    assert open_it(desk, juno, wish=str(wish.id)).status_int == 303  # not yet: asked once more
    mine.post_form(f"/account/support/{wish.id}", {"do": "allow"}, status=303)
    page = desk.get(path_of(juno))
    assert page.html.find("input", {"name": "wish"})["value"] == str(wish.id)
    ticket = ticket_of(open_it(desk, juno, wish=str(wish.id), reason=""))
    tab = visitor(juno.partner)
    tab.post_form(ticket, {"csrf_token": token_on(tab.get(ticket))}, status=303)
    assert tab.get("/").html.select_one(".imp")
    # Whose portal it is ends it, and whoever is in it is out at once.
    mine.post_form(f"/account/support/{wish.id}", {"do": "end"}, status=303)
    tab.get("/", status=303)
    assert open_it(desk, juno, wish=str(wish.id), reason="").status_int == 422


def test_a_wish_of_a_time_without_consent_is_worth_nothing_later(
    juno: Person, tansy: Person, console: Callable[..., Client], database: Database, wsgi: Any
) -> None:
    desk = console(tansy)
    ticket_of(open_it(desk, juno))  # never used
    wish = row_of(database, juno)
    decide(wsgi, database, juno, support.CONSENT)
    assert open_it(desk, juno, wish=str(wish.id), reason="").status_int == 422
    assert open_it(desk, juno, wish=str(wish.id)).status_int == 303


def test_a_refusal_is_final(
    juno: Person,
    tansy: Person,
    console: Callable[..., Client],
    portal: Callable[..., Client],
    database: Database,
) -> None:
    wish = ask_to_open(database, tansy, juno)
    mine = portal(juno)
    mine.post_form(f"/account/support/{wish}", {"do": "refuse"}, status=303)
    mine.post_form(f"/account/support/{wish}", {"do": "allow"}, status=303)
    assert open_it(console(tansy), juno, wish=wish, reason="").status_int == 422
    assert "Refused" in mine.get("/account/support").text


def test_a_session_ends_by_itself_and_with_the_one_who_opened_it(
    juno: Person, tansy: Person, visitor: Callable[..., Client], database: Database
) -> None:
    tab = visitor(juno.partner)
    enter_portal(database, tab, tansy, juno)
    tab.get("/", status=200)
    with database.in_partner(juno.partner.id) as session:
        session.execute(update(SupportSession).values(ends_at=datetime.now(UTC) - timedelta(seconds=1)))
    tab.get("/", status=303)
    enter_portal(database, tab, tansy, juno)
    with database.in_partner(juno.partner.id) as session:
        account = session.merge(tansy.account)
        account.staff_role = None
    tab.get("/", status=303)


def test_a_ticket_leads_nowhere_but_to_the_portal_that_it_is_for(
    juno: Person, tansy: Person, visitor: Callable[..., Client], database: Database
) -> None:
    tab = visitor(juno.partner)
    enter_portal(database, tab, tansy, juno)
    with database.in_partner(juno.partner.id) as session:
        session.execute(update(SupportSession).values(ends_at=datetime.now(UTC) - timedelta(seconds=1)))
    answer = tab.get("/choose", status=303)
    assert answer.headers["Location"].endswith("/sign-in")


def test_what_is_closed_says_why(
    juno: Person, tansy: Person, visitor: Callable[..., Client], database: Database
) -> None:
    tab = visitor(juno.partner)
    enter_portal(database, tab, tansy, juno, is_read_only=True)
    assert "only for the person whose portal it is" in tab.get("/account", status=403).text
    answer = tab.post_form("/home/arrange", {"do": "reset"}, status=403)
    assert "You opened this portal to look only" in answer.text
    tab.get("/", status=200)


def test_an_organization_decides_about_messages(
    juno: Person,
    tansy: Person,
    tenants: Tenants,
    visitor: Callable[..., Client],
    database: Database,
    wsgi: Any,
) -> None:
    assert juno.organization is not None
    tenants.switch(juno.organization, "voicemail")
    tab = visitor(juno.partner)
    enter_portal(database, tab, tansy, juno)
    audio = "/voicemail/messages/00000000-0000-7000-8000-000000000000/audio"
    assert "Messages are private" in tab.get(audio, status=403).text
    tab.get("/voicemail", status=200)
    tab.get("/voicemail/pin", status=403)
    decide(wsgi, database, juno, support.PRIVATE)
    tab.get(audio, status=404)
    tab.get("/voicemail/pin", status=403)


def test_what_support_does_is_on_record_with_both_names(
    juno: Person,
    tansy: Person,
    visitor: Callable[..., Client],
    portal: Callable[..., Client],
    database: Database,
) -> None:
    tab = visitor(juno.partner)
    wish = enter_portal(database, tab, tansy, juno)
    assert juno.organization is not None
    tab.post_form("/sign-out", status=303)
    with database.in_partner(juno.partner.id) as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == audit.SUPPORT_ENDED))
    assert (entry.actor_account_id, entry.detail["support"]) == (tansy.account.id, wish)
    page = portal(juno).get("/account/activity").text
    assert "Left a portal" in page
    assert "Tansy Greenlow" in page


def test_an_administrator_sees_and_decides_what_support_does(
    juno: Person, tansy: Person, tenants: Tenants, portal: Callable[..., Client], database: Database
) -> None:
    assert juno.organization is not None
    fern = tenants.person(juno.organization, "Fern Castellan", role="org_admin")
    ask_to_open(database, tansy, juno, "Ticket 17")
    client = portal(fern)
    page = client.get("/organization/support")
    assert "Ticket 17" in page.text
    assert "Juno Birdsong" in page.text
    client.post_form("/organization/support", {support.CONSENT: "on"}, status=303)
    assert page_rules(client) == {support.CONSENT: True, support.PRIVATE: False}
    client.post_form("/organization/support", {support.PRIVATE: "on"}, status=303)
    assert page_rules(client) == {support.CONSENT: False, support.PRIVATE: True}
    assert "core.support_consent" in client.get("/audit?action=support.rules-changed").text


def page_rules(client: Client) -> dict[str, bool]:
    boxes = client.get("/organization/support").html.select("input[type=checkbox].check[name^='core.']")
    return {box["name"]: box.has_attr("checked") for box in boxes}


def test_subscribers_are_found_in_an_organization(
    juno: Person, tansy: Person, tenants: Tenants, console: Callable[..., Client]
) -> None:
    assert juno.organization is not None
    for number in range(55):
        tenants.subscriber(juno.organization, f"Person {number:02}", f"3{number:02}")
    client, url = console(tansy), f"/organizations/{juno.organization.org_id}/subscribers"
    page = client.get(url)
    assert len(page.html.select("tbody tr")) == 50
    rest = client.get(page.html.find("a", {"rel": "next"})["href"])
    assert len(rest.html.select("tbody tr")) == 5 + 1
    names = [row.select_one("a").text for row in client.get(f"{url}?q=PERSON+0").html.select("tbody tr")]
    assert names == [f"Person {n:02}" for n in range(10)]
    assert [row.select_one("a").text for row in client.get(f"{url}?q=354").html.select("tbody tr")] == [
        "Person 54"
    ]
    assert "Nobody is found" in client.get(f"{url}?q=nobody+at+all").text
    client.get(f"{url}?after=nonsense", status=404)
