"""Add-ons of others, installed beside our wheels and used through the front door.

One is a notice board that does everything a plugin may; the others misbehave, each in its own way.
"""

import re
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from support.installation import Browser, Deployment, Portal, wait_until

from ringstead.api import Setting
from ringstead.api.testing import Person, Tenants
from ringstead.preferences.store import set_for_organization
from ringstead.tenancy.models import Organization, Partner

pytestmark = [pytest.mark.wheels, pytest.mark.slow]

# Plugins that must not come up at all: what `ringstead plugins list` says of them.
STOPPED = {
    "misfit_api": "plugin_info.api: is written for API 9.0, this portal has 1.0",
    "misfit_exit": "import: raised SystemExit: this is not for you",
    "misfit_field": "declare_routes.pattern: must be str, not int 7",
    "misfit_hook": "hooks: unknown hook 'declare_wonders'",
    "misfit_import": "import: raised RuntimeError: the licence server does not answer",
    "misfit_library": "import: raised ModuleNotFoundError: No module named 'a_library_that_nobody_has'",
    "misfit_models": "models: When initializing mapper Mapper[Part(misfit_models_part)]",
    "misfit_name": "plugin_info.name: says 'calllogs', but the entry point is 'misfit_name'",
    "misfit_permission": "declare_permissions.name: 'everything' must look like 'misfit_permission:resource:action'",
    "misfit_taken": "declare_routes.pattern: '/search' on the portal is taken by plugin 'core' ('/search')",
    "misfit_template": "declare_cards.template: there is no file templates/misfit_template/card.pt in its package",
    "misfit_type": "declare_routes: must return a list of Route, not dict",
    "misfit_undeclared": "declare_routes.permission: 'misfit_undeclared:page:read' is not declared by this plugin",
}
# Plugins whose card fails while a page is made: what the page says to support.
FAILING_CARDS = {
    "misfit_present": "RuntimeError: this add-on is out of order",
    "misfit_query": "RuntimeError: this add-on is out of order",
    "misfit_render": "NameError: nobody_gave_this",
    "misfit_slow": "TooSlow: took longer than 2 seconds",
    "misfit_slowsql": "QueryCanceled",
    "misfit_sql": "UndefinedColumn",
}
FAILING_ANSWERS = ("misfit_answer", "misfit_search", "misfit_view")
HARMLESS = ("misfit_locale", "misfit_migration")


@pytest.fixture(scope="module")
def portal(deployment: Deployment) -> Iterator[Portal]:
    """The portal with everything installed, misfits and all."""
    with deployment.serving() as portal:
        yield portal


@pytest.fixture
def partner(tenants: Tenants) -> Partner:
    return tenants.partner("Acme")


def browser(portal: Portal, tenants: Tenants, person: Person) -> Browser:
    return portal.browser(f"{person.partner.slug}.test", tenants.session_token(person))


def switch(
    portal: Portal, tenants: Tenants, organization: Organization, partner: Partner, on: bool = True
) -> None:
    """What the partner's admin does on the console."""
    staff = tenants.staff(partner)
    console = portal.browser(f"console.{partner.slug}.test", tenants.session_token(staff, "console"))
    state = "on" if on else "off"
    console.post(f"/organizations/{organization.org_id}/features", plugin="noticeboard", enabled=state)


def test_the_list_says_who_failed_and_why(deployment: Deployment, misfits: list[str]) -> None:
    listed = deployment.run("plugins", "list", disabled_plugins="")
    assert listed.returncode == 1, "a plugin failed"
    lines = {line.split()[0]: line for line in listed.stdout.splitlines() if line.strip()}
    assert sorted({*STOPPED, *FAILING_CARDS, *FAILING_ANSWERS, *HARMLESS}) == misfits
    for name, why in STOPPED.items():
        assert re.match(rf"{name} +failed ", lines[name]), lines[name]
        assert f"plugin {name}: {why}" in lines[name]
    for name in ("calllogs", "notes", "noticeboard", *FAILING_CARDS, *FAILING_ANSWERS, *HARMLESS):
        assert re.match(rf"{name} +active ", lines[name]), lines[name]


def test_doctor_names_them_too(deployment: Deployment) -> None:
    said = deployment.run("doctor")
    assert said.returncode == 1
    for name in STOPPED:
        assert name in said.stdout


