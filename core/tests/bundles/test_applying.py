"""Bundles: planning, applying, applying again."""

from __future__ import annotations

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

TENANTS = Path(__file__).parents[3] / "tenants"
Writer = Callable[..., Path]


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
        numbers = {s.extension: s.number for s in session.scalars(select(Subscriber))}
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
