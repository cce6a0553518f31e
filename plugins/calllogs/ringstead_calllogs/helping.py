"""What the call log says to those who help a subscriber: how the last call ended, and that calls failed. No numbers."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from ringstead.api import SubscriberState, translations
from ringstead.api.models import TenantSession
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.presenting import label

_ = translations("ringstead_calllogs")
_LATELY: Final = timedelta(days=1)


def subscriber_state(session: TenantSession, subscriber_id: UUID) -> list[SubscriberState]:
    """When the last call was and how it ended, and how many of the last day were not connected."""
    theirs = Conversation.subscriber_id == subscriber_id
    last = session.execute(
        select(Conversation.started_at, Conversation.direction, Conversation.disposition)
        .where(theirs)
        .order_by(Conversation.started_at.desc(), Conversation.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return [SubscriberState(topic="calls", title=_("No calls yet"))]
    ended = label(last.direction == "outgoing", last.disposition)
    found = [SubscriberState(topic="calls", title=_("Last call"), detail=ended, at=last.started_at)]
    failed = session.scalar(
        select(func.count())
        .select_from(Conversation)
        .where(
            theirs,
            Conversation.started_at > datetime.now(UTC) - _LATELY,
            Conversation.disposition == "failed",
        )
    )
    if failed:
        title = _("Calls of the last day that were not connected: ${n}", mapping={"n": failed})
        found.append(SubscriberState(topic="errors", title=title, is_fault=True))
    return found