def test_a_plugin_can_be_left_out(deployment: Deployment, misfits: list[str]) -> None:
    listed = deployment.run("plugins", "list", disabled_plugins=",".join(misfits))
    assert listed.returncode == 0, listed.stdout
    assert re.search(r"misfit_import +disabled .*named in disabled_plugins", listed.stdout)


def test_a_migration_that_fails_changes_nothing_and_is_named(
    deployment: Deployment, tenants: Tenants
) -> None:
    failed = deployment.run("db", "migrate", disabled_plugins="")
    assert failed.returncode != 0
    assert "The migrations of misfit_migration failed, and nothing was changed" in failed.stderr
    assert "Traceback" not in failed.stderr
    with tenants.database.app_engine.connect() as connection:
        assert connection.execute(text("SELECT to_regclass('misfit_migration_table')")).scalar_one() is None


def test_its_table_is_protected_like_ours(tenants: Tenants) -> None:
    with tenants.database.app_engine.connect() as connection:
        row = connection.execute(
            text(
                "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'noticeboard_notice'"
            )
        ).one()
        versions = connection.execute(text("SELECT to_regclass('alembic_version_noticeboard')")).scalar_one()
    assert row == (True, True)
    assert versions == "alembic_version_noticeboard"


def test_a_page_a_card_and_rights(portal: Portal, tenants: Tenants, partner: Partner) -> None:
    organization = tenants.organization(partner)
    admin = browser(portal, tenants, tenants.person(organization, role="org_admin"))
    reader = browser(portal, tenants, tenants.person(organization))
    reader.get("/notices", status=404)
    assert "Notice board" not in reader.get("/")

    switch(portal, tenants, organization, partner)
    assert "Nothing on the board" in reader.get("/notices")
    home = reader.get("/")
    assert 'href="/notices"' in home
    assert "Nothing on the board." in home

    admin.post("/notices", text="Fire drill  <b>Friday</b>")
    assert "Your notice is up" in admin.get("/notices")
    for page in ("/notices", "/"):
        assert "Fire drill &lt;b&gt;Friday&lt;/b&gt;" in reader.get(page)
    assert "Fire drill" in reader.get("/search?q=DRILL")

    assert "New notice" not in reader.get("/notices")
    reader.post("/notices", status=403, text="Not allowed")
    assert "Write 1 to 200 characters." in admin.post("/notices", status=422, text="x" * 201)
    assert 'value="xxx' in admin.post("/notices", status=422, text="xxx" * 100)


def test_a_visitor_is_led_to_the_sign_in(portal: Portal, partner: Partner) -> None:
    portal.browser(f"{partner.slug}.test").get("/notices", status=303)


def test_its_rows_belong_to_the_organization(portal: Portal, tenants: Tenants, partner: Partner) -> None:
    own, other = (tenants.organization(partner, "noticeboard") for _ in range(2))
    mine = browser(portal, tenants, tenants.person(own, role="org_admin"))
    theirs = browser(portal, tenants, tenants.person(other, role="org_admin"))
    mine.post("/notices", text="Between ourselves")
    for page in ("/notices", "/", "/search?q=ourselves"):
        assert "Between ourselves" not in theirs.get(page)
    remove = re.search(r'action="(/notices/[^"]+/remove)"', mine.get("/notices"))
    assert remove is not None
    theirs.post(remove[1], status=404)
    theirs.post("/notices/nonsense/remove", status=404)
    mine.post(remove[1])
    assert "Nothing on the board" in mine.get("/notices")


def test_turning_off_keeps_its_rows(portal: Portal, tenants: Tenants, partner: Partner) -> None:
    organization = tenants.organization(partner, "noticeboard")
    admin = browser(portal, tenants, tenants.person(organization, role="org_admin"))
    admin.post("/notices", text="Still here")
    switch(portal, tenants, organization, partner, on=False)
    admin.get("/notices", status=404)
    assert "Still here" not in admin.get("/")
    assert "Still here" not in admin.get("/search?q=still")
    switch(portal, tenants, organization, partner)
    assert "Still here" in admin.get("/notices")


