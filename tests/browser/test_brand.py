"""A new brand in a real browser: from the studio to sign-in, mail, home screen and an address of its own, and back."""

import io
import json
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from ringstead.api.testing import Person, Tenants

pytestmark = pytest.mark.browser
PURPLE, YELLOW = "#7a2fb8", "#ffb400"


@pytest.fixture
def tansy(tenants: Tenants) -> Person:
    return tenants.staff(tenants.partner("Harbour"), "partner_admin", "Tansy Greenlow")


def picture(color: str, name: str) -> Any:
    """A file as a person would choose it."""
    out = io.BytesIO()
    Image.new("RGB", (96, 96), color).save(out, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": out.getvalue()}


def color_of(page: Page, selector: str, token: str = "background-color") -> str:
    return str(page.locator(selector).first.evaluate("(e, token) => getComputedStyle(e)[token]", token))


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in found]


def sender_of_mail(app: Any, address: str) -> str:
    folder = app.settings.var_dir / "mail"
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in folder.glob("*.eml")]
    (mail,) = [mail for mail in mails if mail["To"] == address]
    return str(mail["From"])


def test_a_new_brand_goes_from_the_studio_to_everything_and_back(
    tansy: Person,
    tenants: Tenants,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
    run_jobs: Callable[..., None],
) -> None:
    person = tenants.person(tenants.organization(tansy.partner), name="Juno Birdsong")
    page = open_browser()
    sign_in_cookie(page, tansy, site="console")
    page.goto(live_server.url(tansy, "/", site="console"))
    page.get_by_role("link", name="Brand", exact=True).click()

    # The preview follows each change; nothing is saved by it.
    button = "#preview .preview .btn.primary"
    before = color_of(page, button)
    page.get_by_label("Brand colour", exact=True).fill(PURPLE)
    expect(page.locator("#draft-state")).to_have_text("Draft")
    page.wait_for_function(
        "([selector, before]) => getComputedStyle(document.querySelector(selector)).backgroundColor !== before",
        arg=[button, before],
    )
    assert page.get_by_label("Pick brand colour").input_value() == PURPLE
    page.get_by_label("Portal name").fill("Lanternfish")
    expect(page.locator("#preview .preview .brandmark").first).to_contain_text("Lanternfish")
    page.get_by_label("Logo", exact=True).set_input_files(picture("#1b4332", "logo.png"))
    expect(page.locator("#preview .preview img.logo").first).to_be_visible()
    page.get_by_label("Logo on dark pages").set_input_files(picture("#9be564", "dark.png"))
    page.get_by_text("Nunito").click()
    page.get_by_label("Mail sender").fill("Lanternfish <hello@lanternfish.example>")
    page.get_by_label("Imprint").fill("https://lanternfish.example/imprint")
    visitor = open_browser()
    visitor.goto(live_server.url(person, "/sign-in"))
    expect(visitor.locator(".auth .brandmark")).to_contain_text("Harbour")

    page.get_by_role("button", name="Publish").first.click()
    expect(page.locator(".toasts")).to_contain_text("Published")
    expect(page.get_by_role("region", name="Versions").get_by_role("listitem")).to_have_count(2)

    # Sign-in, light and dark, with the logo that belongs there.
    for dark, shown in ((False, "for-light"), (True, "for-dark")):
        visitor = open_browser(dark=dark)
        visitor.goto(live_server.url(person, "/sign-in"))
        expect(visitor.locator(".auth .brandmark")).to_contain_text("Lanternfish")
        for name in ("for-light", "for-dark"):
            logo = visitor.locator(f".auth .brandmark img.{name}")
            expect(logo).to_be_visible() if name == shown else expect(logo).to_be_hidden()
        assert visitor.locator(f"img.{shown}").evaluate("image => image.naturalWidth") == 96
        assert "Nunito" in color_of(visitor, "body", "font-family")
        expect(visitor.get_by_role("link", name="Imprint")).to_be_visible()
        assert color_of(visitor, ".btn.primary") != before

    # A phone finds what it needs for its home screen.
    found = visitor.context.new_cdp_session(visitor).send("Page.getAppManifest")
    assert found["errors"] == []
    assert json.loads(found["data"])["name"] == "Lanternfish"

    # Mails come from the sender.
    visitor.goto(live_server.url(person, "/forgot"))
    visitor.get_by_label("Email").fill(person.account.email)
    visitor.locator("main form button[type=submit]").click()
    visitor.wait_for_load_state()
    run_jobs(live_server.app)
    assert sender_of_mail(live_server.app, person.account.email) == "Lanternfish <hello@lanternfish.example>"

    # An address of its own is a portal at once.
    name = f"voice.{tansy.partner.slug}.test"
    page.get_by_role("link", name="Portal addresses").click()
    page.get_by_label("Host name").fill(name)
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".toasts")).to_contain_text(f"{name} is added")
    visitor.goto(f"http://{name}:{live_server.port}/sign-in")
    expect(visitor.locator(".auth .brandmark")).to_contain_text("Lanternfish")

    # And back to what was before.
    page.get_by_role("link", name="Brand", exact=True).click()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_role("region", name="Versions").get_by_role("listitem")).to_have_count(3)
    visitor.reload()
    expect(visitor.locator(".auth .brandmark")).to_contain_text("Harbour")


