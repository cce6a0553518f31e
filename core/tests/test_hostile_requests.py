"""Requests that nobody's browser sends: what they may cost, where they may lead, and what the log says of them."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from pyramid.request import Request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ringstead.api.testing import Client, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import Partner
from ringstead.web.errors import error_response, unexpected
from ringstead.web.limits import FORM_BYTES

Visitor = Callable[..., Client]
FORM = "application/x-www-form-urlencoded"
# Nothing that a page is sent, and what the form parser stumbles over.
NO_FORMS = [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=x",
    "application/json",
    "text/plain; charset=nonsense",
    f"{FORM}; charset=utf-16",
    f"{FORM}; charset=nonsense",
    "; charset=nonsense",
    "\xff",
]


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("/sign-in?q=%25", "/sign-in?q=%"),
        ("/%E2%82%AC", "/%E2%82%AC"),
        ("/%09/evil.example", "/"),
        ("/%0B/evil.example", "/"),
        ("/x%0D%0AX-Header:1", "/"),
        ("//evil.example", "/"),
        ("/x%5C..%5Cevil.example", "/"),
    ],
)
def test_choosing_a_language_leads_nowhere_else(
    wanted: str, place: str, tenants: Tenants, visitor: Visitor
) -> None:
    client = visitor(tenants.partner())
    answer = client.get(f"/language/en?next={wanted}", status=303)
    assert answer.headers["Location"] == f"http://{client.host}{place}"


def test_the_character_zero_is_refused_before_any_view(tenants: Tenants, visitor: Visitor) -> None:
    client = visitor(tenants.partner())
    assert "character zero" in client.get("/sign-in?next=%00", status=400).text
    for body in (b"email=a%00b", b"email=a\0b"):
        kind = "application/x-www-form-urlencoded"
        assert "character zero" in send_as(client, kind, "/sign-in", body).text


def send_as(client: Client, kind: str, path: str, body: bytes) -> Any:
    """Post a body of which WebTest knows nothing: it would rewrite one of a type that it knows."""
    headers = {"Content-Type": kind, "Origin": f"http://{client.host}"}
    return client.post(path, body, headers=headers, status="*")


@pytest.mark.parametrize(
    "kind", [FORM, "", "multipart/form-data; boundary=x", "Multipart/Form-Data;boundary=x"]
)
def test_a_form_of_countless_fields_is_not_parsed(kind: str, tenants: Tenants, visitor: Visitor) -> None:
    client = visitor(tenants.partner())
    is_multipart = "boundary" in kind
    part = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    body = part * 100_000 + "--x--" if is_multipart else "a&" * 1_000_000
    began = time.process_time()
    answer = send_as(client, kind, "/sign-in", body.encode())
    assert time.process_time() - began < 1
    assert answer.status_int == (415 if is_multipart else 413)
    assert (FORM if is_multipart else str(FORM_BYTES)) in answer.text


def test_a_body_that_is_no_form_is_refused_by_every_page(
    tenants: Tenants, visitor: Visitor, wsgi: Any
) -> None:
    partner, wrong = tenants.partner("Harbour"), {}
    for owned in wsgi.registry["ringstead.plugins"].routes():
        route = owned.item
        for kind in NO_FORMS if "POST" in route.methods else ():
            client = visitor(partner, route.site)
            path = re.sub(r"\{[^}]*\}", "x", route.pattern)
            answer = send_as(client, kind, path, b"a=1")
            if route.uploads and kind.startswith("multipart/"):
                if answer.status_int != 400:  # a form with files that is none
                    wrong[route.name, kind] = answer.status
            elif answer.status_int != 415 or "Harbour" not in answer.text or FORM not in answer.text:
                wrong[route.name, kind] = answer.status
    assert wrong == {}


def test_a_program_is_told_which_form_it_may_send(tenants: Tenants, visitor: Visitor) -> None:
    client = visitor(tenants.partner())
    answer = client.post_json("/sign-in", {}, headers={"Accept": "application/json"}, status=415)
    assert answer.content_type == "application/problem+json"
    assert FORM in answer.json["detail"]


@pytest.mark.parametrize("kind", [FORM, f"{FORM}; charset=UTF-8", f'{FORM};charset="utf8"'])
def test_a_form_is_known_by_any_of_its_names(kind: str, tenants: Tenants, visitor: Visitor) -> None:
    client = visitor(tenants.partner())
    token = client.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    answer = send_as(client, kind, "/theme", f"csrf_token={token}&theme=dark".encode())
    assert answer.status_int == 303


def test_a_post_without_a_body_needs_no_type(tenants: Tenants, visitor: Visitor) -> None:
    client = visitor(tenants.partner())
    assert "out of date" in client.post("/sign-in", content_type="", status=400).text


def test_a_name_too_long_for_a_host_is_not_looked_up(
    tenants: Tenants, visitor: Visitor, wsgi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = visitor(tenants.partner())
    asked: list[str] = []
    monkeypatch.setattr(wsgi.registry["ringstead.hosts"], "resolve", asked.append)
    for host in (f"{'x' * 300}.test", "a\0b.test"):
        client.extra_environ["HTTP_HOST"] = host
        client.get("/sign-in", status=421)
    assert not asked


def test_an_unknown_host_gets_no_file_either(wsgi: Any, tenants: Tenants, visitor: Visitor) -> None:
    address = wsgi.registry["ringstead.static"].url("core/app.js")
    visitor(tenants.partner()).get(address, status=200)
    Client(wsgi, "127.0.0.1").get(address, status=200)
    assert "static" not in Client(wsgi, "nobody.test").get(address, status=421).text


def test_the_page_of_a_host_that_cannot_be_looked_up_has_its_files(
    wsgi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_host: str) -> None:
        raise PoolTimeout

    monkeypatch.setattr(wsgi.registry["ringstead.hosts"], "_read", away)
    client = Client(wsgi, "not-known-yet.test")
    page = client.get("/sign-in", headers={"Accept": "text/html"}, status=503)
    for link in page.html.find_all("link", rel="stylesheet"):
        client.get(link["href"], status=200)


def test_the_error_page_of_an_address_like_a_host_links_to_the_start(wsgi: Any) -> None:
    for path, link in (("//evil.example/x", "/"), ("/\xff", "/"), ("/calls", "/calls")):
        request = Request({"PATH_INFO": path, "REQUEST_METHOD": "GET", "HTTP_HOST": "x", "SCRIPT_NAME": ""})
        request.registry, request.brand = wsgi.registry, wsgi.registry["ringstead.brands"].get("", {})
        request.accept = "text/html"
        request.site_kind, request.site = "portal", None
        assert f'href="{link}">' in error_response(request, 503).text


def test_the_log_holds_no_secret_link(wsgi: Any) -> None:
    request = Request.blank("/reset/the-token", headers={"Accept": "application/json"})
    request.registry = wsgi.registry
    with structlog.testing.capture_logs() as entries:
        unexpected(RuntimeError("broken"), request)
    assert "the-token" not in repr(entries)


def test_errors_of_the_database_hide_the_values_of_a_statement(database: Database) -> None:
    for engine in (database.app_engine, database.operator_engine):
        with pytest.raises(DBAPIError) as raised, engine.connect() as connection:
            connection.execute(text("SELECT 1 / 0 WHERE :typed = :typed"), {"typed": "a password"})
        assert "a password" not in str(raised.value)


def test_a_new_name_of_the_brand_shows_at_once(
    tenants: Tenants, portal: Callable[..., Client], database: Database, wsgi: Any
) -> None:
    partner = tenants.partner("First name")
    client = portal(tenants.person(tenants.organization(partner)))
    assert "First name" in client.get("/account").text
    with database.as_operator("tests", "rename a partner") as session:
        session.get_one(Partner, partner.id).brand = {"name": "Fresh name"}
    wsgi.registry["ringstead.hosts"].forget_all()
    page = client.get("/account").text
    assert "Fresh name" in page
    assert "First name" not in page


LONG = "9" * 5000
UNREADABLE = [
    *({"Range": f"bytes={range_}"} for range_ in ("-", f"0-{LONG}", f"{LONG}-", f"-{LONG}", "-0", "1-2,4-5")),
    {"If-Modified-Since": "Mon, 01 Jan 99999 00:00:00 GMT"},
    {"If-Modified-Since": "Mon, 01 Jan 9999999999999999 00:00:00 GMT"},
    {"Range": "bytes=1-2", "If-Range": "Mon, 01 Jan 99999 00:00:00 GMT"},
    {"Range": "bytes=1-2", "If-Range": "some day GMT"},
]


@pytest.mark.parametrize("headers", UNREADABLE, ids=lambda headers: str(headers)[:50])
def test_conditions_that_nobody_can_read_are_as_if_not_sent(
    headers: dict[str, str], wsgi: Any, tenants: Tenants, visitor: Visitor
) -> None:
    client = visitor(tenants.partner())
    address = wsgi.registry["ringstead.static"].url("core/app.js")
    whole = client.get(address)
    assert client.get(address, headers=headers, status=200).body == whole.body
    assert client.get(address, headers={"Range": "bytes=1-2"}, status=206).body == whole.body[1:3]
