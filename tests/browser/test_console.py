"""A partner's work in a real browser: a new organization with its first people, and a feature that shows elsewhere."""

from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ringstead.api.testing import PASSWORD, Person, Tenants

pytestmark = pytest.mark.browser


@pytest.fixture
def tansy(tenants: Tenants) -> Person:
    return tenants.staff(tenants.partner("Harbour"), "partner_admin", "Tansy Greenlow")


def link_in_mail(app: Any, address: str) -> str:
    """The path of the link in the mail to somebody."""
    folder = app.settings.var_dir / "mail"
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in folder.glob("*.eml")]
    (mail,) = [mail for mail in mails if mail["To"] == address]
    text: str = mail.get_body(("plain",)).get_content()
    return "/reset/" + text.partition("/reset/")[2].split()[0]


def test_an_organization_is_created_and_its_admin_brings_a_colleague(
    tansy: Person,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
    run_jobs: Callable[..., None],
) -> None:
    address = f"fern-{tansy.partner.slug}@example.com"
    page = open_browser()
    sign_in_cookie(page, tansy, site="console")
    page.goto(live_server.url(tansy, "/organizations", site="console"))
    page.get_by_role("link", name="New organization").click()
    page.get_by_label("Name", exact=True).first.fill("Bramble & Finch")
    admin = page.get_by_role("region", name="Its admin")
    admin.get_by_label("Name").fill("Fern Castellan")
    admin.get_by_label("Email").fill(address)
    page.get_by_role("button", name="Create organization").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bramble & Finch")
    run_jobs(live_server.app)
    tab = open_browser()
    tab.goto(live_server.url(tansy, link_in_mail(live_server.app, address)))
    tab.get_by_label("New password", exact=True).fill(PASSWORD)
    tab.get_by_label("New password again").fill(PASSWORD)
    tab.get_by_role("button", name="Set password").click()
    tab.get_by_label("Email").fill(address)
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Fern")
    tab.get_by_role("link", name="People").click()
    tab.get_by_role("link", name="New subscriber").click()
    expect(tab.get_by_label("Extension")).to_have_value("101")
    tab.get_by_label("Name", exact=True).fill("Juno Birdsong")
    tab.get_by_role("button", name="Create").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Juno Birdsong")


def test_a_feature_turned_on_shows_in_the_other_browsers_menu(
    tansy: Person,
    tenants: Tenants,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
) -> None:
    juno = tenants.person(tenants.organization(tansy.partner), "Juno Birdsong")
    assert juno.organization is not None
    desk, tab = open_browser(), open_browser()
    sign_in_cookie(desk, tansy, site="console")
    sign_in_cookie(tab, juno)
    tab.goto(live_server.url(juno, "/"))
    menu = tab.get_by_role("navigation").get_by_role("link", name="Voicemail")
    expect(menu).to_have_count(0)
    path = f"/organizations/{juno.organization.org_id}"
    desk.goto(live_server.url(tansy, path, site="console"))
    desk.get_by_role("button", name="Turn on Voicemail").click()
    expect(desk.get_by_role("button", name="Turn off Voicemail")).to_be_visible()
    tab.reload()
    expect(menu.first).to_be_visible()


def test_a_package_shows_its_menu_and_changes_another_browsers(
    tansy: Person,
    tenants: Tenants,
    live_server: Any,
    open_browser: Callable[..., Page],
    sign_in_cookie: Any,
) -> None:
    juno = tenants.person(tenants.organization(tansy.partner, "calllogs", "voicemail"), "Juno Birdsong")
    assert juno.organization is not None
    assert juno.subscriber is not None
    desk, tab = open_browser(), open_browser()
    sign_in_cookie(desk, tansy, site="console")
    sign_in_cookie(tab, juno)
    tab.goto(live_server.url(juno, "/"))
    menu = tab.get_by_role("navigation").get_by_role("link", name="Voicemail")
    expect(menu.first).to_be_visible()
    desk.goto(live_server.url(tansy, "/packages/new", site="console"))
    preview = desk.get_by_role("region", name="Their menu")
    expect(preview.get_by_text("Voicemail")).to_be_visible()
    desk.get_by_role("textbox", name="Name").fill("Basic")
    desk.get_by_role("switch", name="Voicemail is in the package").uncheck()
    desk.get_by_role("button", name="Show the menu").click()
    expect(preview.get_by_text("Voicemail")).to_have_count(0)
    expect(desk.get_by_role("textbox", name="Name")).to_have_value("Basic")
    desk.get_by_role("button", name="Save").click()
    profile = f"/organizations/{juno.organization.org_id}/subscribers/{juno.subscriber.id}"
    desk.goto(live_server.url(tansy, f"{profile}/edit", site="console"))
    desk.get_by_label("Package").select_option("Basic")
    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_role("list", name="Their menu").get_by_text("Voicemail")).to_have_count(0)
    tab.reload()
    expect(menu).to_have_count(0)
