"""The console's search for a subscriber, whichever of the partner's organizations they are in."""

from typing import Any, Final

from pyramid.request import Request

from ringstead.api import NavItem, Route, TenantContext, translations
from ringstead.subscribers.desk import READ
from ringstead.tenancy.addresses import queried
from ringstead.tenancy.words import find_people

_ = translations("ringstead")
PAGE_SIZE: Final = 50
LONGEST: Final = 80


def routes() -> list[Route]:
    """The search."""
    return [
        Route(
            name="core.console.find",
            pattern="/subscribers",
            view=show,
            permission=READ.name,
            renderer="core/console_find.pt",
            site="console",
        )
    ]


def navigation() -> list[NavItem]:
    """Where support begins."""
    return [
        NavItem(
            id="core.console.find",
            title=_("Subscribers"),
            route="core.console.find",
            permission=READ.name,
            icon="users",
            order=20,
            tab=True,
            site="console",
        )
    ]


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /subscribers` with `q`: a part of a name, a number, an e-mail or hardware address, an extension."""
    query = queried(request, "q")[:LONGEST].strip()
    found = find_people(request.db, query, PAGE_SIZE + 1) if query else []
    return {"query": query, "rows": found[:PAGE_SIZE], "has_more": len(found) > PAGE_SIZE, "most": PAGE_SIZE}
