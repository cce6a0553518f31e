"""The partner's console: its organizations, and which features each of them has."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from sqlalchemy import func, select, tuple_

from ringstead.api import NavItem, Permission, Route, TenantContext, translations
from ringstead.db.session import TenantSession
from ringstead.tenancy.addresses import id_of, queried
from ringstead.tenancy.models import (
    Organization,
    Subscriber,
)

_ = translations("ringstead")

READ: Final = Permission(
    name="core:organization:read",
    title=_("See the partner’s organizations"),
    default_roles=frozenset({"partner_support", "partner_admin"}),
)
PAGE_SIZE: Final = 50
SEARCH_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """A line of the list."""

    id: UUID
    name: str
    slug: str
    status: str
    subscribers: int
    limit: int | None


def permissions() -> list[Permission]:
    """The rights that the console's pages ask for."""
    return [READ]


def routes() -> list[Route]:
    """The pages of the console."""
    return [
        Route(
            name="core.console.organizations",
            pattern="/organizations",
            view=organizations,
            permission=READ.name,
            renderer="core/console.pt",
            site="console",
        ),
    ]


def navigation() -> list[NavItem]:
    """The console's entries."""
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


def organizations(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations`: by name. `q` searches names; `after` is the last id of the page before."""
    query = queried(request, "q")[:SEARCH_MAX].strip()
    rows = list_organizations(request.db, query, after(request))
    older = None
    if len(rows) > PAGE_SIZE:
        words = {"q": query} if query else {}
        older = request.route_path(
            "core.console.organizations", _query={"after": str(rows[PAGE_SIZE - 1].id), **words}
        )
    return {
        "rows": rows[:PAGE_SIZE],
        "query": query,
        "next_url": older,
        "is_first": "after" not in request.GET,
        "may_create": context.can("core:organization:create"),
    }


def list_organizations(session: TenantSession, query: str, after: UUID | None) -> list[OrganizationRow]:
    """A page of organizations and one more, if there is one. `query` matches anywhere in the name, case apart."""
    statement = select(Organization).order_by(Organization.name, Organization.org_id).limit(PAGE_SIZE + 1)
    if query:
        statement = statement.where(func.lower(Organization.name).contains(query.lower(), autoescape=True))
    if after is not None:
        last = of_partner(session, after)
        statement = statement.where(
            tuple_(Organization.name, Organization.org_id) > tuple_(last.name, last.org_id)
        )
    found = session.scalars(statement).all()
    counted = session.execute(
        select(Subscriber.org_id, func.count().label("subscribers"))
        .where(Subscriber.org_id.in_([row.org_id for row in found]))
        .group_by(Subscriber.org_id)
    )
    counts: dict[UUID, int] = {row.org_id: row.subscribers for row in counted}
    return [
        OrganizationRow(o.org_id, o.name, o.slug, o.status, counts.get(o.org_id, 0), o.subscriber_limit)
        for o in found
    ]


def of_partner(session: TenantSession, org_id: UUID) -> Organization:
    """An organization of the signed-in partner; another partner's is as unknown as one that does not exist."""
    found = session.scalars(select(Organization).where(Organization.org_id == org_id)).one_or_none()
    if found is None:
        raise HTTPNotFound
    return found


def after(request: Request) -> UUID | None:
    """The last organization of the page before, as an address names it."""
    written = queried(request, "after")
    return id_of(written) if written else None
