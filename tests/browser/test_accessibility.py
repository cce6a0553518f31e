"""Axe finds no violation on any page, in light and dark, at desk and on the phone."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from support.calls import file_of, record_calls
from support.people import ask_to_open, belongs_to, make_groups, read_file, reset_token

from ringstead.api.preferences import set_for_organization
from ringstead.api.testing import Person, Tenants
from ringstead_calllogs.keeping import KEEP_DAYS, LEGAL_HOLD
from ringstead_calllogs.partner_counts import count_partners
from ringstead_calllogs.retention import prune

pytestmark = pytest.mark.browser

PORTAL_PAGES = [
    "/",
    "/home/arrange",
    "/search?q=mar",
    "/more",
    "/account",
    "/account/activity",
    "/account/activity?q=nothing",
    "/account/support",
    "/calls",
    "/calls?kind=missed",
    "/calls?from=x&least=y&q=%01",
    "/calls?q=nobody&tag=none",
    "/calls/chart?by=day",
    "/calls/downloads",
    "/calls/downloads/new?file=csv",
    "/nowhere",
]
ADMIN_PAGES = [
    "/calls",
    "/calls/of/organization?q=mar",
    "/calls/of/team/team?person=x&location=y",
    "/calls/of/location/team?kind=missed",
    "/calls/of/team/team/report",
    "/calls/looks",
    "/audit",
    "/organization/support",
    "/organization/subscribers",
    "/organization/subscribers/new",
    "/organization/subscribers/import",
    "/organization/hours",
    "/organization/locations/new",
]
PUBLIC_PAGES = ["/sign-in", "/forgot"]
CONSOLE_PAGES = [
    "/",
    "/account",
    "/addresses",
    "/audit",
    "/branding",
    "/calls",
    "/calls?by=hour",
    "/calls?from=x",
    "/features",
    "/features/of/voicemail",
    "/features/organizations",
    "/organizations",
    "/organizations/new",
    "/packages",
    "/packages/new",
    "/subscribers?q=ju",
    "/templates",
]


def prune_calls(app: Any, person: Person) -> None:
    """A night in an organization that keeps calls for a week, and one under a legal hold."""
    assert person.organization is not None
    for name, value in ((KEEP_DAYS, 7), (LEGAL_HOLD, True)):
        with app.database.run_as(person.organization.org_id) as session:
            set_for_organization(session, app.registry["ringstead.declared_settings"], name, value)
        prune(app.database, person.organization.org_id)


LOOKS = [(phone, dark) for phone in (False, True) for dark in (False, True)]


def violations(page: Page) -> list[str]:
    """What axe has to say, as `rule: first element`."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:160]}" for v in found]


