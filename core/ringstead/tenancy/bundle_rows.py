"""The rows of a bundle's things as they are in the database, and whether they are its own. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, any_, literal, select
from sqlalchemy.orm import Session

from ringstead.tenancy.bundle_file import Bundle
from ringstead.tenancy.bundle_source import BundleError, Key, Problem
from ringstead.tenancy.models import (
    Account,
    FeaturePackage,
    Host,
    Location,
    LocationManager,
    Membership,
    Organization,
    OrganizationFeature,
    OrganizationSetting,
    Partner,
    PartnerFeature,
    PartnerSetting,
    Subscriber,
    Team,
    TeamMember,
)


@dataclass
class Rows:
    """What the database holds of the bundle's things; applying a plan fills in what it creates."""

    partner: Partner | None = None
    hosts: dict[str, Host] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    organizations: dict[str, Organization] = field(default_factory=dict)
    subscribers: dict[tuple[str, str], Subscriber] = field(default_factory=dict)
    memberships: dict[tuple[UUID, UUID], Membership] = field(default_factory=dict)
    _openers: dict[UUID, set[UUID]] = field(default_factory=dict)
    settings: dict[tuple[UUID, str], Any] = field(default_factory=dict)
    packages: dict[str, FeaturePackage] = field(default_factory=dict)
    partner_features: dict[str, PartnerFeature] = field(default_factory=dict)
    features: dict[UUID, list[OrganizationFeature]] = field(default_factory=dict)
    teams: dict[tuple[str, str], Team] = field(default_factory=dict)
    team_members: dict[tuple[UUID, UUID], TeamMember] = field(default_factory=dict)
    locations: dict[tuple[str, str], Location] = field(default_factory=dict)
    managers: set[tuple[UUID, UUID]] = field(default_factory=set)

    def openers(self, subscriber_id: UUID) -> set[UUID]:
        """The accounts that open a subscriber's portal."""
        return self._openers.get(subscriber_id, set())

    @property
    def partner_id(self) -> UUID:
        """The partner's id, once there is a partner."""
        assert self.partner is not None, "the plan's first step creates the partner"
        return self.partner.id


def read_rows(session: Session, bundle: Bundle) -> Rows:
    """The rows that the bundle speaks about, as they are in the database."""
    rows = Rows(session.scalars(select(Partner).where(Partner.slug == bundle.slug)).one_or_none())
    rows.hosts = {
        host.name: host
        for host in session.scalars(select(Host).where(_any_of(Host.name, _host_names(bundle))))
    }
    if rows.partner is None:
        return rows
    own = rows.partner.id
    slugs = [organization.slug for organization in bundle.content.organizations]
    organizations = session.scalars(
        select(Organization).where(Organization.partner_id == own, _any_of(Organization.slug, slugs))
    )
    rows.organizations = {organization.slug: organization for organization in organizations}
    by_id = {organization.org_id: slug for slug, organization in rows.organizations.items()}
    subscribers = session.scalars(select(Subscriber).where(_any_of(Subscriber.org_id, by_id)))
    rows.subscribers = {(by_id[person.org_id], person.extension): person for person in subscribers}
    for account in session.scalars(
        select(Account).where(Account.partner_id == own, _any_of(Account.email, _emails(bundle)))
    ):
        rows.accounts[account.email] = account
    for member in session.scalars(select(Membership).where(_any_of(Membership.org_id, by_id))):
        rows.memberships[member.subscriber_id, member.account_id] = member
        rows._openers.setdefault(member.subscriber_id, set()).add(member.account_id)
    for setting in session.scalars(select(PartnerSetting).where(PartnerSetting.partner_id == own)):
        rows.settings[own, setting.name] = setting.value
    for value in session.scalars(
        select(OrganizationSetting).where(_any_of(OrganizationSetting.org_id, by_id))
    ):
        rows.settings[value.org_id, value.name] = value.value
    for feature in session.scalars(
        select(OrganizationFeature).where(_any_of(OrganizationFeature.org_id, by_id))
    ):
        rows.features.setdefault(feature.org_id, []).append(feature)
    for said in session.scalars(select(PartnerFeature).where(PartnerFeature.partner_id == own)):
        rows.partner_features[said.plugin] = said
    for package in session.scalars(select(FeaturePackage).where(FeaturePackage.partner_id == own)):
        rows.packages[package.name.casefold()] = package
    _read_groups(session, rows, by_id)
    return rows


