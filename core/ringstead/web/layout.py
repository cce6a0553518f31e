"""The frame of a page: brand, navigation, the person, notices. Templates know it as `layout`.

The navigation is the same for everybody with the same partner, features, rights, language and current entry.
So it is rendered once for each such set and kept; a page then costs the reader's own few words.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from threading import Lock
from typing import Any, Final, Literal
from urllib.parse import urlencode

from cachetools import LRUCache
from markupsafe import Markup
from pyramid.config import Configurator
from pyramid.request import Request

from ringstead.api.contributions import NavItem
from ringstead.plugins.registry import CORE, Owned
from ringstead.tenancy.context import TenantContext
from ringstead.theming import Brand
from ringstead.web.formats import person_initials
from ringstead.web.i18n import Translations, language_name, messages, text_direction
from ringstead.web.notices import Notice, take_notices
from ringstead.web.scope import fragment_scope

_ = messages("ringstead")
THEME_COOKIE: Final = "theme"
TABS: Final = 3
MORE: Final = "core.more"
# Pages of the core that belong to another one's entry.
BELONGS: Final = {"core.arrange": "core.home"}
SECTIONS: Final = (("main", None), ("addons", _("Add-ons")), ("account", _("Your account")))


@dataclass(frozen=True, slots=True)
class NavLink:
    """An entry of the navigation as the reader sees it."""

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


@dataclass(frozen=True, slots=True)
class Language:
    """A language that a visitor may choose. `query` leads back to the page they are on."""

    tag: str
    name: str
    query: str
    current: Literal["true"] | None


@dataclass(frozen=True, slots=True)
class Chrome:
    """The parts of the frame that many readers share, as markup."""

    sidebar: Markup
    tab_bar: Markup
    dialogs: Markup


class Layout:
    """What the frame around a page needs. Made once for a request, on first use."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.context: TenantContext = request.tenant
        self.brand: Brand = request.brand
        self.locale = self.context.locale
        self.dir = text_direction(self.locale)

    @property
    def theme(self) -> Literal["light", "dark"] | None:
        """The theme this browser chose; None follows the system."""
        chosen = self._request.cookies.get(THEME_COOKIE)
        return chosen if chosen in ("light", "dark") else None

    @cached_property
    def chrome(self) -> Chrome:
        """Sidebar, tab bar and dialogs."""
        context, current = self.context, self.active
        key = (
            context.partner.slug,
            self.brand.digest,
            context.site.kind,
            context.features.plugins,
            context.permissions,
            self.locale,
            current,
        )
        cache: ChromeCache = self._request.registry["ringstead.chrome"]
        found = cache.get(key)
        if found is None:
            found = self._render_chrome(current)
            cache.put(key, found)
        return found

    @property
    def active(self) -> str:
        """Id of the navigation entry this page belongs to; empty when none does."""
        route = getattr(self._request.matched_route, "name", "")
        route = BELONGS.get(route, route)
        owner = route.partition(".")[0]
        same_plugin = MORE if route == MORE else ""
        for owned in self.context.features.navigation:
            if owned.item.route == route:
                return owned.item.id
            if not same_plugin and owned.plugin == owner and owned.plugin != CORE:
                same_plugin = owned.item.id
        return same_plugin

    @cached_property
    def groups(self) -> tuple[NavGroup, ...]:
        """The navigation that the reader may use, by section."""
        links = [
            (owned.item, self._link(owned)) for owned in self.context.features.navigation if self._may(owned)
        ]
        groups = (
            NavGroup(name, title, tuple(link for item, link in links if item.section == name))
            for name, title in SECTIONS
        )
        return tuple(group for group in groups if group.links)

    @cached_property
    def tabs(self) -> tuple[NavLink, ...]:
        """The phone's tab bar without More: Home and the first entries that ask for a place."""
        wanted = [o for o in self.context.features.navigation if self._may(o)]
        home = [o for o in wanted if o.item.id == "core.home"]
        others = (o for o in wanted if o.item.tab and o.item.id != "core.home")
        return tuple(self._link(owned) for owned in (*home, *islice(others, TABS)))

    @property
    def more_groups(self) -> tuple[NavGroup, ...]:
        """What the page More lists: everything that has no tab."""
        tabs = {link.id for link in self.tabs}
        groups = (
            NavGroup(group.id, group.title, tuple(link for link in group.links if link.id not in tabs))
            for group in self.groups
        )
        return tuple(group for group in groups if group.links)

    def _may(self, owned: Owned[NavItem]) -> bool:
        return owned.item.site == self.context.site.kind and self.context.can(owned.item.permission)

    def _link(self, owned: Owned[NavItem]) -> NavLink:
        item = owned.item
        return NavLink(
            item.id, item.title, self._request.route_path(item.route), item.icon, item.id == self.active
        )

    def _render_chrome(self, current: str) -> Chrome:
        scope = {**fragment_scope(self._request, self.context), "layout": self}
        templates = self._request.registry["ringstead.templates"]
        listed = any(link.current for group in self.more_groups for link in group.links)
        values: dict[str, Any] = {"more_current": "page" if listed or current == MORE else None}
        return Chrome(
            *(templates.render(f"core/{name}.pt", scope, values) for name in ("sidebar", "tabbar", "dialogs"))
        )

    @property
    def csrf_token(self) -> str:
        """The token that every form of this page carries."""
        token: str = self._request.csrf_token
        return token

    @property
    def csrf_field(self) -> Markup:
        """The hidden input with the token: `${layout.csrf_field}` inside each form that posts."""
        return Markup('<input type="hidden" name="csrf_token" value="{}">').format(self.csrf_token)

    @cached_property
    def notices(self) -> list[Notice]:
        """What the last action did; read once."""
        return take_notices(self._request)

    @property
    def languages(self) -> list[Language]:
        """The languages there are catalogues for, each under its own name."""
        known: Translations = self._request.registry["ringstead.translations"]
        query = urlencode({"next": self._request.path_qs})
        shown = self.locale if self.locale in known.languages else self.locale.partition("-")[0]
        return [
            Language(tag, language_name(tag), query, "true" if tag == shown else None)
            for tag in known.languages
        ]

    @property
    def person_name(self) -> str:
        """Who is signed in."""
        return self.context.account.name if self.context.account else ""

    @property
    def person_initials(self) -> str:
        """Two letters of the name."""
        return person_initials(self.person_name) or "–"

    @property
    def person_detail(self) -> Any:
        """What stands under the name: the extension, or what the person is."""
        context = self.context
        if context.subscriber is not None:
            return _("Ext. ${extension}", extension=context.subscriber.extension)
        return ROLES.get(context.account.role, "") if context.account else ""

    @property
    def home_title(self) -> str:
        """What a visitor signs in to: the organization of the host, else the partner."""
        return self.context.organization.name if self.context.organization else self.brand.name


ROLES: Final = {
    "subscriber": _("Subscriber"),
    "org_admin": _("Organization admin"),
    "partner_support": _("Partner support"),
    "partner_admin": _("Partner admin"),
}


class ChromeCache:
    """Rendered frames, bounded and safe for threads."""

    def __init__(self, size: int = 2048) -> None:
        self._known: LRUCache[Any, Chrome] = LRUCache(size)
        self._lock = Lock()

    def get(self, key: Any) -> Chrome | None:
        """A frame rendered before."""
        with self._lock:
            return self._known.get(key)

    def put(self, key: Any, chrome: Chrome) -> None:
        """Keep a frame."""
        with self._lock:
            self._known[key] = chrome


def includeme(config: Configurator) -> None:
    """Add `request.layout`."""
    config.registry["ringstead.chrome"] = ChromeCache()
    config.add_request_method(Layout, "layout", reify=True)
