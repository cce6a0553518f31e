"""Who is who in an organization, who answers for whom, and which organizations a partner has, for plugins."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import Text, Uuid, any_, bindparam, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.api.answers import CallerName, Situation
from ringstead.db.session import TenantSession
from ringstead.plugins.asking import ask
from ringstead.plugins.enablement import enabled_plugins
from ringstead.tenancy.context import OrganizationInfo, SubscriberInfo, TenantContext
from ringstead.tenancy.models import (
    Location,
    LocationManager,
    Organization,
    Subscriber,
    Team,
    TeamMember,
)
from ringstead.tenancy.packages import plugins_of
from ringstead.tenancy.words import set_words

__all__ = [
    "GroupInfo",
    "OrganizationInfo",
    "SubscriberInfo",
    "caller_names",
    "find_groups",
    "find_organizations",
    "find_overseen",
    "find_people",
    "find_subscribers",
    "has_feature",
    "name_colleagues",
    "plugins_of",
    "set_words",
    "situations_of",
]

_COLUMNS = (Subscriber.id, Subscriber.name, Subscriber.extension, Subscriber.number)
_IDS, _TEXTS = (any_(bindparam("wanted", type_=ARRAY(kind))) for kind in (Uuid(), Text()))
_BY_ID = select(*_COLUMNS).where(Subscriber.id == _IDS)
_BY_EXTENSION = select(*_COLUMNS).where(Subscriber.extension == _TEXTS)
_BY_NUMBER = select(*_COLUMNS).where(Subscriber.number == _TEXTS)


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A team or a location of the organization; its slug stands in addresses."""

    kind: Literal["team", "location"]
    id: UUID
    slug: str
    name: str


def _group(kind: str, model: type[Team] | type[Location]) -> Any:
    return select(literal(kind).label("kind"), model.id, model.slug, model.name)


_GROUPS = {"team": _group("team", Team), "location": _group("location", Location)}
_SORTED_GROUPS = {
    "team": _GROUPS["team"].order_by(Team.name, Team.slug),
    "location": _GROUPS["location"].order_by(Location.name, Location.slug),
}
_ME = bindparam("me", type_=Uuid())
_LED = (
    _GROUPS["team"]
    .join(TeamMember, (TeamMember.org_id == Team.org_id) & (TeamMember.team_id == Team.id))
    .where(TeamMember.subscriber_id == _ME, TeamMember.is_lead)
)
_MANAGED = (
    _GROUPS["location"]
    .join(
        LocationManager,
        (LocationManager.org_id == Location.org_id) & (LocationManager.location_id == Location.id),
    )
    .where(LocationManager.subscriber_id == _ME)
)
_FOUND = union_all(_LED, _MANAGED).subquery()
_OVERSEEN = select(*_FOUND.c).order_by(_FOUND.c.kind.desc(), _FOUND.c.name, _FOUND.c.slug)
_WANTED = bindparam("group", type_=Uuid())
_SORTED = select(*_COLUMNS).order_by(Subscriber.name, Subscriber.extension).limit(bindparam("most"))
_PEOPLE = {
    "team": _SORTED.join(
        TeamMember,
        (TeamMember.org_id == Subscriber.org_id) & (TeamMember.subscriber_id == Subscriber.id),
    ).where(TeamMember.team_id == _WANTED),
    "location": _SORTED.where(Subscriber.location_id == _WANTED),
}


def find_subscribers(
    session: TenantSession,
    ids: Iterable[UUID] = (),
    extensions: Iterable[str] = (),
    numbers: Iterable[str] = (),
) -> list[SubscriberInfo]:
    """The session's organization's subscribers with these ids, extensions or numbers (E.164); each once."""
    found: dict[UUID, SubscriberInfo] = {}
    asked: list[tuple[Any, list[Any]]] = [
        (_BY_ID, list(set(ids))),
        (_BY_EXTENSION, list(set(extensions))),
        (_BY_NUMBER, list(set(numbers))),
    ]
    for statement, wanted in asked:
        if wanted:
            for row in session.execute(statement, {"wanted": wanted}):
                found[row.id] = SubscriberInfo(*row)
    return list(found.values())


def name_colleagues(session: TenantSession, numbers: Iterable[str]) -> list[CallerName]:
    """The names of those numbers and extensions that are colleagues'."""
    wanted = set(numbers)
    return [
        CallerName(number=number, name=found.name, subscriber_id=found.id)
        for found in find_subscribers(session, extensions=wanted, numbers=wanted)
        for number in (found.extension, found.number)
        if number in wanted
    ]


def caller_names(context: TenantContext, request: Request, numbers: Iterable[str]) -> dict[str, CallerName]:
    """Who has these numbers (E.164, or extensions), by number: the first answer counts, the core's before plugins'."""
    wanted = sorted(set(numbers))
    found: dict[str, CallerName] = {}
    if wanted:
        for name in request.gate.ask("name_callers", context, request.db, CallerName, numbers=wanted):
            found.setdefault(name.number, name)
    return found


def has_feature(session: TenantSession, plugin: str) -> bool:
    """Whether the session's organization is active and has a plugin on: for what is reached without signing in."""
    status = session.scalar(select(Organization.status).where(Organization.org_id == session.org_id))
    return status == "active" and plugin in enabled_plugins(session)


def situations_of(request: Request, session: TenantSession, subscriber_id: UUID) -> list[Situation]:
    """What may hold for a subscriber, and whether it does now; for a page, or the handler of a switch's message."""
    return ask(request.plugins, session, "situations", Situation, subscriber_id=subscriber_id)


def find_groups(session: TenantSession, kind: Literal["team", "location"]) -> list[GroupInfo]:
    """All teams, or all locations, of the session's organization, by name."""
    return [GroupInfo(*row) for row in session.execute(_SORTED_GROUPS[kind])]


def find_overseen(session: TenantSession, subscriber_id: UUID) -> list[GroupInfo]:
    """The teams that a subscriber leads and the locations that they manage, each by name."""
    return [GroupInfo(*row) for row in session.execute(_OVERSEEN, {"me": subscriber_id})]


def find_people(
    session: TenantSession, group: GroupInfo | None = None, most: int | None = None
) -> list[SubscriberInfo]:
    """Everybody in a team or at a location, or in the organization, by name; the first `most` if that is given.

    A team's leads are in it; a location's managers are where they are.
    """
    statement = _SORTED if group is None else _PEOPLE[group.kind]
    values = {"most": most} if group is None else {"most": most, "group": group.id}
    return [SubscriberInfo(*row) for row in session.execute(statement, values)]


def find_organizations(session: TenantSession, ids: Iterable[UUID]) -> list[OrganizationInfo]:
    """The organizations with these ids, in a partner's session: those of the partner."""
    statement = select(Organization.org_id, Organization.slug, Organization.name)
    wanted = statement.where(Organization.org_id == any_(bindparam("wanted", type_=ARRAY(Uuid()))))
    return [OrganizationInfo(*row) for row in session.execute(wanted, {"wanted": list(set(ids))})]
