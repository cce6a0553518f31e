"""What tests need of people beside what the testing kit makes."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from ringstead.api.testing import Client, Person, Tenants
from ringstead.auth import support
from ringstead.auth.models import PasswordReset
from ringstead.auth.sessions import Browser
from ringstead.auth.tokens import hash_token
from ringstead.blobs import org_blobs
from ringstead.db.base import new_id
from ringstead.db.engine import Database
from ringstead.preferences.store import set_for_organization
from ringstead.tenancy.context import AccountInfo
from ringstead.tenancy.leaving import EXPORT_KEY
from ringstead.tenancy.models import (
    Membership,
    Organization,
    OrganizationTemplate,
    Partner,
    SubscriberImport,
    SupportSession,
    WebSession,
)


def belongs_to(tenants: Tenants, person: Person, organization: Organization) -> None:
    """Make a person a subscriber of a further organization, so that there is something to choose."""
    twin = tenants.subscriber(organization)
    with tenants.database.run_as(organization.org_id) as session:
        session.add(Membership(account_id=person.account.id, subscriber_id=twin.id, role="subscriber"))


def session_of(tenants: Tenants, person: Person, token: str) -> WebSession:
    """The row of a session."""
    with tenants.database.in_partner(person.partner.id) as session:
        found = select(WebSession).where(WebSession.token_hash == hash_token(token))
        return session.scalars(found).one()


def reset_token(tenants: Tenants, person: Person) -> str:
    """The token of a link that sets a person's password."""
    token = secrets.token_urlsafe(32)
    until = datetime.now(UTC) + timedelta(hours=1)
    with tenants.database.in_partner(person.partner.id) as session:
        row = PasswordReset(account_id=person.account.id, token_hash=hash_token(token), expires_at=until)
        session.add(row)
    return token


def make_groups(tenants: Tenants, app: Any, slug: str, people: Sequence[Person], name: str = "") -> None:
    """A team that all of these people of one organization lead, and a location where they are and that they manage;
    the organization tells its people who looked at their calls."""
    organization = people[0].organization
    assert organization is not None
    tenants.team(organization, slug, people, name=name)
    tenants.location(organization, slug, people, people, name)
    with tenants.database.run_as(organization.org_id) as session:
        declared = app.registry["ringstead.declared_settings"]
        set_for_organization(session, declared, "calllogs.looks_visible", True)


def ask_to_open(
    database: Database, staff: Person, person: Person, reason: str = "Ticket 4821", **words: bool
) -> str:
    """A support session that waits for a person's answer; its id. `is_read_only` and `needs_consent` as words."""
    with database.in_partner(person.partner.id) as session:
        return str(_wish(session, staff, person, reason, **words).id)


def _wish(
    session: Any,
    staff: Person,
    person: Person,
    reason: str,
    is_read_only: bool = False,
    needs_consent: bool = True,
) -> SupportSession:
    account, subscriber = staff.account, person.subscriber
    assert subscriber is not None
    actor = AccountInfo(account.id, account.name, account.email, str(account.staff_role), account.id, "")
    return support.ask(session, actor, subscriber, reason, is_read_only, needs_consent)


def enter_portal(
    database: Database, client: Client, staff: Person, person: Person, is_read_only: bool = False
) -> str:
    """Bring a client into a person's portal by a support session; its id."""
    with database.in_partner(person.partner.id) as session:
        wish = _wish(session, staff, person, "Ticket 4821", is_read_only, needs_consent=False)
        token = support.enter(session, wish, Browser("portal", "127.0.0.1", "tests"))
        made = str(wish.id)
    client.set_cookie("sid", token)
    return made


def ticket_for(database: Database, staff: Person, person: Person) -> str:
    """A ticket that opens a person's portal."""
    with database.in_partner(person.partner.id) as session:
        return support.make_ticket(_wish(session, staff, person, "Ticket 4821", needs_consent=False))


def read_file(
    database: Database,
    person: Person,
    name: str = "Nora New",
    extension: str = "",
    organization: Organization | None = None,
) -> str:
    """A file of subscribers that was looked through in an organization (a person's, if none is given); its id."""
    where = organization or person.organization
    assert where is not None
    lines = [
        {
            "line": 2,
            "typed": {"name": name, "extension": extension or str(secrets.randbelow(10**8) + 10**8)},
            "problems": {},
        }
    ]
    batch = SubscriberImport(
        id=new_id(), actor_account_id=person.account.id, actor_name=name, file_name=f"{name}.csv", lines=lines
    )
    with database.run_as(where.org_id) as session:
        session.add(batch)
    return str(batch.id)


def keep_template(database: Database, partner: Partner) -> None:
    """A template with nothing in it."""
    with database.in_partner(partner.id) as session:
        session.add(OrganizationTemplate(id=new_id(), name="Nothing", content={}))


def leaving_organization(app: Any, tenants: Tenants, partner: Partner) -> Organization:
    """An organization that is closed, with its export ready."""
    organization = tenants.organization(partner, name="Leaving")
    with app.registry["ringstead.database"].run_as(organization.org_id) as session:
        session.get_one(Organization, organization.org_id).status = "leaving"
        org_blobs(session).put(EXPORT_KEY, [b"all of it"])
    return organization
