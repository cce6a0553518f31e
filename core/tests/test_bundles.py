"""Bundles: reading with errors that name the place, planning, applying, applying again."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, update

from ringstead.db.engine import Database
from ringstead.plugins.enablement import FEATURES_CHANNEL, enabled_plugins
from ringstead.settings import plain_database_url
from ringstead.tenancy import directory
from ringstead.tenancy.bundles import BundleError, apply_bundle, bundle_folders, read_bundle
from ringstead.tenancy.hosts import HOSTS_CHANNEL, HostDirectory
from ringstead.tenancy.models import (
    Account,
    FeaturePackage,
    Location,
    Membership,
    Organization,
    OrganizationSetting,
    Partner,
    PartnerSetting,
    Subscriber,
)

TENANTS = Path(__file__).parents[2] / "tenants"
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><rect class="l-bg" width="4" height="4"/></svg>'
SAMPLE = """\
[partner]
slug = "{slug}"
name = "Sample"
locale = "en"
time_zone = "America/New_York"

[brand]
color = "#0b6068"
logo = "logo.svg"

[hosts]
portal = ["{slug}.test"]
console = ["console.{slug}.test"]

[demo]
password = "only in the demo"

[[staff]]
name = "Tansy Example"
email = "tansy@{slug}.example"
role = "partner_admin"

[[organizations]]
slug = "first"
name = "First"
time_zone = "Europe/Vienna"
hosts.sip = ["first.{slug}.test"]
features.sample = true
subscribers = [
    {{ extension = "214", name = "Juno Example", number = "+1 212 555 01{tail}", email = "Juno@{slug}.example" }},
    {{ extension = "215", name = "Front desk" }},
]

[[organizations]]
slug = "second"
name = "Second"
"""
Writer = Callable[..., Path]


@pytest.fixture
def slug() -> str:
    return f"b{secrets.token_hex(5)}"


@pytest.fixture
def write(tmp_path: Path, slug: str) -> Writer:
    """`write(old, new, …)`: the sample bundle with replacements, in a folder of its own."""

    def make(*replacements: tuple[str, str]) -> Path:
        # Numbers are unique on the platform, so each test takes one that no other test has.
        text = SAMPLE.format(slug=slug, tail=f"{secrets.randbelow(10**6):06}"[:2])
        text = text.replace("+1 212 555 01", f"+1 {200 + secrets.randbelow(700)} 555 01")
        path = tmp_path / slug / "partner.toml"
        path.parent.mkdir(exist_ok=True)
        text = path.read_text() if path.exists() else text
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        (path.parent / "logo.svg").write_text(LOGO)
        return path.parent

    return make


def apply(database: Database, folder: Path, **options: bool) -> list[str]:
    """The plan's lines."""
    plan = apply_bundle(database, folder, actor="tests", installed={"sample", "other"}, **options)
    return [str(change) for change in plan.changes]


def partner_of(database: Database, slug: str) -> Partner:
    with database.as_operator("tests", "look") as session:
        return session.scalars(select(Partner).where(Partner.slug == slug)).one()


def organization_of(database: Database, partner: Partner, slug: str) -> Organization:
    with database.in_partner(partner.id) as session:
        return session.scalars(select(Organization).where(Organization.slug == slug)).one()


def test_an_empty_database_gets_everything_once(database: Database, write: Writer, slug: str) -> None:
    folder = write()
    first = apply(database, folder)
    assert first[0] == f"+ partner {slug}: Sample"
    assert f"+ host {slug}.test: portal of {slug}" in first
    assert f"+ host first.{slug}.test: sip of first" in first
    assert "~ feature first/sample: on" in first
    assert apply(database, folder) == []

    partner = partner_of(database, slug)
    assert partner.brand["color"] == "#0b6068"
    assert "<rect" in partner.brand["logo"]["svg"]
    with database.in_partner(partner.id) as session:
        accounts = {a.email: a for a in session.scalars(select(Account))}
        assert set(accounts) == {f"tansy@{slug}.example", f"juno@{slug}.example"}
        assert accounts[f"tansy@{slug}.example"].staff_role == "partner_admin"
        assert all(a.password_hash is None for a in accounts.values()), "a bundle gives nobody a password"
        assert session.scalars(select(PartnerSetting.value).order_by(PartnerSetting.name)).all() == [
            "en",
            "America/New_York",
        ]
    with database.run_as(organization_of(database, partner, "first").org_id) as session:
        people = {p.extension: p for p in session.scalars(select(Subscriber))}
        assert people["214"].number is not None
        assert people["214"].number.startswith("+1")
        assert " " not in people["214"].number
        member = session.scalars(select(Membership)).one()
        assert (member.subscriber_id, member.role) == (people["214"].id, "subscriber")
        assert enabled_plugins(session) == {"sample"}
        assert session.scalars(select(OrganizationSetting.value)).all() == ["Europe/Vienna"]


