"""Whoever came with a bundle is told: subscribers of their portal, staff of the console."""

from sqlalchemy import select

from ringstead import audit
from ringstead.auth.invitations import console_host, invite_staff
from ringstead.db.engine import Database
from ringstead.mail.compose import portal_host
from ringstead.settings import Settings
from ringstead.subscribers.accounts import members_of, send_invitation
from ringstead.subscribers.changes import INVITED
from ringstead.tenancy.bundles import Plan
from ringstead.tenancy.models import Account, Subscriber


def invite_newcomers(database: Database, settings: Settings, plan: Plan, by: str) -> list[str]:
    """Queue an invitation to everybody who got an account, or a portal, by a plan that was applied.

    Returns their addresses; each is written to once, for the last link is the one that works. `by` goes on record.
    """
    partner_id = plan.rows.partner_id
    told: set[str] = set()
    for change in plan.changes:
        if (change.sign, change.thing) == ("+", "membership"):
            organization, _slash, extension = change.name.partition("/")
            person = plan.rows.subscribers[organization, extension]
            told |= _invite(database, settings, person, told, by)
        elif (change.sign, change.thing) == ("+", "account") and change.detail:
            with database.in_partner(partner_id) as session:
                account = session.scalars(select(Account).where(Account.email == change.name)).one()
                origin = settings.origin(console_host(session))
                told |= {account.email} if invite_staff(session, account, origin, by) else set()
    return sorted(told)


def _invite(database: Database, settings: Settings, person: Subscriber, told: set[str], by: str) -> set[str]:
    with database.in_partner(person.partner_id) as session:
        origin = settings.origin(portal_host(session, person.org_id))
        members = members_of(session, person.id)
        emails = {account.email for account, _member in members if account.status == "active"}
    if emails <= told:
        return set()
    place = {"partner_id": person.partner_id, "org_id": person.org_id, "subscriber_id": person.id}
    send_invitation(database, **place, origin=origin)
    with database.run_as(person.org_id) as session:
        detail = {"emails": sorted(emails), "by": by}
        audit.record(session, INVITED, target=person.name, subject=person.id, detail=detail)
    return emails
