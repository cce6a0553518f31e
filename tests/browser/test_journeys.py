"""What a subscriber does, in a real browser: with JavaScript, without it, and by keyboard."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from support.calls import record_calls
from support.people import make_groups

from ringstead.api.testing import PASSWORD, Person, Tenants

pytestmark = pytest.mark.browser


@pytest.fixture
def juno(tenants: Tenants, live_server: Any, with_password: Callable[[Person], Person]) -> Person:
    """A subscriber with a password and forty calls, three of them missed."""
    person = with_password(
        tenants.person(tenants.organization(tenants.partner("Harbour"), "calllogs"), "Juno Birdsong")
    )
    record_calls(live_server.app, person, 37, name="Otis Marlowe")
    record_calls(live_server.app, person, 3, name="Wren Halloway", disposition="missed")
    return person


def sign_in(page: Page, address: str, email: str, password: str = PASSWORD) -> None:
    page.goto(address)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_from_sign_in_to_sign_out(
    javascript: bool, juno: Person, live_server: Any, open_browser: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_browser(javascript=javascript)
    page.goto(live_server.url(juno, "/calls"))
    expect(page).to_have_title("Sign in · Harbour")
    sign_in(page, page.url, juno.account.email)
    expect(page.get_by_role("heading", level=1)).to_have_text("Calls")

    page.get_by_role("link", name="Home").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Juno")
    expect(page.get_by_role("heading", name="Recent calls")).to_be_visible()

    page.get_by_role("link", name="Calls", exact=True).first.click()
    page.get_by_role("button", name="Missed").click()
    expect(page.locator(".calls > li")).to_have_count(3)
    expect(page.locator(".calls > li", has_text="Wren Halloway")).to_have_count(3)

    with page.expect_download() as download:
        page.locator("summary", has_text="Download").click()
        page.get_by_role("button", name="CSV").click()
    saved = tmp_path / "calls.csv"
    download.value.save_as(saved)
    with saved.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3

    page.locator(".side summary").click()
    page.get_by_role("button", name="Sign out").first.click()
    expect(page).to_have_title("Sign in · Harbour")
    page.goto(live_server.url(juno, "/calls"))
    expect(page).to_have_title("Sign in · Harbour")


def test_a_wrong_password_says_so_and_keeps_the_address(
    juno: Person, live_server: Any, open_browser: Callable[..., Page]
) -> None:
    page = open_browser()
    sign_in(page, live_server.url(juno, "/sign-in"), juno.account.email, "not the password")
    expect(page.get_by_role("alert")).to_contain_text("don’t go together")
    expect(page.get_by_label("Email")).to_have_value(juno.account.email)
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    expect(page.get_by_label("Password", exact=True)).to_have_accessible_description(
        re.compile("don’t go together")
    )


def test_filters_stay_in_the_address_and_pages_follow_each_other(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/calls"))
    first = page.locator(".calls > li").count()
    assert 0 < first < 40
    page.get_by_role("link", name="Show earlier calls").click()
    expect(page.get_by_role("link", name="Show earlier calls")).to_have_count(0)
    page.get_by_role("searchbox", name="Name or number").fill("Wren")
    page.get_by_role("searchbox", name="Name or number").press("Enter")
    expect(page.locator(".calls > li")).to_have_count(3)
    assert "Wren" in page.url
    page.reload()
    expect(page.locator(".calls > li")).to_have_count(3)


def test_a_row_opens_and_closes_and_keeps_a_note(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/calls"))
    row = page.locator(".calls > li").first
    name = row.locator("a.t1")
    expect(name).to_have_attribute("aria-expanded", "false")
    name.click()
    expect(row.locator(".legs-list")).to_contain_text("Desk phone")
    expect(row.get_by_role("button", name="Copy number")).to_be_visible()
    row.get_by_text("Note and tags").click()
    row.get_by_label("Note, for you alone").fill("Ring back on Monday")
    row.get_by_role("button", name="Save note").click()
    expect(row.get_by_text("Saved", exact=True)).to_be_visible()
    name.click()
    expect(row.locator(".legs-list")).to_be_hidden()
    expect(name).to_have_attribute("aria-expanded", "false")
    page.reload()
    expect(page.locator(".calls > li").first).to_contain_text("with a note")


def test_filters_by_their_panels_make_a_short_address(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/calls"))
    page.get_by_role("searchbox", name="Name or number").fill("Wren")
    page.get_by_text("More filters").click()
    page.get_by_label("How it ended").select_option("Not answered")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator(".calls > li")).to_have_count(3)
    assert page.url.endswith("/calls?result=missed&q=Wren")
    page.get_by_role("button", name="Missed", exact=True).click()
    expect(page).to_have_url(re.compile(r"kind=missed.*q=Wren"))


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_a_lead_looks_at_a_call_of_the_team(
    javascript: bool,
    juno: Person,
    tenants: Tenants,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
) -> None:
    assert juno.organization is not None
    lead = tenants.person(juno.organization, "Lea Lead")
    make_groups(tenants, live_server.app, "sales", [lead, juno])
    page = open_browser(javascript=javascript)
    sign_in_cookie(page, lead)
    page.goto(live_server.url(lead, "/calls"))
    page.get_by_role("navigation", name="Whose calls").get_by_role("link", name="Sales").first.click()
    expect(page).to_have_url(re.compile(r"/calls/of/team/sales$"))
    row = page.locator(".calls > li").first
    expect(row).to_contain_text("Juno Birdsong")
    row.locator("a.t1").click()
    opened = row if javascript else page.locator("main")
    expect(opened.locator(".legs-list")).to_contain_text("Desk phone")
    expect(opened.get_by_text("Note and tags")).to_have_count(0)
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/calls"))
    page.get_by_role("link", name="Who looked at my calls").click()
    expect(page.locator(".looks li")).to_have_count(2)
    expect(page.locator(".looks li").first).to_contain_text("Lea Lead")


@pytest.mark.parametrize("width", [320, 390, 769, 900, 1280])
def test_names_have_room_at_every_width(
    width: int, juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(live_server.url(juno, "/calls"))
    name = page.locator(".calls a.t1").first
    assert name.evaluate("e => e.getBoundingClientRect().width") >= 100
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_chart_comes_by_itself_and_turns(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/calls"))
    chart = page.locator("#calls-chart")
    expect(chart.locator("svg.icon, figure svg").first).to_be_visible()
    chart.get_by_role("link", name="Day").click()
    expect(chart.get_by_role("link", name="Day")).to_have_attribute("aria-current", "true")
    expect(chart.locator("figure svg")).to_have_attribute("aria-label", re.compile("Calls by day"))


def test_the_keyboard_reaches_everything(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/"))
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("[data-search]").first).to_be_focused()
    page.keyboard.type("calls")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Search")
    expect(page.locator("#main").get_by_role("link", name="Calls").first).to_be_visible()


def test_the_order_of_cards_is_the_readers_own(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser(javascript=False)
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/home/arrange"))
    page.get_by_role("button", name="Hide").first.click()
    page.goto(live_server.url(juno, "/"))
    expect(page.get_by_role("heading", name="Recent calls")).to_have_count(0)
    page.goto(live_server.url(juno, "/home/arrange"))
    page.get_by_role("button", name="Show").first.click()
    page.goto(live_server.url(juno, "/"))
    expect(page.get_by_role("heading", name="Recent calls")).to_be_visible()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/calls",
        "/calls/of/team/team-with-a-rather-long-name-of-all",
        "/calls/of/team/team-with-a-rather-long-name-of-all/report",
        "/calls/looks",
        "/account",
        "/home/arrange",
        "/search?q=a",
        "/more",
        "/sign-in",
    ],
)
@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_nothing_is_wider_than_the_phone(
    path: str,
    direction: str,
    juno: Person,
    tenants: Tenants,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
) -> None:
    make_groups(tenants, live_server.app, "team-with-a-rather-long-name-of-all", [juno])
    page = open_browser(phone=True)
    if path != "/sign-in":
        sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, path))
    page.evaluate("direction => { document.documentElement.dir = direction }", direction)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_menu_of_files_is_whole_on_a_phone(
    language: str,
    javascript: bool,
    juno: Person,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
) -> None:
    page = open_browser(phone=True, javascript=javascript)
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, f"/language/{language}?next=/calls"))
    page.locator(".page-head .fromend > summary").click()
    box = page.locator(".filemenu").bounding_box()
    assert box is not None
    assert page.viewport_size is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]
