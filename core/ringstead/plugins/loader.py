"""Find the installed plugins and import each behind a guard, so that a broken one costs nobody but itself."""

import inspect
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy
import structlog

from ringstead.api import hookspecs
from ringstead.api.contributions import API_VERSION, PluginInfo
from ringstead.db.history import History
from ringstead.plugins.faults import PluginFault
from ringstead.plugins.mapping import forget_package, mapping_fault
from ringstead.plugins.shapes import misfit

GROUP = "ringstead.plugins"
# Names that tables, routes, templates and catalogues of the core go by.
RESERVED_NAMES = {"core", "ringstead", "static", "alembic"}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
State = Literal["active", "failed", "disabled"]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin found on this installation. `info` and `module` are None when it could not be imported."""

    name: str
    distribution: str
    state: State
    info: PluginInfo | None = None
    module: ModuleType | None = None
    why: str = ""

    @property
    def folder(self) -> Path | None:
        """The folder of the plugin's import package."""
        file = getattr(self.module, "__file__", None)
        return None if file is None else Path(file).parent

    @property
    def history(self) -> History | None:
        """The plugin's migrations, if it has any."""
        if self.folder is None or not (self.folder / "migrations" / "versions").is_dir():
            return None
        return History(self.name, self.folder / "migrations")


def new_manager() -> pluggy.PluginManager:
    """A plugin manager that knows Ringstead's hooks."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def load_plugins(disabled: Collection[str] = (), strict: bool = False) -> list[LoadedPlugin]:
    """Import every plugin of the entry-point group, sorted by name. With `strict`, a fault is raised (for tests)."""
    found: dict[str, LoadedPlugin] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, e.value)):
        distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
        first = found.get(entry.name)
        if first is None:
            found[entry.name] = (
                LoadedPlugin(entry.name, distribution, "disabled", why="named in disabled_plugins")
                if entry.name in disabled
                else _guarded_load(entry, distribution, strict)
            )
        # An editable install beside a wheel lists the same entry point twice: that is one plugin, not a collision.
        elif first.distribution != distribution:
            fault = PluginFault(entry.name, "entry point", f"the name is taken by {first.distribution}")
            log.error("plugin.failed", plugin=entry.name, distribution=distribution, why=str(fault))
            second = f"{entry.name} ({distribution})"
            found[second] = LoadedPlugin(second, distribution, "failed", why=str(fault))
    return list(found.values())


def _guarded_load(entry: EntryPoint, distribution: str, strict: bool) -> LoadedPlugin:
    try:
        if not _NAME.fullmatch(entry.name) or entry.name in RESERVED_NAMES:
            raise PluginFault(
                entry.name, "entry point", "a plugin's name is a free word in lower case", "name"
            )
        plugin = load_module(entry.name, _imported(entry), distribution)
        if why := mapping_fault():
            raise PluginFault(entry.name, "models", why)
        return plugin
    except PluginFault as fault:
        forget_package(entry.module.partition(".")[0])
        if strict:
            raise
        log.error("plugin.failed", plugin=entry.name, why=str(fault), exc_info=fault)
        return LoadedPlugin(entry.name, distribution, "failed", why=str(fault))


def _imported(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise PluginFault(entry.name, "import", f"raised {type(error).__name__}: {error}") from error


def load_module(name: str, module: Any, distribution: str = "unknown") -> LoadedPlugin:
    """Check that `module` is a plugin named `name` for this API version; raises `PluginFault`."""
    manager = new_manager()
    try:
        manager.register(module, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginFault(name, "hooks", " ".join(str(error).split())) from error
    for caller in manager.get_hookcallers(module) or ():
        _check_implementation(name, caller)
    info = _asked_info(name, manager)
    if info.name != name:
        raise PluginFault(name, "plugin_info", f"says {info.name!r}, but the entry point is {name!r}", "name")
    if info.api[0] != API_VERSION[0] or info.api > API_VERSION:
        wanted, here = (".".join(map(str, v)) for v in (info.api, API_VERSION))
        raise PluginFault(name, "plugin_info", f"is written for API {wanted}, this portal has {here}", "api")
    if module.__name__ != info.package and not module.__name__.startswith(f"{info.package}."):
        raise PluginFault(name, "plugin_info", f"{module.__name__} is not in {info.package!r}", "package")
    return LoadedPlugin(name, distribution, "active", info, module)


def _check_implementation(name: str, caller: pluggy.HookCaller) -> None:
    for implementation in caller.get_hookimpls():
        if implementation.wrapper or implementation.hookwrapper:
            raise PluginFault(name, caller.name, "must not wrap other plugins' answers")
        if inspect.iscoroutinefunction(implementation.function):
            raise PluginFault(name, caller.name, "must not be async")


def _asked_info(name: str, manager: pluggy.PluginManager) -> PluginInfo:
    try:
        answers = manager.hook.plugin_info()
    except (Exception, SystemExit) as error:
        raise PluginFault(name, "plugin_info", f"raised {type(error).__name__}: {error}") from error
    if len(answers) != 1 or not isinstance(answers[0], PluginInfo):
        raise PluginFault(name, "plugin_info", "must return a PluginInfo")
    wrong = misfit(answers[0])
    if wrong is not None:
        raise PluginFault(name, "plugin_info", wrong[1], wrong[0])
    return answers[0]


def hook_functions(plugin: LoadedPlugin) -> Iterator[tuple[str, Any]]:
    """The hook implementations of a plugin as (hook name, function that takes the hook's keywords)."""
    manager = new_manager()
    manager.register(plugin.module, plugin.name)
    for name in (*hookspecs.DECLARE_HOOKS, *hookspecs.ASK_HOOKS, *hookspecs.PRIVACY_HOOKS):
        for implementation in getattr(manager.hook, name).get_hookimpls():
            yield name, _accepting(implementation.function, implementation.argnames)


def _accepting(function: Any, names: tuple[str, ...]) -> Any:
    """Call `function` with the arguments that it named: arguments are only ever added to a hook."""
    wanted = frozenset(names)

    def call(**kwargs: Any) -> Any:
        return function(**{name: value for name, value in kwargs.items() if name in wanted})

    return call
