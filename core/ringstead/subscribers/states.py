"""What explains how a subscriber's telephone behaves: the core's own part, and what plugins say."""

from datetime import UTC, datetime, timedelta
from typing import Final

from pyramid.request import Request
from sqlalchemy import select

from ringstead.api import SubscriberState, translations
from ringstead.api.directory import situations_of
from ringstead.db.session import TenantSession
from ringstead.mail import MailMessage
from ringstead.plugins.asking import ask
from ringstead.subscribers.accounts import members_of
from ringstead.tenancy.calls import call_policy
from ringstead.tenancy.models import Organization, Subscriber
from ringstead.web.formats import format_number_e164

_ = translations("ringstead")
_LATELY: Final = timedelta(days=30)
_MOST: Final = 5


def states_of(request: Request, session: TenantSession, subscriber: Subscriber) -> list[SubscriberState]:
    """The core's and all features' answers, faults first; the session is the organization's."""
    found = [
        *_calls(request, session, subscriber),
        *_access(session, subscriber),
        *_mail(session, subscriber),
    ]
    found += ask(request.plugins, session, "subscriber_state", SubscriberState, subscriber_id=subscriber.id)
    return sorted(found, key=lambda state: not state.is_fault)


_POLICIES: Final = {
    "incoming": _("Calls come in; none can be made, except emergency calls."),
    "none": _("No calls, except emergency calls: so the provider chose for as long as this is suspended."),
}


def _calls(request: Request, session: TenantSession, subscriber: Subscriber) -> list[SubscriberState]:
    """What a call to the subscriber meets, as far as the core knows; features say what they add."""
    if (restricted := _POLICIES.get(call_policy(session))) is not None:
        return [SubscriberState(topic="calls", title=restricted, is_fault=True)]
    title = _("Calls ring at extension ${extension}", mapping={"extension": subscriber.extension})
    outside = _("Nobody outside reaches it: it has no number of its own.")
    number = format_number_e164(subscriber.number) if subscriber.number else outside
    found = [SubscriberState(topic="calls", title=title, detail=number)]
    for situation in situations_of(request, session, subscriber.id):
        if situation.is_now:
            found.append(SubscriberState(topic="calls", title=situation.title))
    return found


def _access(session: TenantSession, subscriber: Subscriber) -> list[SubscriberState]:
    organization = session.get_one(Organization, subscriber.org_id)
    found = []
    if organization.status != "active":
        title = _("The organization is suspended: nobody of it can sign in.")
        found.append(SubscriberState(topic="errors", title=title, is_fault=True))
    if subscriber.status != "active":
        title = _("The subscriber is suspended and cannot sign in.")
        found.append(SubscriberState(topic="errors", title=title, is_fault=True))
    return found


def _mail(session: TenantSession, subscriber: Subscriber) -> list[SubscriberState]:
    """Mails to who signs in that no server took."""
    emails = [account.email for account, _member in members_of(session, subscriber.id)]
    failed = session.scalars(
        select(MailMessage)
        .where(
            MailMessage.recipient.in_(emails),
            MailMessage.state == "failed",
            MailMessage.created_at > datetime.now(UTC) - _LATELY,
        )
        .order_by(MailMessage.id.desc())
        .limit(_MOST)
    )
    title = _("A mail could not be delivered.")
    return [
        SubscriberState(
            topic="errors", title=title, detail=mail.last_error[:200], is_fault=True, at=mail.created_at
        )
        for mail in failed
    ]