def test_a_dry_run_changes_nothing(database: Database, write: Writer, slug: str) -> None:
    assert len(apply(database, write(), dry_run=True)) > 10
    with database.as_operator("tests", "look") as session:
        assert session.scalars(select(Partner).where(Partner.slug == slug)).one_or_none() is None


def test_differences_are_changed_and_named(database: Database, write: Writer, slug: str) -> None:
    apply(database, write())
    version = organization_of(database, partner_of(database, slug), "first").features_version
    lines = apply(
        database,
        write(
            ("Juno Example", "Juno Renamed"),
            ("features.sample = true", "features = { sample = false, other = true }"),
            ("#0b6068", "#ffb400"),
            ('"America/New_York"', '"America/Los_Angeles"'),
        ),
    )
    assert "~ subscriber first/214: name 'Juno Example' → 'Juno Renamed'" in lines
    assert f"~ account juno@{slug}.example: name 'Juno Example' → 'Juno Renamed'" in lines
    assert "~ feature first/sample: off" in lines
    assert f"~ brand {slug}: color, accent" in lines or f"~ brand {slug}: accent, color" in lines
    assert f"~ setting {slug}/core.time_zone: America/Los_Angeles" in lines
    assert len(lines) == 6
    assert apply(database, write()) == []
    organization = organization_of(database, partner_of(database, slug), "first")
    assert organization.features_version == version + 1, "one raise for all switches of an organization"


def test_hours_holidays_and_limits_are_kept_as_the_console_keeps_them(
    database: Database, write: Writer, slug: str
) -> None:
    said = (
        'subscriber_limit = 5\nhours = { mon = "9-12, 13:00-17:30", sat = "22-6" }\n'
        'holidays."2026-12-25" = "Christmas"\n'
        'locations = [{ slug = "shop", name = "Shop", time_zone = "Europe/Paris", hours = { sun = "10-14" } }]'
    )
    lines = apply(database, write(('name = "Second"', f'name = "Second"\n{said}')))
    assert "~ organization second: subscriber_limit 5" in lines
    assert "~ setting second/core.hours: 3 entries" in lines
    assert "~ location second/shop: time_zone Europe/Paris" in lines
    assert apply(database, write()) == []
    organization = organization_of(database, partner_of(database, slug), "second")
    assert organization.subscriber_limit == 5
    with database.run_as(organization.org_id) as session:
        kept = {row.name: row.value for row in session.scalars(select(OrganizationSetting))}
        shop = session.scalars(select(Location)).one()
    assert kept["core.hours"] == [
        ["mon", "09:00", "12:00"],
        ["mon", "13:00", "17:30"],
        ["sat", "22:00", "06:00"],
    ]
    assert kept["core.holidays"] == [["2026-12-25", "Christmas"]]
    assert (shop.time_zone, shop.hours) == ("Europe/Paris", [["sun", "10:00", "14:00"]])
    changed = apply(
        database, write(("subscriber_limit = 5", "subscriber_limit = 0"), ('sat = "22-6"', 'sat = ""'))
    )
    assert changed == [
        "~ organization second: subscriber_limit none",
        "~ setting second/core.hours: 2 entries",
    ]


