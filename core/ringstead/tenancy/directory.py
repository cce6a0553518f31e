"""Create partners, hosts, organizations, subscribers and accounts, with the checks that a table cannot hold.

Every function takes an open session: the operator's, or one in the partner's own scope. Nothing is committed
here. A refusal leaves the transaction usable, so a caller may report it and go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ringstead.db.base import Base, new_id
from ringstead.plugins.enablement import announce_allowed as announce_allowed
from ringstead.plugins.enablement import announce_features as announce_features
from ringstead.tenancy import fields
from ringstead.tenancy.hosts import HOSTS_CHANNEL
from ringstead.tenancy.models import Account, Host, Membership, Organization, Partner, Subscriber

HOST_KINDS: Final = ("portal", "console", "sip")
STAFF_ROLES: Final = ("partner_admin", "partner_support")
MEMBER_ROLES: Final = ("subscriber", "org_admin")
RowType = TypeVar("RowType", bound=Base)


class DirectoryRefused(ValueError):
    """Something cannot be created so. `field` names the argument, `reason` says what would do."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"{field}: {reason}")


def create_partner(session: Session, *, slug: str, name: str, brand: Mapping[str, Any]) -> Partner:
    """Create a partner. `brand` is what `Brand.to_mapping` gave. Needs the operator's session."""
    partner = Partner(
        id=new_id(),
        slug=checked("slug", fields.slug, slug),
        name=checked("name", fields.display_name, name),
        brand=dict(brand),
    )
    return insert(session, partner, "slug", f"there is a partner {slug!r} already")


def add_host(session: Session, partner_id: UUID, *, name: str, kind: str, org_id: UUID | None = None) -> Host:
    """Give a partner (or one of its organizations) a host name; each name belongs to one partner only."""
    full = checked("name", fields.host, name)
    if kind not in HOST_KINDS:
        raise DirectoryRefused("kind", f"must be one of {', '.join(HOST_KINDS)}")
    host = Host(name=full, partner_id=partner_id, org_id=org_id, kind=kind)
    return insert(session, host, "name", f"the host {full} is taken")


def create_organization(session: Session, partner_id: UUID, *, slug: str, name: str) -> Organization:
    """Create an organization of a partner; its slug is unique there."""
    short = checked("slug", fields.slug, slug)
    # No unique index can hold this: every unique key leads with org_id. The partner's row serializes creators.
    session.execute(select(Partner.id).where(Partner.id == partner_id).with_for_update())
    taken = select(Organization.org_id).where(
        Organization.partner_id == partner_id, Organization.slug == short
    )
    if session.scalars(taken).first() is not None:
        raise DirectoryRefused("slug", f"there is an organization {short!r} already")
    organization = Organization(
        org_id=new_id(),
        partner_id=partner_id,
        slug=short,
        name=checked("name", fields.display_name, name),
    )
    return insert(session, organization, "slug", f"there is an organization {short!r} already")


def create_subscriber(
    session: Session, organization: Organization, *, name: str, extension: str, number: str | None = None
) -> Subscriber:
    """Create a subscriber; extension and number (E.164) are unique in the organization."""
    subscriber = Subscriber(
        org_id=organization.org_id,
        partner_id=organization.partner_id,
        id=new_id(),
        name=checked("name", fields.display_name, name),
        extension=checked("extension", fields.extension, extension),
        number=None if number is None else checked("number", fields.number, number),
    )
    taken = f"extension {extension} or number {number} is taken in {organization.slug}"
    return insert(session, subscriber, "extension", taken)


def create_account(
    session: Session,
    partner_id: UUID,
    *,
    email: str,
    name: str,
    staff_role: str | None = None,
    password_hash: str | None = None,
) -> Account:
    """Create somebody who signs in at a partner. Without `password_hash` the account waits for an invitation."""
    if staff_role is not None and staff_role not in STAFF_ROLES:
        raise DirectoryRefused("staff_role", f"must be one of {', '.join(STAFF_ROLES)}")
    account = Account(
        partner_id=partner_id,
        id=new_id(),
        email=checked("email", fields.email, email),
        name=checked("name", fields.display_name, name),
        staff_role=staff_role,
        password_hash=password_hash,
    )
    return insert(session, account, "email", f"{account.email} has an account already")


def add_membership(session: Session, subscriber: Subscriber, account: Account, *, role: str) -> Membership:
    """Let an account open a subscriber's portal, as `subscriber` or `org_admin`."""
    if role not in MEMBER_ROLES:
        raise DirectoryRefused("role", f"must be one of {', '.join(MEMBER_ROLES)}")
    if account.partner_id != subscriber.partner_id:
        raise DirectoryRefused("account", "belongs to another partner")
    membership = Membership(
        org_id=subscriber.org_id,
        partner_id=subscriber.partner_id,
        id=new_id(),
        account_id=account.id,
        subscriber_id=subscriber.id,
        role=role,
    )
    return insert(session, membership, "account", f"{account.email} opens this portal already")


def announce_hosts(session: Session, partner_id: UUID) -> None:
    """Tell every process, when this transaction commits, that the partner's hosts or brand changed."""
    session.execute(
        text("SELECT pg_notify(:channel, :what)"), {"channel": HOSTS_CHANNEL, "what": str(partner_id)}
    )


def checked(field: str, check: Callable[[str], str], value: str) -> str:
    """The value as it is stored. Raises DirectoryRefused."""
    try:
        return check(value)
    except ValueError as error:
        raise DirectoryRefused(field, str(error)) from None


def insert(session: Session, row: RowType, field: str, reason: str) -> RowType:
    """Write the row in a savepoint of its own, so that a refusal costs no more than itself. Raises DirectoryRefused."""
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except IntegrityError as error:
        raise DirectoryRefused(field, reason) from error
    return row
