"""Events: what happened, told to listeners after the commit, each listener's effect exactly once.

`emit` writes the event and the job that delivers it in the caller's transaction. The worker then calls every listener
in a transaction of the event's organization, and writes down in that same transaction that this listener is done. So
a listener's changes to the database happen once, however often the worker is killed; what it does outside the database
(a request to a switch, say) may happen again. Listeners run in no particular order, and events too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api.contributions import EventListener, JobSpec
from ringstead.db.base import Base, CreatedAt, OrgScoped, new_id
from ringstead.db.engine import Database
from ringstead.db.session import TenantScopeMismatch, TenantSession
from ringstead.jobs.arguments import decode, encode
from ringstead.jobs.failures import explain
from ringstead.jobs.queue import defer
from ringstead.plugins.enablement import enabled_plugins
from ringstead.plugins.registry import CORE, Owned

DISPATCH: Final = "core.dispatch"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in an organization.

    Inherit, decorate with `@dataclass(frozen=True, kw_only=True)`, and add fields: ids, texts, numbers, times; never
    rows. It is stored under PACKAGE.CLASS (`ringstead_calllogs.CallEnded`): rename neither while events may be under
    way, and give a new field a default, for events that were stored without it.
    """

    event_name: ClassVar[str] = "ringstead.Event"
    org_id: UUID

    def __init_subclass__(cls) -> None:
        cls.event_name = f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}"


class EventOutbox(OrgScoped, Base):
    """An event. `delivered_at` is set when no listener waits for it any more."""

    __tablename__ = "event_outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
    delivered_at: Mapped[datetime | None]


class EventDelivery(OrgScoped, Base):
    """A listener has handled an event."""

    __tablename__ = "event_delivery"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    listener: Mapped[str] = mapped_column(primary_key=True)
    delivered_at: Mapped[CreatedAt]


class ListenersFailed(Exception):
    """Some listeners raised; the others are done, and only these are called again."""


def emit(session: TenantSession, *events: Event) -> None:
    """Tell the listeners of `events` once the session's transaction commits; if it does not, nothing happened.

    All are of the session's organization (`TenantScopeMismatch` otherwise). Many events of one batch cost one job.
    """
    if not events:
        return
    org_id = session.org_id
    for event in events:
        if event.org_id != org_id:
            raise TenantScopeMismatch(f"{event.event_name} belongs to another organization than the session")
    rows = [
        EventOutbox(id=new_id(), name=event.event_name, payload=encode(asdict(event))) for event in events
    ]
    session.add_all(rows)
    defer(session, DISPATCH, org_id=org_id, event_ids=[row.id for row in rows])


class Dispatcher:
    """Delivers events to the declared listeners (`Registry.listeners().values()`)."""

    def __init__(self, listeners: Iterable[Owned[EventListener]]) -> None:
        self._by_event: dict[str, list[Owned[EventListener]]] = {}
        for owned in listeners:
            self._by_event.setdefault(owned.item.event.event_name, []).append(owned)

    def jobs(self) -> list[JobSpec]:
        """The job that delivers events."""
        return [JobSpec(name=DISPATCH, run=self.dispatch, attempts=15)]

    def dispatch(self, database: Database, *, org_id: UUID, event_ids: list[UUID]) -> None:
        """Deliver some events of an organization, each in a transaction of its own.

        Raises `ListenersFailed` after trying everything, so that the job is tried again for what is missing.
        """
        failed: list[str] = []
        for event_id in event_ids:
            with database.run_as(org_id) as session:
                failed += self._deliver(session, event_id)
        if failed:
            raise ListenersFailed("; ".join(failed))

    def _deliver(self, session: TenantSession, event_id: UUID) -> list[str]:
        # The lock makes a second worker with the same event wait here, and then find it delivered.
        row = session.scalars(
            select(EventOutbox).where(EventOutbox.id == event_id).with_for_update()
        ).one_or_none()
        if row is None or row.delivered_at is not None:
            return []
        failed = []
        for listener in self._waiting(session, row):
            why = self._call(session, listener, row)
            if why:
                failed.append(f"{listener.name}: {why}")
        if not failed:
            row.delivered_at = session.scalar(select(func.now()))
        return failed

    def _waiting(self, session: TenantSession, row: EventOutbox) -> list[EventListener]:
        """Listeners of plugins that are on for the organization and that have not handled the event yet."""
        owned = self._by_event.get(row.name, [])
        if not owned:
            return []
        on = enabled_plugins(session) | {CORE}
        done = set(
            session.scalars(select(EventDelivery.listener).where(EventDelivery.event_id == row.id)).all()
        )
        return [o.item for o in owned if o.plugin in on and o.item.name not in done]

    def _call(self, session: TenantSession, listener: EventListener, row: EventOutbox) -> str:
        """Call one listener in a savepoint; says why it failed, or nothing."""
        event_id = row.id
        try:
            with session.begin_nested():
                listener.handle(session, read_event(listener.event, row.payload))
                session.add(EventDelivery(event_id=event_id, listener=listener.name))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return _report(listener, event_id, error)
        except Exception as error:
            return _report(listener, event_id, error)
        return ""


def _report(listener: EventListener, event_id: UUID, error: Exception) -> str:
    log.error("listener.failed", listener=listener.name, event_id=str(event_id), exc_info=error)
    return explain(error)


def read_event(kind: type[Event], payload: Mapping[str, Any]) -> Event:
    """An event as it was stored. Fields that the class no longer has are left out."""
    known = {name: value for name, value in decode(payload).items() if name in kind.__dataclass_fields__}
    return kind(**known)
