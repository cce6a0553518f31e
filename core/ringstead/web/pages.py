"""The core's own pages: their addresses, rights and place in the navigation."""

from typing import Final

from ringstead.api.contributions import PUBLIC, SIGNED_IN, NavItem, Route, SearchHit, Site
from ringstead.tenancy.context import TenantContext
from ringstead.web import home, search, views
from ringstead.web.i18n import messages

_ = messages("ringstead")

# Pages of the core that have no entry in the navigation, and the English words people type for them.
UNLISTED: Final = (
    ("/home/arrange", _("Arrange your home page"), "layout-grid", ("arrange", "cards", "home", "order")),
)


def routes() -> list[Route]:
    """Landing page, search and the choices of the frame."""
    return [
        Route(name="core.home", pattern="/", view=home.home, permission=SIGNED_IN, renderer="core/home.pt"),
        Route(
            name="core.arrange",
            pattern="/home/arrange",
            view=home.arrange,
            permission=SIGNED_IN,
            renderer="core/arrange.pt",
        ),
        Route(
            name="core.arrange_change",
            pattern="/home/arrange",
            view=home.change_arrangement,
            permission=SIGNED_IN,
            methods=("POST",),
        ),
        Route(
            name="core.search",
            pattern="/search",
            view=search.search,
            permission=SIGNED_IN,
            renderer="core/search.pt",
        ),
        *_on_both_sites(),
    ]


def _on_both_sites() -> list[Route]:
    sites: tuple[tuple[Site, str], ...] = (("portal", ""), ("console", "_console"))
    return [
        route
        for site, suffix in sites
        for route in (
            Route(
                name=f"core.more{suffix}",
                pattern="/more",
                view=views.more,
                permission=SIGNED_IN,
                renderer="core/more.pt",
                site=site,
            ),
            Route(
                name=f"core.theme{suffix}",
                pattern="/theme",
                view=views.choose_theme,
                permission=PUBLIC,
                methods=("POST",),
                site=site,
            ),
            Route(
                name=f"core.language{suffix}",
                pattern="/language/{locale}",
                view=views.choose_language,
                permission=PUBLIC,
                site=site,
            ),
        )
    ]


def navigation() -> list[NavItem]:
    """The first entry; features add theirs."""
    return [
        NavItem(
            id="core.home",
            title=_("Home"),
            route="core.home",
            permission=SIGNED_IN,
            icon="house",
            order=0,
            tab=True,
        )
    ]


def search_hits(_ctx: TenantContext, query: str, limit: int) -> list[SearchHit]:
    """Pages of the core that the navigation does not list."""
    wanted = search.folded(query)
    return [
        SearchHit(title=title, url=url, detail=_("Go to page"), icon=icon)
        for url, title, icon, words in UNLISTED
        if any(word.startswith(wanted) for word in words)
    ][:limit]