def test_what_the_bundle_does_not_name_stays(database: Database, write: Writer, slug: str) -> None:
    apply(database, write())
    partner = partner_of(database, slug)
    organization = organization_of(database, partner, "first")
    with database.in_partner(partner.id) as session:
        directory.add_host(session, partner.id, name=f"other.{slug}.test", kind="portal")
    with database.run_as(organization.org_id) as session:
        directory.create_subscriber(session, organization, name="Kept", extension="999")
    assert apply(database, write(('    { extension = "215", name = "Front desk" },\n', ""))) == []
    with database.run_as(organization.org_id) as session:
        assert set(session.scalars(select(Subscriber.extension))) == {"214", "215", "999"}


def test_a_brand_key_that_is_left_out_keeps_its_value(database: Database, write: Writer, slug: str) -> None:
    line = 'color = "#0b6068"\n'
    more = 'name = "Other"\naccent = "#7a3b00"\nradius = 3\nsupport_phone = "+12125550199"\n'
    apply(database, write((line, line + more)))
    before = partner_of(database, slug).brand
    assert apply(database, write((line + more, ""), ('logo = "logo.svg"\n', "radius = 4\n"))) == [
        f"~ brand {slug}: radius"
    ]
    assert partner_of(database, slug).brand == {**before, "radius": 4}
    # Emptied on purpose.
    assert apply(database, write(("radius = 4\n", 'support_phone = ""\n'))) == [
        f"~ brand {slug}: support_phone"
    ]
    assert partner_of(database, slug).brand["accent"] == "#7a3b00"


def test_name_and_accent_follow_until_they_have_values_of_their_own(
    database: Database, write: Writer, slug: str
) -> None:
    apply(database, write())
    apply(database, write(('name = "Sample"', 'name = "Renamed"'), ("#0b6068", "#7a3b00")))
    brand = partner_of(database, slug).brand
    assert (brand["name"], brand["color"], brand["accent"]) == ("Renamed", "#7a3b00", "#7a3b00")


def test_a_brand_that_is_none_together_with_the_one_in_force_is_refused(
    database: Database, write: Writer, slug: str
) -> None:
    apply(database, write())
    with database.as_operator("tests", "break a brand") as session:
        session.execute(
            update(Partner).where(Partner.slug == slug).values(brand={"name": "Sample", "radius": 99})
        )
    with pytest.raises(BundleError, match=r"brand.radius: together with the brand in force: "):
        apply(database, write(("#0b6068", "#7a3b00")))


def test_other_processes_hear_of_hosts_and_features(database: Database, write: Writer, slug: str) -> None:
    hosts = HostDirectory(database.app_engine)
    assert hosts.resolve(f"{slug}.test") is None
    with psycopg.connect(plain_database_url(database.urls.app), autocommit=True) as listener:
        listener.execute(f"LISTEN {HOSTS_CHANNEL}")
        listener.execute(f"LISTEN {FEATURES_CHANNEL}")
        apply(database, write())
        partner = partner_of(database, slug)
        organization = organization_of(database, partner, "first")
        wanted = {(HOSTS_CHANNEL, str(partner.id)), (FEATURES_CHANNEL, str(organization.org_id))}
        heard: set[tuple[str, str]] = set()
        for news in listener.notifies(timeout=10):
            heard.add((news.channel, news.payload))
            if wanted <= heard:
                break
    assert wanted <= heard
    hosts.forget(str(partner.id))
    site = hosts.resolve(f"{slug}.test")
    assert site is not None
    assert (site.kind, site.partner.slug) == ("portal", slug)


def test_two_subscribers_may_swap_their_numbers(database: Database, write: Writer, slug: str) -> None:
    apply(database, write(('name = "Front desk"', 'name = "Front desk", number = "+13125550100"')))
    text = (write() / "partner.toml").read_text()
    first = text.split('number = "')[1].split('"')[0]
    lines = apply(database, write((first, "SWAP"), ("+13125550100", first), ("SWAP", "+13125550100")))
    assert len(lines) == 2
    organization = organization_of(database, partner_of(database, slug), "first")
    with database.run_as(organization.org_id) as session:
        numbers = dict(session.execute(select(Subscriber.extension, Subscriber.number)).tuples().all())
        assert numbers["214"] == "+13125550100"
        # Give it back to nobody, so that another run of this test finds the number free.
        for person in session.scalars(select(Subscriber)):
            person.number = None


