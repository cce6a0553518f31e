"""Nothing that a client sends may end in a 5xx: tens of thousands of malformed requests at every address there is.

Most of them are right in all but one thing or two, so that they reach the code behind the door; the test
counts, for each route, how many did.
"""

import json
import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from support import fuzzing, matrix
from support.calls import file_of, node_key, record, record_calls
from support.fuzzing import Actor, Chance, Forms, encoded, page_of
from support.people import (
    ask_to_open,
    belongs_to,
    enter_portal,
    keep_template,
    leaving_organization,
    make_groups,
    read_file,
    reset_token,
    session_of,
    ticket_for,
)
from support.voicemail import add_greeting, address_to_confirm, is_gone, leave_recording, open_link

from ringstead.api.testing import PASSWORD, Client, Person, Tenants
from ringstead.auth.passwords import Passwords
from ringstead.plugins.enablement import allow_plugin, enabled_plugins, set_for_all
from ringstead.switch.nodes import create_node, set_adapter
from ringstead.tenancy.models import (
    Account,
    FeaturePackage,
    Location,
    PartnerFeature,
    Subscriber,
    SubscriberImport,
)
from ringstead_voicemail.models import Greeting, Message

pytestmark = pytest.mark.fuzz
# In two halves, which run side by side.
SEEDS = (20261123, 20261124)
# Every route gets as many as every other, in an order that chance makes.
REQUESTS = 28_000 // len(SEEDS)
SWITCH_REQUESTS = 1_000
# Of the requests that a route gets, this share must pass host, sign-in, token, throttle and type. About half do;
# the rest is room for chance, for which this is no test.
DEEP_SHARE = 0.3
PEOPLE = 16
NEW = "heron lantern quarry"
# Answers given before anything was looked at, and what a refused token or origin says.
AT_THE_DOOR = {401, 404, 405, 413, 415, 421, 429}
REFUSALS = ("This form is out of date", "This form was sent from another site")


class QuickPasswords(Passwords):
    """Hashes that are worth little and take no time: thousands are made and compared here."""

    def __init__(self) -> None:
        super().__init__()
        self._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self._nobody = self._hasher.hash("nobody has this password")


