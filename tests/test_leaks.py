"""A crawl of all that a partner's hosts and mails give: nothing of another partner in it, and never the product's name.

The other partner's every text, colour, host and number is a word that nobody else has; people of every role then open
every page there is and whatever it links to, send every form as it should not be sent, and get every kind of error.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from support import matrix
from support.calls import file_of, node_key, order_file, record_calls
from support.people import ask_to_open, enter_portal, keep_template, make_groups, read_file, reset_token
from support.readable import mail_text, text_of
from support.voicemail import add_greeting, address_to_confirm, leave_recording, open_link

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import Organization, Partner

ROLES = ("nobody", "subscriber", "org_admin", "partner_support", "partner_admin", "support session")
PRODUCT = "ringstead"
# Signing out is for the end; what is linked there is crawled by those who are not signed in.
LEAVES = ("sign_out", "core.support.end", "core.support.enter", "core.choose.submit")
MOST_PAGES = 600
# What a browser sends to get a page, what a program sends to get a document, and what only libraries send.
WANTING: tuple[dict[str, str], ...] = ({"Accept": "text/html"}, {"Accept": "application/json"}, {})


@dataclass(frozen=True)
class Side:
    """A partner with one organization, people of every role, and what addresses name."""

    partner: Partner
    organization: Organization
    people: dict[str, Person]
    things: dict[str, Any]
    addresses: list[str]
    """Secret links, which nobody signs in for."""
    words: list[str]
    """In lower case: of this partner, and of nobody else."""


@pytest.fixture
def make_side(
    tenants: Tenants, database: Database, wsgi: Any, portal: Any, run_jobs: Callable[..., None]
) -> Callable[..., Side]:
    def make(word: str, color: str, number: str) -> Side:
        word = f"{word}{secrets.token_hex(3)}"
        look = {
            "name": f"{word} Brand",
            "color": color,
            "accent": color,
            "support_email": f"help@{word}.example",
            "support_url": f"https://help.{word}.example/",
            "mail_sender": f"{word} <desk@{word}.example>",
            "sign_in_text": f"{word} welcomes you",
        }
        partner = tenants.partner(f"{word} Partner", slug=word, brand=look)
        organization = tenants.organization(partner, "calllogs", "voicemail", name=f"{word} Organization")
        people = {
            "subscriber": tenants.person(organization, f"{word} Person", number=number),
            "org_admin": tenants.person(organization, f"{word} Admin", "org_admin"),
            "partner_support": tenants.staff(partner, "partner_support", f"{word} Support"),
            "partner_admin": tenants.staff(partner, "partner_admin", f"{word} Boss"),
        }
        person, members = people["subscriber"], [people["subscriber"], people["org_admin"]]
        make_groups(tenants, wsgi, f"{word}-group", members, f"{word} Group")
        keep_template(database, partner)
        key = node_key(wsgi)
        for member in members:
            calls = record_calls(wsgi, member, 3, f"{word} Caller")
            order_file(portal(member))
            message = leave_recording(wsgi, key, member, name=f"{word} Caller").json["message"]
            greeting = add_greeting(wsgi, member, f"{word} Greeting")
            if member is person:
                mine = {"call": calls[0], "message": message, "greeting": greeting}
        things = {
            **mine,
            "org": organization.org_id,
            "session": "none",
            "group": f"{word}-group",
            "file": file_of(database, person),
            "subscriber": person.subscriber.id,  # type: ignore[union-attr]
            "location": tenants.location(organization, f"{word}-place", name=f"{word} Place").id,
            "package": tenants.package(partner, "calllogs", "voicemail", name=f"{word} Package").id,
            "import": read_file(database, person, f"{word} Import"),
            "wish": ask_to_open(database, people["partner_admin"], person, f"{word} Reason"),
        }
        run_jobs()
        addresses = [
            open_link(wsgi, person, message),
            address_to_confirm(wsgi, person),
            f"/reset/{reset_token(tenants, person)}",
        ]
        words = [word, color, number.removeprefix("+"), *(str(p.account.id) for p in people.values())]
        words += [str(organization.org_id), str(partner.id), *(p.account.email for p in people.values())]
        return Side(partner, organization, people, things, addresses, words)

    return make


@dataclass
class Crawl:
    """One client's way through everything its host has."""

    client: Client
    theirs: list[str]
    """Words that must not be seen."""
    done: set[tuple[str, frozenset[str]]] = field(default_factory=set)
    found: dict[str, str] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)
    text: list[str] = field(default_factory=list)

    def follow(self, starts: Iterator[str]) -> None:
        """Open these addresses, and whatever they link to on this host."""
        waiting = deque(starts)
        while waiting and len(self.done) < MOST_PAGES:
            url = waiting.popleft()
            parts = urlsplit(url)
            known = (parts.path, frozenset(name for name, _value in parse_qsl(parts.query)))
            if known in self.done:
                continue
            self.done.add(known)
            response = self.client.get(url, headers={"Accept": "text/html"}, status="*")
            self.look(f"GET {url}", response, f"{parts.path}?{parts.query}")
            waiting.extend(self.links(url, response))

    def links(self, url: str, response: Any) -> Iterator[str]:
        """Where an answer leads on this host."""
        targets = [response.location] if response.location else []
        if response.content_type == "text/html" and response.body:
            for name in ("href", "src", "hx-get", "data-src", "action"):
                targets += [tag[name] for tag in response.html.find_all(attrs={name: True})]
        for target in targets:
            parts = urlsplit(urljoin(f"http://{self.client.host}{url}", target))
            if parts.netloc == self.client.host and parts.scheme == "http":
                yield parts.path + (f"?{parts.query}" if parts.query else "")

    def look(self, what: str, response: Any, said: str = "") -> None:
        """Note what an answer should not tell; what the request `said` itself may come back."""
        self.statuses.add(response.status_int)
        text = text_of(response)
        self.text.append(text)
        wrong = [word for word in self.theirs if word in text and word not in said.lower()]
        if PRODUCT in text:
            place = text.index(PRODUCT)
            wrong.append(text[max(0, place - 80) : place + 60])
        if wrong:
            self.found[what] = f"{response.status_int}: {wrong}"

    def send(self, method: str, path: str, body: str = "", **headers: str) -> None:
        """A request that is no ordinary one."""
        headers = {"Origin": f"http://{self.client.host}", **headers}
        kind = headers.pop("Content_Type", "application/x-www-form-urlencoded")
        response = self.client.request(
            path,
            method=method,
            environ=dict(self.client.extra_environ),  # else it would go to another host
            body=body.encode(),
            headers=headers | {"Content-Type": kind},
            status="*",
            expect_errors=True,
        )
        self.look(f"{method} {path} {body[:60]!r} {kind}", response, f"{path} {body!r}")


