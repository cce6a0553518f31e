"""Lists of others' calls equal a straightforward recomputation, whoever is where and whatever is asked for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from ringstead.api.models import TenantSession, new_id
from ringstead.api.testing import Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.groups import add_manager, add_to_team, create_location, create_team
from ringstead_calllogs import listing as listing_module
from ringstead_calllogs import whose as whose_module
from ringstead_calllogs.filters import Filter
from ringstead_calllogs.joining import folded
from ringstead_calllogs.listing import Listing, find_conversation
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.other_views import whose_of
from ringstead_calllogs.scopes import find_scope, narrow

PEOPLE = 5
NOW = datetime.now(UTC).replace(microsecond=0)
NUMBERS = ("+12125550158", "+12125550159", "+4319999158", "201")
PERSON = st.integers(0, PEOPLE - 1)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "person": st.none() | PERSON,
            # Around the sixty days of a first window, and ties within a minute.
            "minutes": st.integers(0, 3)
            | st.integers(60 * 24 * 59, 60 * 24 * 61)
            | st.integers(0, 60 * 24 * 400),
            "is_primary": st.booleans(),
            "kind": st.sampled_from(["missed", "received", "dialled"]),
            "number": st.sampled_from(NUMBERS),
            "name": st.sampled_from(["Wren Halloway", "Ann Other", ""]),
            "talk_seconds": st.integers(0, 300),
        }
    ),
    max_size=30,
)
GROUPS = st.fixed_dictionaries(
    {
        "members": st.sets(PERSON),
        "at": st.sets(PERSON),
        "elsewhere": st.sets(PERSON),
        "private": st.sets(PERSON),
    }
)
WANTED = st.fixed_dictionaries(
    {
        "kind": st.none() | st.sampled_from(["missed", "received", "dialled"]),
        "query": st.sampled_from(["", "", "wren", "+1212", "158", "+12125550158"]),
        "least": st.none() | st.integers(0, 3),
        "person": st.none() | PERSON,
        "location": st.none() | st.sampled_from(["here", "there"]),
    }
)


class World:
    """An organization whose first person leads the team «team» and manages the location «here»."""

    def __init__(self, tenants: Tenants, database: Database, groups: dict[str, set[int]]) -> None:
        self.database, self.groups = database, groups
        organization = tenants.organization()
        self.org_id = organization.org_id
        self.people = [tenants.subscriber(organization, f"P{n}", str(200 + n)) for n in range(PEOPLE)]
        self.ids: list[UUID] = [person.id for person in self.people]
        with database.as_operator("tests", "make groups") as session:
            team = create_team(session, organization, slug="team", name="Team")
            places = {s: create_location(session, organization, slug=s, name=s) for s in ("here", "there")}
            for n, person in enumerate(self.people):
                if n == 0 or n in groups["members"]:
                    add_to_team(session, team, person, is_lead=n == 0)
                if slug := self.place_of(n):
                    session.merge(person).location_id = places[slug].id
            add_manager(session, places["here"], self.people[0])

    def place_of(self, number: int) -> str:
        at, elsewhere = number in self.groups["at"], number in self.groups["elsewhere"]
        return "here" if at else "there" if elsewhere else ""

    def in_scope(self, kind: str) -> set[int]:
        everybody = set(range(PEOPLE))
        if kind == "team":
            return everybody & ({0} | self.groups["members"])
        return everybody & self.groups["at"] if kind == "location" else everybody

    def store(self, calls: Sequence[dict[str, Any]]) -> None:
        months = {(NOW - timedelta(days=day)).date().replace(day=1) for day in range(0, 430, 20)}
        with self.database.run_as(self.org_id) as session:
            for month in sorted(months):
                at = {"at": datetime(month.year, month.month, 1, tzinfo=UTC)}
                session.execute(text("SELECT calllogs_conversation_ensure_month(:at)"), at)
        with self.database.run_as(self.org_id) as session:
            session.add_all(self.call(**call) for call in calls)

    def call(self, person: int | None, minutes: int, name: str, **fields: Any) -> Conversation:
        at = NOW - timedelta(minutes=minutes)
        return Conversation(
            started_at=at,
            id=new_id(),
            subscriber_id=None if person is None else self.ids[person],
            linked_id=str(new_id()),
            direction="outgoing" if fields["kind"] == "dialled" else "incoming",
            is_internal=False,
            disposition="answered",
            name=name or None,
            name_folded=folded(name),
            ended_at=at,
            ring_seconds=5,
            devices=[],
            leg_count=1,
            **fields,
        )

    def expected(self, session: TenantSession, kind: str, wanted: dict[str, Any]) -> list[UUID]:
        """The ids that a list must hold, from all rows of the organization and nothing cleverer than a loop."""
        shown = self.in_scope(kind) - self.groups["private"]
        narrowed = set(shown)
        if wanted["location"] is not None:
            narrowed = {n for n in narrowed if self.place_of(n) == wanted["location"]}
        if wanted["person"] is not None:
            narrowed &= {wanted["person"]}
        each_call = kind == "organization" and wanted["person"] is None and wanted["location"] is None
        private = {self.ids[n] for n in self.groups["private"]}
        fits = []
        for row in session.scalars(select(Conversation)):
            is_theirs = row.subscriber_id in {self.ids[n] for n in narrowed}
            if each_call:
                is_theirs = row.is_primary and row.subscriber_id not in private
            if is_theirs and matches(row, wanted):
                fits.append((row.started_at, row.id))
        return [id_ for _, id_ in sorted(fits, reverse=True)]


def matches(row: Conversation, wanted: dict[str, Any]) -> bool:
    query, number = wanted["query"], row.number or ""
    found = {
        "": True,
        "wren": "Wren" in (row.name or ""),
        "158": number.endswith("158") or number.startswith("158"),
    }.get(query, number.startswith(query))
    long_enough = wanted["least"] is None or row.talk_seconds >= wanted["least"] * 60
    return found and long_enough and wanted["kind"] in (None, row.kind)


def asked(wanted: dict[str, Any]) -> Filter:
    person = "" if wanted["person"] is None else str(200 + wanted["person"])
    fields = {name: wanted[name] for name in ("kind", "query", "least")}
    return Filter(person=person, location=wanted["location"] or "", **fields)


@pytest.mark.parametrize("few", [100, 2], ids=["few", "crowd"])
@given(groups=GROUPS, calls=CALLS, wanted=st.lists(WANTED, min_size=1, max_size=4), size=st.integers(1, 7))
@settings(max_examples=25)
def test_lists_equal_a_recomputation(
    groups: dict[str, set[int]],
    calls: list[dict[str, Any]],
    wanted: list[dict[str, Any]],
    size: int,
    few: int,
    tenants: Tenants,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (whose_module, listing_module):
        monkeypatch.setattr(module, "FEW", few)
    world = World(tenants, database, groups)
    world.store(calls)
    private = [str(200 + n) for n in groups["private"]]
    with database.run_as(world.org_id) as session:
        for kind, slug in (("team", "team"), ("location", "here"), ("organization", "")):
            for one in wanted:
                check(world, session, kind, slug, private, one, size)


def check(
    world: World,
    session: TenantSession,
    kind: Any,
    slug: str,
    private: list[str],
    wanted: dict[str, Any],
    size: int,
) -> None:
    scope = find_scope(session, world.ids[0], kind, slug, private)
    assert scope is not None
    narrowed = narrow(session, scope, asked(wanted))
    expected = world.expected(session, kind, wanted)
    if narrowed.errors:
        assert expected == []
        return
    zone = ZoneInfo("Europe/Vienna")
    listed, before = [], None
    while True:
        rows, before = Listing(narrowed.whose, replace(asked(wanted), before=before), zone, "US").page(
            session, size
        )
        listed += [row.id for row in rows]
        if before is None:
            break
        assert len(rows) == size
    assert listed == expected
    whole = Listing(narrowed.whose, asked(wanted), zone, "US")
    spans = whole.spans(session, cuts=[NOW - timedelta(hours=30)])
    assert [row.id for values in spans for row in session.execute(whole.unpaged, values)] == expected
    for id_ in expected[:2]:
        assert find_conversation(session, whose_of(session, scope), id_) is not None