def test_a_plugin_that_is_not_installed_is_a_warning(database: Database, write: Writer) -> None:
    plan = apply_bundle(database, write(), actor="tests", installed=set(), dry_run=True)
    assert len(plan.warnings) == 1
    assert "organizations[0].features.sample: no plugin 'sample' is installed" in plan.warnings[0]
    assert str(plan).startswith("! ")


def test_a_new_address_says_that_the_old_one_still_opens_the_portal(
    database: Database, write: Writer, slug: str
) -> None:
    apply(database, write())
    plan = apply_bundle(
        database, write((f"Juno@{slug}", f"june@{slug}")), actor="tests", installed={"sample"}, dry_run=True
    )
    assert any("1 other account(s) open this portal too" in warning for warning in plan.warnings)


def test_a_host_of_another_partner_is_refused(database: Database, write: Writer, slug: str) -> None:
    apply(database, write())
    other = f"c{secrets.token_hex(5)}"
    folder = write((f'slug = "{slug}"', f'slug = "{other}"'))
    folder = folder.rename(folder.with_name(other))
    with pytest.raises(BundleError) as refused:
        apply(database, folder)
    problems = refused.value.problems
    assert f"hosts.portal[0]: {slug}.test belongs to another partner" in problems[0]
    assert any("organizations[0].subscribers[0].number" in p and "take it away" in p for p in problems)
    with database.as_operator("tests", "look") as session:
        assert session.scalars(select(Partner).where(Partner.slug == other)).one_or_none() is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('slug = "first"', 'slug = "First!"', "organizations[0].slug: use 1 to 40 lower-case"),
        ('extension = "215"', "extension = 215", 'organizations[0].subscribers[1].extension: must be text'),
        ('extension = "215"', 'extension = "214"', "organizations[0].subscribers[1].extension: 214 is used twice"),
        ('{ extension = "215", name', "{ name", "organizations[0].subscribers[1].extension: is missing"),
        ('color = "#0b6068"', 'color = "teal"', "brand.color: must be a colour of the form #rrggbb"),
        ('color = "#0b6068"', 'colour = "#0b6068"', "brand.colour: unknown"),
        ('logo = "logo.svg"', 'logo = "../logo.svg"', "brand.logo: must be the name of a file beside"),
        ('logo = "logo.svg"', 'logo = "none.svg"', "brand.logo: none.svg cannot be read: No such file"),
        ('"America/New_York"', '"Mars/Olympus"', "partner.time_zone: use a time zone of the IANA"),
        ('locale = "en"', 'locale = "klingon"', "partner.locale: use a language"),
        ('role = "partner_admin"', 'role = "boss"', 'staff[0].role: must be "partner_admin" or "partner_support"'),
        ("portal = [", "portals = [", "hosts.portals: is not known here; did you mean portal?"),
        ("features.sample = true", "feature.sample = true", "organizations[0].feature: is not known here"),
        ("features.sample = true", 'features.sample = "yes please"', "organizations[0].features.sample:"),
        ("features.sample = true", "features.SAMPLE = true", "organizations[0].features.SAMPLE: use a plugin"),
        ('portal = ["', 'portal = ["http://', "hosts.portal[0]: use a host name without scheme"),
        ('name = "Front desk"', 'name = "Front desk", number = "0800"', "organizations[0].subscribers[1].number: use"),
        ('name = "Front desk"', 'name = " "', "organizations[0].subscribers[1].name: must not be empty"),
        ('slug = "second"', 'slug = "first"', "organizations[1].slug: first is used twice"),
        ('password = "only in the demo"', 'password = "short"', "demo.password:"),
        ("features.sample = true", "features.sample = 1",
         "organizations[0].features.sample: must be true, false or the last day of a trial"),
        ('name = "Sample"', "name = [1]", "partner.name: must be text in quotes"),
        ('name = "Sample"', "name = 2026-11-01", 'partner.name: must be text in quotes, such as "2026-11-01"'),
        ('name = "Sample"', 'name = "Sample"\nhosts = 5', "partner.hosts: is not known; known: slug, name, locale"),
        ('portal = ["', 'portal = "x"  # ["', "hosts.portal: must be a list in brackets, such as"),
        ("features.sample = true", "features = 7", "organizations[0].features: must be a table, such as"),
        ('{ extension = "215", name = "Front desk" }', "7", "organizations[0].subscribers[1]: must be a table"),
        ('logo = "logo.svg"', 'logo = "logo.svg"\nradius = 99', "brand.radius: must be 0 to 16"),
        ('name = "Second"', 'name = "Second"\nhours.mon = "9 to 5"',
         "organizations[1].hours.mon: use periods such as 9-12"),
        ('name = "Second"', 'name = "Second"\nhours.monday = "9-5"', "organizations[1].hours.monday: is not known"),
        ('name = "Second"', 'name = "Second"\nholidays.christmas = ""',
         "organizations[1].holidays.christmas: use a date"),
        ('name = "Second"', 'name = "Second"\nsubscriber_limit = -1',
         "organizations[1].subscriber_limit: must be 0 or more"),
        ('name = "Second"', 'name = "Second"\nsubscriber_limit = "5"',
         "organizations[1].subscriber_limit: must be a whole number"),
        ('name = "Second"', 'title = "Second"', "organizations[1].title: is not known; known: slug"),
        ('name = "Second"', 'name = "Second"\nhosts.sip = ["no host"]',
         "organizations[1].hosts.sip[0]: use a host name"),
        ('name = "Second"', 'name = "Second"\nteams = [{ slug = "a", name = "A", leads = ["1"] }]',
         "organizations[1].teams[0].leads[0]: use 2 to 10 digits"),
        ('{ extension = "215"', '{ location = "Nowhere!", extension = "215"',
         "organizations[0].subscribers[1].location: use 1"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_and_key(write: Writer, old: str, new: str, said: str) -> None:
    with pytest.raises(BundleError) as refused:
        read_bundle(write((old, new)))
    lines = (write() / "partner.toml").read_text().splitlines()
    line = max(number for number, text in enumerate(lines, 1) if new.strip().splitlines()[-1] in text)
    assert any(f"partner.toml, line {line}, {said}" in problem for problem in refused.value.problems), (
        line,
        refused.value.problems,
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[staff]]", "[[staff]", "line 18, column 8: is not TOML: Expected ']]'"),
        (
            'slug = "second"',
            'slug = "second"\nslug = "third"',
            "line 36, column 15: is not TOML: Cannot overwrite",
        ),
        ('name = "Second"\n', 'name = "Second', "line 36: is not TOML: "),
        ('name = "Second"\n', "teams = [", "line 36: is not TOML: "),
        ("[partner]", "[partner]\x00", "line 1, column 10: is not TOML: "),
    ],
)
def test_a_file_that_is_not_toml_names_the_line(write: Writer, old: str, new: str, said: str) -> None:
    with pytest.raises(BundleError) as refused:
        read_bundle(write((old, new)))
    assert f"partner.toml, {said}" in str(refused.value)


