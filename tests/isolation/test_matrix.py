"""Every route × role × whose thing × feature on or off, against the table in `matrix.py`."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pyramid.interfaces import IRoutesMapper
from sqlalchemy import Engine, event, select
from support import matrix
from support.calls import node_key, order_file, record_calls
from support.people import ask_to_open, enter_portal, make_groups, read_file
from support.voicemail import add_greeting, leave_recording

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db import session as wall_one
from ringstead.db.base import new_id
from ringstead.db.engine import Database
from ringstead.tenancy.models import Organization, Partner, WebSession

FEATURES = ("calllogs", "voicemail")
# Signing in, out or in again: these end a support session, and are tried where that is the matter.
ENDS_IT = {
    "core.support.end",
    "core.support.enter",
    "core.sign_in.submit",
    "core.sign_out",
    "core.choose",
    "core.choose.submit",
}
ALWAYS_OPEN = {"core.theme"}
# Files belong to who ordered them, which is somebody else than the one whose portal it is.
OF_THE_ACCOUNT = {"calllogs.file", "calllogs.remove_file"}


@dataclass(frozen=True)
class Side:
    """One organization with people of every role, and the names of its things for the paths."""

    partner: Partner
    organization: Organization
    people: dict[str, Person]
    things: Mapping[str, Any]
    owned: Mapping[str, Mapping[str, str]]
    """Ids of what a person has, by role and by the word for it in paths: call, file, message, greeting."""

    def things_of(self, role: str) -> dict[str, Any]:
        """What the paths may name of a person; of a subscriber's for roles that have none."""
        return {**self.things, **self.owned.get(role, self.owned["subscriber"])}


@pytest.fixture
def make_side(
    tenants: Tenants, database: Database, wsgi: Any, portal: Any, run_jobs: Callable[..., None]
) -> Callable[..., Side]:
    """Makes an organization whose every text holds a secret word, so that a leak shows."""

    def make(secret: str, partner: Partner | None = None) -> Side:
        partner = partner or tenants.partner(f"Partner {secret}")
        organization = tenants.organization(partner, *FEATURES, name=f"Organization {secret}")
        people = {
            role: tenants.person(organization, f"Person {secret}", role)
            for role in ("subscriber", "org_admin")
        }
        for role in ("partner_support", "partner_admin"):
            people[role] = tenants.staff(partner, role, f"Staff {secret}")
        tenants.session_token(people["subscriber"])
        key = node_key(wsgi)
        location = str(tenants.location(organization, "somewhere", name=f"Place {secret}").id)
        owned = {
            role: {
                "call": record_calls(wsgi, people[role], 3, f"Caller {secret}")[0],
                "file": order_file(portal(people[role])),
                "message": leave_recording(wsgi, key, people[role], name=f"Caller {secret}").json["message"],
                "greeting": add_greeting(wsgi, people[role], f"Greeting {secret}"),
                "subscriber": str(people[role].subscriber.id),
                "location": location,
                "import": read_file(database, people[role], f"Person {secret}"),
                "wish": ask_to_open(database, people["partner_admin"], people[role], f"Reason {secret}"),
            }
            for role in ("subscriber", "org_admin")
        }
        run_jobs()
        slug = f"g-{secrets.token_hex(8)}"
        make_groups(tenants, wsgi, slug, [people["subscriber"], people["org_admin"]], f"Group {secret}")
        package = tenants.package(partner, *FEATURES, name=f"{partner.name} {secrets.token_hex(3)}")
        things = {"org": organization.org_id, "group": slug, "package": package.id}
        return Side(partner, organization, people, things, owned)

    return make


def client_for(role: str, side: Side, site: str, portal: Any, console: Any, visitor: Any) -> Client:
    if role == "visitor":
        return visitor(side.partner, site)
    wanted = "portal" if role in ("subscriber", "org_admin") else "console"
    if wanted != site:
        # A sign-in for one kind of site, tried on the other.
        client = (portal if wanted == "portal" else console)(side.people[role])
        other = visitor(side.partner, site)
        other.extra_environ["HTTP_COOKIE"] = client.extra_environ["HTTP_COOKIE"]
        return other
    return (portal if site == "portal" else console)(side.people[role])


def session_of(database: Database, side: Side, role: str, site: str) -> Any:
    """A session id of the person, for addresses that name one."""
    person = side.people.get(role)
    if person is None:
        return "none"
    with database.in_partner(person.partner.id) as session:
        found = select(WebSession.id).where(
            WebSession.account_id == person.account.id, WebSession.site == site
        )
        return session.scalars(found.limit(1)).first() or "none"


def ask(client: Client, route: Any, expected: matrix.Expected, things: Mapping[str, Any]) -> Any:
    path = expected.path.format(**things)
    if "GET" in route.methods:
        return client.get(path, status="*")
    token = client.csrf_token or visitor_token(client)
    headers = {"Origin": f"http://{client.host}"}
    form = {name: value.format(**things) for name, value in expected.form.items()}
    return client.post(path, {"csrf_token": token, **form}, headers=headers, status="*")


