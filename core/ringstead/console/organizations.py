"""The list of a partner's organizations."""

from typing import Any

from pyramid.request import Request
from sqlalchemy import func, select

from ringstead.api import NavItem, Permission, Route, TenantContext, translations
from ringstead.console.switching import switchable
from ringstead.plugins.decisions import decisions_of
from ringstead.tenancy import organizations
from ringstead.tenancy.addresses import queried
from ringstead.tenancy.models import Organization
from ringstead.tenancy.organizations import READ

_ = translations("ringstead")


def permissions() -> list[Permission]:
    """The right to see organizations, which nearly every page of the console asks for."""
    return [READ]


def routes() -> list[Route]:
    """The list."""
    return [
        Route(
            name="core.console.organizations",
            pattern="/organizations",
            view=show,
            permission=READ.name,
            renderer="core/console_organizations.pt",
            site="console",
        ),
    ]


def navigation() -> list[NavItem]:
    """Its entry."""
    return [
        NavItem(
            id="core.console.organizations",
            title=_("Organizations"),
            route="core.console.organizations",
            permission=READ.name,
            icon="building-2",
            order=10,
            tab=True,
            site="console",
        )
    ]


def show(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations`: by name. `q` searches names; `after` is the last id of the page before."""
    page = page_of(request, "core.console.organizations")
    features = {info.name for info in switchable(request.plugins)}
    decided = decisions_of(request.db, [row.id for row in page["rows"]])
    rows = [
        (row, sum(one.is_on for name, one in decided[row.id].items() if name in features))
        for row in page["rows"]
    ]
    return {
        **page,
        "rows": rows,
        "features": len(features),
        "organizations": request.db.scalar(select(func.count()).select_from(Organization)),
        "has_packages": any(row.package for row, _on in rows),
        "may_create": context.can("core:organization:create"),
    }


def page_of(request: Request, route: str, **path: str) -> dict[str, Any]:
    """A page of organizations by name for a list at `route`, what was searched, and where the next page is."""
    query = queried(request, "q")[: organizations.SEARCH_MAX].strip()
    found = organizations.list_organizations(request.db, query, organizations.after(request))
    rows, older = found[: organizations.PAGE_SIZE], None
    if len(found) > len(rows):
        words = {"q": query} if query else {}
        older = request.route_path(route, _query={"after": str(rows[-1].id), **words}, **path)
    return {"rows": rows, "query": query, "next_url": older, "is_first": "after" not in request.GET}