@pytest.fixture
def client_of(
    portal: Any, console: Any, visitor: Any, database: Database
) -> Callable[[Side, str], list[Client]]:
    """The clients of a role: one, or for somebody without a session one for each kind of site."""

    def make(side: Side, role: str) -> list[Client]:
        if role == "nobody":
            return [visitor(side.partner), visitor(side.partner, "console")]
        if role == "support session":
            client = visitor(side.partner)
            enter_portal(database, client, side.people["partner_admin"], side.people["subscriber"])
            return [client]
        return [(console if "partner" in role else portal)(side.people[role])]

    return make


def site_of(client: Client) -> str:
    return "console" if client.host.startswith("console.") else "portal"


def routes_of(wsgi: Any, client: Client, method: str) -> Iterator[Any]:
    for owned in wsgi.registry["ringstead.plugins"].routes():
        if owned.item.site == site_of(client) and method in owned.item.methods:
            yield owned.item


def every_address(wsgi: Any, client: Client, *sides: Side) -> Iterator[str]:
    """The pages of a host, with what is one's own and with what is another partner's; and files beside the pages."""
    for route in routes_of(wsgi, client, "GET"):
        for side in sides:
            yield matrix.MATRIX[route.name].path.format(**side.things)
    yield from (path for side in sides for path in side.addresses)
    yield from ("/robots.txt", "/favicon.ico", "/healthz", "/manifest.webmanifest", "/manifest.json")
    yield from (
        "/.well-known/security.txt",
        "/sitemap.xml",
        "/switch/v1/route",
        "/static/",
        "/brand/0000.css",
    )


def send_forms(wsgi: Any, crawl: Crawl, *sides: Side) -> None:
    """Every form: as the matrix has it, empty, without a token, and as what no form is."""
    token = crawl.client.csrf_token
    if not token:
        field_ = crawl.client.get("/sign-in", status="*").html.find("input", {"name": "csrf_token"})
        token = field_["value"] if field_ else "none"
    for route in routes_of(wsgi, crawl.client, "POST"):
        if any(word in route.name for word in LEAVES):
            continue
        expected = matrix.MATRIX[route.name]
        for side in sides:
            path = expected.path.format(**side.things)
            form = {name: value.format(**side.things) for name, value in expected.form.items()}
            answers = [
                crawl.client.post(path, {"csrf_token": token, **form}, headers=h, status="*")
                for h in ({"Origin": f"http://{crawl.client.host}", **wanting} for wanting in WANTING)
            ]
            for answer in answers:
                crawl.look(f"POST {path}", answer, f"{path} {form}")
            crawl.send("POST", path, f"csrf_token={token}")
            crawl.send("POST", path, "a=b")
            crawl.send("POST", path, "{}", Content_Type="application/json")