def test_lines_are_told_below_texts_and_lists_of_many_lines(write: Writer) -> None:
    """Of all problems at once, in the order of the file; for what is missing, of the table that lacks it."""
    folder = write(
        (
            'name = "Second"',
            'name = """\nSecond\n"""\ncolour = 1\n\n[[organizations]]\n\n[[organizations]]\nname = "x"',
        ),
        ('name = "Juno Example"', 'name = ""'),
    )
    with pytest.raises(BundleError) as refused:
        read_bundle(folder)
    told = [problem.partition("partner.toml, ")[2].partition(": ")[0] for problem in refused.value.problems]
    assert told == [
        "line 30, organizations[0].subscribers[0].name",
        "line 39, organizations[1].colour",
        "line 41, organizations[2].slug",
        "line 41, organizations[2].name",
        "line 44, organizations[3].slug",
    ]


def test_lines_are_told_where_other_tables_stand_between_those_of_a_list(write: Writer) -> None:
    folder = write(
        ("[demo]\n", '[[staff]]\nname = "Early"\nemail = "early@example.com"\nrole = "boss"\n\n[demo]\n')
    )
    with pytest.raises(BundleError, match=r"line 18, staff\[0\]\.role: must be"):
        read_bundle(folder)
    folder = write(
        ('role = "boss"', 'role = "partner_support"'), ('role = "partner_admin"', 'role = "chief"')
    )
    with pytest.raises(BundleError, match=r"line 26, staff\[1\]\.role: must be"):
        read_bundle(folder)


