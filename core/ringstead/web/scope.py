"""What every template knows beside its view's values.

`context` (the TenantContext), `layout`, `shell` (the page frame), `parts` (shared macros),
`use('core/x.pt')`, `stencil('calllogs/row.pt', rows)` (long lists, see `ringstead.web.stencils`), `icon`,
`static`, `url`, `fmt` (dates, times, numbers in the reader's locale and zone),
`num` (a telephone number), `avatar`; and, by its own distribution, `_` and `ngettext`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from markupsafe import Markup
from pyramid.request import Request

from ringstead.api.contributions import Card
from ringstead.plugins.gate import RenderCard
from ringstead.plugins.registry import Owned
from ringstead.tenancy.context import TenantContext
from ringstead.web.formats import Formats, avatar, number_tag


class Use:
    """`use('core/parts.pt')`: a template as the same partner sees it, for its macros."""

    __slots__ = ("_partner", "_templates")

    def __init__(self, templates: Any, partner: str | None) -> None:
        self._templates, self._partner = templates, partner

    def __call__(self, name: str) -> Any:
        return self._templates.get(name, self._partner)


@lru_cache(maxsize=8)
def icon_maker(sprite: str) -> Callable[..., Markup]:
    """`icon('phone')`, `icon('arrow-right', 'flip')`: a symbol of the sprite, hidden from screen readers."""

    @lru_cache(maxsize=1024)
    def icon(name: str, extra: str = "") -> Markup:
        return Markup('<svg class="icon{}" aria-hidden="true"><use href="{}#i-{}"/></svg>').format(
            f" {extra}" if extra else "", sprite, name
        )

    return icon


def fragment_scope(request: Request, context: TenantContext | None) -> dict[str, Any]:
    """The scope of a card or another part of a page: everything but the request and the frame around it.

    A card is rendered in another thread, so nothing here may reach the database.
    """
    registry = request.registry
    static, templates = registry["ringstead.static"], registry["ringstead.templates"]
    # Partners without templates of their own share what is kept of a template.
    partner = templates.owner_of(context.partner.slug) if context is not None else None
    translate = registry["ringstead.translations"].translate
    locale = context.locale if context is not None else request.plain_locale
    use = Use(templates, partner)
    scope = {
        "avatar": avatar,
        "context": context,
        "icon": icon_maker(static.url("core/icons.svg")),
        "num": number_tag,
        "fmt": Formats(locale, context.time_zone, translate) if context is not None else None,
        "partner": partner,
        "parts": use("core/parts.pt").macros,
        "static": static.url,
        "target_language": locale,
        "url": request.route_path,
        "use": use,
    }
    scope["stencil"] = registry["ringstead.stencils"].for_page(scope)
    return scope


def page_scope(request: Request) -> dict[str, Any]:
    """The scope of a whole page."""
    scope = fragment_scope(request, request.tenant)
    scope["request"] = request
    scope["layout"] = request.layout
    scope["shell"] = scope["use"]("core/layout.pt")
    scope["auth_shell"] = scope["use"]("core/auth.pt")
    return scope


def card_renderer(request: Request) -> RenderCard:
    """What the gate renders cards with; safe to call from another thread."""
    scope = fragment_scope(request, request.tenant)
    templates = request.registry["ringstead.templates"]

    def render(card: Owned[Card], values: Mapping[str, Any]) -> Markup:
        markup: Markup = templates.render(card.item.template, scope, values)
        return markup

    return render