def test_its_setting_is_in_the_cascade(portal: Portal, tenants: Tenants, partner: Partner) -> None:
    organization = tenants.organization(partner, "noticeboard")
    admin = browser(portal, tenants, tenants.person(organization, role="org_admin"))
    for number in range(5):
        admin.post("/notices", text=f"Notice number {number}")
    assert admin.get("/").count("Notice number") == 3
    lines = Setting(name="noticeboard.lines", title="", type=int, default=3, level="subscriber")
    with tenants.database.run_as(organization.org_id) as session:
        set_for_organization(session, {lines.name: lines}, lines.name, 2)
    assert admin.get("/").count("Notice number") == 2


def test_its_files_and_its_language(portal: Portal, tenants: Tenants, partner: Partner) -> None:
    reader = browser(portal, tenants, tenants.person(tenants.organization(partner, "noticeboard")))
    page = reader.get("/notices", **{"Accept-Language": "de"})
    assert "Das Brett ist leer" in page
    assert "Schwarzes Brett" in page
    sheet = re.search(r'href="(/static/[0-9a-f]+/noticeboard/board\.css)"', page)
    assert sheet is not None
    assert "overflow-wrap" in reader.get(sheet[1])


def test_its_listener_and_jobs_run_in_the_worker(
    deployment: Deployment, portal: Portal, tenants: Tenants, partner: Partner, misfits: list[str]
) -> None:
    organization = tenants.organization(partner, "noticeboard")
    admin = browser(portal, tenants, tenants.person(organization, role="org_admin"))
    admin.post("/notices", text="Hear, hear")
    assert "announced" not in admin.get("/notices")
    with deployment.running("worker", disabled_plugins=",".join(misfits)) as worker:
        wait_until(lambda: "announced" in admin.get("/notices"), worker)


@pytest.fixture
def afflicted(tenants: Tenants, partner: Partner) -> Person:
    """Somebody whose organization has the notice board and every misfit switched on."""
    names = ("noticeboard", *STOPPED, *FAILING_CARDS, *FAILING_ANSWERS)
    return tenants.person(tenants.organization(partner, *names), role="org_admin")


def test_the_home_page_stands_and_says_what_failed(
    deployment: Deployment, tenants: Tenants, afflicted: Person, misfits: list[str]
) -> None:
    with deployment.serving() as portal:
        reader = browser(portal, tenants, afflicted)
        reader.post("/notices", text="All is well")
        page = reader.get("/")
        assert "All is well" in page
        for name, why in FAILING_CARDS.items():
            card = re.search(
                rf'<section class="card failed" id="card-{name.replace("_", "-")}-card".*?</section>',
                page,
                re.S,
            )
            assert card is not None, name
            assert "This add-on isn’t answering." in card[0]
            assert f"{name} 1.0 · {why}" in card[0]
        assert page.count('class="card failed"') == len(FAILING_CARDS)

        for _ in range(2):
            reader.get("/")
        started = time.monotonic()
        rested = reader.get("/")
        assert time.monotonic() - started < 2, "who failed three times is not asked any more"
        assert "All is well" in rested
        assert rested.count('class="card failed"') == len(FAILING_CARDS)
        said = portal.running.log()
    for name in (*STOPPED, "misfit_locale"):
        assert name in said, "the log names who did not come up"
    for name in FAILING_CARDS:
        assert name in said


def test_a_search_finds_what_the_others_find(portal: Portal, tenants: Tenants, afflicted: Person) -> None:
    reader = browser(portal, tenants, afflicted)
    reader.post("/notices", text="Lost umbrella")
    page = reader.get("/search?q=umbrella")
    assert "Lost umbrella" in page
    assert "there is no umbrella" not in page


def test_a_page_that_raises_is_the_only_one(portal: Portal, tenants: Tenants, afflicted: Person) -> None:
    reader = browser(portal, tenants, afflicted)
    page = reader.get("/misfit", status=500)
    assert "Something went wrong on our side" in page
    assert "out of order" not in page
    reader.get("/notices")
    reader.get("/undeclared", status=404)


def test_they_reach_nobody_who_does_not_have_them(portal: Portal, tenants: Tenants, partner: Partner) -> None:
    person = tenants.person(tenants.organization(partner))
    reader = browser(portal, tenants, person)
    page = reader.get("/")
    assert "misfit" not in page
    assert 'class="card failed"' not in page
    reader.get("/misfit", status=404)
    with tenants.database.in_partner(partner.id) as session:
        assert session.scalar(select(Organization.name).limit(1))
