"""What is done to a subscriber: created, changed, suspended, removed, handed over. Always in their organization's
session, always on record."""

from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from translationstring import TranslationString

from ringstead import audit, privacy
from ringstead.api import translations
from ringstead.db.base import new_id
from ringstead.db.session import TenantSession
from ringstead.subscribers import accounts, ranges
from ringstead.tenancy.models import Location, Membership, Organization, Subscriber, WebSession

_ = translations("ringstead")

CREATED: Final = audit.declare_action("subscriber.created", _("Created a subscriber"))
CHANGED: Final = audit.declare_action("subscriber.changed", _("Changed a subscriber"))
SUSPENDED: Final = audit.declare_action("subscriber.suspended", _("Suspended a subscriber"))
RESUMED: Final = audit.declare_action("subscriber.resumed", _("Let a subscriber in again"))
REMOVED: Final = audit.declare_action("subscriber.removed", _("Removed a subscriber"))
INVITED: Final = audit.declare_action("subscriber.invited", _("Invited a subscriber"))

Problems = dict[str, TranslationString]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A subscriber as a form or a file says them, checked by itself: see `forms`.

    `number` is E.164 or None, `email` in its stored form or empty (then nobody signs in), `role` what they are on the
    portal, `location_id` where they are, `package_id` their own package.
    """

    name: str
    extension: str
    number: str | None = None
    email: str = ""
    role: str = "subscriber"
    location_id: UUID | None = None
    package_id: UUID | None = None


def problems_of(session: TenantSession, person: Person, but: Subscriber | None = None) -> Problems:
    """What keeps a person from being created, or `but` from becoming so, by field.

    Who then writes, holds the organization first, and the numbers if there is one (`ranges.hold_numbers`).
    """
    found: Problems = {}
    own = None if but is None else but.id
    if _has(session, Subscriber.extension == person.extension, own):
        found["extension"] = _("Somebody has this extension already. Choose another.")
    elif (but is None or but.extension != person.extension) and not ranges.is_within(
        person.extension, ranges.ranges_of(session, "extension")
    ):
        found["extension"] = _("This is outside the organization’s ranges of extensions.")
    if person.number is not None and (but is None or but.number != person.number):
        if ranges.number_is_taken(session, person.number, own):
            found["number"] = _in_use(session, person.number, own)
        elif not ranges.is_within(person.number, ranges.ranges_of(session, "did")):
            found["number"] = _("This is none of the organization’s numbers.")
    if person.location_id is not None and session.get(Location, (session.org_id, person.location_id)) is None:
        found["location"] = _("There is no such location. Choose one of the list.")
    return found


def _in_use(session: TenantSession, number: str, but: UUID | None) -> Any:
    """Who has a number, where that is a colleague; nothing is told of others."""
    colleague = session.scalars(
        select(Subscriber).where(Subscriber.number == number, Subscriber.id != (but or new_id()))
    ).first()
    if colleague is None:
        return _("This number is in use. Take it away there first.")
    words = {"name": colleague.name, "extension": colleague.extension}
    return _("${name} (${extension}) has this number. Take it away there first.") % words


def _has(session: TenantSession, condition: Any, but: UUID | None) -> bool:
    wanted = select(Subscriber.id).where(condition)
    if but is not None:
        wanted = wanted.where(Subscriber.id != but)
    return session.scalars(wanted.limit(1)).first() is not None


def hold_organization(session: TenantSession) -> Organization:
    """The session's organization, held: who adds to it or counts in it waits for who did so before."""
    wanted = select(Organization).where(Organization.org_id == session.org_id).with_for_update()
    return session.scalars(wanted).one()


def seats_left(session: TenantSession, organization: Organization) -> int | None:
    """How many subscribers may be added; None: any number."""
    if organization.subscriber_limit is None:
        return None
    there = session.scalar(select(func.count()).select_from(Subscriber)) or 0
    return max(0, organization.subscriber_limit - there)


def create(request: Request, session: TenantSession, person: Person) -> Subscriber | Problems:
    """Create a subscriber, and an account to sign in with if there is an address; or say what keeps from it."""
    account_id = (
        accounts.account_ids(request, {person.email: person.name}).get(person.email) if person.email else None
    )
    organization = hold_organization(session)
    if seats_left(session, organization) == 0:
        full = _("The organization has as many subscribers as it may have: ${n}.")
        return {"name": full % {"n": organization.subscriber_limit}}
    if person.number is not None:
        ranges.hold_numbers(session)
    problems = problems_of(session, person)
    if problems:
        return problems
    subscriber = Subscriber(id=new_id(), partner_id=organization.partner_id, **_columns(person))
    if not _is_written(session, subscriber):
        return {"extension": _("Somebody has this extension already. Choose another.")}
    if account_id is not None:
        accounts.add_member(session, subscriber, account_id, person.role)
    detail = audit.changed({}, said(person))
    audit.record(request, CREATED, target=person.name, detail=detail, subject=subscriber.id, session=session)
    return subscriber


