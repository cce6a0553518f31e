"""Who somebody is once the password is right: the organizations he belongs to, and what keeps him out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import select

from ringstead.db.session import TenantSession
from ringstead.tenancy.models import Account, Membership, Organization, Subscriber


@dataclass(frozen=True, slots=True)
class Place:
    """A subscriber's portal that an account may open; not `is_open` while organization or subscriber is suspended."""

    membership_id: UUID
    org_id: UUID
    organization: str
    subscriber: str
    extension: str
    role: str
    is_open: bool


def find_account(session: TenantSession, email: str) -> Account | None:
    """The account of an e-mail address at the session's partner."""
    return session.scalars(select(Account).where(Account.email == email)).one_or_none()


def places(session: TenantSession, account_id: UUID, org_id: UUID | None = None) -> list[Place]:
    """Where an account belongs, by name; in one organization when the host serves only that.

    The session must be a partner's: inside an organization the others cannot be seen.
    """
    query = (
        select(Membership, Organization, Subscriber)
        .join(Organization, Organization.org_id == Membership.org_id)
        .join(
            Subscriber,
            (Subscriber.org_id == Membership.org_id) & (Subscriber.id == Membership.subscriber_id),
        )
        .where(Membership.account_id == account_id)
        .order_by(Organization.name, Subscriber.name, Membership.id)
    )
    if org_id is not None:
        query = query.where(Membership.org_id == org_id)
    return [
        Place(
            membership_id=member.id,
            org_id=member.org_id,
            organization=organization.name,
            subscriber=subscriber.name,
            extension=subscriber.extension,
            role=member.role,
            is_open=organization.status == "active" and subscriber.status == "active",
        )
        for member, organization, subscriber in session.execute(query)
    ]


@contextmanager
def partner_session(request: Request) -> Iterator[TenantSession]:
    """A session that sees all organizations of the partner: the request's own, unless it is inside one of them.

    A browser that is signed in may sign in again, as somebody else or into another organization.
    """
    if request.db.scope.org_id is None:
        yield request.db
    else:
        with request.database.in_partner(request.site.partner.id) as session:
            yield session
