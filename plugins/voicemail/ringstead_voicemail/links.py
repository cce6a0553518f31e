"""Links that play one message without signing in: signed, for a time, of one message only, and revocable."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, update

from ringstead.api import new_id
from ringstead.api.models import TenantSession
from ringstead.api.secrets import sign, unsign
from ringstead_voicemail.listing import JOINED
from ringstead_voicemail.models import Link, Message

PATH: Final = "/voicemail/link"
PURPOSE: Final = "voicemail.link"
# However long an organization lets them live.
_OLDEST_SECONDS: Final = 91 * 24 * 3600


def create_link(session: TenantSession, message: Message, email: str, days: int) -> str:
    """A link to a message for whoever has `email`; its path. It ends after `days`."""
    link = Link(
        id=new_id(),
        message_id=message.id,
        mailbox_id=message.mailbox_id,
        email=email,
        expires_at=datetime.now(UTC) + timedelta(days=days),
    )
    session.add(link)
    session.flush()
    token = sign(session, PURPOSE, {"org": str(session.org_id), "link": str(link.id)})
    return f"{PATH}/{token}"


def read_token(session: Any, token: str) -> tuple[UUID, UUID] | None:
    """Organization and link of a token; None when it is none of this partner's."""
    payload = unsign(session, PURPOSE, token, _OLDEST_SECONDS)
    try:
        return None if payload is None else (UUID(payload["org"]), UUID(payload["link"]))
    except (KeyError, ValueError):
        return None


def linked_message(session: TenantSession, link_id: UUID) -> Any:
    """The message of a link that still holds, as `listing.COLUMNS`; None when it has ended, or the message is gone."""
    holds = (
        Link.id == link_id,
        Link.revoked_at.is_(None),
        Link.expires_at > datetime.now(UTC),
    )
    found = JOINED.join(Link, (Link.org_id == Message.org_id) & (Link.message_id == Message.id))
    return session.execute(found.where(*holds)).one_or_none()


def open_links(session: TenantSession, message_id: UUID) -> list[Link]:
    """The links to a message that still hold, newest first."""
    holds = (Link.message_id == message_id, Link.revoked_at.is_(None), Link.expires_at > datetime.now(UTC))
    return list(session.scalars(select(Link).where(*holds).order_by(Link.id.desc())))


def revoke_links(session: TenantSession, message_id: UUID) -> int:
    """End all links to a message; how many that were."""
    ended = (
        update(Link)
        .where(Link.message_id == message_id, Link.revoked_at.is_(None))
        .values(revoked_at=datetime.now(UTC))
        .returning(Link.id)
        .execution_options(synchronize_session=False)
    )
    return len(session.scalars(ended).all())