@pytest.mark.parametrize(("phone", "dark"), LOOKS, ids=lambda value: str(value).lower())
def test_no_page_has_a_violation(
    phone: bool,
    dark: bool,
    live_server: Any,
    open_browser: Callable[..., Page],
    tenants: Tenants,
    sign_in_cookie: Any,
) -> None:
    partner = tenants.partner("Harbour")
    person = tenants.person(tenants.organization(partner, "calllogs"), name="Juno Birdsong")
    record_calls(live_server.app, person, 12)
    file_of(tenants.database, person)
    assert person.organization is not None
    admin = tenants.person(person.organization, role="org_admin")
    staff = tenants.staff(partner)
    page = open_browser(phone=phone, dark=dark)
    found: dict[str, list[str]] = {}
    for path in PUBLIC_PAGES:
        page.goto(live_server.url(person, path))
        found[path] = violations(page)
    sign_in_cookie(page, person)
    for path in PORTAL_PAGES:
        page.goto(live_server.url(person, path))
        found[path] = violations(page)
    page.goto(live_server.url(person, "/calls"))
    page.locator("#calls-chart").wait_for()
    page.locator(".calls a").first.click()
    page.locator(".legs-list").first.wait_for()
    page.get_by_text("Note and tags").click()
    page.get_by_text("More filters").click()
    found["an open call"] = violations(page)
    page.locator("summary", has_text="Download").click()
    found["the download menu"] = violations(page)
    page.get_by_role("link", name="Open this call").click()
    found["a call"] = violations(page)
    sign_in_cookie(page, admin)
    for path in ("/calls/report", "/calls/report?from=x", "/calls/privacy", "/calls/retention"):
        page.goto(live_server.url(admin, path))
        found[path] = violations(page)
    page.locator("#keep_days").fill("x")
    page.get_by_role("button", name="Save").click()
    found["a rule that is none"] = violations(page)
    prune_calls(live_server.app, admin)
    page.goto(live_server.url(admin, "/calls/retention"))
    found["nights"] = violations(page)
    count_partners(live_server.app.database)
    make_groups(tenants, live_server.app, "team", [admin, person])
    for path in ADMIN_PAGES:
        page.goto(live_server.url(admin, path))
        found[path] = violations(page)
    page.goto(live_server.url(admin, "/calls/of/organization"))
    page.locator(".calls a").first.click()
    page.locator(".legs-list").first.wait_for()
    page.get_by_text("More filters").click()
    found["an open call of another"] = violations(page)
    page.get_by_text("More filters").click()
    page.get_by_role("link", name="Open this call").click()
    found["a call of another"] = violations(page)
    sign_in_cookie(page, person)
    page.goto(live_server.url(person, "/calls/looks"))
    page.locator(".looks li").first.wait_for()
    found["/calls/looks"] = violations(page)
    sign_in_cookie(page, staff, site="console")
    for path in CONSOLE_PAGES:
        page.goto(live_server.url(staff, path, site="console"))
        found[f"console {path}"] = violations(page)
    organization = f"/organizations/{person.organization.org_id}"
    ask_to_open(live_server.app.database, staff, person)
    profile = f"/subscribers/{person.subscriber.id}"  # type: ignore[union-attr]
    imported = f"/subscribers/import/{read_file(live_server.app.database, person)}"
    care = ("/settings", "/numbers", "/hours", "/locations/new", "/removal", "/subscribers/new", imported)
    for path in ("", "/subscribers", profile, f"{profile}/edit", f"{profile}/hand-over", *care):
        page.goto(live_server.url(staff, f"{organization}{path}", site="console"))
        found[f"console organization{path}"] = violations(page)
    sign_in_cookie(page, person)
    page.goto(live_server.url(person, "/account/support"))
    found["a wish to open the portal"] = violations(page)
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(("phone", "dark"), LOOKS, ids=lambda value: str(value).lower())
def test_no_form_has_a_violation_nor_its_errors(
    phone: bool,
    dark: bool,
    live_server: Any,
    open_browser: Callable[..., Page],
    tenants: Tenants,
    sign_in_cookie: Any,
) -> None:
    partner = tenants.partner("Harbour")
    person = tenants.person(tenants.organization(partner), name="Juno Birdsong")
    belongs_to(tenants, person, tenants.organization(partner, name="Larkspur"))
    page = open_browser(phone=phone, dark=dark)
    found: dict[str, list[str]] = {}
    for path in ("/sign-in", "/forgot", f"/reset/{reset_token(tenants, person)}"):
        page.goto(live_server.url(person, path))
        found[path] = violations(page)
        found[f"{path} with errors"] = sent_empty(page, "main form[method=post]")
    sign_in_cookie(page, person)
    page.goto(live_server.url(person, "/choose"))
    found["/choose"] = violations(page)
    page.goto(live_server.url(person, "/account"))
    found["/account with errors"] = sent_empty(page, "form[action='/account/password']")
    admin = tenants.person(person.organization, role="org_admin")  # type: ignore[arg-type]
    sign_in_cookie(page, admin)
    hand_over = f"/subscribers/{person.subscriber.id}/hand-over"  # type: ignore[union-attr]
    for path in ("/subscribers/new", "/locations/new", hand_over):
        page.goto(live_server.url(admin, f"/organization{path}"))
        found[f"{path} with errors"] = sent_empty(page, "main form[method=post]")
    sign_in_cookie(page, tenants.staff(partner), site="console")
    page.goto(live_server.url(admin, "/organizations/new", site="console"))
    found["a new organization with errors"] = sent_empty(page, "main form[method=post]")
    assert {path: what for path, what in found.items() if what} == {}


def sent_empty(page: Page, form: str) -> list[str]:
    """What axe says to the page that comes back when a form was sent with nothing in it."""
    with page.expect_navigation():
        page.locator(form).first.evaluate("form => form.submit()")
    page.locator("[aria-invalid=true]").first.wait_for()
    return violations(page)