def make_errors(crawl: Crawl, other: Side) -> None:
    """Answers of every kind that are no pages."""
    for wanting in WANTING:
        for path in (
            "/nowhere",
            "/organization",
            "/support/nonsense",
            "/account/nothing",
            "/static/x.js",
            "/brand/x",
        ):
            crawl.send("GET", path, **wanting)
        for path in (
            "/?q=%00",
            "/sign-in?next=%ff",
            "/%00",
            "//evil.example/x",
            "/sign-in?" + "a=b&" * 5000,
        ):
            crawl.send("GET", path, **wanting)
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT"):
            for path in ("/sign-in", "/", "/nowhere", "/healthz", "/favicon.ico"):
                crawl.send(method, path, **wanting)
        crawl.send("POST", "/sign-in", "a=" + "b" * 3_000_000, **wanting)
        crawl.send("POST", "/sign-in", "a&" * 100_000, **wanting)
        crawl.send("POST", "/sign-in", "--x", Content_Type="multipart/form-data", **wanting)
        for path in ("cdr", "route", "voicemail", "nothing"):
            crawl.send("POST", f"/switch/v1/{path}", "{}", **wanting)
            crawl.send("POST", f"/switch/v1/{path}", "{}", Authorization="Bearer nonsense", **wanting)
    for header in ("X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-URL", "Referer", "Origin"):
        crawl.send("GET", "/sign-in", **{header: f"http://{other.partner.slug}.test/"})


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_nothing_of_another_partner_and_no_name_of_the_product(
    role: str, wsgi: Any, make_side: Callable[..., Side], client_of: Callable[[Side, str], list[Client]]
) -> None:
    mine = make_side("amberly", "#1b6e53", f"+1303555{secrets.randbelow(10**4):04}")
    other = make_side("cobaltine", "#8c1d6b", f"+1305555{secrets.randbelow(10**4):04}")
    for client in client_of(mine, role):
        crawl = Crawl(client, other.words)
        crawl.follow(every_address(wsgi, client, mine, other))
        send_forms(wsgi, crawl, mine, other)
        make_errors(crawl, other)
        assert crawl.found == {}
        assert len(crawl.done) < MOST_PAGES, "the crawl ended before all pages were seen"
        assert mine.partner.slug in "".join(crawl.text)
        assert {200, 303, 400, 404, 405, 413, 415} <= crawl.statuses
        assert max(crawl.statuses) < 500


@pytest.mark.slow
def test_no_mail_tells_of_another_partner_or_names_the_product(
    wsgi: Any,
    make_side: Callable[..., Side],
    client_of: Callable[[Side, str], list[Client]],
    run_jobs: Callable[..., None],
) -> None:
    """Every form is sent on both sides, and what it has sent by mail is read."""
    sides = [make_side("amberly", "#1b6e53", f"+1303555{secrets.randbelow(10**4):04}")]
    sides += [make_side("cobaltine", "#8c1d6b", f"+1305555{secrets.randbelow(10**4):04}")]
    for side in sides:
        for role in ("partner_admin", "org_admin", "subscriber"):
            for client in client_of(side, role):
                ask_for_mail(client, side)
        for client in client_of(side, "nobody"):
            ask_for_mail(client, side)
    run_jobs()
    mails = [mail_text(path.read_bytes()) for path in (wsgi.settings.var_dir / "mail").glob("*.eml")]
    for side, other in (sides, reversed(sides)):
        mine = {person.account.email for person in side.people.values()}
        got = [text for to, text in mails if to in mine]
        assert len(got) >= 4, "mails were sent"
        for text in got:
            assert side.partner.slug in text
            assert PRODUCT not in text
            assert [word for word in other.words if word in text] == []


def ask_for_mail(client: Client, side: Side) -> None:
    """Forms after which somebody gets a mail."""
    headers = {"Origin": f"http://{client.host}"}
    token = client.csrf_token
    if not token:
        token = client.get("/forgot").html.find("input", {"name": "csrf_token"})["value"]
        for person in side.people.values():
            form = {"csrf_token": token, "email": person.account.email}
            client.post("/forgot", form, headers=headers, status="*")
        return
    org, subscriber = side.organization.org_id, side.things["subscriber"]
    wanted = {
        f"/organizations/{org}/subscribers/{subscriber}": {"do": "reset"},
        f"/organization/subscribers/{subscriber}": {"do": "reset"},
        f"/organizations/{org}/subscribers/{subscriber}/portal": {"reason": "Ticket 4821"},
        "/calls/downloads": {"file": "csv"},
    }
    for path, form in wanted.items():
        client.post(path, {"csrf_token": token, **form}, headers=headers, status="*")
