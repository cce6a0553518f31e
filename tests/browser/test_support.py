"""Opening a subscriber's portal from the console, with the script and without it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ringstead.api.testing import Person, Tenants

pytestmark = pytest.mark.browser


@pytest.fixture
def juno(tenants: Tenants) -> Person:
    return tenants.person(tenants.organization(None, "calllogs"), "Juno Birdsong")


@pytest.fixture
def tansy(tenants: Tenants, juno: Person) -> Person:
    return tenants.staff(juno.partner, "partner_admin", "Tansy Greenlow")


def profile_of(live_server: Any, person: Person) -> str:
    assert person.organization is not None
    assert person.subscriber is not None
    path = f"/organizations/{person.organization.org_id}/subscribers/{person.subscriber.id}"
    return str(live_server.url(person, path, site="console"))


def test_a_portal_opens_in_a_new_tab_counts_down_and_is_left(
    juno: Person, tansy: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, tansy, site="console")
    page.goto(profile_of(live_server, juno))
    page.get_by_label("Reason").fill("Ticket 4821")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Open portal").click()
    tab = opened.value
    banner = tab.get_by_role("region", name="Support session")
    expect(banner).to_contain_text("You are in the portal of Juno Birdsong")
    expect(banner.locator("[data-ends]")).to_have_text(re.compile(r"^(30:00|29:\d\d) left$"))
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Juno")
    tab.goto(live_server.url(juno, "/account"))
    expect(tab.locator("main")).to_contain_text("Support cannot do it")
    tab.get_by_role("button", name="Leave").click()
    expect(tab.locator("body")).to_contain_text("You left the portal of Juno Birdsong")
    page.reload()
    expect(page.get_by_role("region", name="Support session")).to_have_count(0)
    expect(page.locator("main")).to_contain_text("Ticket 4821")


def test_without_scripts_it_takes_two_more_steps(
    juno: Person, tansy: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser(javascript=False)
    sign_in_cookie(page, tansy, site="console")
    page.goto(profile_of(live_server, juno))
    page.get_by_label("Reason").fill("Ticket 4821")
    page.get_by_label("Look only, change nothing").check()
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Open portal").click()
    tab = opened.value
    tab.get_by_role("link", name="Go on").click()
    tab.get_by_role("button", name="Go on").click()
    banner = tab.get_by_role("region", name="Support session")
    expect(banner).to_contain_text("to look only")
    expect(banner).to_contain_text("until")
