"""Teams and locations: described in bundles, found by plugins, known to the context."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from ringstead.api.directory import GroupInfo, find_groups, find_overseen, find_people
from ringstead.api.testing import Person, Tenants
from ringstead.auth.tokens import hash_token
from ringstead.db.engine import Database
from ringstead.tenancy import groups
from ringstead.tenancy.bundles import BundleError, apply_bundle
from ringstead.tenancy.directory import DirectoryRefused
from ringstead.tenancy.models import Location, Organization, Partner, Subscriber, Team, TeamMember

SAMPLE = """\
[partner]
slug = "{slug}"
name = "Sample"

[hosts]
portal = ["{slug}.test"]
console = ["console.{slug}.test"]

[[organizations]]
slug = "first"
name = "First"
locations = [
    {{ slug = "shop", name = "Shop", managers = ["10"] }},
    {{ slug = "store", name = "Store" }},
]
teams = [
    {{ slug = "sales", name = "Sales", leads = ["10"], members = ["11", "12"] }},
]
subscribers = [
    {{ extension = "10", name = "Ann", location = "shop" }},
    {{ extension = "11", name = "Ben", location = "store" }},
    {{ extension = "12", name = "Cid" }},
]
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write((old, new), …)`: the sample with replacements, each on top of the ones before."""
    slug = f"g{secrets.token_hex(5)}"
    folder = tmp_path / slug

    def make(*replacements: tuple[str, str]) -> Path:
        folder.mkdir(exist_ok=True)
        path = folder / "partner.toml"
        text = path.read_text() if path.exists() else SAMPLE.format(slug=slug)
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return folder

    return make


def apply(database: Database, folder: Path, dry_run: bool = False) -> list[str]:
    plan = apply_bundle(database, folder, actor="tests", installed=(), dry_run=dry_run)
    return [str(change) for change in plan.changes]


def state(database: Database, folder: Path) -> tuple[dict[str, str | None], dict[str, set[str]]]:
    """Where everybody is, and who is in which group: leads and managers have a star."""
    with database.as_operator("tests", "look") as session:
        partner = session.scalars(select(Partner).where(Partner.slug == folder.name)).one()
        org_id = session.scalars(
            select(Organization.org_id).where(Organization.partner_id == partner.id)
        ).one()
    with database.run_as(org_id) as session:
        people = {person.id: person for person in session.scalars(select(Subscriber))}
        places = {place.id: place.slug for place in session.scalars(select(Location))}
        at = {p.extension: places[p.location_id] if p.location_id else None for p in people.values()}
        members: dict[str, set[str]] = {}
        for team in session.scalars(select(Team)):
            found = session.scalars(select(TeamMember).where(TeamMember.team_id == team.id))
            members[team.slug] = {people[m.subscriber_id].extension + "*" * m.is_lead for m in found}
        for person in people.values():
            for group in find_overseen(session, person.id):
                if group.kind == "location":
                    members.setdefault(group.slug, set()).add(person.extension + "*")
    return at, members


def test_a_bundle_is_applied_once(database: Database, write: Write) -> None:
    folder = write()
    steps = [step for step in apply(database, folder, dry_run=True) if "first/" in step]
    assert steps == [
        "+ subscriber first/10: Ann",
        "+ subscriber first/11: Ben",
        "+ subscriber first/12: Cid",
        "+ location first/shop: Shop",
        "+ location manager first/shop/10",
        "+ location first/store: Store",
        "~ subscriber first/10: location shop",
        "~ subscriber first/11: location store",
        "+ team first/sales: Sales",
        "+ team member first/sales/10: lead",
        "+ team member first/sales/11: member",
        "+ team member first/sales/12: member",
    ]
    apply(database, folder)
    assert apply(database, folder) == []
    assert state(database, folder) == (
        {"10": "shop", "11": "store", "12": None},
        {"sales": {"10*", "11", "12"}, "shop": {"10*"}},
    )


def test_what_a_bundle_changes_and_what_it_leaves(database: Database, write: Write) -> None:
    folder = write()
    apply(database, folder)
    write(
        ('leads = ["10"], members = ["11", "12"]', 'leads = ["11"], members = ["10"]'),
        ('name = "Sales"', 'name = "Selling"'),
        ('managers = ["10"]', 'managers = ["11"]'),
        ('name = "Ann", location = "shop"', 'name = "Ann"'),
        ('name = "Ben", location = "store"', 'name = "Ben", location = "shop"'),
    )
    assert apply(database, folder) == [
        "+ location manager first/shop/11",
        "~ subscriber first/11: location shop",
        "~ team first/sales: name 'Sales' → 'Selling'",
        "~ team member first/sales/11: lead",
        "~ team member first/sales/10: member",
    ]
    assert apply(database, folder) == []
    # Nobody is taken out who is not named: Cid stays in the team, Ann manages and stays where she is.
    assert state(database, folder) == (
        {"10": "shop", "11": "shop", "12": None},
        {"sales": {"10", "11*", "12"}, "shop": {"10*", "11*"}},
    )


def test_a_bundle_may_name_whom_only_the_database_knows(database: Database, write: Write) -> None:
    folder = write()
    apply(database, folder)
    write(
        ('    { extension = "12", name = "Cid" },\n', ""),
        ('    { slug = "store", name = "Store" },\n', ""),
        ('members = ["11", "12"]', 'members = ["11"]'),
        ('managers = ["10"]', 'managers = ["12"]'),
    )
    assert apply(database, folder) == ["+ location manager first/shop/12"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('leads = ["10"]', 'leads = ["99"]', ("line 17", "teams[0].leads[0]", "extension 99", "add one")),
        ('members = ["11"', 'members = ["10"', ("teams[0].members[0]", "10 is one of the leads")),
        ('managers = ["10"]', 'managers = ["98"]', ("locations[0].managers[0]", "extension 98")),
        (
            'location = "store"',
            'location = "none"',
            ("line 21", "subscribers[1].location", "no location none"),
        ),
        ('slug = "store"', 'slug = "shop"', ("locations[1].slug", "shop is used twice")),
        ('slug = "sales"', 'slug = "Sales"', ("teams[0].slug", "lower-case letters")),
        ("leads =", "leeds =", ("teams[0].leeds", "did you mean leads?")),
        ('name = "Store"', 'nam = "Store"', ("locations[1].nam", "did you mean name?")),
    ],
)
def test_faults_name_the_place_and_the_mend(
    database: Database, write: Write, old: str, new: str, told: tuple[str, ...]
) -> None:
    with pytest.raises(BundleError) as raised:
        apply(database, write((old, new)))
    for part in told:
        assert part in str(raised.value)


# --- What plugins find ------------------------------------------------------------------------------------


def test_the_directory_for_plugins(tenants: Tenants, database: Database) -> None:
    organization, other = tenants.organization(), tenants.organization()
    ann, ben = tenants.subscriber(organization, "Ann"), tenants.subscriber(organization, "Ben")
    stranger = tenants.subscriber(other, "Stranger")
    with database.as_operator("tests", "make groups") as session:
        sales = groups.create_team(session, organization, slug="sales", name="Sales")
        crew = groups.create_team(session, organization, slug="crew", name="Crew")
        shop = groups.create_location(session, organization, slug="shop", name="Shop")
        groups.add_to_team(session, sales, ben, is_lead=True)
        groups.add_to_team(session, sales, ann, is_lead=False)
        groups.add_to_team(session, crew, ann, is_lead=True)
        groups.add_manager(session, shop, ben)
        session.merge(ann).location_id = shop.id
        theirs = groups.create_team(session, other, slug="sales", name="Theirs")
        groups.add_to_team(session, theirs, stranger, is_lead=True)
    team, place = (
        GroupInfo("team", sales.id, "sales", "Sales"),
        GroupInfo("location", shop.id, "shop", "Shop"),
    )
    with database.run_as(organization.org_id) as session:
        assert [group.name for group in find_groups(session, "team")] == ["Crew", "Sales"]
        assert find_groups(session, "location") == [place]
        assert find_overseen(session, ben.id) == [team, place]
        assert [group.slug for group in find_overseen(session, ann.id)] == ["crew"]
        assert find_overseen(session, stranger.id) == []
        assert [person.name for person in find_people(session, team)] == ["Ann", "Ben"]
        assert [person.name for person in find_people(session, team, most=1)] == ["Ann"]
        assert [person.name for person in find_people(session, place)] == ["Ann"]
        assert [person.name for person in find_people(session)] == ["Ann", "Ben"]
        assert find_people(session, GroupInfo("team", theirs.id, "sales", "Theirs")) == []


def test_what_is_refused(tenants: Tenants, database: Database) -> None:
    organization = tenants.organization()
    ann = tenants.subscriber(organization, "Ann")
    with database.as_operator("tests", "make groups") as session:
        team = groups.create_team(session, organization, slug="sales", name="Sales")
        groups.add_to_team(session, team, ann, is_lead=True)
        with pytest.raises(DirectoryRefused, match="there is a team 'sales' already"):
            groups.create_team(session, organization, slug="sales", name="Again")
        with pytest.raises(DirectoryRefused, match="is in the team sales already"):
            groups.add_to_team(session, team, ann, is_lead=False)
        with pytest.raises(DirectoryRefused, match="lower-case"):
            groups.create_location(session, organization, slug="Not so", name="Not so")
        groups.create_location(session, organization, slug="sales", name="A place of the same name")


def test_a_session_knows_who_oversees(tenants: Tenants, database: Database) -> None:
    organization = tenants.organization()
    lead, member, manager = (tenants.person(organization, name) for name in ("Lea", "Mia", "Mo"))

    def oversees(person: Person) -> bool:
        token = tenants.session_token(person)
        with database.request_session(
            person.partner.id, "portal", None, hash_token(token), idle_minutes=60
        ) as session:
            assert session.signed_in is not None
            return session.signed_in.oversees

    assert [oversees(person) for person in (lead, member, manager)] == [False, False, False]
    assert lead.subscriber
    assert member.subscriber
    assert manager.subscriber
    with database.as_operator("tests", "make groups") as session:
        team = groups.create_team(session, organization, slug="team", name="Team")
        place = groups.create_location(session, organization, slug="place", name="Place")
        groups.add_to_team(session, team, lead.subscriber, is_lead=True)
        groups.add_to_team(session, team, member.subscriber, is_lead=False)
        groups.add_manager(session, place, manager.subscriber)
        session.merge(member.subscriber).location_id = place.id
    assert [oversees(person) for person in (lead, member, manager)] == [True, False, True]
    with database.run_as(organization.org_id) as session:
        session.execute(delete(Team).where(Team.slug == "team"))
        session.execute(delete(Location).where(Location.slug == "place"))
    # Its members, leads and managers went with it, the people did not.
    assert [oversees(person) for person in (lead, member, manager)] == [False, False, False]
