"""What voicemail does for those who look after a subscriber: explain, take away a PIN, hand messages to a colleague."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select, update

from ringstead.api import HandedOver, SubscriberAct, SubscriberState, translations
from ringstead.api.models import TenantSession
from ringstead_voicemail.mailboxes import lock_mailbox, own_mailbox, room_in
from ringstead_voicemail.messages import recount
from ringstead_voicemail.models import Mailbox, Message, Recording

_ = translations("ringstead_voicemail")


def subscriber_acts() -> list[SubscriberAct]:
    """Buttons of a subscriber's profile."""
    return [
        SubscriberAct(
            name="voicemail.clear_pin",
            title=_("Take away the voicemail PIN"),
            hint=_("Its owner sets a new one in the portal; nobody else ever sees it."),
            icon="key-round",
            run=take_away_pin,
        )
    ]


def take_away_pin(session: TenantSession, subscriber_id: UUID) -> str | None:
    """Take the PIN of a subscriber's mailbox away, and what was counted against it; None when there is none."""
    box = _box(session, subscriber_id)
    if box is None or box.pin_hash is None:
        return None
    box.pin_hash, box.pin_locked_until, box.pin_failures, box.pin_day_failures = None, None, 0, 0
    said: str = _("The voicemail PIN is gone.")
    return said


def _box(session: TenantSession, subscriber_id: UUID) -> Mailbox | None:
    return session.scalars(select(Mailbox).where(Mailbox.subscriber_id == subscriber_id)).one_or_none()


def subscriber_state(session: TenantSession, subscriber_id: UUID) -> list[SubscriberState]:
    """Why messages do not come in, the lamp is wrong, or the phone asks for a PIN that is right."""
    box = _box(session, subscriber_id)
    if box is None:
        return []
    found = []
    if room_in(session, box).is_full:
        found.append(
            SubscriberState(
                topic="calls", title=_("The mailbox is full: callers leave no messages."), is_fault=True
            )
        )
    else:
        title = _("Calls that nobody answers go to voicemail.")
        found.append(SubscriberState(topic="calls", title=title))
    if box.pin_locked_until is not None and box.pin_locked_until > datetime.now(UTC):
        found.append(
            SubscriberState(
                topic="phones",
                title=_("Voicemail is locked by phone after wrong PINs, until:"),
                is_fault=True,
                at=box.pin_locked_until,
            )
        )
    # `none`: no switch of the organization has lamps.
    if box.lamp_error not in ("", "none"):
        title = _("The message lamp could not be set.")
        found.append(SubscriberState(topic="phones", title=title, detail=box.lamp_error[:200], is_fault=True))
    return [*found, *_broken(session, box)]


def _broken(session: TenantSession, box: Mailbox) -> list[SubscriberState]:
    """Recordings of the mailbox that could not be made ready to be played."""
    count = session.scalar(
        select(func.count())
        .select_from(Message)
        .join(Recording, (Recording.org_id == Message.org_id) & (Recording.id == Message.recording_id))
        .where(Message.mailbox_id == box.id, Recording.state == "failed")
    )
    if not count:
        return []
    title = _("Messages that cannot be played here: ${n}", mapping={"n": count})
    return [SubscriberState(topic="errors", title=title, is_fault=True)]


def hand_over(session: TenantSession, subscriber_id: UUID, to_id: UUID) -> list[HandedOver]:
    """A colleague gets the messages, each in the folder that it is in; greetings stay: they are somebody's voice."""
    box = _box(session, subscriber_id)
    if box is None:
        return []
    heir = own_mailbox(session, to_id)
    # In one order, whoever hands over to whom.
    held = {one: lock_mailbox(session, one) for one in sorted((box.id, heir.id))}
    moved = session.scalars(
        update(Message)
        .where(Message.mailbox_id == box.id)
        .values(mailbox_id=heir.id)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    ).all()
    for one in held.values():
        recount(session, one)
    return [HandedOver(what=_("voicemail messages"), count=len(moved))]
