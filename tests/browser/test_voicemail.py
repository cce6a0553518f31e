"""What people do with voicemail in a real browser: play, seek, throw away, undo, record, set a PIN."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from support.calls import node_key
from support.voicemail import leave_recording, sound

from ringstead.api.testing import PASSWORD, Person, Tenants

pytestmark = pytest.mark.browser
LOOKS = [(phone, dark) for phone in (False, True) for dark in (False, True)]


@pytest.fixture
def juno(
    tenants: Tenants,
    live_server: Any,
    with_password: Callable[[Person], Person],
    run_jobs: Callable[..., None],
) -> Person:
    """A subscriber with two new messages, the older one of 20 seconds."""
    organization = tenants.organization(tenants.partner("Harbour"), "voicemail")
    person = with_password(tenants.person(organization, "Juno Birdsong", role="org_admin"))
    key = node_key(live_server.app)
    callers = (("Otis Marlowe", 20, "2026-11-20T09:00:00Z"), ("Hazel Umberton", 3, "2026-11-21T09:00:00Z"))
    for name, seconds, at in callers:
        words = {"transcript": "about the drawings"} if seconds == 20 else {}
        answer = leave_recording(
            live_server.app,
            key,
            person,
            sound(seconds),
            name=name,
            number="+12125550147",
            started_at=at,
            **words,
        )
        assert answer.status_int == 201, answer.text
    run_jobs(live_server.app)
    return person


def test_a_message_is_played_sought_thrown_away_and_brought_back(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/voicemail"))
    expect(page.locator("[data-new-count]")).to_have_text("2")
    entry = page.locator(".side [data-entry='voicemail.list']")
    expect(entry).to_have_accessible_name("Voicemail 2 new")
    page.get_by_role("link", name="Otis Marlowe").click()
    player = page.locator("#detail [data-player]")
    player.get_by_role("button", name="Play Otis Marlowe").click()
    expect(player.get_by_role("button", name="Pause Otis Marlowe")).to_be_visible()
    expect(page.locator("[data-new-count]")).to_have_text("1")
    expect(entry).to_have_accessible_name("Voicemail 1 new")
    expect(page.locator(".plist > li.sel [data-unread]")).to_have_count(0)
    page.get_by_role("button", name="Ahead 10 seconds").click()
    position = player.get_by_role("slider")
    page.wait_for_function("() => Number(document.querySelector('#detail [data-seek]').value) >= 10")
    expect(position).to_have_attribute("aria-valuetext", "0:10 of 0:20")
    page.get_by_role("button", name="2×").click()
    position.press("Home")
    page.wait_for_function("() => Number(document.querySelector('#detail [data-seek]').value) < 9")
    page.locator("#detail").focus()
    page.keyboard.press(" ")
    expect(player.get_by_role("button", name="Play Otis Marlowe")).to_be_visible()

    page.get_by_role("button", name="Delete message").click()
    expect(page.locator(".plist > li")).to_have_count(1)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".plist > li")).to_have_count(2)


def test_where_somebody_stopped_is_remembered(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/voicemail"))
    page.get_by_role("link", name="Otis Marlowe").click()
    page.get_by_role("button", name="Ahead 10 seconds").click()
    page.reload()
    expect(page.locator("#detail [data-seek]")).to_have_attribute("aria-valuetext", "0:10 of 0:20")


def test_several_are_chosen_at_once(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/voicemail"))
    bar = page.get_by_role("toolbar", name="With the selected messages")
    expect(bar).to_be_hidden()
    page.get_by_role("button", name="Select messages").click()
    for name in ("Otis Marlowe", "Hazel Umberton"):
        page.get_by_role("checkbox", name=f"Select the message from {name}").check()
    expect(bar.locator("[data-selected]")).to_have_text("2")
    bar.get_by_role("button", name="Mark as heard").click()
    expect(page.locator("[data-new-count]")).to_have_count(0)


def test_the_landing_page_plays_messages_in_place(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/"))
    row = page.locator(".vm-card > li").first
    row.get_by_role("button", name="Play Hazel Umberton").click()
    expect(row.locator("[data-unread]")).to_have_count(0)
    page.locator(".vm-card > li").nth(1).get_by_role("button", name="Delete the message").click()
    expect(page.locator(".vm-card > li")).to_have_count(0)


def test_without_scripts_everything_is_a_form(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser(javascript=False)
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/voicemail"))
    page.get_by_role("link", name="Otis Marlowe").click()
    expect(page.locator("audio[controls]")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).first.click()
    page.goto(live_server.url(juno, "/voicemail"))
    page.get_by_role("checkbox").first.check()
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted", exact=True).first).to_be_visible()
    page.get_by_role("link", name="Deleted").click()
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Bring back").click()


def test_a_pin_is_set(
    juno: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/voicemail/pin"))
    for pin in ("123456", "295173"):
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_label("New PIN", exact=True).fill(pin)
        page.get_by_label("New PIN again").fill(pin)
        page.get_by_role("button", name="Change PIN").click()
    expect(page.get_by_text("Your PIN is changed")).to_be_visible()


@pytest.fixture
def with_microphone(browser: Browser, juno: Person, live_server: Any) -> Iterator[Page]:
    """A browser with a microphone that hears a tone; browsers give one to secure pages only, which this one is told."""
    origin = live_server.url(juno, "")
    executable = (Path(__file__).parents[2] / "var" / "chromium-path").read_text().strip()
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP *.test 127.0.0.1",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--unsafely-treat-insecure-origin-as-secure={origin}",
    ]
    own = browser.browser_type.launch(executable_path=executable, args=arguments)
    yield own.new_context(permissions=["microphone"]).new_page()
    own.close()


def test_a_greeting_is_recorded_with_the_microphone(
    juno: Person,
    live_server: Any,
    with_microphone: Page,
    sign_in_cookie: Any,
    run_jobs: Callable[..., None],
) -> None:
    page = with_microphone
    sign_in_cookie(page, juno)
    page.goto(live_server.url(juno, "/voicemail/greetings"))
    page.get_by_label("Name (optional)").fill("By the sea")
    page.get_by_role("button", name="Record").click()
    page.wait_for_function("() => document.querySelector('[data-clock]').textContent.startsWith('0:02')")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("[data-preview]")).to_be_visible()
    page.get_by_role("button", name="Save greeting").click()
    expect(page.get_by_text("By the sea")).to_be_visible()
    run_jobs(live_server.app)
    page.reload()
    row = page.locator("[data-greeting]")
    expect(row.get_by_text("Active")).to_be_visible()
    row.get_by_role("button", name="Play By the sea").click()
    expect(row.get_by_role("button", name="Pause By the sea")).to_be_visible()


def violations(page: Page) -> list[str]:
    """What axe has to say, as `rule: first element`."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:160]}" for v in found]


