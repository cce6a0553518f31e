"""Whether a feature is on for an organization, and who said so: the partner for all of them, or it for itself.

The later word holds. A partner that switches a feature on or off for all speaks for organizations to come as well; what
an organization's page says afterwards holds for that organization. A trial is on until its end, and needs nobody to
switch it off; one for all takes nothing from organizations that have the feature for longer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text

from ringstead.db.session import TenantSession
from ringstead.tenancy.models import OrganizationFeature, PartnerFeature


class Word(Protocol):
    """What an organization decided for itself."""

    plugin: str
    enabled: bool
    until: datetime | None
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a feature. `until` ends a trial (UTC); `is_for_all`: it is the partner's word for all."""

    plugin: str
    enabled: bool = False
    until: datetime | None = None
    is_for_all: bool = False
    is_allowed: bool = True

    @property
    def has_ended(self) -> bool:
        """Whether it was a trial that is over."""
        return self.enabled and self.until is not None and self.until <= datetime.now(UTC)

    @property
    def is_chosen(self) -> bool:
        """Whether it was decided to be on, and no trial has ended; the partner may still forbid it."""
        return self.enabled and not self.has_ended

    @property
    def is_on(self) -> bool:
        """Whether the feature is on."""
        return self.is_chosen and self.is_allowed


def decide(own: Iterable[Word], partners: Iterable[PartnerFeature]) -> dict[str, Decision]:
    """The decisions by plugin, from an organization's rows and its partner's. What is not named is off."""
    said = {row.plugin: row for row in own}
    spoken = {row.plugin: row for row in partners}
    return {plugin: _decide(plugin, said.get(plugin), spoken.get(plugin)) for plugin in said | spoken}


def _decide(plugin: str, own: Word | None, partner: PartnerFeature | None) -> Decision:
    allowed = partner is None or partner.allowed
    if (
        partner is not None
        and partner.for_all is not None
        and (own is None or own.changed_at <= partner.decided_at)
        and not _outlasts(own, partner)
    ):
        return Decision(plugin, partner.for_all, partner.until, True, allowed)
    if own is None:
        return Decision(plugin, is_allowed=allowed)
    return Decision(plugin, own.enabled, own.until, False, allowed)


def _outlasts(own: Word | None, partner: PartnerFeature) -> bool:
    """Whether an organization has a feature for longer than a trial that its partner gives all: a trial takes nothing
    away when it ends."""
    if own is None or not own.enabled or not partner.for_all or partner.until is None:
        return False
    return own.until is None or own.until > partner.until


def decisions(session: TenantSession) -> dict[str, Decision]:
    """What holds for the session's organization."""
    return decide(session.scalars(select(OrganizationFeature)), session.scalars(select(PartnerFeature)))


_OF = text("SELECT org_id, plugin, enabled, until, changed_at FROM features_of(:orgs)")


def decisions_of(session: TenantSession, org_ids: Iterable[UUID]) -> Mapping[UUID, dict[str, Decision]]:
    """What holds for some organizations of the session's partner."""
    ids = list(org_ids)
    partners = session.scalars(select(PartnerFeature)).all()
    own: dict[UUID, list[Word]] = {org_id: [] for org_id in ids}
    for row in session.execute(_OF, {"orgs": ids}):
        own[row.org_id].append(row)
    return {org_id: decide(words, partners) for org_id, words in own.items()}


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """When a trial until and with a day ends (UTC)."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def last_day(until: datetime, zone: ZoneInfo) -> date:
    """The last day of a trial that ends then."""
    return (until - timedelta(microseconds=1)).astimezone(zone).date()
