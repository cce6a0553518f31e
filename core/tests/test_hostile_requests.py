"""Requests that nobody's browser sends: what they may cost, where they may lead, and what the log says of them."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from pyramid.request import Request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ringstead.api.testing import Client, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import Partner
from ringstead.web.errors import error_response, unexpected
from ringstead.web.limits import FORM_BYTES

Visitor = Callable[..., Client]
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("/sign-in?q=%25", "/sign-in?q=%"),
        ("/%E2%82%AC", "/%E2%82%AC"),
        ("/%09/evil.example", "/"),
        ("/%0B/evil.example", "/"),
        ("/%00", "/"),
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


@pytest.mark.parametrize("kind", [FORM, ""])
def test_a_form_of_countless_fields_is_not_parsed(kind: str, tenants: Tenants, visitor: Visitor) -> None:
    client = visitor(tenants.partner())
    headers = {"Origin": f"http://{client.host}"}
    began = time.process_time()
    answer = client.post("/sign-in", "a&" * 1_000_000, content_type=kind, headers=headers, status=413)
    assert time.process_time() - began < 1
    assert str(FORM_BYTES) in answer.text


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