@pytest.fixture
def quick_wsgi(wsgi: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The application, signing in quickly."""
    monkeypatch.setitem(wsgi.registry, "ringstead.passwords", QuickPasswords())
    return wsgi


@dataclass
class Supporter(Actor):
    """Somebody of the partner's in another's portal."""

    supports: Person | None = None

    def enter(self, tenants: Tenants) -> "Actor":
        assert self.person is not None
        assert self.supports is not None
        client = Client(self.app, self.host)
        enter_portal(tenants.database, client, self.person, self.supports)
        self.cookie = client.extra_environ["HTTP_COOKIE"]
        self.token = page_of(self.look("/")).select_one("meta[name=csrf-token]")["content"]  # type: ignore[index,assignment]
        return self


class House:
    """A partner with two organizations, people of every role, and what addresses name."""

    def __init__(self, app: Any, tenants: Tenants, chance: Chance) -> None:
        self.app, self.tenants, self.chance = app, tenants, chance
        self.partner = tenants.partner()
        self.organization = tenants.organization(self.partner, "calllogs", "voicemail")
        self.other = tenants.organization(self.partner, "calllogs", "voicemail")
        self.password_hash = app.registry["ringstead.passwords"].hash(PASSWORD)
        self.actors = {site: [self.actor(site, None), *self.people(site)] for site in ("portal", "console")}
        members = [actor.person for actor in self.actors["portal"] if actor.person]
        make_groups(tenants, app, "fuzzed", members)
        self.calls = {
            actor.person: record_calls(app, actor.person, 1)[0]
            for actor in self.actors["portal"]
            if actor.person
        }
        self.key = key = node_key(app)
        self.messages = {
            one: leave_recording(app, key, one, number="+12125550147").json["message"] for one in self.calls
        }
        self.greetings = {one: add_greeting(app, one, "Greeting") for one in self.calls}
        for one, message in self.messages.items():
            open_link(app, one, message)
        self.confirmation = address_to_confirm(app, next(iter(self.messages)))
        with app.database.as_operator("tests", "a switch that nobody hears") as session:
            create_node(session, f"fuzz-{self.partner.slug}", self.partner.id)
            set_adapter(session, f"fuzz-{self.partner.slug}", "http://127.0.0.1:9", None)
        self.leaving = leaving_organization(app, tenants, self.partner)
        keep_template(tenants.database, self.partner)
        self.looked_after: dict[tuple[str, str], str] = {}
        self.supporter = Supporter(
            app, self.actors["portal"][0].host, "portal", self.staff, supports=members[0]
        )
        self.supporter.enter(tenants)
        for one in self.calls:
            file_of(tenants.database, one)
        self.routes = [owned.item for owned in app.registry["ringstead.plugins"].routes()]
        self.forms = Forms(self.routes)
        ask_to_open(tenants.database, self.staff, members[0])
        self.forms.collect(self.supporter, "/")
        for route in self.routes:
            if "GET" in route.methods:
                for actor in self.actors[route.site][:3]:  # a visitor, and one of each role
                    self.forms.collect(actor, self.path(route, actor))

    def actor(self, site: str, person: Person | None) -> Actor:
        host = f"{self.partner.slug}.test" if site == "portal" else f"console.{self.partner.slug}.test"
        return Actor(self.app, host, site, person).enter(self.tenants)

    def people(self, site: str) -> list[Actor]:
        """Half of a portal's people belong to two organizations, so that there is something to choose."""
        actors = []
        for number in range(PEOPLE):
            if site == "console":
                role = ("partner_admin", "partner_support")[number % 2]
                person = self.tenants.staff(self.partner, role)
            else:
                person = self.tenants.person(self.organization, role=("subscriber", "org_admin")[number % 2])
            with self.tenants.database.in_partner(self.partner.id) as session:
                account = session.get_one(Account, (self.partner.id, person.account.id))
                account.password_hash = self.password_hash
            if site == "portal" and number % 4 < 2:
                belongs_to(self.tenants, person, self.other)
            actors.append(self.actor(site, person))
        return actors

    def path(self, route: Any, actor: Actor) -> str:
        """An address of a route that names something that there is."""
        someone = actor.person or self.actors[route.site][-1].person
        if route.pattern.startswith("/reset/"):
            return f"/reset/{reset_token(self.tenants, someone)}"
        if route.name in ("voicemail.link", "voicemail.link.act", "voicemail.link.audio"):
            owner = next(iter(self.messages))
            path = open_link(self.app, owner, self.message(owner))
            return f"{path}/audio" if route.name.endswith(".audio") else path
        if route.name in ("core.support.ticket", "core.support.enter"):
            return f"/support/{ticket_for(self.tenants.database, self.staff, next(iter(self.messages)))}"
        if route.name.startswith("voicemail.confirm"):
            return self.confirmation
        if route.name == "core.console.brand.draft":
            return matrix.MATRIX[route.name].path
        if route.name == "voicemail.zip" and someone in self.messages:
            return f"/voicemail/messages.zip?id={self.message(someone)}"
        # The other one's: whoever turns a feature off there hides nothing from those who are sent through it.
        things = {"org": self.other.org_id, "call": self.calls.get(someone, "none"), "session": "none"}
        things["group"] = "fuzzed"
        things["package"] = self.package() if "{package}" in route.pattern else "none"
        if route.name == "core.console.organizations.removal.file":
            things["org"] = self.leaving.org_id
        for kind in ("subscriber", "location", "import"):
            if f"{{{kind}}}" in route.pattern:
                things[kind] = self.thing(route.site, kind)
        words = matrix.MATRIX[route.name].path
        things["wish"] = self.wish(someone) if "{wish}" in words else "none"
        things["message"] = self.message(someone) if "{message}" in words else "none"
        things["greeting"] = self.greeting(someone) if "{greeting}" in words else "none"
        things["file"] = file_of(self.tenants.database, someone) if "/downloads/" in route.pattern else "none"
        if "/sessions/" in route.pattern:
            token = self.tenants.session_token(someone, route.site)
            things["session"] = session_of(self.tenants, someone, token).id
        return matrix.MATRIX[route.name].path.partition("?")[0].format(**things)

    def thing(self, site: str, kind: str) -> str:
        """A subscriber, location or file of the organization that is looked after; another one when it was removed."""
        organization = self.organization if site == "portal" else self.other
        model = {"subscriber": Subscriber, "location": Location, "import": SubscriberImport}[kind]
        with self.tenants.database.run_as(organization.org_id) as session:
            known = self.looked_after.get((site, kind))
            if known is not None and session.get(model, (organization.org_id, UUID(known))) is not None:
                return known
        member = next(iter(self.messages))
        made = {
            "subscriber": lambda: self.tenants.subscriber(organization).id,
            "location": lambda: self.tenants.location(organization, f"l-{secrets.token_hex(6)}").id,
            "import": lambda: read_file(self.tenants.database, member, organization=organization),
        }
        self.looked_after[site, kind] = str(made[kind]())
        return self.looked_after[site, kind]

    def take_switch_away(self) -> None:
        """Leave nobody to tell what is queued: whoever runs jobs later would wait for a switch that never was."""
        with self.app.database.as_operator("tests", "a switch that is gone") as session:
            set_adapter(session, f"fuzz-{self.partner.slug}", None, None)

    def switch_on(self) -> None:
        """Have the features on again, which somebody may have turned off for all or in the table."""
        with self.tenants.database.in_partner(self.staff.partner.id) as session:
            said = session.scalars(select(PartnerFeature)).all()
            for row in said:
                if not row.allowed or row.for_all is not None:
                    allow_plugin(session, row.plugin, True)
                    set_for_all(session, row.plugin, None)
        with self.tenants.database.run_as(self.organization.org_id) as session:
            missing = {"calllogs", "voicemail"} - enabled_plugins(session)
        if missing:
            self.tenants.switch(self.organization, *missing)

    def package(self) -> str:
        """A package of the partner; another one when it was removed."""
        partner = self.staff.partner
        with self.tenants.database.in_partner(partner.id) as session:
            known = session.scalars(select(FeaturePackage.id).limit(1)).first()
        return str(known or self.tenants.package(partner, "calllogs", "voicemail").id)

    def message(self, someone: Person) -> str:
        """A message of somebody's; another one when the last was thrown away."""
        if someone in self.messages and is_gone(self.app, someone, Message, self.messages[someone]):
            answer = leave_recording(self.app, self.key, someone, number="+12125550147")
            self.messages[someone] = str(answer.json["message"])
        return self.messages.get(someone, "none")

    @property
    def staff(self) -> Person:
        """Somebody of the partner's."""
        staff = self.actors["console"][1].person
        assert staff is not None
        return staff

    def wish(self, someone: Person) -> str:
        """Somebody of the partner's wants to open a person's portal."""
        return ask_to_open(self.tenants.database, self.staff, someone) if someone in self.messages else "none"

    def greeting(self, someone: Person) -> str:
        """A greeting of somebody's; another one when the last was removed."""
        if someone in self.greetings and is_gone(self.app, someone, Greeting, self.greetings[someone]):
            self.greetings[someone] = add_greeting(self.app, someone, "Greeting")
        return self.greetings.get(someone, "none")

    def value(self, name: str, known: list[str]) -> str:
        """What a person might enter into a field, or something quite else."""
        if self.chance.often(0.15):
            return self.chance.nasty()
        if name == "email":
            actor = self.chance.choice(self.actors[self.chance.choice(("portal", "console"))][1:])
            # Mostly nobody's: an account may be tried only so often.
            return (
                str(actor.person.account.email)
                if self.chance.often(0.3)
                else f"{secrets.token_hex(6)}@x.example"
            )
        if name in ("password", "again", "current"):
            return self.chance.choice((PASSWORD, NEW))
        return self.chance.choice(known)


class Fuzzer:
    """Sends requests to a house and counts how far they got."""

    def __init__(self, house: House, chance: Chance) -> None:
        self.house, self.chance = house, chance
        self.sent: Counter[str] = Counter()
        self.deep: Counter[str] = Counter()
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.failures: list[Any] = []

    def send(self, route: Any) -> None:
        actor = self.chance.choice(self.house.actors[route.site])
        if self.chance.often(0.15):
            actor = self.house.actors[route.site][0]
        elif actor.person is None and route.permission != "public" and self.chance.often(0.8):
            actor = self.chance.choice(self.house.actors[route.site][1:])
        if route.name == "core.support.end" and self.chance.often(0.8):
            actor = self.house.supporter
        method = self.chance.choice(route.methods)
        if self.chance.often(0.05):
            method = self.chance.choice(["GET", "POST", "PUT", "DELETE"])
        url = self.url(route, actor, method)
        headers = self.chance.headers()
        if method != "GET":
            headers = {"Origin": f"http://{actor.host}", **(headers if self.chance.often(0.3) else {})}
        headers |= {"Host": actor.host, "Cookie": actor.cookie, "Content-Type": FORM_TYPE}
        body = encoded(self.fields(route, actor)) if method != "GET" else b""
        if self.chance.often(0.05):
            body, headers["Content-Type"] = self.chance.body(), self.chance.choice(fuzzing.CONTENT_TYPES)
        answer = fuzzing.ask(self.house.app, method, url, headers, body, self.chance.address())
        self.note(route, actor, (method, url, headers, body[:300]), answer)
        if route.name in SWITCHING and method == "POST":
            self.house.switch_on()

    def url(self, route: Any, actor: Actor, method: str) -> str:
        if self.chance.often(0.75):
            url = self.house.path(route, actor)
        else:
            parts = [
                quote(self.chance.nasty() or "x", safe="") if "{" in p else p
                for p in route.pattern.split("/")
            ]
            url = "/".join(parts)
        names = sorted({name for fields in self.house.forms.fields.values() for name in fields} | QUERY_NAMES)
        if self.chance.often(0.6 if method == "GET" else 0.1):
            chosen = self.chance.sample(names, k=self.chance.randrange(0, 4))
            return with_query(url, encoded({name: self.chance.nasty() for name in chosen}).decode())
        return with_query(url, self.chance.choice(fuzzing.QUERIES)) if self.chance.often(0.05) else url

    def fields(self, route: Any, actor: Actor) -> dict[str, str]:
        known = self.house.forms.fields.get(route.name, {})
        # A brand that offers one language leaves nothing to choose for everybody who comes after.
        kept = [name for name in known if name != "languages" and self.chance.often(0.95)]
        values = {name: self.house.value(name, known[name]) for name in kept}
        if "id" in values and actor.person is not None and self.chance.often(0.85):
            values["id"] = self.house.message(actor.person)
        if "again" in values and self.chance.often(0.7):
            values["again"] = values.get("password", "")
        if self.chance.often(0.1):
            values[self.chance.nasty()] = self.chance.nasty()
        return {"csrf_token": actor.token if self.chance.often(0.95) else self.chance.nasty(), **values}

    def note(self, route: Any, actor: Actor, asked: Any, answer: Any) -> None:
        if answer.status_int >= 500:
            self.failures.append((route.name, asked, answer.status_int))
        to_sign_in = answer.status_int == 303 and "/sign-in" in answer.headers.get("Location", "")
        if asked[0] in route.methods:
            is_turned_away = to_sign_in and actor.person is None and route.permission != "public"
            is_refused = answer.status_int == 400 and any(said in answer.text for said in REFUSALS)
            self.sent[route.name] += 1
            self.statuses[route.name][answer.status_int] += 1
            self.deep[route.name] += not (answer.status_int in AT_THE_DOOR or is_turned_away or is_refused)
        if actor.person is not None and (to_sign_in or "sid=" in str(answer.headers.getall("Set-Cookie"))):
            actor.enter(self.house.tenants)  # the session has ended, or has a new token


def with_query(url: str, query: str) -> str:
    """An address with more in its query; what names the thing stays readable."""
    return f"{url}{'&' if '?' in url else '?'}{query}"


FORM_TYPE = fuzzing.FORM
# Forms by which features are turned off for those who are sent through them.
SWITCHING = {"core.console.features.one.change", "core.console.features.table.change"}
QUERY_NAMES = {"q", "from", "to", "kind", "disposition", "direction", "before", "after", "next", "moved"}


@pytest.mark.parametrize("seed", SEEDS)
def test_no_malformed_request_ends_in_a_server_error(seed: int, quick_wsgi: Any, tenants: Tenants) -> None:
    chance = Chance(seed)
    house = House(quick_wsgi, tenants, chance)
    posts = [route.name for route in house.routes if "POST" in route.methods]
    assert sorted(house.forms.fields) == sorted(posts), "every form is on a page"
    fuzzer = Fuzzer(house, chance)
    try:
        for _ in range(REQUESTS // len(house.routes)):
            for route in chance.sample(house.routes, k=len(house.routes)):
                fuzzer.send(route)
    finally:
        house.take_switch_away()
    assert not fuzzer.failures, fuzzer.failures[:5]
    shallow = {
        name: (fuzzer.sent[name], fuzzer.deep[name], dict(fuzzer.statuses[name]))
        for name in sorted(route.name for route in house.routes)
        if fuzzer.deep[name] < DEEP_SHARE * max(fuzzer.sent[name], 50)
    }
    assert shallow == {}, "too few requests reached the code behind these routes"


def switch_bodies(chance: Chance, person: Person) -> list[bytes]:
    """Records with one or the other value spoiled, and things that are no records."""
    spoiled = record(person, chance.randrange(100))
    for name in chance.sample(sorted(spoiled), k=chance.randrange(0, 3)):
        spoiled[name] = chance.choice(
            (chance.nasty(), None, 10**30, [], {}, {"number": chance.nasty()}, True)
        )
    lines = [json.dumps(spoiled).encode("utf-8", "surrogatepass")] * chance.randrange(1, 3)
    return [b"\n".join(lines), lines[0], chance.body()]


def test_no_malformed_message_of_a_switch_ends_in_a_server_error(wsgi: Any, tenants: Tenants) -> None:
    chance = Chance(7)
    person = tenants.person(tenants.organization(None, "calllogs"))
    key, statuses, failures = node_key(wsgi), Counter[int](), []
    for _ in range(SWITCH_REQUESTS):
        headers = {**chance.headers(), "Host": "127.0.0.1"}
        headers["Content-Type"] = chance.choice(("application/json", "application/x-ndjson"))
        if chance.often(0.2):
            headers["Content-Type"] = chance.choice(fuzzing.CONTENT_TYPES)
        if chance.often(0.8):
            headers["Authorization"] = f"Bearer {key}"
        known = chance.choice(("cdr", "cdr/freeswitch", "cdr/asterisk", "cel/asterisk"))
        path = f"/switch/v1/{known if chance.often(0.8) else quote(chance.nasty(), safe='')}"
        body = chance.choice(switch_bodies(chance, person))
        answer = fuzzing.ask(wsgi, "POST", path, headers, body, chance.address())
        statuses[answer.status_int] += 1
        if answer.status_int >= 500:
            failures.append((path, headers, body[:300], answer.status_int))
    assert not failures, failures[:5]
    assert statuses[200] + statuses[422] >= SWITCH_REQUESTS * 0.2, statuses
    assert statuses[401] >= SWITCH_REQUESTS * 0.1, statuses
