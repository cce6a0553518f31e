"""Malformed requests that get past the door: real people, tokens and fields, with one or the other spoiled."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bs4 import BeautifulSoup
from pyramid.request import Request

from ringstead.api.testing import Person, Tenants
from ringstead.db.base import new_id
from support.people import session_of

FORM = "application/x-www-form-urlencoded"
NASTY = [
    "", " ", "0", "-1", "1e309", "NaN", "null", "true", "9" * 40, "2026-02-30", "2026-11-23", "0000-00-00",
    "99999-01-01", "\x00", "a\x00b", "\ud7ff\ue000", "\u202e\u2066", "👩‍👩‍👧‍👦", "%", "%%%s%n",
    "'; DROP TABLE subscriber; --", "\\", "../../../../etc/passwd", "//evil.example/", "http://evil.example/",
    "javascript:alert(1)", "<script>alert(1)</script>", "${7*7}", "{{7*7}}", "=cmd|' /C calc'!A0",
    "\r\nSet-Cookie: a=b", "٣٤٥", "İıſ", "A" * 5000, str(new_id()), "00000000-0000-0000-0000-000000000000",
    "null,null", "[]", "{}", "answered", "missed", "+12125550147", "core.home", "calllogs",
]  # fmt: skip
CONTENT_TYPES = [
    FORM, "application/json", "application/x-ndjson", "multipart/form-data; boundary=x", "multipart/form-data",
    f"{FORM}; charset=utf-16", f"{FORM}; charset=nonsense", "text/plain; charset=utf-7", "",
]  # fmt: skip
HEADERS = [
    "Accept", "Accept-Language", "Accept-Encoding", "If-None-Match", "If-Modified-Since", "Range", "Origin", "Referer",
    "X-Forwarded-For", "X-Forwarded-Host", "HX-Request", "Authorization", "Content-Encoding", "User-Agent",
]  # fmt: skip
QUERIES = ["%", "%zz=1", "a=%ff", "&&&=", "=", "q=%00", "q=%ff"]
Fields = dict[str, list[str]]


class Chance(random.Random):
    """Chooses from a seed, so that a failure can be made again."""

    def often(self, share: float) -> bool:
        """True in this share of cases."""
        return self.random() < share

    def nasty(self) -> str:
        """A value that nobody types."""
        if self.often(0.7):
            return self.choice(NASTY)
        ranges = ((1, 128), (160, 0xD7FF))
        return "".join(chr(self.randrange(*self.choice(ranges))) for _ in range(self.randrange(1, 30)))

    def address(self) -> str:
        """A sender that no throttle knows yet."""
        return f"10.{self.randrange(256)}.{self.randrange(256)}.{self.randrange(256)}"

    def headers(self) -> dict[str, str]:
        """A few headers with anything in them."""
        chosen = self.sample(HEADERS, k=self.choice((0, 0, 0, 1, 2)))
        return {name: re.sub(r"[^\x20-\x7e]", "?", self.nasty()) for name in chosen}

    def body(self) -> bytes:
        """Something that is no form."""
        values = [{self.nasty(): self.nasty()} for _ in range(3)]
        kind = self.random()
        if kind < 0.3:
            return json.dumps(values[0]).encode("utf-8", "surrogatepass")
        if kind < 0.5:
            return b"\n".join(json.dumps(value).encode("utf-8", "surrogatepass") for value in values)
        return self.randbytes(self.randrange(0, 200))


def encoded(values: dict[str, str]) -> bytes:
    """A form's body, or an address's query."""
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in values.items()
    ).encode()


def ask(app: Any, method: str, url: str, headers: dict[str, str], body: bytes, address: str) -> Any:
    """Send a request, naming host and cookies in `headers`: nothing is added that would hide where it went."""
    request = Request.blank(url, method=method, headers=headers, environ={"REMOTE_ADDR": address})
    request.environ["HTTP_HOST"] = headers["Host"]
    if method != "GET":
        request.body = body
        request.environ["CONTENT_TYPE"] = headers.get("Content-Type", "")
    return request.get_response(app)


@dataclass
class Actor:
    """Somebody on a host: signed in with a session of his own, or (without a person) a visitor."""

    app: Any
    host: str
    site: str
    person: Person | None = None
    cookie: str = ""
    token: str = ""

    def enter(self, tenants: Tenants) -> "Actor":
        """Get a form token, and a session if there is a person."""
        if self.person is None:
            page = self.look("/sign-in")
            self.cookie = f"pre={page.headers['Set-Cookie'].partition('pre=')[2].partition(';')[0]}"
            self.token = next(found["value"] for found in page_of(page).select("input[name=csrf_token]"))
        else:
            token = tenants.session_token(self.person, self.site)
            self.cookie, self.token = f"sid={token}", str(session_of(tenants, self.person, token).csrf_token)
        return self

    def look(self, path: str) -> Any:
        """A page as a browser asks for it."""
        headers = {"Host": self.host, "Cookie": self.cookie, "Accept": "text/html"}
        return ask(self.app, "GET", path, headers, b"", "127.0.0.1")


def page_of(answer: Any) -> BeautifulSoup:
    """The parsed page."""
    return BeautifulSoup(answer.text, "html.parser")


@dataclass
class Forms:
    """The fields of the forms that pages show, by the route that they are sent to."""

    routes: list[Any]
    fields: dict[str, Fields] = field(default_factory=dict)

    def collect(self, actor: Actor, path: str) -> None:
        """Note the forms of a page."""
        answer = actor.look(path)
        if answer.content_type != "text/html":
            return
        for form in page_of(answer).find_all("form", method="post"):
            for route in self._routes_at(form["action"], actor.site):
                fields = self.fields.setdefault(route.name, {})
                for name, value in _fields_of(form):
                    fields.setdefault(name, []).append(value)

    def _routes_at(self, action: str, site: str) -> Iterator[Any]:
        for route in self.routes:
            pattern = re.sub(r"\{[^}]*\}", "[^/]+", route.pattern)
            if route.site == site and "POST" in route.methods and re.fullmatch(pattern, action):
                yield route


def _fields_of(form: Any) -> Iterator[tuple[str, str]]:
    for element in form.select("[name]"):
        options = [option.get("value", "") for option in element.find_all("option")]
        for value in options or [element.get("value", "")]:
            if element["name"] != "csrf_token":
                yield element["name"], value