def change(request: Request, session: TenantSession, subscriber: Subscriber, person: Person) -> Problems:
    """Make a subscriber so; returns what keeps from it. A number that moves here is taken from nobody."""
    account_id = (
        accounts.account_ids(request, {person.email: person.name}).get(person.email) if person.email else None
    )
    hold_organization(session)
    before = described(session, subscriber)
    if person.number not in (None, subscriber.number):
        ranges.hold_numbers(session)
    problems = problems_of(session, person, but=subscriber)
    if problems:
        return problems
    for name, value in _columns(person).items():
        setattr(subscriber, name, value)
    _let_in(session, subscriber, account_id, person.role)
    session.flush()
    after = said(person)
    if before != after:
        detail = audit.changed(before, after)
        audit.record(
            request, CHANGED, target=person.name, detail=detail, subject=subscriber.id, session=session
        )
    return {}


def _let_in(session: TenantSession, subscriber: Subscriber, account_id: UUID | None, role: str) -> None:
    """Let this account in, and no other: an empty address takes the sign-in away."""
    members = [member for _account, member in accounts.members_of(session, subscriber.id)]
    for member in members:
        if member.account_id != account_id:
            accounts.drop_member(session, member)
        else:
            member.role = role
    if account_id is not None and not any(member.account_id == account_id for member in members):
        accounts.add_member(session, subscriber, account_id, role)


def described(session: TenantSession, subscriber: Subscriber) -> dict[str, Any]:
    """A subscriber as the audit trail tells of them."""
    members = accounts.members_of(session, subscriber.id)
    account, member = members[0] if members else (None, None)
    return said(
        Person(
            name=subscriber.name,
            extension=subscriber.extension,
            number=subscriber.number,
            email="" if account is None else account.email,
            role="subscriber" if member is None else member.role,
            location_id=subscriber.location_id,
            package_id=subscriber.package_id,
        )
    )


def said(person: Person) -> dict[str, Any]:
    """A person as JSON values."""
    values = asdict(person)
    location, package = values.pop("location_id"), values.pop("package_id")
    return {
        **values,
        "location": None if location is None else str(location),
        **({} if package is None else {"package": str(package)}),
    }


def _columns(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "extension": person.extension,
        "number": person.number,
        "location_id": person.location_id,
        "package_id": person.package_id,
    }


def _is_written(session: TenantSession, subscriber: Subscriber) -> bool:
    try:
        with session.begin_nested():
            session.add(subscriber)
            session.flush()
    except IntegrityError:
        return False
    return True


def set_status(request: Request, session: TenantSession, subscriber: Subscriber, is_active: bool) -> None:
    """Suspend a subscriber, who is signed out at once, or let them in again. Their calls go on."""
    status = "active" if is_active else "suspended"
    if subscriber.status == status:
        return
    subscriber.status = status
    if not is_active:
        members = select(Membership.id).where(Membership.subscriber_id == subscriber.id)
        session.execute(
            delete(WebSession).where(WebSession.membership_id.in_(list(session.scalars(members))))
        )
    action = RESUMED if is_active else SUSPENDED
    audit.record(request, action, target=subscriber.name, subject=subscriber.id, session=session)


def invite(request: Request, session: TenantSession, subscriber: Subscriber) -> list[str]:
    """Send who opens the portal an invitation; returns their addresses."""
    emails = accounts.invite(request, session, subscriber)
    if emails:
        detail = {"emails": emails}
        audit.record(
            request, INVITED, target=subscriber.name, detail=detail, subject=subscriber.id, session=session
        )
    return emails


def remove(request: Request, session: TenantSession, subscriber: Subscriber) -> None:
    """Erase what is known of a subscriber, and remove them. Raises `privacy.PrivacyFailed` (a legal hold, a plugin
    that does not work); then the transaction must be rolled back."""
    privacy.erase_person(request.plugins, session, subscriber.id)
    # Without the id: the subscriber is gone, and so is whatever could be found by it.
    audit.record(request, REMOVED, target=f"{subscriber.name} ({subscriber.extension})", session=session)
    session.delete(subscriber)
    session.flush()
