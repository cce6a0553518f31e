"""A partner's organizations: one of them, and page by page by name."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from sqlalchemy import func, select, tuple_

from ringstead.api import Permission, translations
from ringstead.db.session import TenantSession
from ringstead.tenancy.addresses import id_of, queried
from ringstead.tenancy.models import FeaturePackage, Organization, Subscriber

_ = translations("ringstead")

READ: Final = Permission(
    name="core:organization:read",
    title=_("See the partner’s organizations"),
    default_roles=frozenset({"partner_support", "partner_admin"}),
)
PAGE_SIZE: Final = 50
SEARCH_MAX: Final = 80
# From this part of its limit on, an organization is nearly full.
_NEARLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """A line of the list. `package` is the name of the one that its people have, empty when there is none."""

    id: UUID
    name: str
    slug: str
    status: str
    subscribers: int
    limit: int | None
    package: str

    @property
    def is_full(self) -> bool:
        """Whether no subscriber may be added."""
        return self.limit is not None and self.subscribers >= self.limit

    @property
    def is_nearly_full(self) -> bool:
        """Whether few subscribers may be added."""
        return self.limit is not None and not self.is_full and self.subscribers >= _NEARLY * self.limit


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
    packages = {package.id: package.name for package in session.scalars(select(FeaturePackage))}
    return [
        OrganizationRow(
            o.org_id,
            o.name,
            o.slug,
            o.status,
            counts.get(o.org_id, 0),
            o.subscriber_limit,
            packages.get(o.package_id, "") if o.package_id else "",
        )
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
