"""Feature packages: what a kind of subscriber has, of what their organization has.

A package names features, takes rights away, and brings preferences: a value, and who may change it for a subscriber
(`ringstead.preferences.cascade`). A subscriber's own package holds, else the organization's; without any, they have all
that the organization has. It gives nothing that the organization does not have, and no right that their role has not.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import func, select, update

from ringstead.api.contributions import NavItem, Permission, Setting
from ringstead.db.session import TenantSession
from ringstead.plugins.enablement import enabled_plugins
from ringstead.plugins.registry import CORE, Registry
from ringstead.preferences.cascade import LEVELS
from ringstead.tenancy.models import FeaturePackage, Organization, Subscriber


def list_packages(session: TenantSession, *, given_by_admins: bool = False) -> list[FeaturePackage]:
    """The partner's packages by name; `given_by_admins`: those that an organization's admins may give."""
    wanted = select(FeaturePackage).order_by(FeaturePackage.name)
    if given_by_admins:
        wanted = wanted.where(FeaturePackage.admins_give)
    return list(session.scalars(wanted))


def by_name(packages: Iterable[FeaturePackage]) -> dict[str, FeaturePackage]:
    """Packages by their names, case apart."""
    return {package.name.casefold(): package for package in packages}


def package_of(session: TenantSession, subscriber: Subscriber) -> FeaturePackage | None:
    """The package that holds for a subscriber: their own, else the organization's. One that is not there any more is
    an empty one, which gives nothing."""
    wanted = subscriber.package_id or session.get_one(Organization, subscriber.org_id).package_id
    if wanted is None:
        return None
    found = session.get(FeaturePackage, (subscriber.partner_id, wanted))
    return found or FeaturePackage(name="", features=[], closed=[], settings={}, admins_give=False)


def plugins_of(session: TenantSession, subscriber_id: UUID) -> frozenset[str]:
    """The plugins that a subscriber of the session's organization has: on for it, and in their package."""
    package = package_of(session, session.get_one(Subscriber, (session.org_id, subscriber_id)))
    on = enabled_plugins(session)
    return on if package is None else on & frozenset(package.features)


def usage(session: TenantSession) -> dict[UUID, tuple[int, int]]:
    """How many subscribers and organizations have each package themselves; in a partner's session."""
    people, organizations = _counted(session, Subscriber), _counted(session, Organization)
    return {one: (people.get(one, 0), organizations.get(one, 0)) for one in people | organizations}


def people_by_package(session: TenantSession) -> list[tuple[FeaturePackage | None, int]]:
    """How many subscribers of the session's organization have which package, their own or its, by name; None: no
    package, so all that it has."""
    rule = session.get_one(Organization, session.org_id).package_id
    given = session.execute(select(Subscriber.package_id, func.count()).group_by(Subscriber.package_id))
    found: Counter[UUID | None] = Counter()
    for own, people in given:
        found[own or rule] += people
    named: list[tuple[FeaturePackage | None, int]] = [
        (package, found[package.id]) for package in list_packages(session) if package.id in found
    ]
    return named + ([(None, found[None])] if None in found else [])


def _counted(session: TenantSession, model: type[Subscriber] | type[Organization]) -> dict[UUID, int]:
    rows = session.execute(
        select(model.package_id, func.count()).where(model.package_id.is_not(None)).group_by(model.package_id)
    )
    return {package_id: count for package_id, count in rows if package_id is not None}


def replace(session: TenantSession, old: UUID, new: UUID | None) -> None:
    """Give everybody who has a package another one, or none of their own; in a partner's session."""
    for model in (Subscriber, Organization):
        given = update(model).where(model.package_id == old).values(package_id=new)
        session.execute(given.execution_options(synchronize_session=False))
    session.expire_all()


def closable(registry: Registry, plugin: str) -> list[Permission]:
    """The rights of a plugin that a package may take away: those of every subscriber."""
    given = registry.contributions[plugin].permissions
    return [permission for permission in given if "subscriber" in permission.default_roles]


def settable(registry: Registry, plugin: str) -> list[Setting]:
    """The preferences of a plugin about which a package may say something."""
    deep = LEVELS.index("package")
    return [s for s in registry.contributions[plugin].settings if LEVELS.index(s.level) >= deep]


def menu_of(
    registry: Registry,
    plugins: frozenset[str],
    package: FeaturePackage | None,
    role: str = "subscriber",
    exceptions: Mapping[str, bool] | None = None,
) -> list[NavItem]:
    """The entries of the menu of somebody whose organization has these plugins, and who has this package."""
    if package is not None:
        plugins = plugins & frozenset(package.features)
    features = registry.feature_set(plugins - {CORE})
    held = features.role_permissions(role, exceptions).difference([] if package is None else package.closed)
    return [o.item for o in features.navigation if o.item.site == "portal" and o.item.permission in held]
