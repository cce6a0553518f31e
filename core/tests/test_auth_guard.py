"""Throttling at the door: guessing stops, and a stranger cannot lock the owner out."""

import re
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from limits import RateLimitItemPerDay, RateLimitItemPerMinute

from ringstead.api.testing import Client, Person, Tenants
from ringstead.auth import guard
from ringstead.auth.guard import PER_ACCOUNT, PER_PAIR

Visitor = Callable[..., Client]
Make = Callable[..., Any]
ADDRESSES = (f"2001:db8:{n:x}::1" for n in count(1))


@pytest.fixture
def juno(tenants: Tenants, with_password: Make) -> Person:
    person: Person = with_password(tenants.person(tenants.organization()))
    return person


@pytest.fixture
def at(visitor: Visitor) -> Callable[..., Client]:
    """`at(person, address)`: a new browser somewhere in the world."""

    def make(person: Person, address: str | None = None, site: str = "portal") -> Client:
        client = visitor(person.partner, site)
        client.extra_environ["REMOTE_ADDR"] = address or next(ADDRESSES)
        return client

    return make


@pytest.mark.parametrize("known", [True, False])
def test_guessing_stops_alike_for_addresses_with_and_without_an_account(
    juno: Person, at: Make, sign_in: Make, known: bool
) -> None:
    email = juno.account.email if known else "nobody@example.com"
    client = at(juno)
    statuses = [sign_in(client, email, "wrong").status_int for _ in range(PER_PAIR.amount + 2)]
    assert statuses == [422] * PER_PAIR.amount + [429] * 2


def test_the_answer_says_how_long_to_wait_even_to_the_right_password(
    juno: Person, at: Make, sign_in: Make
) -> None:
    client = at(juno)
    for _ in range(PER_PAIR.amount):
        sign_in(client, juno.account.email, "wrong")
    page = sign_in(client, juno.account.email, status=429)
    assert 0 < int(page.headers["Retry-After"]) <= 15 * 60
    assert re.search(r"Wait \d+ min", page.text)
    assert "sid" not in client.cookies


def test_within_one_ipv6_network_a_new_address_does_not_help(juno: Person, at: Make, sign_in: Make) -> None:
    for n in range(PER_PAIR.amount):
        sign_in(at(juno, f"2001:db8:ffff:1::{n}"), juno.account.email, "wrong", status=422)
    sign_in(at(juno, "2001:db8:ffff:1:abcd::1"), juno.account.email, status=429)
    sign_in(at(juno, "2001:db8:ffff:2::1"), juno.account.email, status=303)


def test_a_forwarded_address_is_no_way_round(juno: Person, at: Make, sign_in: Make) -> None:
    client = at(juno)
    for n in range(PER_PAIR.amount):
        client.extra_environ["HTTP_X_FORWARDED_FOR"] = f"198.51.100.{n}"
        sign_in(client, juno.account.email, "wrong", status=422)
    client.extra_environ["HTTP_X_FORWARDED_FOR"] = "198.51.100.99"
    sign_in(client, juno.account.email, status=429)


def test_a_stranger_elsewhere_does_not_lock_the_owner_out(juno: Person, at: Make, sign_in: Make) -> None:
    stranger = at(juno)
    for _ in range(PER_PAIR.amount + 1):
        sign_in(stranger, juno.account.email, "wrong")
    sign_in(at(juno), juno.account.email, status=303)


def test_many_strangers_are_stopped_and_a_browser_that_was_here_before_is_not(
    tenants: Tenants,
    juno: Person,
    at: Make,
    sign_in: Make,
    with_password: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert PER_ACCOUNT.amount == 100  # a day; fewer here, to be quick
    most = 20
    monkeypatch.setattr(guard, "PER_ACCOUNT", RateLimitItemPerDay(most))
    home, mallorys = at(juno), at(juno)
    mallory = with_password(tenants.person(tenants.organization(juno.partner)))
    for client, person in ((home, juno), (mallorys, mallory)):
        sign_in(client, person.account.email, status=303)
        client.post_form("/sign-out", status=303)
    tried = 0
    while tried < most:
        stranger = at(juno)
        for _ in range(min(PER_PAIR.amount, most - tried)):
            sign_in(stranger, juno.account.email, "wrong", status=422)
            tried += 1
    sign_in(at(juno), juno.account.email, status=429)
    sign_in(mallorys, juno.account.email, status=429)
    sign_in(home, juno.account.email, status=303)


def test_a_known_browser_cannot_guess_for_ever(juno: Person, at: Make, sign_in: Make) -> None:
    client = at(juno)
    sign_in(client, juno.account.email, status=303)
    client.post_form("/sign-out", status=303)
    statuses = [sign_in(client, juno.account.email, "wrong").status_int for _ in range(10)]
    assert statuses[-1] == 429


def test_one_machine_cannot_try_everybody(
    juno: Person, at: Make, sign_in: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "PER_ADDRESS", RateLimitItemPerMinute(12, 10))
    client = at(juno)
    for n in range(12):
        sign_in(client, f"person{n}@example.com", "wrong", status=422)
    sign_in(client, "one-more@example.com", "wrong", status=429)


def test_those_who_know_their_password_are_never_stopped(juno: Person, at: Make, sign_in: Make) -> None:
    client = at(juno)
    for _ in range(3):
        for _ in range(PER_PAIR.amount - 1):
            sign_in(client, juno.account.email, "wrong", status=422)
        client.reset()
        sign_in(client, juno.account.email, status=303)
        client.post_form("/sign-out", status=303)
        client.reset()


def test_reset_mails_are_throttled_alike_for_all(juno: Person, at: Make) -> None:
    def ask(client: Client, email: str) -> int:
        token = client.get("/forgot").html.find("input", {"name": "csrf_token"})["value"]
        return int(client.post("/forgot", {"csrf_token": token, "email": email}, status="*").status_int)

    client = at(juno)
    assert [ask(client, juno.account.email) for _ in range(4)] == [200, 200, 200, 429]
    assert [ask(client, "nobody@example.com") for _ in range(4)] == [200, 200, 200, 429]
