"""Nothing that a client sends may end in a 5xx: ten thousand malformed requests at every address there is."""

import json
import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from ringstead.api.testing import Client, Person, Tenants

REQUESTS = 10_000
NASTY = [
    "",
    " ",
    "0",
    "-1",
    "1e309",
    "NaN",
    "null",
    "true",
    "9" * 40,
    "2026-02-30",
    "2026-11-23",
    "0000-00-00",
    "99999-01-01",
    "\x00",
    "a\x00b",
    "\ud7ff\ue000",
    "\u202e\u2066",
    "👩‍👩‍👧‍👦",
    "%",
    "%%%s%n",
    "'; DROP TABLE subscriber; --",
    "\\",
    "../../../../etc/passwd",
    "//evil.example/",
    "http://evil.example/",
    "javascript:alert(1)",
    "<script>alert(1)</script>",
    "${7*7}",
    "{{7*7}}",
    "=cmd|' /C calc'!A0",
    "\r\nSet-Cookie: a=b",
    "٣٤٥",
    "İıſ",
    "A" * 5000,
    str(uuid4()),
    "00000000-0000-0000-0000-000000000000",
    "null,null",
    "[]",
    "{}",
    "answered",
    "missed",
    "+12125550147",
    "core.home",
    "calllogs",
]
CONTENT_TYPES = [
    "application/x-www-form-urlencoded",
    "application/json",
    "application/x-ndjson",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain; charset=utf-7",
    "text/plain; charset=nonsense",
    "",
]
HEADERS = [
    "Accept",
    "Accept-Language",
    "Accept-Encoding",
    "If-None-Match",
    "If-Modified-Since",
    "Range",
    "Origin",
]
HEADERS += [
    "Referer",
    "Cookie",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "HX-Request",
    "Authorization",
    "Content-Encoding",
]


class Fuzzer:
    """Makes requests from a seed, so that a failure can be made again."""

    def __init__(self, seed: int, routes: list[Any]) -> None:
        self.chance = random.Random(seed)
        self.routes = routes

    def value(self) -> str:
        kind = self.chance.random()
        if kind < 0.7:
            return self.chance.choice(NASTY)
        return "".join(chr(self.chance.choice((self.chance.randrange(1, 128), self.chance.randrange(160, 0xD7FF))))
                       for _ in range(self.chance.randrange(1, 30)))  # fmt: skip

    def path(self, pattern: str) -> str:
        filled = re.sub(r"\{[^}]*\}", lambda _: quote(self.value() or "x", safe=""), pattern)
        return filled.replace("*", quote(self.value(), safe=""))

    def fields(self, names: list[str]) -> dict[str, str]:
        chosen = self.chance.sample(names, k=min(len(names), self.chance.randrange(0, 5)))
        return {
            name: self.value() for name in (*chosen, *([self.value()] if self.chance.random() < 0.1 else []))
        }

    def headers(self) -> dict[str, str]:
        chosen = self.chance.sample(HEADERS, k=self.chance.randrange(0, 3))
        clean = {h: re.sub(r"[^\x20-\x7e]", "?", self.value()) for h in chosen}
        return {h: v for h, v in clean.items() if h != "Cookie" or self.chance.random() < 0.5}

    def body(self) -> bytes:
        kind = self.chance.random()
        if kind < 0.3:
            return json.dumps({self.value(): self.value() for _ in range(3)}).encode("utf-8", "surrogatepass")
        if kind < 0.5:
            return b"\n".join(json.dumps({"id": self.value(), "from": self.value()}).encode("utf-8", "surrogatepass")
                              for _ in range(3))  # fmt: skip
        return self.chance.randbytes(self.chance.randrange(0, 200))


NAMES = [
    "q", "from", "to", "number", "name", "kind", "direction", "disposition", "before", "after", "page", "cursor",
    "limit", "email", "password", "next", "csrf_token", "card", "move", "action", "locale", "theme", "enabled",
    "plugin", "do", "back",
    "membership", "current", "new", "repeat", "since", "until", "show", "tab", "sort", "format", "day", "search",
]  # fmt: skip


