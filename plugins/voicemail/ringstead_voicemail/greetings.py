"""What callers hear, and which greeting that is just now."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update

from ringstead.api import translations
from ringstead.api.models import TenantSession
from ringstead_voicemail.models import Greeting, Mailbox, Recording
from ringstead_voicemail.recordings import drop_unused

_ = translations("ringstead_voicemail")
KINDS: Final = {
    "unavailable": _("No answer"),
    "busy": _("Busy"),
    "name": _("Your name"),
    "absence": _("Extended absence"),
}
KIND_HELP: Final = {
    "unavailable": _("Callers hear it when you do not answer."),
    "busy": _("Callers hear it when you are on the phone. Without one they hear the greeting for no answer."),
    "name": _("Said in the standard greeting, and to colleagues who search by name."),
    "absence": _("Goes before all others until its day is over."),
}
MOST: Final = 30
LONGEST_TITLE: Final = 80


def greetings_of(session: TenantSession, mailbox_id: UUID) -> list[tuple[Greeting, Recording]]:
    """All greetings of a mailbox with their sound, the oldest first."""
    found = (
        select(Greeting, Recording)
        .join(Recording, (Recording.org_id == Greeting.org_id) & (Recording.id == Greeting.recording_id))
        .where(Greeting.mailbox_id == mailbox_id)
        .order_by(Greeting.id)
    )
    return [(greeting, recording) for greeting, recording in session.execute(found)]


def add_greeting(
    session: TenantSession, mailbox: Mailbox, recording: Recording, kind: str, title: str
) -> Greeting:
    """A new greeting; it is the active one of its kind when there is none yet, but an absence begins on purpose."""
    has_active = session.scalar(
        select(Greeting.id).where(
            Greeting.mailbox_id == mailbox.id, Greeting.kind == kind, Greeting.is_active
        )
    )
    greeting = Greeting(
        mailbox_id=mailbox.id,
        recording_id=recording.id,
        kind=kind,
        title=title,
        is_active=has_active is None and kind != "absence",
    )
    session.add(greeting)
    session.flush()
    return greeting


def activate(session: TenantSession, greeting: Greeting, until: datetime | None = None) -> None:
    """Make a greeting the active one of its kind; an absence until its end."""
    stop(session, greeting)
    greeting.is_active, greeting.until = True, until if greeting.kind == "absence" else None
    greeting.situation = None
    session.flush()


def follow(session: TenantSession, greeting: Greeting, situation: str | None) -> None:
    """Play a greeting while something holds, instead of the active one; None: not any more."""
    greeting.situation = situation
    if situation is not None:
        greeting.is_active = False
    session.flush()


def stop(session: TenantSession, greeting: Greeting) -> None:
    """Let no greeting of this kind be active."""
    session.execute(
        update(Greeting)
        .where(Greeting.mailbox_id == greeting.mailbox_id, Greeting.kind == greeting.kind, Greeting.is_active)
        .values(is_active=False, until=None)
        .execution_options(synchronize_session="fetch")
    )


def remove_greeting(session: TenantSession, greeting: Greeting) -> None:
    """Remove a greeting and its sound."""
    recording_id = greeting.recording_id
    session.delete(greeting)
    session.flush()
    drop_unused(session, [recording_id])


def greeting_now(
    greetings: Iterable[Greeting], why: str, situations: Collection[str], now: datetime
) -> Greeting | None:
    """What a caller hears now; `why` is unavailable or busy, `situations` are the ids of those that hold.

    An absence that is not over goes first; then a greeting that follows one of the situations; then the active one of
    the kind; without one for busy, that for no answer. None: the standard greeting.
    """
    known: Sequence[Greeting] = list(greetings)
    for greeting in known:
        if (
            greeting.kind == "absence"
            and greeting.is_active
            and (greeting.until is None or greeting.until > now)
        ):
            return greeting
    for kind in dict.fromkeys((why, "unavailable")):
        of_kind = [greeting for greeting in known if greeting.kind == kind]
        following = [greeting for greeting in of_kind if greeting.situation in situations]
        active = [greeting for greeting in of_kind if greeting.is_active and not greeting.situation]
        for greeting in (*following, *active):
            return greeting
    return None


def end_of_day(text: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The end of a day such as 2026-12-31 in somebody's zone; None for what is no day of the next ten years."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return None
    today = now.astimezone(zone).date()
    if not today <= day.date() <= today + timedelta(days=3653):
        return None
    return day.replace(hour=23, minute=59, second=59, tzinfo=zone).astimezone(UTC)
