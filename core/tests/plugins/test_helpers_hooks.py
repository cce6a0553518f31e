"""What an add-on of others gives to the console: a proof beside the password, and its part of a template."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from ringstead import app as application
from ringstead.api import StepUp, SubscriberAct, SubscriberState, TemplatePart
from ringstead.api.testing import PASSWORD, Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.plugins.loader import load_plugins
from ringstead.tenancy.models import Organization, OrganizationFeature, OrganizationTemplate, WebSession

Make = Callable[..., Any]


class Board:
    """What an add-on remembers for a test."""

    def __init__(self) -> None:
        self.answers: dict[Any, str] = {}
        self.is_away = False
        self.written: list[Any] = []
        self.helped: list[Any] = []

    def step_ups(self, ctx: Any, session: Any, account_id: Any) -> list[StepUp]:
        if self.is_away:
            raise OSError("the board fell off the wall")
        answer = self.answers.get(account_id)
        if answer is None:
            return []
        return [StepUp(id="board-answer", title="Your answer", verify=lambda given: given == answer)]

    def declare_template_parts(self) -> list[TemplatePart]:
        def read(session: Any) -> dict[str, Any]:
            return {"texts": ["The kitchen is upstairs."]}

        def write(session: Any, values: dict[str, Any]) -> None:
            self.written.append((session.org_id, values))

        return [TemplatePart(name="board.texts", title="Texts", read=read, write=write)]

    def declare_subscriber_acts(self) -> list[SubscriberAct]:
        def run(session: Any, subscriber_id: Any) -> str:
            self.helped.append(subscriber_id)
            return "Wiped."

        return [SubscriberAct(name="board.wipe", title="Wipe the board", run=run)]

    def subscriber_state(self, session: Any, subscriber_id: Any) -> list[SubscriberState]:
        return [SubscriberState(topic="phones", title="No phone is registered", is_fault=True)]


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def with_board(board: Board, loaded: Make, app_with: Make, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application with the add-on `board` beside all others."""
    addon = loaded(
        "board",
        step_ups=lambda ctx, session, account_id: board.step_ups(ctx, session, account_id),
        declare_template_parts=lambda: board.declare_template_parts(),
        declare_subscriber_acts=lambda: board.declare_subscriber_acts(),
        subscriber_state=lambda session, subscriber_id: board.subscriber_state(session, subscriber_id),
    )

    def load(*arguments: Any, **words: Any) -> list[Any]:
        return [*load_plugins(*arguments, **words), addon]

    monkeypatch.setattr(application, "load_plugins", load)
    return app_with()


@pytest.fixture
def org(tenants: Tenants) -> Organization:
    return tenants.organization(None, "board", name="Bramble & Finch")


@pytest.fixture
def tansy(tenants: Tenants, org: Organization, with_password: Make) -> Person:
    person: Person = with_password(tenants.staff(tenants._partner(org.partner_id)))
    return person


@pytest.fixture
def desk(with_board: Any, tansy: Person, console: Callable[..., Client]) -> Client:
    return console(tansy, with_board)


def forget_the_password(database: Database, person: Person) -> None:
    """As if the password had been given long ago."""
    with database.in_partner(person.partner.id) as session:
        session.execute(update(WebSession).values(verified_at=person.account.created_at.replace(year=2020)))


def test_a_portal_opens_only_with_every_proof(
    tenants: Tenants, org: Organization, tansy: Person, desk: Client, board: Board, database: Database
) -> None:
    juno = tenants.subscriber(org, "Juno Birdsong")
    forget_the_password(database, tansy)
    board.answers[tansy.account.id] = "quiet harbor"
    path = f"/organizations/{org.org_id}/subscribers/{juno.id}"
    assert desk.get(path).html.find("label", {"for": "step-board-answer"}).get_text() == "Your answer"
    form = {"reason": "Ticket 4821", "password": PASSWORD}
    for answer in ({}, {"board-answer": "loud harbor"}):
        page = desk.post_form(f"{path}/portal", {**form, **answer}, status=422)
        assert "not right" in page.html.find(id="step-board-answer-error").get_text()
    page = desk.post_form(f"{path}/portal", {**form, "board-answer": "quiet harbor"}, status=200)
    assert page.html.find("a", {"data-follow": ""})


def test_nobody_comes_in_because_a_proof_could_not_be_asked(
    tenants: Tenants, org: Organization, tansy: Person, desk: Client, board: Board, database: Database
) -> None:
    juno = tenants.subscriber(org, "Juno Birdsong")
    forget_the_password(database, tansy)
    board.is_away = True
    path = f"/organizations/{org.org_id}/subscribers/{juno.id}"
    page = desk.post_form(f"{path}/portal", {"reason": "Ticket", "password": PASSWORD}, status=422)
    assert "cannot be checked now" in page.html.find(id="password-error").get_text()


def test_helpers_see_what_an_add_on_knows_and_do_what_it_offers(
    tenants: Tenants, org: Organization, desk: Client, board: Board
) -> None:
    juno = tenants.subscriber(org, "Juno Birdsong")
    path = f"/organizations/{org.org_id}/subscribers/{juno.id}"
    page = desk.get(path)
    assert "No phone is registered" in page.text
    assert page.html.find("button", {"value": "board.wipe"})
    desk.post_form(path, {"do": "board.wipe"}, status=303)
    assert board.helped == [juno.id]
    tenants.switch(org, "board", enabled=False)
    page = desk.get(path)
    assert "No phone is registered" not in page.text
    desk.post_form(path, {"do": "board.wipe"}, status=400)


def test_a_new_organization_gets_what_the_add_on_put_into_the_template(
    org: Organization, tansy: Person, desk: Client, board: Board, database: Database
) -> None:
    desk.post_form(
        f"/organizations/{org.org_id}/settings", {"do": "template", "template": "Ours"}, status=303
    )
    with database.in_partner(org.partner_id) as session:
        template = session.scalars(select(OrganizationTemplate)).one()
    form = {"name": "Larkspur Schools", "time_zone": "UTC", "region": "US", "template": str(template.id)}
    desk.post_form("/organizations/new", form, status=303)
    with database.in_partner(org.partner_id) as session:
        made = session.scalars(select(Organization).where(Organization.name == "Larkspur Schools")).one()
    assert board.written == [(made.org_id, {"texts": ["The kitchen is upstairs."]})]
    with database.run_as(made.org_id) as session:
        assert session.scalars(select(OrganizationFeature.plugin)).all() == ["board"]
