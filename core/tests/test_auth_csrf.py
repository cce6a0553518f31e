"""Forged requests: every form needs its token and our own origin."""

from collections.abc import Callable
from typing import Any

import pytest

from ringstead.api.testing import PASSWORD, Client, Person, Tenants

Visitor = Callable[..., Client]
Make = Callable[..., Any]


@pytest.fixture
def juno(tenants: Tenants, with_password: Make) -> Person:
    person: Person = with_password(tenants.person(tenants.organization()))
    return person


def token_of(client: Client) -> str:
    return str(client.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"])


def send(client: Client, person: Person, token: str | None, status: int, **headers: str) -> Any:
    values = {"email": person.account.email, "password": PASSWORD}
    if token is not None:
        values["csrf_token"] = token
    return client.post(
        "/sign-in", values, headers={k.replace("_", "-"): v for k, v in headers.items()}, status=status
    )


def test_a_visitors_form_without_its_token_is_refused(juno: Person, visitor: Visitor) -> None:
    client = visitor(juno.partner)
    right = token_of(client)
    for wrong in (None, "", "x", right[:-1], right + "x", "\xff", right.upper()):
        send(client, juno, wrong, 400)
    send(client, juno, right, 303)


def test_a_token_without_its_cookie_is_worth_nothing(juno: Person, visitor: Visitor) -> None:
    token = token_of(visitor(juno.partner))
    send(visitor(juno.partner), juno, token, 400)


def test_a_cookie_that_we_did_not_sign_is_worth_nothing(juno: Person, visitor: Visitor) -> None:
    client = visitor(juno.partner)
    for made_up in ("x", "x.y", "x." + "y" * 43, "."):
        client.set_cookie("pre", made_up)
        send(client, juno, made_up.partition(".")[0], 400)


def test_a_cookie_of_another_host_is_worth_nothing(juno: Person, tenants: Tenants, visitor: Visitor) -> None:
    elsewhere = visitor(tenants.partner())
    token = token_of(elsewhere)
    client = visitor(juno.partner)
    client.set_cookie("pre", elsewhere.cookies["pre"])
    send(client, juno, token, 400)


def test_the_token_of_a_signed_in_person_is_the_sessions(
    juno: Person, tenants: Tenants, portal: Make, visitor: Visitor
) -> None:
    client, other = portal(juno), portal(tenants.person(tenants.organization(juno.partner)))
    visitors = token_of(visitor(juno.partner))
    for wrong in ("", visitors, other.csrf_token):
        client.post("/account/sign-out-everywhere", {"csrf_token": wrong}, status=400)
    client.post("/account/sign-out-everywhere", {}, headers={"X-CSRF-Token": client.csrf_token}, status=303)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://{host}:9999"},
        {"Origin": "https://{host}"},
        {"Origin": "http://evil.{host}"},
        {"Origin": "http://{host}.evil.example"},
        {"Origin": "http://[nonsense"},
        {"Referer": "https://evil.example/http://{host}/"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://{host}"},
    ],
)
def test_a_form_from_another_origin_is_refused_though_its_token_is_right(
    juno: Person, visitor: Visitor, headers: dict[str, str]
) -> None:
    client = visitor(juno.partner)
    send(client, juno, token_of(client), 400, **{k: v.format(host=client.host) for k, v in headers.items()})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://{host}"},
        {"Origin": "http://{host}:80"},
        {"Origin": "HTTP://{host}"},
        {"Referer": "http://{host}/sign-in?next=/calls"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://{host}"},
    ],
)
def test_a_form_from_our_own_page_is_taken(juno: Person, visitor: Visitor, headers: dict[str, str]) -> None:
    client = visitor(juno.partner)
    send(client, juno, token_of(client), 303, **{k: v.format(host=client.host) for k, v in headers.items()})


def test_behind_a_proxy_that_drops_the_port_the_public_one_counts(
    juno: Person, visitor: Visitor, app_with: Make
) -> None:
    client = visitor(juno.partner, app=app_with(public_scheme="https", public_port=8443))
    page = client.get("/sign-in")
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    client.set_cookie(*cookie.split("=", 1))
    token = page.html.find("input", {"name": "csrf_token"})["value"]
    send(client, juno, token, 400, Origin=f"https://{client.host}:9443")
    send(client, juno, token, 400, Origin=f"http://{client.host}:8443")
    send(client, juno, token, 303, Origin=f"https://{client.host}:8443")


def test_every_page_that_changes_something_asks_for_the_token(juno: Person, portal: Make, wsgi: Any) -> None:
    client = portal(juno)
    asked = 0
    for intro in wsgi.registry.introspector.get_category("routes"):
        route = intro["introspectable"]
        if "POST" in (route["request_methods"] or ()) and not route["pattern"].startswith("/switch"):
            path = route["pattern"].replace("{", "").replace("}", "")
            client.post(path, {}, status=[400, 403, 404])
            asked += 1
    assert asked > 10