def test_many_errors_of_a_large_file_are_told_soon(write: Writer) -> None:
    people = ",\n".join(f'{{ extension = "{n}", name = "" }}' for n in range(1000, 4000))
    folder = write(('name = "Second"', f'name = "Second"\nsubscribers = [\n{people}\n]'))
    with pytest.raises(BundleError) as refused:
        read_bundle(folder)
    assert len(refused.value.problems) == 3000
    assert "line 3037, organizations[1].subscribers[2999].name: " in refused.value.problems[-1]
    assert str(refused.value).endswith("and 2980 more")


def test_all_errors_are_told_at_once(write: Writer) -> None:
    folder = write(('slug = "first"', 'slug = "F"'), ('slug = "second"', 'slug = "S"'), ("#0b6068", "x"))
    with pytest.raises(BundleError) as refused:
        read_bundle(folder)
    assert len(refused.value.problems) == 3


def test_one_address_is_one_person(write: Writer, slug: str) -> None:
    with pytest.raises(BundleError, match=r"is Tansy Example elsewhere; one address is one person"):
        read_bundle(write((f"Juno@{slug}", f"tansy@{slug}")))


def test_a_logo_with_a_script_is_refused(write: Writer) -> None:
    folder = write()
    (folder / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><script/></svg>'
    )
    with pytest.raises(BundleError, match=r"brand.logo: line 1: the element “script” is not taken"):
        read_bundle(folder)


def test_the_folder_has_the_slug_as_its_name(write: Writer, slug: str) -> None:
    folder = write().rename(write().with_name("elsewhere"))
    with pytest.raises(BundleError, match=rf"line 2, partner.slug: is {slug}, but the folder is elsewhere"):
        read_bundle(folder)


def test_a_bundle_may_be_named_from_within(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write())
    assert read_bundle(Path(".")).brand.logo is not None


def test_a_logo_is_a_small_file_of_the_bundle(write: Writer, tmp_path: Path) -> None:
    logo = write() / "logo.svg"

    def refusal() -> str:
        with pytest.raises(BundleError) as refused:
            read_bundle(logo.parent)
        return str(refused.value)

    logo.rename(tmp_path / "secret.svg")
    logo.symlink_to(tmp_path / "secret.svg")
    assert "brand.logo: logo.svg cannot be read: it is a link" in refusal()
    logo.unlink()
    os.mkfifo(logo)
    assert "brand.logo: logo.svg cannot be read: it is no regular file" in refusal()
    logo.unlink()
    with logo.open("wb") as stream:
        stream.truncate(10**12)  # takes no room on the disk, and would take a terabyte of memory
    assert (
        "brand.logo: logo.svg cannot be read: it has 1000000000000 bytes, at most 524288 are read"
        in refusal()
    )


def test_a_file_that_is_too_large_or_none_is_refused(write: Writer) -> None:
    file = write() / "partner.toml"
    with file.open("r+b") as stream:
        stream.truncate(10**12)
    with pytest.raises(BundleError, match="it has 1000000000000 bytes, at most 16777216 are read"):
        read_bundle(file.parent)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(BundleError, match="it is no regular file"):
        read_bundle(file.parent)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b'[partner]\nname = "\xe9"'])
def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "partner.toml").write_bytes(raw)
    with pytest.raises(BundleError, match="is not UTF-8"):
        read_bundle(tmp_path)


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"a bundle is a folder with a partner\.toml"):
        read_bundle(tmp_path)