def _read_groups(session: Session, rows: Rows, by_id: dict[UUID, str]) -> None:
    for team in session.scalars(select(Team).where(_any_of(Team.org_id, by_id))):
        rows.teams[by_id[team.org_id], team.slug] = team
    for location in session.scalars(select(Location).where(_any_of(Location.org_id, by_id))):
        rows.locations[by_id[location.org_id], location.slug] = location
    for member in session.scalars(select(TeamMember).where(_any_of(TeamMember.org_id, by_id))):
        rows.team_members[member.team_id, member.subscriber_id] = member
    for manager in session.scalars(select(LocationManager).where(_any_of(LocationManager.org_id, by_id))):
        rows.managers.add((manager.location_id, manager.subscriber_id))


def refuse_foreign(session: Session, bundle: Bundle, rows: Rows) -> None:
    """Stop when a host or number of the bundle belongs to another partner or to a subscriber it does not name."""
    own = rows.partner.id if rows.partner else None
    problems: list[Problem] = [
        (key, f"{name} belongs to another partner; choose another host name")
        for key, name in _hosts(bundle)
        if name in rows.hosts and rows.hosts[name].partner_id != own
    ]
    wanted = {
        person.number: (organization.slug, person.extension, ("organizations", i, "subscribers", j, "number"))
        for i, organization in enumerate(bundle.content.organizations)
        for j, person in enumerate(organization.subscribers)
        if person.number
    }
    moving = {
        (rows.organizations[organization.slug].org_id, person.extension): person.number
        for organization in bundle.content.organizations
        if organization.slug in rows.organizations
        for person in organization.subscribers
    }
    for holder in session.scalars(select(Subscriber).where(_any_of(Subscriber.number, wanted))):
        slug, extension, key = wanted[cast(str, holder.number)]
        organization = rows.organizations.get(slug)
        is_same = organization is not None and (holder.org_id, holder.extension) == (
            organization.org_id,
            extension,
        )
        gives_up = moving.get((holder.org_id, holder.extension)) not in (None, holder.number)
        if not is_same and not gives_up:
            why = f"{holder.number} is the number of another subscriber; take it away there first"
            problems.append((key, why))
    if problems:
        raise BundleError(bundle.source.describe_all(problems))


def _hosts(bundle: Bundle) -> list[tuple[Key, str]]:
    content = bundle.content
    found: list[tuple[Key, str]] = []
    for kind in ("portal", "console"):
        found += [(("hosts", kind, i), name) for i, name in enumerate(getattr(content.hosts, kind))]
    for i, organization in enumerate(content.organizations):
        for kind in ("sip", "portal"):
            at: Key = ("organizations", i, "hosts", kind)
            found += [((*at, j), name) for j, name in enumerate(getattr(organization.hosts, kind))]
    return found


def _host_names(bundle: Bundle) -> list[str]:
    return [name for _, name in _hosts(bundle)]


def _emails(bundle: Bundle) -> list[str]:
    people = [person for organization in bundle.content.organizations for person in organization.subscribers]
    members = {member.email for person in people for member, _key in person.members}
    return sorted(members | {member.email for member in bundle.content.staff})


def _any_of(column: Any, values: Collection[Any]) -> ColumnElement[bool]:
    """Like `IN`, with one parameter however many values there are: a statement has room for 65,535."""
    return cast("ColumnElement[bool]", column == any_(literal(list(values), ARRAY(column.type))))
