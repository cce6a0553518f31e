"""Templates of organizations: what a new one begins with.

A template is taken from an organization that is as it should be. Its `content` is a JSON object: `features` (plugins
that it has for good, by its own word), `settings` (values by name), `subscriber_limit`, `package` (its id),
`extensions` (ranges as `[first, last]`), and `parts` (what plugins put in, by the names of their `TemplatePart`s).
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import select

from ringstead.api.contributions import Setting
from ringstead.db.session import TenantSession
from ringstead.plugins.decisions import decisions
from ringstead.plugins.enablement import enabled_plugins, refused_plugins, set_features
from ringstead.plugins.faults import is_portals, said
from ringstead.plugins.registry import CORE, Registry
from ringstead.preferences.cascade import UnknownSetting
from ringstead.preferences.store import SettingRefused, set_for_organization
from ringstead.tenancy.models import NumberRange, Organization, OrganizationSetting
from ringstead.tenancy.packages import list_packages

log = structlog.get_logger(__name__)
NOTHING: Final[Mapping[str, Any]] = {}


def read_template(session: TenantSession, registry: Registry) -> dict[str, Any]:
    """What the session's organization would give to a new one. Nothing of its people, numbers or places is in it."""
    organization = session.get_one(Organization, session.org_id)
    on = enabled_plugins(session)
    own = {d.plugin for d in decisions(session).values() if d.is_on and d.until is None and not d.is_for_all}
    extensions = session.scalars(select(NumberRange).where(NumberRange.kind == "extension"))
    return {
        "features": sorted(own & registry.active),
        "settings": {row.name: row.value for row in session.scalars(select(OrganizationSetting))},
        "subscriber_limit": organization.subscriber_limit,
        "package": None if organization.package_id is None else str(organization.package_id),
        "extensions": sorted([row.first, row.last] for row in extensions),
        "parts": {
            name: part.item.read(session)
            for name, part in registry.template_parts().items()
            if part.plugin == CORE or part.plugin in on
        },
    }


def write_template(
    session: TenantSession, registry: Registry, declared: Mapping[str, Setting], content: Mapping[str, Any]
) -> None:
    """Give a template's content to the session's organization, which is new. What does not fit any more (a plugin that
    is gone, a setting that was narrowed) is left out."""
    organization = session.get_one(Organization, session.org_id)
    allowed = registry.active - refused_plugins(session)
    # What the partner turned off for all is off for organizations to come as well.
    refused = {d.plugin for d in decisions(session).values() if d.is_for_all and not d.enabled}
    set_features(session, (allowed & set(content.get("features", []))) - refused, True)
    on = enabled_plugins(session)
    organization.subscriber_limit = content.get("subscriber_limit")
    organization.package_id = UUID(content["package"]) if content.get("package") else None
    for name, value in content.get("settings", {}).items():
        try:
            set_for_organization(session, declared, name, value)
        except (SettingRefused, UnknownSetting) as error:
            log.warning("template.left_out", setting=name, why=str(error))
    for first, last in content.get("extensions", []):
        session.add(NumberRange(partner_id=organization.partner_id, kind="extension", first=first, last=last))
    session.flush()
    parts = registry.template_parts()
    for name, values in content.get("parts", {}).items():
        part = parts.get(name)
        if part is not None and (part.plugin == CORE or part.plugin in on):
            _write_part(session, part.plugin, part.item.write, values)


def has_lost_package(session: TenantSession, content: Mapping[str, Any]) -> bool:
    """Whether a template's package is not there any more. Without it, a new organization would have everything."""
    wanted = content.get("package")
    return bool(wanted) and all(str(package.id) != wanted for package in list_packages(session))


def _write_part(session: TenantSession, plugin: str, write: Any, values: Any) -> None:
    """A plugin that raises costs its own part of the new organization, never the organization."""
    try:
        with session.begin_nested():
            write(session, values)
            session.flush()
    except Exception as error:
        if is_portals(error):
            raise
        log.error("plugin.failed", plugin=plugin, what="template", why=said(error), exc_info=error)