@pytest.mark.parametrize(("phone", "dark"), LOOKS, ids=lambda value: str(value).lower())
def test_no_page_of_voicemail_has_a_violation(
    phone: bool,
    dark: bool,
    juno: Person,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
) -> None:
    page = open_browser(phone=phone, dark=dark)
    sign_in_cookie(page, juno)
    found: dict[str, list[str]] = {}
    for path in (
        "/",
        "/voicemail",
        "/voicemail?folder=trash",
        "/voicemail?q=nobody",
        "/voicemail/settings",
        "/voicemail/greetings",
        "/voicemail/pin",
        "/voicemail/organization",
    ):
        page.goto(live_server.url(juno, path))
        found[path] = violations(page)
    page.goto(live_server.url(juno, "/voicemail"))
    page.get_by_role("button", name="Select messages").click()
    page.get_by_role("checkbox").first.check()
    found["selecting"] = violations(page)
    page.goto(live_server.url(juno, "/voicemail"))
    page.get_by_role("link", name="Otis Marlowe").click()
    page.locator("#message").wait_for()
    found["a message"] = violations(page)
    page.get_by_role("link", name="Send on").click()
    found["sending on"] = violations(page)
    page.get_by_role("button", name="Send to the mailbox").click()
    page.locator("[aria-invalid=true]").first.wait_for()
    found["sending on, with errors"] = violations(page)
    page.goto(live_server.url(juno, "/voicemail/pin"))
    page.get_by_role("button", name="Change PIN").click()
    page.locator("[aria-invalid=true]").first.wait_for()
    found["a pin that is none"] = violations(page)
    page.goto(live_server.url(juno, "/voicemail/organization"))
    page.locator("#quota_mb").fill("x")
    page.get_by_role("button", name="Save").first.click()
    page.locator("[aria-invalid=true]").first.wait_for()
    found["rules that are none"] = violations(page)
    assert {path: what for path, what in found.items() if what} == {}
