"""Create an organization's teams and locations, and say who is in them and who answers for them.

Like `ringstead.tenancy.directory`: every function takes an open session, and a refusal leaves it usable.
"""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from ringstead.db.base import new_id
from ringstead.tenancy import fields
from ringstead.tenancy.directory import checked, insert
from ringstead.tenancy.models import (
    Location,
    LocationManager,
    Organization,
    Subscriber,
    Team,
    TeamMember,
)

Group = TypeVar("Group", Team, Location)


def create_team(session: Session, organization: Organization, *, slug: str, name: str) -> Team:
    """Create a team; its slug is unique in the organization."""
    return _create(session, Team, organization, slug, name)


def create_location(session: Session, organization: Organization, *, slug: str, name: str) -> Location:
    """Create a location; its slug is unique in the organization."""
    return _create(session, Location, organization, slug, name)


def _create(session: Session, kind: type[Group], organization: Organization, slug: str, name: str) -> Group:
    group = kind(
        org_id=organization.org_id,
        id=new_id(),
        slug=checked("slug", fields.slug, slug),
        name=checked("name", fields.display_name, name),
    )
    return insert(session, group, "slug", f"there is a {kind.__tablename__} {slug!r} already")


def add_to_team(session: Session, team: Team, subscriber: Subscriber, *, is_lead: bool) -> TeamMember:
    """Put a subscriber into a team."""
    member = TeamMember(
        org_id=team.org_id,
        team_id=team.id,
        subscriber_id=_own(team.org_id, subscriber),
        is_lead=is_lead,
    )
    return insert(session, member, "subscriber", f"{subscriber.extension} is in the team {team.slug} already")


def add_manager(session: Session, location: Location, subscriber: Subscriber) -> LocationManager:
    """Let a subscriber manage a location."""
    manager = LocationManager(
        org_id=location.org_id,
        location_id=location.id,
        subscriber_id=_own(location.org_id, subscriber),
    )
    return insert(session, manager, "subscriber", f"{subscriber.extension} manages {location.slug} already")


def _own(org_id: UUID, subscriber: Subscriber) -> UUID:
    assert subscriber.org_id == org_id, "groups hold people of their own organization"
    return subscriber.id
