"""What all plugins contribute, resolved once at start; per set of enabled plugins, ready tuples."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import structlog

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
    PluginInfo,
    Route,
    Setting,
    SubscriberAct,
    SwitchMessage,
    TemplatePart,
    Transcriber,
)
from ringstead.api.hookspecs import ASK_HOOKS
from ringstead.plugins import checks
from ringstead.plugins.addresses import Addresses
from ringstead.plugins.faults import PluginFault
from ringstead.plugins.loader import LoadedPlugin, hook_functions

CORE = "core"
T = TypeVar("T")
Placed = TypeVar("Placed", NavItem, Card)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Owned(Generic[T]):
    """A contribution stamped with the plugin that gave it."""

    plugin: str
    item: T


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """What a set of enabled plugins contributes, in order: core, then plugins by name (items by their `order`)."""

    plugins: frozenset[str]
    navigation: tuple[Owned[NavItem], ...] = ()
    cards: tuple[Owned[Card], ...] = ()
    permissions: tuple[Permission, ...] = ()
    hooks: Mapping[str, tuple[Owned[Any], ...]] = field(default_factory=dict)

    def role_permissions(self, role: str, exceptions: Mapping[str, bool] | None = None) -> frozenset[str]:
        """The permissions of `role`: the defaults of enabled plugins, changed by the organization's `exceptions`."""
        exceptions = exceptions or {}
        held = {p.name for p in self.permissions if exceptions.get(p.name, role in p.default_roles)}
        return frozenset(held | {SIGNED_IN, PUBLIC})


_NO_ENTRY: Final = NavItem(id="", title="", route="", permission="")


class Registry:
    """The plugins of this process and their contributions. Built at start, never changed afterwards."""

    def __init__(self, loaded: Iterable[LoadedPlugin], strict: bool = False) -> None:
        self.plugins: dict[str, LoadedPlugin] = {}
        self.contributions: dict[str, Contributions] = {}
        self._addresses = Addresses()
        for plugin in sorted(loaded, key=lambda p: (p.name != CORE, p.name)):
            self.plugins[plugin.name] = self._admit(plugin, strict)
        self.feature_set = lru_cache(maxsize=1024)(self._feature_set)

    def _admit(self, plugin: LoadedPlugin, strict: bool) -> LoadedPlugin:
        if plugin.state != "active":
            return plugin
        try:
            given = checks.collect(plugin.name, dict(hook_functions(plugin)), plugin.folder)
            self._addresses.claim(plugin.name, given)
        except PluginFault as fault:
            # Without its own contributions the portal is no portal.
            if strict or plugin.name == CORE:
                raise
            log.error("plugin.failed", plugin=plugin.name, why=str(fault), exc_info=fault)
            return replace(plugin, state="failed", why=str(fault))
        self.contributions[plugin.name] = given
        return plugin

    @property
    def active(self) -> frozenset[str]:
        """The plugins that work on this installation."""
        return frozenset(self.contributions)

    def info(self, plugin: str) -> PluginInfo:
        """Who an active plugin is."""
        info = self.plugins[plugin].info
        assert info is not None, "an active plugin has said who it is"
        return info

    def icon(self, plugin: str) -> str:
        """The icon that people know an active plugin by: that of its first entry of a portal's navigation."""
        entries = (item for item in self.contributions[plugin].navigation if item.site == "portal")
        return min(entries, key=lambda item: item.order, default=_NO_ENTRY).icon

    def routes(self) -> list[Owned[Route]]:
        """All routes of active plugins."""
        return [Owned(name, route) for name, given in self.contributions.items() for route in given.routes]

    def settings(self) -> dict[str, Setting]:
        """All preferences by name."""
        return {s.name: s for given in self.contributions.values() for s in given.settings}

    def permissions(self) -> dict[str, Permission]:
        """All permissions by name."""
        return {p.name: p for given in self.contributions.values() for p in given.permissions}

    def jobs(self) -> dict[str, JobSpec]:
        """All jobs by name."""
        return {j.name: j for given in self.contributions.values() for j in given.jobs}

    def listeners(self) -> dict[str, Owned[EventListener]]:
        """All event listeners by name."""
        return {
            x.name: Owned(plugin, x) for plugin, given in self.contributions.items() for x in given.listeners
        }

    def switch_messages(self) -> dict[str, Owned[SwitchMessage]]:
        """All messages that a switch may send, by path."""
        return {
            m.path: Owned(plugin, m)
            for plugin, given in self.contributions.items()
            for m in given.switch_messages
        }

    def commands(self) -> dict[str, Owned[Command]]:
        """All commands by name."""
        return {
            c.name: Owned(plugin, c) for plugin, given in self.contributions.items() for c in given.commands
        }

    def transcribers(self) -> dict[str, Transcriber]:
        """All transcribers by name."""
        return {t.name: t for given in self.contributions.values() for t in given.transcribers}

    def subscriber_acts(self, enabled: Collection[str]) -> list[SubscriberAct]:
        """What helpers may do for a subscriber, of the core and these plugins."""
        return [
            act
            for n, given in self.contributions.items()
            if n == CORE or n in enabled
            for act in given.subscriber_acts
        ]

    def template_parts(self) -> dict[str, Owned[TemplatePart]]:
        """What a template of organizations is made of, by name."""
        return {
            part.name: Owned(n, part)
            for n, given in self.contributions.items()
            for part in given.template_parts
        }

    def feature_codes(self) -> list[Owned[FeatureCode]]:
        """All feature codes, longest first: the first that fits what was dialled is meant."""
        owned = [Owned(n, code) for n, given in self.contributions.items() for code in given.feature_codes]
        return sorted(owned, key=lambda o: (-len(o.item.code), o.item.code))

    def host_checks(self) -> list[Owned[HostCheck]]:
        """All looks at host names, core first, without those that others replace."""
        owned = [Owned(n, check) for n, given in self.contributions.items() for check in given.host_checks]
        replaced = {o.item.replaces for o in owned}
        return [o for o in owned if o.item.name not in replaced]

    def hooks(self, hook: str) -> list[Owned[Any]]:
        """What implements an ask hook, core first, then plugins by name."""
        return [Owned(n, given.hooks[hook]) for n, given in self.contributions.items() if hook in given.hooks]

    def _feature_set(self, enabled: frozenset[str]) -> FeatureSet:
        names = [n for n in self.contributions if n == CORE or n in enabled]
        given = [(name, self.contributions[name]) for name in names]
        return FeatureSet(
            plugins=frozenset(names),
            navigation=_ordered((n, item) for n, c in given for item in c.navigation),
            cards=_ordered((n, item) for n, c in given for item in c.cards),
            permissions=tuple(p for _, c in given for p in c.permissions),
            hooks={
                hook: tuple(Owned(n, c.hooks[hook]) for n, c in given if hook in c.hooks)
                for hook in ASK_HOOKS
            },
        )


def _ordered(pairs: Iterable[tuple[str, Placed]]) -> tuple[Owned[Placed], ...]:
    return tuple(
        Owned(name, item) for name, item in sorted(pairs, key=lambda p: (p[1].order, p[0] != CORE, p[0]))
    )
