"""Which plugins an organization has: platform installed, partner allows, organization switched on.

Every page learns the two version numbers with its session, in the round trip that it makes anyway; so a change is
seen by the next request of every process, and the set behind a version is read once per process. `LISTEN/NOTIFY`
(`ringstead.db.listen`) lets processes drop stale sets early.
"""

from collections.abc import Callable, Iterable
from threading import Lock
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import ColumnElement, Text, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ringstead.db.session import TenantSession
from ringstead.plugins.registry import FeatureSet, Registry
from ringstead.tenancy.models import Organization, OrganizationFeature, Partner, PartnerFeature

FEATURES_CHANNEL = "ringstead_features"
Versions = tuple[int, int]


class Enablement:
    """The enabled sets of organizations, cached under their versions. Bounded; safe for threads."""

    def __init__(self, registry: Registry, size: int = 10_000) -> None:
        self.registry = registry
        self._sets: LRUCache[UUID, tuple[Versions, FeatureSet]] = LRUCache(size)
        self._lock = Lock()

    def features(self, session: TenantSession, versions: Versions) -> FeatureSet:
        """The features of the session's organization; `versions` are (organization's, partner's)."""
        return self._cached(session.org_id, versions, lambda: enabled_plugins(session))

    def partner_features(self, session: TenantSession, partner_id: UUID, version: int) -> FeatureSet:
        """The features of a partner's console: what works here and the partner does not refuse."""
        return self._cached(partner_id, (0, version), lambda: self.registry.active - refused_plugins(session))

    def _cached(self, owner: UUID, versions: Versions, read: Callable[[], frozenset[str]]) -> FeatureSet:
        with self._lock:
            cached = self._sets.get(owner)
        if cached is not None and cached[0] == versions:
            return cached[1]
        features = self.registry.feature_set(read() & self.registry.active)
        with self._lock:
            self._sets[owner] = (versions, features)
        return features

    def forget(self, org_id: UUID) -> None:
        """Drop what is known of an organization (another process changed it)."""
        with self._lock:
            self._sets.pop(org_id, None)

    def forget_all(self) -> None:
        """Drop everything (the listener was away and may have missed news)."""
        with self._lock:
            self._sets.clear()


def enabled_plugins(session: TenantSession) -> frozenset[str]:
    """Names of the plugins that the session's organization has on and its partner allows."""
    on = session.scalars(select(OrganizationFeature.plugin).where(OrganizationFeature.enabled)).all()
    return frozenset(on) - refused_plugins(session)


def refused_plugins(session: TenantSession) -> frozenset[str]:
    """Names of the plugins that the session's partner does not allow."""
    return frozenset(session.scalars(select(PartnerFeature.plugin).where(~PartnerFeature.allowed)))


def set_features(session: TenantSession, plugins: Iterable[str], enabled: bool) -> None:
    """Switch plugins on or off for the session's organization; every process sees it from its next request on."""
    for plugin in sorted(set(plugins)):
        row = {"org_id": session.org_id, "plugin": plugin, "enabled": enabled}
        session.execute(
            insert(OrganizationFeature)
            .values(row)
            .on_conflict_do_update(index_elements=["org_id", "plugin"], set_={"enabled": enabled})
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
    partner_id = session.scope.partner_id
    row = {"partner_id": partner_id, "plugin": plugin, "allowed": allowed}
    session.execute(
        insert(PartnerFeature)
        .values(row)
        .on_conflict_do_update(index_elements=["partner_id", "plugin"], set_={"allowed": allowed})
    )
    assert partner_id is not None, "only a partner allows"
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
