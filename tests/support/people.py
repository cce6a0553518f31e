"""What tests need of people beside what the testing kit makes."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from ringstead.api.testing import Person, Tenants
from ringstead.auth.models import PasswordReset
from ringstead.auth.tokens import hash_token
from ringstead.preferences.store import set_for_organization
from ringstead.tenancy.models import Membership, Organization, WebSession


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
