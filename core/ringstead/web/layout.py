"""What a page's templates know of frame, brand and reader, under the name `layout`."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal
from urllib.parse import urlencode

from markupsafe import Markup
from pyramid.config import Configurator
from pyramid.request import Request

from ringstead.switch.calling import can_originate
from ringstead.tenancy.context import TenantContext
from ringstead.theming import Brand
from ringstead.web.formats import avatar_hue, person_initials
from ringstead.web.frame import CUT, Frame, FrameCache, Pieces, Shared
from ringstead.web.i18n import Translations, language_name, languages_of, messages, text_direction
from ringstead.web.navigation import Navigation, active_entry
from ringstead.web.notices import Notice, take_notices
from ringstead.web.scope import fragment_scope

_ = messages("ringstead")
THEME_COOKIE: Final = "theme"
ROLES: Final = {
    "subscriber": _("Subscriber"),
    "org_admin": _("Organization admin"),
    "partner_support": _("Partner support"),
    "partner_admin": _("Partner admin"),
}


@dataclass(frozen=True, slots=True)
class Language:
    """A language that a visitor may choose. `query` leads back to the page they are on."""

    tag: str
    name: str
    query: str
    current: Literal["true"] | None


class Layout:
    """What the frame around a page needs. Made once for a request, on first use."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.context: TenantContext = request.tenant
        self.brand: Brand = request.brand
        self.locale = self.context.locale
        self.dir = text_direction(self.locale)
        self.active = active_entry(self.context, getattr(request.matched_route, "name", ""))

    @property
    def theme(self) -> Literal["light", "dark"] | None:
        """The theme this browser chose; None follows the system."""
        chosen = self._request.cookies.get(THEME_COOKIE)
        return chosen if chosen in ("light", "dark") else None

    @property
    def navigation(self) -> Navigation:
        """The reader's navigation. The frame needs it only when it is not rendered yet."""
        return Navigation(self._request, self.context, self.active)

    @property
    def frame(self) -> Frame:
        """The frame around this page."""
        own = {
            "token": self.csrf_token,
            "name": self.person_name,
            "initials": self.person_initials,
            "detail": self.person_detail,
            "hue": self.person_hue,
            "query": self.query,
        }
        return Frame(self._pieces(), own)

    def _pieces(self) -> Pieces:
        context = self.context
        can_call = can_originate(context, self._request)
        key = (
            context.partner.slug,
            self.brand.digest,
            self.brand.name,
            context.site.kind,
            context.features.plugins,
            context.permissions,
            self.locale,
            self.theme,
            self.active,
            can_call,
            context.support is not None,
        )
        cache: FrameCache = self._request.registry["ringstead.frames"]
        pieces = cache.get(key)
        if pieces is None:
            pieces = self._render(can_call)
            cache.put(key, pieces)
        return pieces

    def _render(self, can_call: bool) -> Pieces:
        on_portal = self.context.site.kind == "portal"
        shared = Shared(
            self.brand,
            self.locale,
            self.dir,
            self.theme,
            on_portal,
            self.navigation,
            self.languages,
            can_call=can_call,
            has_counts=on_portal and "nav_counts" in self.context.features.hooks,
        )
        scope = fragment_scope(self._request, self.context)
        templates = self._request.registry["ringstead.templates"]
        return Pieces.of(templates.render("core/frame.pt", scope, {"shared": shared, "cut": CUT}))

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
        """The languages that the brand offers, each under its own name."""
        known = languages_of(self._request)
        query = urlencode({"next": self._request.path_qs})
        shown = self.locale if self.locale in known else self.locale.partition("-")[0]
        return [Language(tag, language_name(tag), query, "true" if tag == shown else None) for tag in known]

    @property
    def person_name(self) -> str:
        """Who is signed in."""
        return self.context.person_name

    @property
    def person_initials(self) -> str:
        """Two letters of the name."""
        return person_initials(self.person_name) or "–"

    @property
    def query(self) -> str:
        """The words that the page's results are for, to stand in the search box; empty on other pages."""
        if getattr(self._request.matched_route, "name", "") != "core.search":
            return ""
        try:
            return str(self._request.GET.get("q", ""))[:100]
        except UnicodeDecodeError:
            return ""

    @property
    def person_hue(self) -> int:
        """The hue of the reader's avatar, the same as where others see it."""
        context = self.context
        person = context.subscriber or context.account
        return avatar_hue(str(person.id)) if person else 1

    @property
    def person_detail(self) -> str:
        """What stands under the name: the extension, or what the person is."""
        context = self.context
        detail: Any = ""
        if context.subscriber is not None:
            detail = _("Ext. ${extension}", extension=context.subscriber.extension)
        elif context.account is not None:
            detail = ROLES.get(context.account.role, "")
        translations: Translations = self._request.registry["ringstead.translations"]
        return str(translations.translate(detail, target_language=self.locale))

    @property
    def home_title(self) -> str:
        """What a visitor signs in to: the organization, once it is known, else the partner."""
        return self.context.organization.name if self.context.organization else self.brand.name


def includeme(config: Configurator) -> None:
    """Add `request.layout`."""
    config.registry["ringstead.frames"] = FrameCache()
    config.add_request_method(Layout, "layout", reify=True)
