"""Checks of what a plugin declared. Each raises `PluginFault` naming plugin, hook and field."""

import re
from collections.abc import Mapping
from typing import Any

from ringstead.api.contributions import (
    PUBLIC,
    SIGNED_IN,
    Contributions,
    JobSpec,
    NavItem,
    Permission,
    Route,
    Setting,
    SwitchMessage,
)
from ringstead.api.hookspecs import DECLARE_HOOKS
from ringstead.plugins.faults import PluginFault

_PERMISSION = re.compile(r"[a-z][a-z0-9_]*:[a-z][a-z0-9_]*:[a-z][a-z0-9_]*")
_PATTERN = re.compile(r"/[A-Za-z0-9_\-./{}:\\\[\]+*]*")
_PATH = re.compile(r"[a-z][a-z0-9-]*(/[a-z][a-z0-9-]*)*")
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
_FIELDS = {
    "declare_permissions": "permissions",
    "declare_routes": "routes",
    "declare_navigation": "navigation",
    "declare_cards": "cards",
    "declare_settings": "settings",
    "declare_jobs": "jobs",
    "declare_listeners": "listeners",
    "declare_switch_messages": "switch_messages",
}


def collect(plugin: str, functions: Mapping[str, Any]) -> Contributions:
    """Call the declare hooks of one plugin and check what they return."""
    given: dict[str, tuple[Any, ...]] = {}
    for hook, kind in DECLARE_HOOKS.items():
        if hook not in functions:
            continue
        try:
            answer = functions[hook]()
        except Exception as error:
            raise PluginFault(plugin, hook, f"raised {type(error).__name__}: {error}") from error
        if not isinstance(answer, list | tuple):
            raise PluginFault(
                plugin, hook, f"must return a list of {kind.__name__}, not {type(answer).__name__}"
            )
        for item in answer:
            if not isinstance(item, kind):
                raise PluginFault(plugin, hook, f"must hold {kind.__name__}, not {type(item).__name__}")
        given[_FIELDS[hook]] = tuple(answer)
    hooks = {name: function for name, function in functions.items() if name not in DECLARE_HOOKS}
    contributions = Contributions(**given, hooks=hooks)
    check(plugin, contributions)
    return contributions


def check(plugin: str, given: Contributions) -> None:
    """Check one plugin's contributions against themselves."""
    permissions = {p.name for p in given.permissions} | {SIGNED_IN, PUBLIC}
    routes = {r.name for r in given.routes}
    for permission in given.permissions:
        _check_permission(plugin, permission)
    for route in given.routes:
        _check_route(plugin, route, permissions)
    for item in given.navigation:
        _check_nav(plugin, item, permissions, routes)
    for card in given.cards:
        _prefixed(plugin, "declare_cards", "id", card.id)
        _known(plugin, "declare_cards", "permission", card.permission, permissions)
        if card.link_route is not None:
            _known(plugin, "declare_cards", "link_route", card.link_route, routes)
        _callable(plugin, "declare_cards", "present", card.present)
    for setting in given.settings:
        _check_setting(plugin, setting)
    for job in given.jobs:
        _check_job(plugin, job)
    for listener in given.listeners:
        _prefixed(plugin, "declare_listeners", "name", listener.name)
        _callable(plugin, "declare_listeners", "handle", listener.handle)
    for message in given.switch_messages:
        _check_message(plugin, message)
    _unique(plugin, given)


def _prefixed(plugin: str, hook: str, field: str, value: str) -> None:
    if value != plugin and not value.startswith(f"{plugin}."):
        raise PluginFault(plugin, hook, f"{value!r} must be {plugin!r} or start with '{plugin}.'", field)


def _known(plugin: str, hook: str, field: str, value: str, known: set[str]) -> None:
    if value not in known:
        raise PluginFault(plugin, hook, f"{value!r} is not declared by this plugin", field)


def _callable(plugin: str, hook: str, field: str, value: object) -> None:
    if not callable(value):
        raise PluginFault(plugin, hook, "must be callable", field)


def _check_permission(plugin: str, permission: Permission) -> None:
    if not _PERMISSION.fullmatch(permission.name) or not permission.name.startswith(f"{plugin}:"):
        raise PluginFault(
            plugin,
            "declare_permissions",
            f"{permission.name!r} must look like '{plugin}:resource:action'",
            "name",
        )


def _check_route(plugin: str, route: Route, permissions: set[str]) -> None:
    _prefixed(plugin, "declare_routes", "name", route.name)
    _known(plugin, "declare_routes", "permission", route.permission, permissions)
    _callable(plugin, "declare_routes", "view", route.view)
    if not _PATTERN.fullmatch(route.pattern):
        raise PluginFault(plugin, "declare_routes", f"{route.pattern!r} must start with '/'", "pattern")
    if not route.methods or not set(route.methods) <= _METHODS:
        raise PluginFault(
            plugin, "declare_routes", f"{route.methods!r} must be of {sorted(_METHODS)}", "methods"
        )


def _check_nav(plugin: str, item: NavItem, permissions: set[str], routes: set[str]) -> None:
    _prefixed(plugin, "declare_navigation", "id", item.id)
    _known(plugin, "declare_navigation", "permission", item.permission, permissions)
    _known(plugin, "declare_navigation", "route", item.route, routes)
    if not re.fullmatch(r"[a-z0-9-]+", item.icon):
        raise PluginFault(plugin, "declare_navigation", f"{item.icon!r} is not an icon's name", "icon")


def _check_setting(plugin: str, setting: Setting) -> None:
    _prefixed(plugin, "declare_settings", "name", setting.name)
    if setting.type not in (bool, int, str, list):
        raise PluginFault(plugin, "declare_settings", "must be bool, int, str or list", "type")
    if not isinstance(setting.default, setting.type):
        raise PluginFault(
            plugin, "declare_settings", f"{setting.default!r} is not {setting.type.__name__}", "default"
        )


def _check_job(plugin: str, job: JobSpec) -> None:
    _prefixed(plugin, "declare_jobs", "name", job.name)
    _callable(plugin, "declare_jobs", "run", job.run)
    if job.every is not None and len(job.every.split()) != 5:
        raise PluginFault(
            plugin, "declare_jobs", f"{job.every!r} is not a cron expression of five fields", "every"
        )


def _check_message(plugin: str, message: SwitchMessage) -> None:
    _callable(plugin, "declare_switch_messages", "handle", message.handle)
    if not _PATH.fullmatch(message.path):
        raise PluginFault(
            plugin, "declare_switch_messages", f"{message.path!r} is not a path like 'cdr'", "path"
        )


def _unique(plugin: str, given: Contributions) -> None:
    groups: dict[tuple[str, str], list[str]] = {
        ("declare_permissions", "name"): [p.name for p in given.permissions],
        ("declare_routes", "name"): [r.name for r in given.routes],
        ("declare_navigation", "id"): [n.id for n in given.navigation],
        ("declare_cards", "id"): [c.id for c in given.cards],
        ("declare_settings", "name"): [s.name for s in given.settings],
        ("declare_jobs", "name"): [j.name for j in given.jobs],
        ("declare_listeners", "name"): [x.name for x in given.listeners],
        ("declare_switch_messages", "path"): [m.path for m in given.switch_messages],
    }
    for (hook, field), values in groups.items():
        doubled = sorted({v for v in values if values.count(v) > 1})
        if doubled:
            raise PluginFault(plugin, hook, f"{doubled[0]!r} is declared twice", field)
