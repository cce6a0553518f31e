"""Which plugins an organization has: platform installed, partner allows, organization switched on.

Every page learns the two version numbers with its session, in the round trip that it makes anyway; so a change is
seen by the next request of every process, and the set behind a version is read once per process. `LISTEN/NOTIFY`
(`ringstead.db.listen`) lets processes drop stale sets early.
"""

from collections.abc import Iterable
from threading import Lock
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert

from ringstead.db.session import TenantSession
from ringstead.plugins.registry import FeatureSet, Registry
from ringstead.tenancy.models import Organization, OrganizationFeature, PartnerFeature

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
        org_id = session.org_id
        with self._lock:
            cached = self._sets.get(org_id)
        if cached is not None and cached[0] == versions:
            return cached[1]
        features = self.registry.feature_set(enabled_plugins(session) & self.registry.active)
        with self._lock:
            self._sets[org_id] = (versions, features)
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
    refused = session.scalars(select(PartnerFeature.plugin).where(~PartnerFeature.allowed)).all()
    return frozenset(on) - frozenset(refused)


def set_features(session: TenantSession, plugins: Iterable[str], enabled: bool) -> None:
    """Switch plugins on or off for the session's organization; every process sees it from its next request on."""
    for plugin in sorted(set(plugins)):
        row = {"org_id": session.org_id, "plugin": plugin, "enabled": enabled}
        session.execute(
            insert(OrganizationFeature)
            .values(row)
            .on_conflict_do_update(index_elements=["org_id", "plugin"], set_={"enabled": enabled})
        )
    session.execute(
        update(Organization)
        .where(Organization.org_id == session.org_id)
        .values(features_version=Organization.features_version + 1)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        text("SELECT pg_notify(:channel, :org)"), {"channel": FEATURES_CHANNEL, "org": str(session.org_id)}
    )
