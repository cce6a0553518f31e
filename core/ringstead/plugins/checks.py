"""Checks of what a plugin declared. Each raises `PluginFault` naming plugin, hook and field."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pyramid.urldispatch import Route as PyramidRoute

from ringstead.api.contributions import (
    PUBLIC,
    SIGNED_IN,
    Card,
    Command,
    Contributions,
    EventListener,
    FeatureCode,
    HostCheck,
    JobSpec,
    NavItem,
    Permission,
    Route,
    Setting,
    SubscriberAct,
    SwitchMessage,
    TemplatePart,
    Transcriber,
)
from ringstead.api.hookspecs import DECLARE_HOOKS
from ringstead.plugins.faults import PluginFault
from ringstead.plugins.shapes import accepts, misfit
from ringstead.preferences.cascade import problem_with

_CORE: Final = "core"
_PERMISSION = re.compile(r"[a-z][a-z0-9_]*:[a-z][a-z0-9_]*:[a-z][a-z0-9_]*")
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_PATTERN = re.compile(r"/|/[a-z0-9_\-.]+(/[A-Za-z0-9_\-.{}:\\\[\]+]+)*(/\*[a-z_]+)?")
_PATH = re.compile(r"[a-z][a-z0-9-]*(/([a-z][a-z0-9-]*|\{[a-z]+\}))*")
_CODE = re.compile(r"[*#][*#]?[0-9]{1,5}")
_ICON = re.compile(r"[a-z0-9-]+")
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
# Renderers of Pyramid's own that a route may name instead of a template.
_PLAIN_RENDERERS = {"json", "string"}
_FIELDS = {
    "declare_permissions": "permissions",
    "declare_routes": "routes",
    "declare_navigation": "navigation",
    "declare_cards": "cards",
    "declare_settings": "settings",
    "declare_jobs": "jobs",
    "declare_listeners": "listeners",
    "declare_switch_messages": "switch_messages",
    "declare_commands": "commands",
    "declare_transcribers": "transcribers",
    "declare_subscriber_acts": "subscriber_acts",
    "declare_template_parts": "template_parts",
    "declare_feature_codes": "feature_codes",
    "declare_host_checks": "host_checks",
}
# The field by which a contribution is known; it must be unique within the plugin.
_KEYS: Final[dict[str, str]] = {
    "declare_permissions": "name",
    "declare_routes": "name",
    "declare_navigation": "id",
    "declare_cards": "id",
    "declare_settings": "name",
    "declare_jobs": "name",
    "declare_listeners": "name",
    "declare_switch_messages": "path",
    "declare_commands": "name",
    "declare_transcribers": "name",
    "declare_subscriber_acts": "name",
    "declare_template_parts": "name",
    "declare_feature_codes": "name",
    "declare_host_checks": "name",
}
# Functions in contributions, and the arguments that they are called with.
_SIGNATURES: Final[dict[type, dict[str, tuple[str, ...]]]] = {
    Route: {"view": ("context", "request")},
    Card: {"query": ("ctx",), "present": ("ctx", "rows")},
    JobSpec: {"run": ("database",)},
    EventListener: {"handle": ("session", "event")},
    SwitchMessage: {"handle": ("node", "request", "database")},
    Command: {"run": ("database", "org_id")},
    Transcriber: {"transcribe": ("words",)},
    SubscriberAct: {"run": ("session", "subscriber_id")},
    TemplatePart: {"read": ("session",), "write": ("session", "values")},
    FeatureCode: {"answer": ("session", "call")},
    HostCheck: {"check": ("host",)},
}


def collect(plugin: str, functions: Mapping[str, Any], folder: Path | None = None) -> Contributions:
    """Call the declare hooks of one plugin and check what they return.

    `folder` is the plugin's package folder, where its templates must be; without one they are not looked for.
    """
    given = {_FIELDS[hook]: _declared(plugin, hook, functions) for hook in DECLARE_HOOKS if hook in functions}
    hooks = {name: function for name, function in functions.items() if name not in DECLARE_HOOKS}
    contributions = Contributions(**given, hooks=hooks)
    check(plugin, contributions)
    if folder is not None:
        _check_templates(plugin, contributions, folder / "templates")
    return contributions


def _declared(plugin: str, hook: str, functions: Mapping[str, Any]) -> tuple[Any, ...]:
    kind = DECLARE_HOOKS[hook]
    try:
        answer = functions[hook]()
    except (Exception, SystemExit) as error:
        raise PluginFault(plugin, hook, f"raised {type(error).__name__}: {error}") from error
    if not isinstance(answer, list | tuple):
        raise PluginFault(plugin, hook, f"must return a list of {kind.__name__}, not {type(answer).__name__}")
    for item in answer:
        if not isinstance(item, kind):
            raise PluginFault(plugin, hook, f"must hold {kind.__name__}, not {type(item).__name__}")
        _check_shape(plugin, hook, item)
    _unique(plugin, hook, answer)
    return tuple(answer)


def _check_shape(plugin: str, hook: str, item: Any) -> None:
    wrong = misfit(item)
    if wrong is not None:
        raise PluginFault(plugin, hook, wrong[1], wrong[0])
    for field, arguments in _SIGNATURES.get(type(item), {}).items():
        function = getattr(item, field)
        # A job gets what it was queued with, a command its options; a periodic job gets nothing more.
        more = (isinstance(item, JobSpec) and item.every is None) or isinstance(item, Command)
        by_name = ("org_id",) if isinstance(item, JobSpec) and item.per == "organization" else ()
        if function is not None and not accepts(function, arguments, more, by_name):
            told = (*arguments, *(f"{name}=…" for name in by_name))
            called = f"must be an ordinary function called with ({', '.join(told)})"
            raise PluginFault(plugin, hook, called, field)


def check(plugin: str, given: Contributions) -> None:
    """Check one plugin's contributions against themselves."""
    permissions = {p.name for p in given.permissions} | {SIGNED_IN, PUBLIC}
    routes = {r.name: r for r in given.routes}
    for permission in given.permissions:
        _check_permission(plugin, permission)
    for route in given.routes:
        _check_route(plugin, route, permissions)
    for item in given.navigation:
        _check_nav(plugin, item, permissions, routes)
    for card in given.cards:
        _check_card(plugin, card, permissions, routes)
    for setting in given.settings:
        _check_setting(plugin, setting)
    for job in given.jobs:
        _check_job(plugin, job)
    for listener in given.listeners:
        _prefixed(plugin, "declare_listeners", "name", listener.name)
    for command in given.commands:
        _prefixed(plugin, "declare_commands", "name", command.name)
    for transcriber in given.transcribers:
        _prefixed(plugin, "declare_transcribers", "name", transcriber.name)
    for act in given.subscriber_acts:
        _prefixed(plugin, "declare_subscriber_acts", "name", act.name)
    for part in given.template_parts:
        _prefixed(plugin, "declare_template_parts", "name", part.name)
    for host_check in given.host_checks:
        _prefixed(plugin, "declare_host_checks", "name", host_check.name)
    for code in given.feature_codes:
        _prefixed(plugin, "declare_feature_codes", "name", code.name)
        if not _CODE.fullmatch(code.code):
            what = f"{code.code!r} is no code; it is * or # and one to five digits, such as *97"
            raise PluginFault(plugin, "declare_feature_codes", what, "code")
    for message in given.switch_messages:
        if not _PATH.fullmatch(message.path):
            raise PluginFault(
                plugin, "declare_switch_messages", f"{message.path!r} is not a path like 'cdr'", "path"
            )


