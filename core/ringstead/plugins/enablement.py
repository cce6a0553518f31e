"""Which plugins an organization has: platform installed, partner allows, and it or its partner switched on.

Every page learns the two version numbers with its session, in the round trip that it makes anyway; so a change is
seen by the next request of every process, and the set behind a version is read once per process, and again when a
trial in it ends. `LISTEN/NOTIFY` (`ringstead.db.listen`) lets processes drop stale sets early.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import ColumnElement, Text, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ringstead.db.session import TenantSession
from ringstead.plugins.decisions import decisions
from ringstead.plugins.registry import FeatureSet, Registry
from ringstead.tenancy.models import Organization, OrganizationFeature, Partner, PartnerFeature

FEATURES_CHANNEL = "ringstead_features"
Versions = tuple[int, int]


class _Known(NamedTuple):
    """The features behind versions, and when the first trial among them ends."""

    versions: Versions
    features: FeatureSet
    until: datetime | None

    def holds(self, versions: Versions) -> bool:
        return self.versions == versions and (self.until is None or self.until > datetime.now(UTC))


class Enablement:
    """The enabled sets of organizations, cached under their versions. Bounded; safe for threads."""

    def __init__(self, registry: Registry, size: int = 10_000) -> None:
        self.registry = registry
        self._sets: LRUCache[UUID, _Known] = LRUCache(size)
        self._lock = Lock()

    def features(self, session: TenantSession, versions: Versions) -> FeatureSet:
        """The features of the session's organization; `versions` are (organization's, partner's)."""
        return self._cached(session.org_id, versions, lambda: _on(session))

    def partner_features(self, session: TenantSession, partner_id: UUID, version: int) -> FeatureSet:
        """The features of a partner's console: what works here and the partner does not refuse."""
        return self._cached(
            partner_id, (0, version), lambda: (self.registry.active - refused_plugins(session), None)
        )

    def _cached(
        self,
        owner: UUID,
        versions: Versions,
        read: Callable[[], tuple[frozenset[str], datetime | None]],
    ) -> FeatureSet:
        with self._lock:
            known = self._sets.get(owner)
        if known is not None and known.holds(versions):
            return known.features
        plugins, until = read()
        features = self.registry.feature_set(plugins & self.registry.active)
        with self._lock:
            self._sets[owner] = _Known(versions, features, until)
        return features

    def forget(self, org_id: UUID) -> None:
        """Drop what is known of an organization (another process changed it)."""
        with self._lock:
            self._sets.pop(org_id, None)

    def forget_all(self) -> None:
        """Drop everything (the listener was away and may have missed news)."""
        with self._lock:
            self._sets.clear()


def _on(session: TenantSession) -> tuple[frozenset[str], datetime | None]:
    on = [decision for decision in decisions(session).values() if decision.is_on]
    ends = [decision.until for decision in on if decision.until is not None]
    return frozenset(decision.plugin for decision in on), min(ends, default=None)


def enabled_plugins(session: TenantSession) -> frozenset[str]:
    """Names of the plugins that are on for the session's organization, and that its partner allows."""
    return _on(session)[0]


def refused_plugins(session: TenantSession) -> frozenset[str]:
    """Names of the plugins that the session's partner does not allow."""
    return frozenset(session.scalars(select(PartnerFeature.plugin).where(~PartnerFeature.allowed)))


def set_features(
    session: TenantSession, plugins: Iterable[str], enabled: bool, until: datetime | None = None
) -> None:
    """Switch plugins on (for a trial, `until` then; UTC) or off for the session's organization; every process sees it
    from its next request on."""
    values = {"enabled": enabled, "until": until, "changed_at": func.clock_timestamp()}
    for plugin in sorted(set(plugins)):
        row = {"org_id": session.org_id, "plugin": plugin, **values}
        session.execute(
            insert(OrganizationFeature)
            .values(row)
            .on_conflict_do_update(index_elements=["org_id", "plugin"], set_=values)
        )
    announce_features(session, [session.org_id])


def announce_features(session: Session, org_ids: Iterable[UUID]) -> None:
    """Raise the organizations' feature versions and tell every process when this transaction commits."""
    for org_id in sorted(set(org_ids)):
        session.execute(
            update(Organization)
            .where(Organization.org_id == org_id)
            .values(features_version=Organization.features_version + 1)
            .execution_options(synchronize_session=False)
        )
        _tell(session, Organization.org_id == org_id)


def allow_plugin(session: TenantSession, plugin: str, allowed: bool) -> None:
    """Allow a plugin to all organizations of the session's partner, or forbid it; what they switched on is kept.

    Seen by every process from its next request on, as with `set_features`.
    """
    _speak(session, plugin, {"allowed": allowed})


def set_for_all(
    session: TenantSession, plugin: str, enabled: bool | None, until: datetime | None = None
) -> None:
    """Switch a plugin on or off for all organizations of the session's partner, also those to come, whatever they had;
    None: each has again what it decided itself. `until` ends a trial (UTC)."""
    _speak(session, plugin, {"for_all": enabled, "until": until, "decided_at": func.clock_timestamp()})


def _speak(session: TenantSession, plugin: str, values: dict[str, Any]) -> None:
    partner_id = session.scope.partner_id
    assert partner_id is not None, "only a partner speaks for all its organizations"
    session.execute(
        insert(PartnerFeature)
        .values({"partner_id": partner_id, "plugin": plugin, "allowed": True, **values})
        .on_conflict_do_update(index_elements=["partner_id", "plugin"], set_=values)
    )
    announce_allowed(session, partner_id)


def announce_allowed(session: Session, partner_id: UUID) -> None:
    """Raise a partner's feature version and tell every process when this transaction commits."""
    session.execute(
        update(Partner)
        .where(Partner.id == partner_id)
        .values(features_version=Partner.features_version + 1)
        .execution_options(synchronize_session=False)
    )
    _tell(session, Organization.partner_id == partner_id)


def _tell(session: Session, which: ColumnElement[bool]) -> None:
    session.execute(select(func.pg_notify(FEATURES_CHANNEL, cast(Organization.org_id, Text))).where(which))
