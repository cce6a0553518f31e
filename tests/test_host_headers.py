"""Whatever a request says of its host: the brand and the links are those of one exact host, or there is no site."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringstead.api.testing import Client, Tenants
from ringstead.tenancy.hosts import normal_host
from ringstead.tenancy.models import Partner

OURS, THEIRS = "Amberly", "Cobaltine"
# What a client may add to say that it is somewhere else; none is believed.
CLAIMS = (
    "X-Forwarded-Host: {other}",
    "Forwarded: host={other};proto=https",
    'Forwarded: for=1.2.3.4;host="{other}:443"',
    "X-Host: {other}",
    "X-Original-Host: {other}",
    "X-Forwarded-Server: {other}",
    "X-HTTP-Host-Override: {other}",
    "X-Original-URL: http://{other}/",
    "X-Rewrite-URL: http://{other}/sign-in",
    "X-Forwarded-Prefix: //{other}",
    "X-Script-Name: //{other}",
    "Script-Name: //{other}",
    "X-Forwarded-For: {other}",
    "X-Forwarded-Port: 4444",
    "X_Forwarded_Host: {other}",
    "Via: 1.1 {other}",
    "Referer: http://{other}/",
    "Origin: http://{other}",
)
# One of our own host in another writing: still ours, and nobody else's.
SAME = ("{host}", "{HOST}", "{host}:80", "{host}:8443", "{host}.", "{host}.:80", " {host} ")
# Nobody's.
NOBODYS = (
    "nobody.test",
    "{host}.evil.test",
    "evil.{host}",
    "{host}@{other}x",
    "{other}x@{host}",
    "user:secret@{host}",
    "http://{host}",
    "{host}/{other}",
    "{host},{other}",
    "{host} {other}",
    "{host}#{other}",
    "{host}?{other}",
    "{host}\\{other}",
    "{host}:80:80",
    "{host}:x",
    "{host}:-1",
    "{host}%00",
    "%61{host}",
    "[::1]",
    "[::1]:8080",
    "[{host}]",
    "::1",
    "1.2.3.4",
    "192.0.2.1:80",
    "0x7f.1",
    "xn--{host}",
    "{host}'--",
    '{host}"><script>',
    "*",
    ".",
    "..",
    "",
    "-",
    "\xe4\xf6.test",
    "a" * 300 + ".test",
    "a." * 4000 + "test",
    "a" * 60_000,
)


@pytest.fixture
def two(tenants: Tenants) -> tuple[Partner, Partner]:
    return tenants.partner(OURS), tenants.partner(THEIRS)


def words(text: str, two: tuple[Partner, Partner]) -> str:
    return text.format(
        host=f"{two[0].slug}.test", HOST=f"{two[0].slug}.TEST".upper(), other=f"{two[1].slug}.test"
    )


def ask(address: str, head: str) -> tuple[int, str]:
    """Send a request as it stands; the status of its answer (0: the server hung up) and all of the answer."""
    where = urlsplit(address)
    with socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=20) as wire:
        with suppress(OSError):  # it had heard enough, and has answered or not
            wire.sendall(head.encode("latin-1"))
        said = b"".join(received(wire))
    text = said.decode("utf-8", errors="replace")
    return (int(text.split(" ", 2)[1]) if text.startswith("HTTP/") else 0), text


def received(wire: socket.socket) -> Iterator[bytes]:
    try:
        while piece := wire.recv(65536):
            yield piece
    except ConnectionError:
        return


def request_of(*lines: str, target: str = "/sign-in", version: str = "1.1") -> str:
    return "\r\n".join(
        [f"GET {target} HTTP/{version}", *lines, "Accept: text/html", "Connection: close", "", ""]
    )


def is_foreign(text: str, two: tuple[Partner, Partner]) -> bool:
    """Whether an answer shows anything of the other partner, or leads there."""
    return THEIRS in text or f"//{two[1].slug}.test" in text


@pytest.mark.slow
@pytest.mark.parametrize("server", ["granian", "gunicorn", "waitress"])
def test_over_the_wire(server: str, served: Callable[..., str], two: tuple[Partner, Partner]) -> None:
    """Each server reads what comes in its own way; what comes out is the same."""
    address = served(server=server)
    wrong: dict[str, Any] = {}

    def check(what: str, head: str, wanted: Callable[[int, str], bool]) -> None:
        status, text = ask(address, words(head, two))
        if status >= 500 or is_foreign(text, two) or not wanted(status, text):
            wrong[what[:80]] = (status, text[-300:])

    for host in SAME:
        check(host, request_of(f"Host: {host}"), lambda status, text: status == 200 and OURS in text)
    for host in NOBODYS:
        check(
            host, request_of(f"Host: {host}"), lambda status, text: 400 <= status < 500 and OURS not in text
        )
    for claim in CLAIMS:
        check(
            claim,
            request_of("Host: {host}", claim),
            lambda status, text: status in (200, 400) and OURS in text,
        )
        head = request_of("Host: {host}", claim, target="/account")
        check(f"to {claim}", head, lambda status, text: f"//{two[0].slug}.test/sign-in" in text)
    for lines in (
        ("Host: {host}", "Host: {other}"),
        ("Host: {host}", "Host: {host}"),
        ("Host: nobody.test", "Host: {host}"),
    ):
        check(f"twice {lines}", request_of(*lines), lambda status, _text: 200 <= status < 500)
    for target in (
        "http://{other}/sign-in",
        "http://{other}:80/sign-in",
        "//{other}/sign-in",
        "https://{other}",
    ):
        check(
            f"target {target}",
            request_of("Host: {host}", target=target),
            lambda status, _text: 200 <= status < 500,
        )
    for version in ("1.1", "1.0"):
        check(f"none {version}", request_of(version=version), lambda status, text: 400 <= status < 500)
    assert wrong == {}


def test_inside_the_application(two: tuple[Partner, Partner], wsgi: Any) -> None:
    wrong = {}
    for host in (*SAME, *NOBODYS):
        client = Client(wsgi, words(host, two))
        answer = client.get("/sign-in", headers={"Accept": "text/html"}, status="*")
        if answer.status_int != (200 if host in SAME else 421) or (OURS in answer.text) != (host in SAME):
            wrong[host[:80]] = answer.status_int
        if THEIRS in answer.text:
            wrong[host[:80]] = "the other partner's"
    assert wrong == {}


@pytest.mark.parametrize(
    "path", ["/account", "/theme", "/sign-out", "/account/password", "/language/en?next=/x"]
)
def test_places_stay_on_the_host_that_was_asked(path: str, two: tuple[Partner, Partner], wsgi: Any) -> None:
    for host in SAME:
        client = Client(wsgi, words(host, two).strip())
        for claim in CLAIMS:
            name, _, value = words(claim, two).partition(": ")
            place = urlsplit(client.get(path, headers={name: value}, status=303).location)
            assert normal_host(place.netloc) == f"{two[0].slug}.test", (host, claim)


@pytest.fixture(scope="module")
def known(database: Any) -> tuple[Partner, Partner]:
    tenants = Tenants(database)
    return tenants.partner(OURS), tenants.partner(THEIRS)


@settings(max_examples=200)
@given(
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=300),
    st.sampled_from(["", "{host}", "{other}"]),
    st.booleans(),
)
@example(":80", "{host}", False)
@example(".", "{host}", False)
def test_any_host(known: tuple[Partner, Partner], wsgi: Any, noise: str, name: str, is_before: bool) -> None:
    """A host is one that the directory knows, to the letter, or nobody's."""
    name = words(name, known)
    host = noise + name if is_before else name + noise
    client = Client(wsgi, host)
    answer = client.get("/sign-in", headers={"Accept": "text/html"}, status="*")
    exact = {f"{partner.slug}.test": partner.brand["name"] for partner in known}
    brand = exact.get(normal_host(host))
    assert answer.status_int in ((200,) if brand else (200, 303, 404, 421))
    for other in (OURS, THEIRS):
        assert (other in answer.text) == (other == brand)