def _prefixed(plugin: str, hook: str, field: str, value: str) -> None:
    if not _NAME.fullmatch(value) or value.partition(".")[0] != plugin:
        raise PluginFault(
            plugin, hook, f"{value!r} must be {plugin!r} or start with '{plugin}.', in lower case", field
        )


def _known(plugin: str, hook: str, field: str, value: str, known: set[str]) -> None:
    if value not in known:
        raise PluginFault(plugin, hook, f"{value!r} is not declared by this plugin", field)


def _check_permission(plugin: str, permission: Permission) -> None:
    if not _PERMISSION.fullmatch(permission.name) or not permission.name.startswith(f"{plugin}:"):
        raise PluginFault(
            plugin,
            "declare_permissions",
            f"{permission.name!r} must look like '{plugin}:resource:action'",
            "name",
        )


def _check_route(plugin: str, route: Route, permissions: set[str]) -> None:
    hook = "declare_routes"
    _prefixed(plugin, hook, "name", route.name)
    _known(plugin, hook, "permission", route.permission, permissions)
    if not _PATTERN.fullmatch(route.pattern) or route.pattern.count("{") != route.pattern.count("}"):
        wanted = "must start with '/' and a word in lower case, such as '/notices/{id}'"
        raise PluginFault(plugin, hook, f"{route.pattern!r} {wanted}", "pattern")
    try:
        PyramidRoute(route.name, route.pattern)
    except Exception as error:
        raise PluginFault(plugin, hook, f"{route.pattern!r} cannot be read: {error}", "pattern") from error
    if not route.methods or not set(route.methods) <= _METHODS:
        raise PluginFault(plugin, hook, f"{route.methods!r} must be of {sorted(_METHODS)}", "methods")
    if route.renderer is not None and route.renderer not in _PLAIN_RENDERERS:
        _own_template(plugin, hook, "renderer", route.renderer)


