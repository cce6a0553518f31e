"""The headers of every answer, and views that forgot to say who may see them."""

from collections.abc import Callable
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ringstead.api.testing import Client, Tenants
from ringstead.auth.headers import HEADERS
from ringstead.auth.policy import SecurityPolicy, add_declared_permissions

Visitor = Callable[..., Client]
Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("path", "status"), [("/sign-in", 200), ("/", 303), ("/nothing-here", 404), ("/robots.txt", 200)]
)
def test_every_answer_carries_them(tenants: Tenants, visitor: Visitor, path: str, status: int) -> None:
    answer = visitor(tenants.partner()).get(path, status=status)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in answer.headers


def test_an_unknown_host_gets_them_too(wsgi: Any) -> None:
    answer = Client(wsgi, "nobody.test").get("/", status=421)
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_pages_are_not_kept_and_static_files_are(tenants: Tenants, portal: Make, visitor: Visitor) -> None:
    client = portal(tenants.person(tenants.organization()))
    page = client.get("/account")
    assert page.headers["Cache-Control"] == "no-store"
    style = page.html.find("link", rel="stylesheet")["href"]
    assert "immutable" in client.get(style).headers["Cache-Control"]


def test_over_https_the_browser_is_told_to_stay_there(
    tenants: Tenants, visitor: Visitor, app_with: Make
) -> None:
    client = visitor(tenants.partner(), app=app_with(public_scheme="https"))
    answer = client.get("/account", status=303)
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert answer.location.startswith("https://")


def test_a_forwarded_host_is_not_believed(tenants: Tenants, visitor: Visitor) -> None:
    partner, other = tenants.partner(name="Harborline"), tenants.partner(name="Marigold")
    headers = {"X-Forwarded-Host": f"{other.slug}.test", "Forwarded": f"host={other.slug}.test"}
    client = visitor(partner)
    page = client.get("/sign-in", headers=headers)
    assert "Harborline" in page.text
    assert "Marigold" not in page.text
    assert client.get("/account", headers=headers, status=303).location.startswith(
        f"http://{partner.slug}.test/"
    )


def _view(_request: object) -> Response:
    return Response("x")


@pytest.mark.parametrize(
    ("permission", "fails"), [(None, True), ("core:page:public", False), (NO_PERMISSION_REQUIRED, False)]
)
def test_a_view_without_a_permission_fails_at_start(permission: str | None, fails: bool) -> None:
    config = Configurator()
    config.set_security_policy(SecurityPolicy())
    add_declared_permissions(config)
    config.add_route("page", "/page")
    config.add_view(_view, route_name="page", permission=permission)
    if not fails:
        config.make_wsgi_app()
        return
    with pytest.raises(ConfigurationError, match="names no permission"):
        config.make_wsgi_app()
