"""Scopes: teams that somebody leads, locations that they manage, the organization; and whose calls those are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from ringstead.api import TenantContext, translations
from ringstead.api.directory import (
    GroupInfo,
    SubscriberInfo,
    find_groups,
    find_overseen,
    find_people,
    find_subscribers,
)
from ringstead.api.models import TenantSession
from ringstead_calllogs.filters import Filter
from ringstead_calllogs.permissions import LOCATION, ORGANIZATION, TEAM
from ringstead_calllogs.whose import Whose

_ = translations("ringstead_calllogs")
Kind = Literal["team", "location", "organization"]
PRIVATE: Final = "calllogs.private_extensions"
PERMISSIONS: Final = {"team": TEAM.name, "location": LOCATION.name, "organization": ORGANIZATION.name}
TITLES: Final = {"team": _("Team"), "location": _("Location"), "organization": _("Organization")}


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose calls somebody may see beside their own. `group` is the team or location, None for the organization;
    `excluded` are the people whose rows nobody else is shown."""

    kind: Kind
    group: GroupInfo | None = None
    excluded: frozenset[UUID] = frozenset()

    @property
    def name(self) -> str:
        """The team's or location's name; empty for the organization."""
        return self.group.name if self.group is not None else ""

    @property
    def path(self) -> str:
        """The address of its list; its calls, report and files are below that."""
        return f"/calls/of/{self.kind}" + (f"/{self.group.slug}" if self.group is not None else "")


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Whose calls a filter asks for within a scope, and what is wrong with its `person` and `location`.

    `person` is the name of the one who was asked for; `everybody` are the people of a team or location, None of the
    organization.
    """

    whose: Whose
    errors: Mapping[str, Any] = field(default_factory=dict)
    person: str = ""
    everybody: Sequence[SubscriberInfo] | None = None


def scopes_of(context: TenantContext, session: TenantSession) -> list[Scope]:
    """The scopes that the reader may choose: teams, locations, the organization. Without who is excluded there."""
    if context.subscriber is None:
        return []
    may = {kind for kind, permission in PERMISSIONS.items() if context.can(permission)}
    overseen = find_overseen(session, context.subscriber_id) if context.oversees else []
    scopes = [Scope(group.kind, group) for group in overseen if group.kind in may]
    return [*scopes, Scope("organization")] if "organization" in may else scopes


def find_scope(
    session: TenantSession, subscriber_id: UUID, kind: Kind, slug: str, private: Iterable[str]
) -> Scope | None:
    """A scope of somebody's who has its permission; None for a team that they do not lead, or that is not there.

    `private` are the extensions of the setting `PRIVATE`.
    """
    group = None
    if kind != "organization":
        overseen = find_overseen(session, subscriber_id)
        group = next((one for one in overseen if (one.kind, one.slug) == (kind, slug)), None)
        if group is None:
            return None
    return Scope(kind, group, excluded_people(session, private))


def excluded_people(session: TenantSession, private: Iterable[str]) -> frozenset[UUID]:
    """Whose calls nobody else is shown, by the extensions of the setting `PRIVATE`."""
    return frozenset(person.id for person in find_subscribers(session, extensions=map(str, private)))


def people_in(session: TenantSession, scope: Scope, most: int | None = None) -> list[SubscriberInfo]:
    """The people of a scope whose calls may be shown, by name."""
    return [one for one in find_people(session, scope.group, most) if one.id not in scope.excluded]


def narrow(session: TenantSession, scope: Scope, wanted: Filter) -> Narrowed:
    """Whose calls a filter means: all of the scope's, or those of its person, of who is at its location, or both."""
    errors: dict[str, Any] = {}
    if scope.group is None and not wanted.person and not wanted.location:
        return Narrowed(Whose.organization(scope.excluded))
    everybody = None if scope.group is None else people_in(session, scope)
    people: Sequence[SubscriberInfo] | None = everybody
    if wanted.location:
        at = _people_at(session, wanted.location)
        if at is None:
            errors["location"] = _("There is no such location. Choose one of the list.")
        elif people is None:
            people = at
        else:
            people = [one for one in people if one.id in {person.id for person in at}]
    if wanted.person and not errors:
        people = _with_extension(session, people, wanted.person, scope)
        if not people:
            errors["person"] = _("Nobody here has this extension. Choose somebody of the list.")
    name = people[0].name if wanted.person and people and not errors else ""
    whose = Whose.people([one.id for one in people or ()], scope.excluded)
    return Narrowed(whose, errors, name, everybody)


def _people_at(session: TenantSession, slug: str) -> list[SubscriberInfo] | None:
    location = next((one for one in find_groups(session, "location") if one.slug == slug), None)
    return None if location is None else find_people(session, location)


def _with_extension(
    session: TenantSession, people: Sequence[SubscriberInfo] | None, extension: str, scope: Scope
) -> list[SubscriberInfo]:
    if people is None:
        people = find_subscribers(session, extensions=[extension])
    return [one for one in people if one.extension == extension and one.id not in scope.excluded]
