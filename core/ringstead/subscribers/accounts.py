"""Who signs in as a subscriber: accounts, and the invitation to choose a password."""

from typing import Final
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from ringstead.api import JobSpec
from ringstead.auth import support
from ringstead.auth.invitations import new_link
from ringstead.db.base import new_id
from ringstead.db.engine import Database
from ringstead.db.session import TenantSession
from ringstead.jobs import defer
from ringstead.mail import queue_mail
from ringstead.tenancy.models import Account, Membership, Subscriber, WebSession

SEND_INVITATION: Final = "core.send_invitation"


def jobs() -> list[JobSpec]:
    """The job that invites."""
    return [JobSpec(name=SEND_INVITATION, run=send_invitation)]


def account_ids(request: Request, people: dict[str, str]) -> dict[str, UUID]:
    """Accounts for these addresses (stored form → name), made where there are none; their ids by address.

    In a transaction of the partner's own: inside an organization the accounts of other organizations' people are not to
    be seen. An account that belongs to nobody opens nothing, so one that is left over does no harm.
    """
    if not people:
        return {}
    with request.database.in_partner(request.site.partner.id) as session:
        rows = [
            {"partner_id": request.site.partner.id, "id": new_id(), "email": email, "name": name}
            for email, name in people.items()
        ]
        session.execute(insert(Account).on_conflict_do_nothing(index_elements=["partner_id", "email"]), rows)
        found = session.execute(select(Account.email, Account.id).where(Account.email.in_(people)))
        return {row.email: row.id for row in found}


def add_member(session: TenantSession, subscriber: Subscriber, account_id: UUID, role: str) -> Membership:
    """Let an account open a subscriber's portal, as `subscriber` or `org_admin`."""
    member = Membership(
        org_id=subscriber.org_id,
        partner_id=subscriber.partner_id,
        id=new_id(),
        account_id=account_id,
        subscriber_id=subscriber.id,
        role=role,
    )
    session.add(member)
    session.flush()
    return member


def drop_member(session: TenantSession, member: Membership) -> None:
    """Let an account open a subscriber's portal no more; who is in it is signed out."""
    session.execute(delete(WebSession).where(WebSession.membership_id == member.id))
    session.delete(member)
    session.flush()


def members_of(session: TenantSession, subscriber_id: UUID) -> list[tuple[Account, Membership]]:
    """Who opens a subscriber's portal, by name."""
    rows = session.execute(
        select(Account, Membership)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.subscriber_id == subscriber_id)
        .order_by(Account.name, Account.id)
    )
    return [(account, member) for account, member in rows]


def invite(request: Request, session: TenantSession, subscriber: Subscriber) -> list[str]:
    """Queue an invitation to everybody who opens the subscriber's portal; returns their addresses.

    The session is the organization's. Whose account is suspended gets no mail, which the organization is not told.
    """
    emails = [account.email for account, _member in members_of(session, subscriber.id)]
    if emails:
        defer(
            session,
            SEND_INVITATION,
            partner_id=subscriber.partner_id,
            org_id=subscriber.org_id,
            subscriber_id=subscriber.id,
            origin=support.portal_origin(request, session, subscriber.org_id),
        )
    return emails


def send_invitation(
    database: Database, *, partner_id: UUID, org_id: UUID, subscriber_id: UUID, origin: str
) -> None:
    """Mail a link to choose a password to who has none yet; who has one is told that there is this portal, too.

    Links are made here, in the partner's scope: inside an organization there are none. Run twice, the newer link works.
    """
    with database.in_partner(partner_id) as session:
        subscriber = session.get(Subscriber, (org_id, subscriber_id))
        if subscriber is None:
            return
        for account, _member in members_of(session, subscriber.id):
            if account.status != "active":
                continue
            values = {"name": account.name, "extension": subscriber.extension, "url": origin, "is_new": False}
            if account.password_hash is None:
                values |= {"url": f"{origin}/reset/{new_link(session, account)}", "is_new": True}
            queue_mail(session, to=account.email, template="core/mail/invitation", values=values)