def _check_nav(plugin: str, item: NavItem, permissions: set[str], routes: Mapping[str, Route]) -> None:
    hook = "declare_navigation"
    _prefixed(plugin, hook, "id", item.id)
    _known(plugin, hook, "permission", item.permission, permissions)
    _linkable(plugin, hook, "route", item.route, item.site, routes)
    if not _ICON.fullmatch(item.icon):
        raise PluginFault(plugin, hook, f"{item.icon!r} is not an icon's name", "icon")


def _check_card(plugin: str, card: Card, permissions: set[str], routes: Mapping[str, Route]) -> None:
    hook = "declare_cards"
    _prefixed(plugin, hook, "id", card.id)
    _known(plugin, hook, "permission", card.permission, permissions)
    _own_template(plugin, hook, "template", card.template)
    for asset in card.assets:
        if not asset.endswith((".css", ".js")) or asset.partition("/")[0] not in (plugin, _CORE):
            raise PluginFault(plugin, hook, f"{asset!r} is no style sheet or script of the plugin", "assets")
    if card.link_route is not None:
        _linkable(plugin, hook, "link_route", card.link_route, "portal", routes)


def _linkable(plugin: str, hook: str, field: str, name: str, site: str, routes: Mapping[str, Route]) -> None:
    """A link needs an address that can be made without arguments, on the same site, by GET."""
    _known(plugin, hook, field, name, set(routes))
    route = routes[name]
    if "{" in route.pattern or "*" in route.pattern:
        raise PluginFault(plugin, hook, f"{name!r} has placeholders, so nothing can link to it", field)
    if "GET" not in route.methods:
        raise PluginFault(plugin, hook, f"{name!r} is not opened by GET", field)
    if route.site != site:
        raise PluginFault(plugin, hook, f"{name!r} is on the {route.site}, not on the {site}", field)


def _own_template(plugin: str, hook: str, field: str, template: str) -> None:
    if not template.startswith(f"{plugin}/") or not template.endswith(".pt") or ".." in template:
        raise PluginFault(plugin, hook, f"{template!r} must look like '{plugin}/name.pt'", field)


def _check_templates(plugin: str, given: Contributions, folder: Path) -> None:
    for hook, field, template in _templates(given):
        if not (folder / template).is_file():
            raise PluginFault(plugin, hook, f"there is no file templates/{template} in its package", field)
    for asset in (asset for card in given.cards for asset in card.assets):
        owner, _slash, path = asset.partition("/")
        if owner == plugin and not (folder.parent / "static" / path).is_file():
            what = f"there is no file static/{path} in its package"
            raise PluginFault(plugin, "declare_cards", what, "assets")


def _templates(given: Contributions) -> Iterator[tuple[str, str, str]]:
    for route in given.routes:
        if route.renderer is not None and route.renderer not in _PLAIN_RENDERERS:
            yield "declare_routes", "renderer", route.renderer
    for card in given.cards:
        yield "declare_cards", "template", card.template


def _check_setting(plugin: str, setting: Setting) -> None:
    hook = "declare_settings"
    _prefixed(plugin, hook, "name", setting.name)
    if setting.type not in (bool, int, str, list):
        raise PluginFault(plugin, hook, "must be bool, int, str or list", "type")
    problem = problem_with(setting, setting.default)
    if problem is not None:
        raise PluginFault(plugin, hook, f"{setting.default!r} {problem}", "default")


def _check_job(plugin: str, job: JobSpec) -> None:
    _prefixed(plugin, "declare_jobs", "name", job.name)
    if job.every is not None and not _is_cron(job.every):
        raise PluginFault(
            plugin, "declare_jobs", f"{job.every!r} is not a cron expression of five fields", "every"
        )
    if job.per is not None and job.every is None:
        raise PluginFault(plugin, "declare_jobs", "only a job with `every` is run per organization", "per")
    if job.everywhere and job.per is None:
        raise PluginFault(
            plugin, "declare_jobs", "only a job per organization is run everywhere", "everywhere"
        )
    if job.attempts < 1:
        raise PluginFault(plugin, "declare_jobs", f"{job.attempts} must be at least 1", "attempts")


def _is_cron(expression: str) -> bool:
    # Imported here: only plugins with periodic jobs need it. It comes with the queue, which reads the expression.
    from croniter import croniter  # type: ignore[import-untyped]  # it ships no types

    return len(expression.split()) == 5 and bool(croniter.is_valid(expression))


def _unique(plugin: str, hook: str, items: list[Any] | tuple[Any, ...]) -> None:
    field = _KEYS[hook]
    values = [getattr(item, field) for item in items]
    doubled = sorted({value for value in values if values.count(value) > 1})
    if doubled:
        raise PluginFault(plugin, hook, f"{doubled[0]!r} is declared twice", field)
