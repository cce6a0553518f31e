"""What a bundle says of teams and locations, compared with the database. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from ringstead.tenancy import groups
from ringstead.tenancy.bundle_change import Change
from ringstead.tenancy.bundle_file import Bundle
from ringstead.tenancy.bundle_rows import Rows
from ringstead.tenancy.bundle_schema import (
    LocationPart,
    OrganizationPart,
    SubscriberPart,
    TeamPart,
)
from ringstead.tenancy.bundle_settings import stored_hours
from ringstead.tenancy.bundle_source import BundleError, Key, Problem
from ringstead.tenancy.models import Location, Team


def refuse_unknown(bundle: Bundle, rows: Rows) -> None:
    """Stop when a team or location names an extension, or a subscriber a location, that is neither in the file nor in
    the database."""
    problems = [
        problem
        for i, part in enumerate(bundle.content.organizations)
        for problem in _unknown(part, rows, ("organizations", i))
    ]
    if problems:
        raise BundleError(bundle.source.describe_all(problems))


def _unknown(part: OrganizationPart, rows: Rows, at: Key) -> Iterator[Problem]:
    extensions = {person.extension for person in part.subscribers}
    for key, extension in _named(part, at):
        if extension not in extensions and (part.slug, extension) not in rows.subscribers:
            yield key, f"no subscriber of {part.slug} has the extension {extension}; add one, or name another"
    locations = {location.slug for location in part.locations}
    for i, person in enumerate(part.subscribers):
        place = person.location
        if place and place not in locations and (part.slug, place) not in rows.locations:
            why = f"{part.slug} has no location {place}; add it to locations, or name another"
            yield (*at, "subscribers", i, "location"), why


def _named(part: OrganizationPart, at: Key) -> Iterator[tuple[Key, str]]:
    """Each extension that a team or location names, and where."""
    for i, location in enumerate(part.locations):
        for j, extension in enumerate(location.managers):
            yield (*at, "locations", i, "managers", j), extension
    for i, team in enumerate(part.teams):
        for name in ("leads", "members"):
            for j, extension in enumerate(getattr(team, name)):
                yield (*at, "teams", i, name, j), extension


def group_changes(rows: Rows, part: OrganizationPart, at: Key) -> Iterator[Change]:
    """What must change so that an organization has the teams and locations that it is said to have.

    Its subscribers come before. Whoever the file does not name stays where they are.
    """
    for i, location in enumerate(part.locations):
        yield from _location(rows, part.slug, location, (*at, "locations", i))
    for i, person in enumerate(part.subscribers):
        if person.location:
            yield from _place(rows, part.slug, person, (*at, "subscribers", i, "location"))
    for i, team in enumerate(part.teams):
        yield from _team(rows, part.slug, team, (*at, "teams", i))


def _location(rows: Rows, org: str, part: LocationPart, at: Key) -> Iterator[Change]:
    def create(session: Session, rows: Rows) -> None:
        organization = rows.organizations[org]
        rows.locations[org, part.slug] = groups.create_location(
            session, organization, slug=part.slug, name=part.name
        )

    known = rows.locations.get((org, part.slug))
    yield from _group("location", org, part, known, at, create)
    wanted = {
        "time_zone": part.time_zone,
        "hours": None if part.hours is None else stored_hours(part.hours.model_dump()),
    }
    for field, value in wanted.items():
        if value is not None and (known is None or getattr(known, field) != value):

            def store(_session: Session, rows: Rows, field: str = field, value: Any = value) -> None:
                setattr(rows.locations[org, part.slug], field, value)

            said = value if isinstance(value, str) else f"{len(value)} periods"
            yield Change("~", "location", f"{org}/{part.slug}", f"{field} {said}", (*at, field), store)
    for i, extension in enumerate(dict.fromkeys(part.managers)):
        person = rows.subscribers.get((org, extension))
        if known is not None and person is not None and (known.id, person.id) in rows.managers:
            continue

        def add(session: Session, rows: Rows, extension: str = extension) -> None:
            groups.add_manager(session, rows.locations[org, part.slug], rows.subscribers[org, extension])

        name = f"{org}/{part.slug}/{extension}"
        yield Change("+", "location manager", name, "", (*at, "managers", i), add)


def _place(rows: Rows, org: str, part: SubscriberPart, key: Key) -> Iterator[Change]:
    """Where a subscriber is."""
    slug = part.location or ""
    person, location = rows.subscribers.get((org, part.extension)), rows.locations.get((org, slug))
    if person is not None and location is not None and person.location_id == location.id:
        return

    def move(_session: Session, rows: Rows) -> None:
        rows.subscribers[org, part.extension].location_id = rows.locations[org, slug].id

    yield Change("~", "subscriber", f"{org}/{part.extension}", f"location {slug}", key, move)


def _team(rows: Rows, org: str, part: TeamPart, at: Key) -> Iterator[Change]:
    def create(session: Session, rows: Rows) -> None:
        rows.teams[org, part.slug] = groups.create_team(
            session, rows.organizations[org], slug=part.slug, name=part.name
        )

    known = rows.teams.get((org, part.slug))
    yield from _group("team", org, part, known, at, create)
    for field, is_lead in (("leads", True), ("members", False)):
        for i, extension in enumerate(dict.fromkeys(getattr(part, field))):
            yield from _member(rows, org, part.slug, extension, is_lead, (*at, field, i))


def _member(rows: Rows, org: str, slug: str, extension: str, is_lead: bool, key: Key) -> Iterator[Change]:
    team, person = rows.teams.get((org, slug)), rows.subscribers.get((org, extension))
    known = rows.team_members.get((team.id, person.id)) if team and person else None
    name, detail = f"{org}/{slug}/{extension}", "lead" if is_lead else "member"
    if known is None:

        def add(session: Session, rows: Rows) -> None:
            groups.add_to_team(
                session, rows.teams[org, slug], rows.subscribers[org, extension], is_lead=is_lead
            )

        yield Change("+", "team member", name, detail, key, add)
    elif known.is_lead != is_lead:
        member = known

        def change(_session: Session, _rows: Rows) -> None:
            member.is_lead = is_lead

        yield Change("~", "team member", name, detail, key, change)


def _group(
    thing: str, org: str, part: TeamPart | LocationPart, known: Team | Location | None, at: Key, create: Any
) -> Iterator[Change]:
    """The team or location itself."""
    name = f"{org}/{part.slug}"
    if known is None:
        yield Change("+", thing, name, part.name, (*at, "slug"), create)
    elif known.name != part.name:
        group = known

        def rename(_session: Session, _rows: Rows) -> None:
            group.name = part.name

        yield Change("~", thing, name, f"name {known.name!r} → {part.name!r}", (*at, "name"), rename)
