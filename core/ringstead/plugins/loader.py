"""Find the installed plugins and import each behind a guard, so that a broken one costs nobody but itself."""

import inspect
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
from ringstead.db.migrate import History
from ringstead.plugins.faults import PluginFault

GROUP = "ringstead.plugins"
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
        if self.module is None or self.module.__file__ is None:
            return None
        return Path(self.module.__file__).parent

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
        if entry.name in disabled:
            found[entry.name] = LoadedPlugin(
                entry.name, distribution, "disabled", why="named in disabled_plugins"
            )
        elif entry.name in found:
            # An editable install beside a wheel lists the same entry point twice: that is one plugin, not a collision.
            if found[entry.name].distribution != distribution:
                log.error(
                    "plugin.name_taken",
                    plugin=entry.name,
                    by=found[entry.name].distribution,
                    other=distribution,
                )
        else:
            found[entry.name] = _guarded_load(entry, distribution, strict)
    return list(found.values())


def _guarded_load(entry: EntryPoint, distribution: str, strict: bool) -> LoadedPlugin:
    try:
        return load_module(entry.name, entry.load(), distribution)
    except Exception as error:
        if strict:
            raise
        fault = error if isinstance(error, PluginFault) else PluginFault(entry.name, "import", _said(error))
        log.error("plugin.failed", plugin=entry.name, why=str(fault), exc_info=error)
        return LoadedPlugin(entry.name, distribution, "failed", why=str(fault))


def load_module(name: str, module: Any, distribution: str = "unknown") -> LoadedPlugin:
    """Check that `module` is a plugin named `name` for this API version; raises `PluginFault`."""
    manager = new_manager()
    try:
        manager.register(module, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginFault(name, "hooks", str(error)) from error
    answers = manager.hook.plugin_info()
    if len(answers) != 1 or not isinstance(answers[0], PluginInfo):
        raise PluginFault(name, "plugin_info", "must return a PluginInfo")
    info: PluginInfo = answers[0]
    if info.name != name:
        raise PluginFault(name, "plugin_info", f"says {info.name!r}, but the entry point is {name!r}", "name")
    if info.api[0] != API_VERSION[0] or info.api > API_VERSION:
        wanted, here = (".".join(map(str, v)) for v in (info.api, API_VERSION))
        raise PluginFault(name, "plugin_info", f"is written for API {wanted}, this portal has {here}", "api")
    return LoadedPlugin(name, distribution, "active", info, module)


def hook_functions(plugin: LoadedPlugin) -> Iterator[tuple[str, Any]]:
    """The hook implementations of a plugin as (hook name, function that takes the hook's keywords)."""
    manager = new_manager()
    manager.register(plugin.module, plugin.name)
    for name in (*hookspecs.DECLARE_HOOKS, *hookspecs.ASK_HOOKS):
        for implementation in getattr(manager.hook, name).get_hookimpls():
            yield name, _accepting(implementation.function, implementation.argnames)


def _accepting(function: Any, names: tuple[str, ...]) -> Any:
    """Call `function` with the arguments that it named: arguments are only ever added to a hook."""
    wanted = frozenset(names)
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{function.__qualname__} must not be async")

    def call(**kwargs: Any) -> Any:
        return function(**{name: value for name, value in kwargs.items() if name in wanted})

    return call


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
