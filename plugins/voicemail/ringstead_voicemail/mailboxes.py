"""Whose mailbox is which: a subscriber's own, made when it is first needed, and those that several people share."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from ringstead.api import NavCount, Setting, TenantContext, new_id
from ringstead.api.directory import find_subscribers
from ringstead.api.models import TenantSession
from ringstead.api.preferences import Preferences, load_preferences
from ringstead_voicemail.models import Mailbox, MailboxMember
from ringstead_voicemail.settings import QUOTA_MB, settings

_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """How full a mailbox is. `most` is None when the organization sets no limit. Bytes."""

    used: int
    most: int | None

    @property
    def is_full(self) -> bool:
        """Whether no further message is taken."""
        return self.most is not None and self.used >= self.most

    @property
    def percent(self) -> int | None:
        """For a meter; None without a limit."""
        return None if self.most is None else min(100, 100 * self.used // max(self.most, 1))


def own_mailbox(session: TenantSession, subscriber_id: UUID) -> Mailbox:
    """A subscriber's own mailbox; the first time it is made."""
    mine = select(Mailbox).where(Mailbox.subscriber_id == subscriber_id)
    found = session.scalars(mine).one_or_none()
    if found is None:
        made = insert(Mailbox).values(
            org_id=session.org_id, id=new_id(), subscriber_id=subscriber_id, name=""
        )
        session.execute(made.on_conflict_do_nothing())
        found = session.scalars(mine).one()
    return found


def my_mailboxes(session: TenantSession, subscriber_id: UUID) -> list[Mailbox]:
    """The mailboxes that a subscriber opens: their own first, then the shared ones by name."""
    shared = (
        select(Mailbox)
        .join(
            MailboxMember,
            (MailboxMember.org_id == Mailbox.org_id) & (MailboxMember.mailbox_id == Mailbox.id),
        )
        .where(MailboxMember.subscriber_id == subscriber_id)
        .order_by(Mailbox.name, Mailbox.id)
    )
    return [own_mailbox(session, subscriber_id), *session.scalars(shared)]


def find_mailbox(session: TenantSession, subscriber_id: UUID, mailbox_id: UUID | None) -> Mailbox | None:
    """One of the mailboxes that a subscriber opens (without an id their own), or None."""
    if mailbox_id is None:
        return own_mailbox(session, subscriber_id)
    found = select(Mailbox).where(Mailbox.id == mailbox_id, opened_by(subscriber_id))
    return session.scalars(found).one_or_none()


def opened_by(subscriber_id: UUID) -> ColumnElement[bool]:
    """Of a query of `Mailbox`: those that a subscriber opens, their own and the shared ones."""
    member = select(MailboxMember.mailbox_id).where(
        MailboxMember.org_id == Mailbox.org_id,
        MailboxMember.mailbox_id == Mailbox.id,
        MailboxMember.subscriber_id == subscriber_id,
    )
    return or_(Mailbox.subscriber_id == subscriber_id, member.exists())


def mailbox_of_extension(session: TenantSession, extension: str) -> Mailbox | None:
    """The mailbox that a switch names by its extension: the subscriber's, or a shared one.

    A subscriber who was given a shared mailbox's extension later goes first: their messages are nobody else's.
    """
    owner = next(iter(find_subscribers(session, extensions=[extension])), None)
    if owner is not None:
        return own_mailbox(session, owner.id)
    return session.scalars(select(Mailbox).where(Mailbox.extension == extension)).one_or_none()


def lock_mailbox(session: TenantSession, mailbox_id: UUID) -> Mailbox:
    """A mailbox, held for this transaction: whatever changes its counts does so one after another."""
    return session.scalars(
        select(Mailbox)
        .where(Mailbox.id == mailbox_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def extension_of(session: TenantSession, mailbox: Mailbox) -> str:
    """The extension by which a switch knows a mailbox."""
    if mailbox.subscriber_id is None:
        return mailbox.extension or ""
    return next(iter(find_subscribers(session, ids=[mailbox.subscriber_id]))).extension


def phones_of(session: TenantSession, mailbox: Mailbox) -> list[UUID]:
    """The subscribers whose phones show a mailbox's lamp."""
    if mailbox.subscriber_id is not None:
        return [mailbox.subscriber_id]
    members = select(MailboxMember.subscriber_id).where(MailboxMember.mailbox_id == mailbox.id)
    return list(session.scalars(members.order_by(MailboxMember.subscriber_id)))


def room_in(session: TenantSession, mailbox: Mailbox) -> Room:
    """How full a mailbox is by what its owner's package and its organization say."""
    megabytes = int(read_preferences(session, mailbox.subscriber_id)[QUOTA_MB])
    return Room(mailbox.used_bytes, megabytes * _MEGABYTE if megabytes else None)


def read_preferences(session: TenantSession, subscriber_id: UUID | None = None) -> Preferences:
    """The preferences on voicemail that hold for an organization, or for the mailbox of a subscriber."""
    return load_preferences(session, declared_settings(), subscriber_id)


def declared_settings() -> dict[str, Setting]:
    """Voicemail's own preferences, and the country by which numbers are read."""
    region = Setting(name="core.region", title="", type=str, default="US", level="subscriber")
    return {setting.name: setting for setting in (*settings(), region)}


def nav_counts(context: TenantContext, session: TenantSession) -> list[NavCount]:
    """New messages in all of the reader's mailboxes."""
    if context.subscriber is None:
        return []
    total = select(func.coalesce(func.sum(Mailbox.new_count), 0)).where(opened_by(context.subscriber_id))
    return [NavCount(item="voicemail.list", count=session.scalars(total).one())]
