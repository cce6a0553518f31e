"""The core's own pages: their addresses, rights and place in the navigation."""

from typing import Final

from sqlalchemy import func, or_, select

from ringstead.api.answers import SearchHit
from ringstead.api.contributions import PUBLIC, SIGNED_IN, NavItem, Permission, Route, Site
from ringstead.db.session import TenantSession
from ringstead.tenancy.context import TenantContext
from ringstead.tenancy.models import Subscriber
from ringstead.web import counts, home, search, views
from ringstead.web.i18n import messages

_ = messages("ringstead")
# Fewer digits are part of nearly every number.
NUMBER_DIGITS: Final = 4

COLLEAGUES: Final = Permission(
    name="core:colleague:read",
    title=_("Find colleagues by name, extension or number"),
    default_roles=frozenset({"subscriber", "org_admin"}),
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
        Route(name="core.counts", pattern="/counts", view=counts.show_counts, permission=SIGNED_IN),
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
            *(
                Route(
                    name=f"core.{name}_page{suffix}",
                    pattern=f"/{name}",
                    view=views.leads_to("/more"),
                    permission=PUBLIC,
                    site=site,
                )
                for name in ("theme", "language")
            ),
            Route(
                name=f"core.prefer_language{suffix}",
                pattern="/language",
                view=views.prefer_language,
                permission=SIGNED_IN,
                methods=("POST",),
                support="closed",
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


def permissions() -> list[Permission]:
    """The rights that the search asks for."""
    return [COLLEAGUES]


def search_hits(ctx: TenantContext, session: TenantSession, query: str, limit: int) -> list[SearchHit]:
    """Colleagues, by a part of the name, the start of the extension or a part of the number. A hit calls them."""
    if not ctx.can(COLLEAGUES.name):
        return []
    matches = [
        func.lower(Subscriber.name).contains(query.lower(), autoescape=True),
        Subscriber.extension.startswith(query, autoescape=True),
    ]
    digits = "".join(char for char in query if char.isdigit())
    if len(digits) >= NUMBER_DIGITS and not any(char.isalpha() for char in query):
        matches.append(Subscriber.number.contains(digits, autoescape=True))
    found = session.scalars(
        select(Subscriber)
        .where(or_(*matches), Subscriber.status == "active", Subscriber.id != ctx.subscriber_id)
        .order_by(Subscriber.name, Subscriber.id)
        .limit(limit)
    )
    return [
        SearchHit(
            title=person.name,
            url=f"tel:{person.extension}",
            detail=_("Call ext. ${extension}", extension=person.extension),
            icon="phone",
        )
        for person in found
    ]
