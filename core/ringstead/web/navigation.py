"""The navigation as one reader sees it: sections, the phone's tab bar, and the entry the page belongs to."""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from pyramid.request import Request

from ringstead.api.contributions import NavItem
from ringstead.plugins.registry import CORE, Owned, Registry
from ringstead.tenancy.context import TenantContext
from ringstead.web.i18n import messages

_ = messages("ringstead")
TABS: Final = 3
HOME: Final = "core.home"
MORE: Final = "core.more"
SECTIONS: Final = (("main", None), ("addons", _("Add-ons")), ("account", _("Your account")))
# Pages of the core that belong to another one's entry, and those below them by name.
BELONGS: Final = {
    "core.arrange": HOME,
    "core.more_console": MORE,
    "core.account.password": "core.account",
    "core.console.account.password": "core.console.account",
    "core.account.activity": "core.account",
    "core.console.account.activity": "core.console.account",
    "core.support.mine": "core.account",
    "core.console.organization": "core.console.organizations",
    "core.console.subscribers": "core.console.organizations",
    "core.console.hours": "core.console.organizations",
    "core.console.portal": "core.console.organizations",
}


@dataclass(frozen=True, slots=True)
class NavLink:
    """An entry of the navigation."""

    id: str
    title: str
    url: str
    icon: str
    current: bool

    @property
    def aria_current(self) -> str | None:
        """The attribute's value, or None for none."""
        return "page" if self.current else None


@dataclass(frozen=True, slots=True)
class NavGroup:
    """A titled part of the navigation."""

    id: str
    title: str | None
    links: tuple[NavLink, ...]


def active_entry(context: TenantContext, route: str) -> str:
    """Id of the navigation entry that a route's page belongs to; empty when none does.

    A route `notes.list.change` belongs to the entry of `notes.list`; a plugin's page without an entry of its own, to
    the plugin's first one.
    """
    words = route.split(".")
    above = (".".join(words[:count]) for count in range(len(words), 1, -1))
    route = next((BELONGS[name] for name in above if name in BELONGS), route)
    owner = words[0]
    same_plugin = MORE if route == MORE else ""
    for owned in context.features.navigation:
        if route == owned.item.route or route.startswith(f"{owned.item.route}."):
            return owned.item.id
        if not same_plugin and owned.plugin == owner and owned.plugin != CORE:
            same_plugin = owned.item.id
    return same_plugin


class Navigation:
    """What a reader may use, with the entry `active` marked."""

    def __init__(self, request: Request, context: TenantContext, active: str) -> None:
        self._request, self._context, self.active = request, context, active
        self._entries = tuple(owned for owned in context.features.navigation if self._may(owned))

    def _may(self, owned: Owned[NavItem]) -> bool:
        if self._context.support is not None and owned.item.route in self._closed:
            return False
        return owned.item.site == self._context.site.kind and self._context.can(owned.item.permission)

    @cached_property
    def _closed(self) -> frozenset[str]:
        """Routes that are closed to support sessions."""
        registry: Registry = self._request.plugins
        return frozenset(owned.item.name for owned in registry.routes() if owned.item.support == "closed")

    def _link(self, item: NavItem) -> NavLink:
        return NavLink(
            item.id, item.title, self._request.route_path(item.route), item.icon, item.id == self.active
        )

    @cached_property
    def groups(self) -> tuple[NavGroup, ...]:
        """The entries by section."""
        links = [(owned.item.section, self._link(owned.item)) for owned in self._entries]
        groups = (
            NavGroup(name, title, tuple(link for section, link in links if section == name))
            for name, title in SECTIONS
        )
        return tuple(group for group in groups if group.links)

    @cached_property
    def tabs(self) -> tuple[NavLink, ...]:
        """The phone's tab bar without More: Home and the first entries that ask for a place."""
        home = [owned.item for owned in self._entries if owned.item.id == HOME]
        others = (owned.item for owned in self._entries if owned.item.tab and owned.item.id != HOME)
        return tuple(self._link(item) for item in (*home, *islice(others, TABS)))

    @cached_property
    def more_groups(self) -> tuple[NavGroup, ...]:
        """What the page More lists: everything that has no tab."""
        tabs = {link.id for link in self.tabs}
        groups = (
            NavGroup(group.id, group.title, tuple(link for link in group.links if link.id not in tabs))
            for group in self.groups
        )
        return tuple(group for group in groups if group.links)

    @property
    def more_current(self) -> str | None:
        """The `aria-current` of the tab More."""
        listed = any(link.current for group in self.more_groups for link in group.links)
        return "page" if listed or self.active == MORE else None
