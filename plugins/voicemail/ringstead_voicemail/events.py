"""What happens in mailboxes, for whoever wants to know."""

from dataclasses import dataclass
from uuid import UUID

from ringstead.api.work import Event


@dataclass(frozen=True, kw_only=True)
class MwiChanged(Event):
    """The counts of a mailbox have changed: `new` messages that nobody has heard, `old` heard ones (RFC 3842)."""

    mailbox_id: UUID
    new: int
    old: int


@dataclass(frozen=True, kw_only=True)
class MessageArrived(Event):
    """A message was left in a mailbox, or forwarded into it."""

    mailbox_id: UUID
    message_id: UUID


@dataclass(frozen=True, kw_only=True)
class MessageReady(Event):
    """A message can be heard as browsers want it; or nothing more will be made of it, and its original is there."""

    mailbox_id: UUID
    message_id: UUID