def visitor_token(client: Client) -> str:
    client.extra_environ.pop("HTTP_COOKIE", None)
    return str(client.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"])


def all_routes(wsgi: Any) -> list[Any]:
    return [owned.item for owned in wsgi.registry["ringstead.plugins"].routes()]


def test_every_route_has_a_row(wsgi: Any) -> None:
    names = {route.name for route in all_routes(wsgi)}
    assert names - set(matrix.MATRIX) == set(), "say in tests/support/matrix.py who may see these routes"
    assert set(matrix.MATRIX) - names == set(), "these rows have no route any more"


def test_routes_outside_the_plugins_are_known(wsgi: Any) -> None:
    """Routes that no plugin declared are reached without a tenant; each is here on purpose."""
    mapper = wsgi.registry.getUtility(IRoutesMapper)
    declared = {route.name for route in all_routes(wsgi)}
    assert {route.name for route in mapper.get_routes()} - declared <= matrix.WITHOUT_TENANT


@pytest.mark.parametrize("role", matrix.ROLES)
def test_own_things(
    role: str,
    wsgi: Any,
    make_side: Callable[..., Side],
    database: Database,
    portal: Any,
    console: Any,
    visitor: Any,
) -> None:
    side = make_side("amber")
    wrong = {}
    for route in all_routes(wsgi):
        expected = matrix.MATRIX[route.name]
        client = client_for(role, side, route.site, portal, console, visitor)
        things = side.things_of(role) | {"session": session_of(database, side, role, route.site)}
        status = ask(client, route, expected, things).status_int
        if status != expected.status(role):
            wrong[route.name] = f"{status} instead of {expected.status(role)}"
    assert wrong == {}


@pytest.mark.parametrize("whose", ["other organization", "other partner"])
@pytest.mark.parametrize("role", matrix.ROLES)
def test_things_of_others(
    role: str,
    whose: str,
    wsgi: Any,
    make_side: Callable[..., Side],
    database: Database,
    portal: Any,
    console: Any,
    visitor: Any,
) -> None:
    """Another's thing looks exactly as if it did not exist; a partner's console reaches all of its organizations."""
    side = make_side("amber")
    other = make_side("cobalt", side.partner if whose == "other organization" else None)
    wrong = {}
    for route in all_routes(wsgi):
        expected = matrix.MATRIX[route.name]
        if expected.foreign is None:
            continue
        client = client_for(role, side, route.site, portal, console, visitor)
        things = other.things_of("subscriber")
        things["session"] = session_of(database, other, "subscriber", "portal")
        response = ask(client, route, expected, things)
        want = expected.foreign if expected.lets_in(role) else expected.visitor
        is_partners = whose == "other organization" and expected.is_partners
        if expected.status(role) == 403 or (expected.lets_in(role) and is_partners):
            want = expected.status(role)
        elif "cobalt" in response.text:
            wrong[route.name] = "shows what belongs to another"
        if response.status_int != want:
            wrong[route.name] = f"{response.status_int} instead of {want}"
    assert wrong == {}


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """The SQL that the application sends meanwhile, without the values."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("whose", ["other organization", "other partner"])
@pytest.mark.parametrize("role", ["subscriber", "org_admin", "partner_support", "partner_admin"])
def test_anothers_thing_takes_the_same_work_as_one_that_does_not_exist(
    role: str,
    whose: str,
    wsgi: Any,
    make_side: Callable[..., Side],
    database: Database,
    portal: Any,
    console: Any,
    visitor: Any,
) -> None:
    """The same statements in the same order, so that the time an answer takes tells nothing either."""
    side = make_side("amber")
    other = make_side("cobalt", side.partner if whose == "other organization" else None)
    foreign = other.things_of("subscriber")
    foreign["session"] = session_of(database, other, "subscriber", "portal")
    compared = 0
    for route in all_routes(wsgi):
        expected = matrix.MATRIX[route.name]
        is_partners = whose == "other organization" and expected.is_partners
        if expected.foreign != 404 or not expected.lets_in(role) or is_partners:
            continue
        client = client_for(role, side, route.site, portal, console, visitor)
        ask(client, route, expected, foreign)  # what is kept from now on is no longer read
        work = []
        for things in (foreign, {name: new_id() for name in foreign}):
            with statements(wsgi.database.app_engine) as sent:
                ask(client, route, expected, things)
            work.append(sent)
        assert work[0] == work[1], route.name
        assert work[0], route.name
        compared += 1
    assert compared


@pytest.mark.parametrize("role", ["subscriber", "org_admin"])
def test_no_page_shows_anything_of_another_tenant(
    role: str, wsgi: Any, make_side: Callable[..., Side], portal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With wall 1 taken away, too: row-level security alone must leak nothing on any page."""
    side = make_side("amber")
    make_side("cobalt", side.partner)
    make_side("cerise")
    client = portal(side.people[role])
    for wall_one_is_up in (True, False):
        if not wall_one_is_up:
            monkeypatch.setattr(wall_one, "_criteria", lambda scope: ())
        seen_own = 0
        for route in all_routes(wsgi):
            expected = matrix.MATRIX[route.name]
            if "GET" not in route.methods or route.site != "portal" or expected.foreign is not None:
                continue
            text = client.get(expected.path, status="*").body.decode(errors="replace")
            assert "cobalt" not in text, route.name
            assert "cerise" not in text, route.name
            seen_own += "amber" in text
        assert seen_own >= 3


@pytest.mark.parametrize("is_read_only", [True, False])
def test_a_support_session_does_what_its_routes_allow(
    is_read_only: bool, wsgi: Any, make_side: Callable[..., Side], visitor: Any, database: Database
) -> None:
    """Closed and private routes are closed; whoever only looks sends no form; all else is as for the subscriber."""
    side = make_side("amber")
    wrong, seen = {}, set()
    for route in all_routes(wsgi):
        expected = matrix.MATRIX[route.name]
        if route.site != "portal" or route.name in ENDS_IT:
            continue
        client = visitor(side.partner)
        enter_portal(database, client, side.people["partner_admin"], side.people["subscriber"], is_read_only)
        is_closed = route.support != "open" or (is_read_only and "GET" not in route.methods)
        want = 404 if route.name in OF_THE_ACCOUNT else expected.status("subscriber")
        want = 403 if is_closed and route.name not in ALWAYS_OPEN else want
        answer = ask(client, route, expected, side.things_of("subscriber") | {"session": "none"})
        seen.add(want)
        if answer.status_int != want:
            wrong[route.name] = f"{answer.status_int} instead of {want}"
    assert wrong == {}
    assert {200, 403} <= seen


@pytest.mark.parametrize("off", FEATURES)
@pytest.mark.parametrize("role", [*matrix.ROLES, "support session"])
def test_a_feature_that_is_off_does_not_exist(
    role: str,
    off: str,
    wsgi: Any,
    make_side: Callable[..., Side],
    tenants: Tenants,
    database: Database,
    portal: Any,
    console: Any,
    visitor: Any,
) -> None:
    """Its routes answer 404 to everybody who has an organization; all others answer as they did before.

    Without a sign-in no organization is known, so nothing may depend on what one has; a console's pages of a feature
    are of all the partner's organizations.
    """
    side = make_side("amber")

    def enter(site: str) -> Client:
        if role != "support session":
            return client_for(role, side, site, portal, console, visitor)
        client: Client = visitor(side.partner)
        enter_portal(database, client, side.people["partner_admin"], side.people["subscriber"])
        return client

    def answers(route: Any, clients: dict[str, Client]) -> int:
        things = side.things_of(role) | {"session": "none"}
        status: int = ask(clients[route.site], route, matrix.MATRIX[route.name], things).status_int
        return status

    sites = ("portal",) if role == "support session" else ("portal", "console")
    routes = [route for route in all_routes(wsgi) if route.site in sites and is_safe(route)]
    clients = {site: enter(site) for site in sites}
    on = {route.name: answers(route, clients) for route in routes}
    tenants.switch(side.organization, off, enabled=False)
    is_member = role in ("subscriber", "org_admin", "support session")
    wrong = {}
    for route in routes:
        is_off = route.name.partition(".")[0] == off and route.site == "portal" and is_member
        status, want = answers(route, clients), 404 if is_off else on[route.name]
        if status != want:
            wrong[route.name] = f"{status} instead of {want}"
    assert wrong == {}
    tenants.switch(side.organization, off)
    again = {route.name: answers(route, clients) for route in routes}
    assert again == on


def is_safe(route: Any) -> bool:
    """Whether a request may be sent again and again with the same answer."""
    return "GET" in route.methods and route.name != "core.support.ticket"


@pytest.mark.parametrize("role", ["subscriber", "org_admin"])
def test_no_form_of_a_feature_that_is_off_does_anything(
    role: str, wsgi: Any, make_side: Callable[..., Side], tenants: Tenants, portal: Any
) -> None:
    side = make_side("amber")
    client = portal(side.people[role])
    assert client.get("/calls", status="*").status_int == 200
    tenants.switch(side.organization, *FEATURES, enabled=False)
    wrong = {}
    for route in all_routes(wsgi):
        if route.name.partition(".")[0] in FEATURES:
            status = ask(client, route, matrix.MATRIX[route.name], side.things_of(role)).status_int
            if status != 404:
                wrong[route.name] = status
    assert wrong == {}
    assert "/calls" not in client.get("/").text
    tenants.switch(side.organization, *FEATURES)
    assert client.get("/calls", status="*").status_int == 200