def test_the_demo_partners_are_plainly_fictional() -> None:
    bundles = {folder.name: read_bundle(folder) for folder in bundle_folders(TENANTS)}
    assert set(bundles) == {"harborline", "marigold"}
    organizations = [o for bundle in bundles.values() for o in bundle.content.organizations]
    assert len(organizations) == 3
    people = [person for organization in organizations for person in organization.subscribers]
    assert len(people) == 40
    assert all(p.number is None or p.number[5:10] == "55501" for p in people)
    assert all(p.email is None or p.email.endswith(".example.com") for p in people)
    juno = bundles["harborline"].content.organizations[0].subscribers[0]
    assert (juno.name, juno.extension) == ("Juno Birdsong", "214")


def test_the_directory_refuses_what_is_taken(database: Database, write: Writer, slug: str) -> None:
    apply(database, write())
    partner = partner_of(database, slug)
    organization = organization_of(database, partner, "first")
    with database.in_partner(partner.id) as session:
        with pytest.raises(directory.DirectoryRefused, match="there is an organization 'first' already"):
            directory.create_organization(session, partner.id, slug="first", name="First again")
        with pytest.raises(directory.DirectoryRefused, match="is taken"):
            directory.add_host(session, partner.id, name=f"{slug}.test", kind="portal")
        with pytest.raises(directory.DirectoryRefused, match="extension 214"):
            directory.create_subscriber(session, organization, name="Again", extension="214")
        with pytest.raises(directory.DirectoryRefused, match="has an account already"):
            directory.create_account(session, partner.id, email=f"JUNO@{slug}.example", name="Juno")
        # The refusals left the transaction usable.
        directory.create_account(session, partner.id, email=f"new@{slug}.example", name="New")


def test_features_for_all_and_on_trial(database: Database, write: Writer, slug: str) -> None:
    """The partner's word is for all, an organization's own is said after it."""
    first = apply(database, write(("features.sample = true", "features.sample = 2999-12-31")))
    assert any(line.endswith("/sample: on until 2999-12-31") for line in first), first
    for_all = ("[demo]", '[features]\nsample = "on"\n\n[demo]')
    changed = apply(database, write(for_all, ("features.sample = 2999-12-31", "features.sample = false")))
    assert changed[0] == f"~ feature {slug}/sample: on for all"
    assert any(line.endswith("/sample: off") for line in changed[1:]), changed
    assert apply(database, write()) == []
    partner = partner_of(database, slug)
    with database.run_as(organization_of(database, partner, "second").org_id) as session:
        assert enabled_plugins(session) == {"sample"}
    over = apply(database, write(('sample = "on"', "sample = 2020-01-31")))
    assert f"~ feature {slug}/sample: on for all until 2020-01-31" in over
    with database.run_as(organization_of(database, partner, "second").org_id) as session:
        assert enabled_plugins(session) == frozenset()


def test_packages_and_who_has_them(database: Database, write: Writer, slug: str) -> None:
    said = '[[packages]]\nname = "Basic"\nfeatures = ["sample"]\nwithout = ["core:data:export"]\n'
    said += 'settings."core.region" = { value = "DE", who = "admins" }\n\n[demo]'
    given = ('name = "Front desk" }', 'name = "Front desk", package = "Basic" }')
    lines = apply(database, write(("[demo]", said), given))
    assert "+ package Basic" in lines
    assert "~ subscriber first/215: package Basic" in lines
    assert apply(database, write()) == []
    changed = apply(
        database,
        write(
            ('features = ["sample"]', "features = []"),
            ('name = "Second"', 'name = "Second"\npackage = "Basic"'),
        ),
    )
    assert changed == ["~ package Basic: features", "~ organization second: package Basic"]
    with pytest.raises(BundleError, match="there is no package Grand; add it to packages"):
        apply(database, write(('package = "Basic"\n', 'package = "Grand"\n')))
    partner = partner_of(database, slug)
    with database.in_partner(partner.id) as session:
        package = session.scalars(select(FeaturePackage)).one()
    assert package.settings == {"core.region": ["DE", "admins"]}
    assert package.closed == ["core:data:export"]
