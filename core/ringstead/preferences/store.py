"""Write preferences at one level. Reading is `ctx.preferences[name]` in a request, `load` elsewhere."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert

from ringstead.api.contributions import Level, Setting
from ringstead.db.session import TenantSession
from ringstead.preferences.cascade import LEVELS, Preferences, UnknownSetting, problem_with
from ringstead.tenancy.models import OrganizationSetting, SubscriberSetting


class SettingRefused(ValueError):
    """A preference cannot be stored so; the message names it and says why."""


def load(
    session: TenantSession, declared: Mapping[str, Setting], subscriber_id: UUID | None = None
) -> Preferences:
    """The preferences of the session's partner, organization and, if given, one of its subscribers."""
    scope = session.scope
    stored = session.execute(
        text("SELECT setting_levels(:partner, :org, :subscriber)"),
        {"partner": scope.partner_id, "org": scope.org_id, "subscriber": subscriber_id},
    ).scalar_one()
    return Preferences(declared, stored)


def set_for_subscriber(
    session: TenantSession,
    declared: Mapping[str, Setting],
    subscriber_id: UUID,
    name: str,
    value: Any,
    *,
    by_admin: bool = False,
) -> None:
    """Store a subscriber's own value; refused when a level above locked it. `by_admin`: for somebody who looks after
    them, who may change what their package leaves to admins."""
    _check(declared, name, value, "subscriber")
    found = load(session, declared, subscriber_id).resolve(name)
    if found.locked_by is not None and not (by_admin and found.is_admins):
        raise SettingRefused(f"{name} is locked by the {found.locked_by}")
    key = {"org_id": session.org_id, "subscriber_id": subscriber_id, "name": name}
    _upsert(session, SubscriberSetting, key, {"value": value})


def set_for_organization(
    session: TenantSession, declared: Mapping[str, Setting], name: str, value: Any, locked: bool = False
) -> None:
    """Store the organization's value; `locked` keeps subscribers from changing it."""
    _check(declared, name, value, "organization")
    if load(session, declared).resolve(name).locked_by in ("platform", "partner"):
        raise SettingRefused(f"{name} is locked above the organization")
    _upsert(
        session,
        OrganizationSetting,
        {"org_id": session.org_id, "name": name},
        {"value": value, "locked": locked},
    )


def clear_for_subscriber(session: TenantSession, subscriber_id: UUID, name: str) -> None:
    """Forget a subscriber's own value, so that the level above holds again."""
    session.execute(
        delete(SubscriberSetting).where(
            SubscriberSetting.subscriber_id == subscriber_id, SubscriberSetting.name == name
        )
    )


def _check(declared: Mapping[str, Setting], name: str, value: Any, level: Level) -> None:
    setting = declared.get(name)
    if setting is None:
        raise UnknownSetting(f"no plugin declares the setting {name!r}")
    if LEVELS.index(setting.level) < LEVELS.index(level):
        raise SettingRefused(f"{name} cannot be set by a {level}")
    problem = problem_with(setting, value)
    if problem is not None:
        raise SettingRefused(f"{name}: {problem}")


def _upsert(session: TenantSession, model: Any, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    statement = insert(model).values({**key, **values})
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))
