"""What the core itself knows about a subscriber: who they are, who signs in as them, what they set and did."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, select

from ringstead.api import Erasure, PersonalData, translations
from ringstead.db.session import TenantSession
from ringstead.mail import MailMessage
from ringstead.tenancy.models import (
    Account,
    AuditEntry,
    Membership,
    Subscriber,
    SubscriberSetting,
    WebSession,
)

_ = translations("ringstead")
_AT_ONCE: Final = 500
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


def export_person(session: TenantSession, subscriber_id: UUID) -> list[PersonalData]:
    """The subscriber, their accounts, settings, sign-ins, mail and activity in the session's organization."""
    asked = {**_who_they_are(subscriber_id), **_what_they_did(subscriber_id)}
    return [PersonalData(name=name, rows=_rows(session, query)) for name, query in asked.items()]


def _who_they_are(subscriber_id: UUID) -> dict[str, Any]:
    own = Subscriber.name, Subscriber.extension, Subscriber.number, Subscriber.status, Subscriber.created_at
    account = Account.email, Account.name, Membership.role, Account.created_at, Account.password_changed_at
    return {
        "subscriber": select(Subscriber.id, *own).where(Subscriber.id == subscriber_id),
        "accounts": select(Account.id, *account)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.subscriber_id == subscriber_id),
        "settings": select(SubscriberSetting.name, SubscriberSetting.value).where(
            SubscriberSetting.subscriber_id == subscriber_id
        ),
    }


def _what_they_did(subscriber_id: UUID) -> dict[str, Any]:
    members = select(Membership.id).where(Membership.subscriber_id == subscriber_id)
    accounts = select(Membership.account_id).where(Membership.subscriber_id == subscriber_id)
    emails = select(Account.email).where(Account.id.in_(accounts))
    is_theirs = AuditEntry.actor_account_id.in_(accounts) | (
        AuditEntry.subject_subscriber_id == subscriber_id
    )
    browser = WebSession.address, WebSession.user_agent
    times = WebSession.created_at, WebSession.last_seen_at, WebSession.expires_at
    mail = MailMessage.recipient, MailMessage.subject, MailMessage.created_at, MailMessage.finished_at
    entry = AuditEntry.at, AuditEntry.actor_name, AuditEntry.action, AuditEntry.target, AuditEntry.address
    return {
        "sign-ins": select(WebSession.id, *browser, *times).where(WebSession.membership_id.in_(members)),
        "mail": select(MailMessage.id, *mail).where(MailMessage.recipient.in_(emails)),
        "activity": select(AuditEntry.id, *entry).where(is_theirs).order_by(AuditEntry.id),
    }


def _rows(session: TenantSession, query: Any) -> Iterator[Mapping[str, Any]]:
    for row in session.execute(query, execution_options={"yield_per": _AT_ONCE}):
        yield dict(row._mapping)


def erase_person(session: TenantSession, subscriber_id: UUID) -> list[Erasure]:
    """Settings, signed-in browsers, and mail that was sent.

    Who the subscriber is stays, for they go on telephoning, and so does the audit trail, which nobody may change.
    """
    members = select(Membership.id).where(Membership.subscriber_id == subscriber_id)
    accounts = select(Membership.account_id).where(Membership.subscriber_id == subscriber_id)
    emails = list(session.scalars(select(Account.email).where(Account.id.in_(accounts))))
    member_ids = list(session.scalars(members))
    statements = (
        (_("settings"), delete(SubscriberSetting).where(SubscriberSetting.subscriber_id == subscriber_id)),
        (_("signed-in browsers"), delete(WebSession).where(WebSession.membership_id.in_(member_ids))),
        (
            _("sent mail"),
            delete(MailMessage).where(MailMessage.recipient.in_(emails), MailMessage.state != "queued"),
        ),
    )
    return [Erasure(what=what, count=_deleted(session, statement)) for what, statement in statements]


def _deleted(session: TenantSession, statement: Any) -> int:
    result: Any = session.execute(statement, execution_options=_UNSYNCHRONIZED)
    return int(result.rowcount)
