"""The message lamp: what the switch was told, and that it agrees with the page.

Every change of a mailbox's counts is an event in the same transaction; a job tells the switch the counts as they are
then, so a late one does no harm. What the switch confirmed stands in the mailbox's row.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import and_, or_, select

from ringstead.api import EventListener, JobSpec, new_id
from ringstead.api.directory import find_subscribers
from ringstead.api.models import TenantSession
from ringstead.api.switch import Database, NoAdapter, SwitchRefused, adapters_for, tell_switches
from ringstead.api.work import Event, defer
from ringstead_voicemail.events import MwiChanged
from ringstead_voicemail.mailboxes import extension_of, phones_of
from ringstead_voicemail.models import Mailbox

TELL: Final = "voicemail.tell_lamp"
# A phone or a switch that was started anew has forgotten its lamps: all are told again so often.
_TOLD_AGAIN_AFTER: Final = timedelta(days=1)
State = Literal["in_step", "waiting", "failed", "nobody"]


def listeners() -> list[EventListener]:
    """Who hears of changed counts."""
    return [EventListener(name="voicemail.lamp", event=MwiChanged, handle=on_changed)]


def jobs() -> list[JobSpec]:
    """Telling, and telling again."""
    return [
        JobSpec(name=TELL, run=tell_lamp, attempts=8),
        JobSpec(name="voicemail.reconcile_lamps", run=reconcile, every="*/10 * * * *", per="organization"),
    ]


def on_changed(session: TenantSession, event: Event) -> None:
    """Have the switch told, once however many changes wait."""
    assert isinstance(event, MwiChanged)
    queue_lamp(session, event.mailbox_id)


def queue_lamp(session: TenantSession, mailbox_id: UUID) -> None:
    """Have the switch told the counts of a mailbox as they are when the job runs."""
    name = f"{TELL} {mailbox_id}"
    defer(session, TELL, lock=name, queueing_lock=name, org_id=session.org_id, mailbox_id=mailbox_id)


def tell_lamp(database: Database, *, org_id: UUID, mailbox_id: UUID) -> None:
    """The job. Raises `SwitchAway` to be tried again; what came of it is written down either way."""
    with database.run_as(org_id) as session:
        mailbox = session.get(Mailbox, (org_id, mailbox_id))
        if mailbox is None:
            return
        new, old = mailbox.new_count, mailbox.old_count
        body = _body(session, mailbox)
    error: Exception | None = None
    try:
        # A key of its own each time: the same counts again, later, are news again.
        tell_switches(database, org_id, "mwi", body, f"mwi/{new_id()}")
    except Exception as why:
        error = why
    with database.run_as(org_id) as session:
        row = session.scalars(select(Mailbox).where(Mailbox.id == mailbox_id).with_for_update()).one_or_none()
        if row is not None:
            row.lamp_error = _words(error)
            if error is None:
                row.lamp_new, row.lamp_old = new, old
            if error is None or isinstance(error, SwitchRefused):
                row.lamp_told_at = datetime.now(UTC)
    if error is not None and not isinstance(error, NoAdapter | SwitchRefused):
        raise error


def reconcile(database: Database, *, org_id: UUID) -> None:
    """The job: tell again what a switch has not confirmed, and everything, what it refused too, once a day."""
    out_of_step = or_(
        Mailbox.lamp_new.is_distinct_from(Mailbox.new_count),
        Mailbox.lamp_old.is_distinct_from(Mailbox.old_count),
    )
    is_refused = Mailbox.lamp_error.not_in(("", "none"))
    long_ago = Mailbox.lamp_told_at < datetime.now(UTC) - _TOLD_AGAIN_AFTER
    with database.run_as(org_id) as session:
        partner_id = session.scope.partner_id
        if partner_id is None or not adapters_for(database, partner_id):
            return
        out_of_step = or_(and_(out_of_step, or_(~is_refused, Mailbox.lamp_told_at.is_(None))), long_ago)
        for mailbox_id in session.scalars(select(Mailbox.id).where(out_of_step)):
            queue_lamp(session, mailbox_id)


def lamp_state(mailbox: Mailbox) -> State:
    """Whether the phone's lamp agrees with the page: in step, waiting to be told, failed, or nobody to tell."""
    if mailbox.lamp_error == "none":
        return "nobody"
    if mailbox.lamp_error:
        return "failed"
    told = (mailbox.lamp_new, mailbox.lamp_old) == (mailbox.new_count, mailbox.old_count)
    return "in_step" if told else "waiting"


def _words(error: Exception | None) -> str:
    if error is None:
        return ""
    return "none" if isinstance(error, NoAdapter) else f"{error}"[:200] or type(error).__name__


def _body(session: TenantSession, mailbox: Mailbox) -> dict[str, Any]:
    phones = find_subscribers(session, ids=phones_of(session, mailbox))
    return {
        "organization": str(session.org_id),
        "mailbox": extension_of(session, mailbox),
        "new": mailbox.new_count,
        "old": mailbox.old_count,
        "extensions": sorted(phone.extension for phone in phones),
    }
