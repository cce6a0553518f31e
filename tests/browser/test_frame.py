"""What the frame around every page does, in a real browser: with JavaScript, without it, on a phone."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ringstead.api.testing import Person, Tenants

pytestmark = pytest.mark.browser
BOTH = pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])


@pytest.fixture
def juno(tenants: Tenants) -> Person:
    """A subscriber with one card."""
    return tenants.person(tenants.organization(tenants.partner("Harbour"), "calllogs"), "Juno Birdsong")


@pytest.mark.parametrize("path", ["/more", "/home/arrange", "/search", "/nowhere"])
def test_a_short_page_fits_the_phone(
    path: str, juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser(phone=True)
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, path))
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")


@BOTH
def test_hiding_a_card_can_be_undone_at_once(
    javascript: bool, juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser(javascript=javascript)
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/home/arrange"))
    page.get_by_role("button", name="Hide Recent calls").click()
    notice = page.locator(".toast" if javascript else "main .banner")
    expect(notice).to_contain_text("Recent calls is hidden")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    notice.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Hide Recent calls")).to_be_visible()


@BOTH
def test_the_language_is_chosen_in_the_menu_and_stays(
    javascript: bool, juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser(javascript=javascript)
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/account"))
    page.locator(".side summary").click()
    page.locator(".side").get_by_role("button", name="Deutsch").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Anmeldung und Sicherheit")
    other = open_browser()
    sign_in_cookie(other, juno)
    other.goto(live_server.url(juno, "/account"))
    expect(other.locator("html")).to_have_attribute("lang", "de")
    other.locator(".side summary").click()
    chosen = other.locator(".side").get_by_role("button", name="Deutsch")
    expect(chosen).to_have_attribute("aria-pressed", "true")


def test_a_failed_part_is_asked_for_again_in_place(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/more"))
    page.evaluate(
        """() => {
          const place = document.createElement('div');
          place.id = 'place';
          document.querySelector('main').append(place);
          htmx.ajax('GET', '/search?q=' + 'x'.repeat(101), { target: '#place', swap: 'innerHTML' });
        }"""
    )
    again = page.locator("#place").get_by_role("link", name="Try again")
    expect(again).to_be_visible()
    page.route("**/search*", lambda route: route.fulfill(content_type="text/html", body="<p>Here it is</p>"))
    again.click()
    expect(page.locator("#place")).to_have_text("Here it is")
    expect(page.locator("#place .banner")).to_have_count(0)