def send(client: Client, fuzzer: Fuzzer, route: Any) -> tuple[str, int]:
    """One malformed request; returns what was asked and the status."""
    chance = fuzzer.chance
    method = (
        chance.choice(route.methods)
        if chance.random() < 0.9
        else chance.choice(["GET", "POST", "PUT", "DELETE"])
    )
    url = fuzzer.path(route.pattern)
    query = fuzzer.fields(NAMES)
    if query and chance.random() < 0.8:
        url += "?" + "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query.items())
    elif chance.random() < 0.1:
        url += "?" + chance.choice(["%", "%zz=1", "a=%ff", "&&&=", "=", "q=%00"])
    headers = fuzzer.headers()
    if method == "GET":
        response = client.get(url, headers=headers, status="*")
    else:
        body: Any = fuzzer.body()
        headers["Content-Type"] = chance.choice(CONTENT_TYPES)
        if chance.random() < 0.6:
            body = {"csrf_token": client.fuzz_token, **fuzzer.fields(NAMES)}
            headers = {"Origin": f"http://{client.host}"}
        response = client.request(url, method=method, headers=headers, status="*", **_payload(body))
    return f"{method} {url!r} {headers}", response.status_int


def _payload(body: Any) -> dict[str, Any]:
    if isinstance(body, bytes):
        return {"body": body}
    encoded = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in body.items())
    return {"body": encoded.encode(), "content_type": "application/x-www-form-urlencoded"}


@pytest.fixture
def clients(
    tenants: Tenants,
    wsgi: Any,
    portal: Callable[..., Client],
    console: Callable[..., Client],
    visitor: Callable[..., Client],
) -> dict[str, list[Client]]:
    """People of every role on both kinds of site."""
    partner = tenants.partner()
    organization = tenants.organization(partner, "calllogs")

    def people() -> dict[str, list[Person]]:
        return {
            "portal": [tenants.person(organization), tenants.person(organization, role="org_admin")],
            "console": [tenants.staff(partner), tenants.staff(partner, "partner_support")],
        }

    made = people()
    clients = {
        "portal": [*(portal(p) for p in made["portal"]), visitor(partner)],
        "console": [*(console(p) for p in made["console"]), visitor(partner, "console")],
    }
    for client in (*clients["portal"], *clients["console"]):
        client.fuzz_token = client.csrf_token
    return clients


@pytest.mark.fuzz
def test_no_malformed_request_ends_in_a_server_error(wsgi: Any, clients: dict[str, list[Client]]) -> None:
    routes = [owned.item for owned in wsgi.registry["ringstead.plugins"].routes()]
    # Signing out on purpose would leave the rest of the run to visitors.
    routes = [r for r in routes if "sign_out" not in r.name]
    fuzzer = Fuzzer(20261123, routes)
    failures = []
    for _ in range(REQUESTS):
        route = fuzzer.chance.choice(routes)
        asked, status = send(fuzzer.chance.choice(clients[route.site]), fuzzer, route)
        if status >= 500:
            failures.append((route.name, asked, status))
    assert not failures, failures[:5]


@pytest.mark.fuzz
def test_no_malformed_message_of_a_switch_ends_in_a_server_error(wsgi: Any) -> None:
    fuzzer = Fuzzer(7, [])
    client = Client(wsgi, "127.0.0.1")
    failures = []
    for number in range(500):
        headers = {**fuzzer.headers(), "Content-Type": fuzzer.chance.choice(CONTENT_TYPES)}
        path = "/switch/v1/cdr" if number % 3 else f"/switch/v1/{quote(fuzzer.value(), safe='')}"
        response = client.request(path, method="POST", body=fuzzer.body(), headers=headers, status="*")
        if response.status_int >= 500:
            failures.append((path, headers, response.status_int))
    assert not failures, failures[:5]