def test_examples_and_suggestions_fill_the_form_in(
    tansy: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser()
    sign_in_cookie(page, tansy, site="console")
    page.goto(live_server.url(tansy, "/branding", site="console"))
    page.get_by_label("Portal name").fill("Typed already")
    page.get_by_role("button", name=f"Example {YELLOW} with {PURPLE}").click()
    expect(page.get_by_label("Brand colour", exact=True)).to_have_value(YELLOW)
    expect(page.locator("#accent")).to_have_value(PURPLE)
    suggestion = page.get_by_role("region", name="Readability").get_by_role("button", name="Use #")
    wanted = (suggestion.text_content() or "").removeprefix("Use ")
    suggestion.click()
    expect(page.get_by_label("Brand colour", exact=True)).to_have_value(wanted)
    expect(suggestion).to_have_count(0)
    page.get_by_label("Corner radius").fill("2")
    expect(page.locator("output[for=radius]")).to_have_text("2 px")
    expect(page.get_by_label("Portal name")).to_have_value("Typed already")
    assert page.url.endswith("/branding"), "no page was left for it"


def test_without_javascript_a_draft_is_previewed_and_published(
    tansy: Person, live_server: Any, open_browser: Callable[..., Page], sign_in_cookie: Any
) -> None:
    page = open_browser(javascript=False)
    sign_in_cookie(page, tansy, site="console")
    page.goto(live_server.url(tansy, "/branding", site="console"))
    before = color_of_still(page)
    page.locator("#color").fill(PURPLE)
    page.get_by_role("button", name="Show preview").click()
    expect(page.locator("#draft-state")).to_have_text("Draft")
    expect(page.locator("#color")).to_have_value(PURPLE)
    assert color_of_still(page) != before
    page.get_by_role("button", name="Publish").first.click()
    expect(page.locator("#draft-state")).to_be_empty()
    expect(page.locator("#color")).to_have_value(PURPLE)
    expect(page.locator("#versions li")).to_have_count(2)


def color_of_still(page: Page) -> str:
    """Which style sheet the previews have: without scripting there is nobody to ask for a colour."""
    return str(page.locator("#preview link").get_attribute("href"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("phone", [False, True])
def test_drafts_and_mistakes_have_no_violation(
    phone: bool,
    dark: bool,
    tansy: Person,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
) -> None:
    page = open_browser(phone=phone, dark=dark)
    sign_in_cookie(page, tansy, site="console")
    page.goto(live_server.url(tansy, "/branding", site="console"))
    page.locator("#color").fill(YELLOW)
    page.locator("#support_email").fill("help@")
    expect(page.locator("#preview .banner")).to_contain_text("Support email")
    page.locator("#support_email").blur()
    assert violations(page) == []
    page.get_by_role("button", name="Publish").first.click()
    expect(page.locator(".errsum")).to_be_focused()
    assert violations(page) == []
    page.locator("#support_email").fill("help@example.com")
    page.get_by_role("button", name="Publish").first.click()
    expect(page.get_by_role("region", name="Versions").get_by_role("listitem")).to_have_count(2)
    assert violations(page) == []
    page.goto(live_server.url(tansy, "/addresses", site="console"))
    page.locator("#name").fill("voice..example.com")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".errsum")).to_be_focused()
    assert violations(page) == []
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Remove the address")).to_be_visible()
    assert violations(page) == []
