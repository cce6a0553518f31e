"""Conversations computed anew from their legs, over a span of time: after a change of the rules, or a doubt.

As often as it is run, it ends with the same rows; ids stay, and with them notes. Each piece is a transaction of its own
under the organization's lock, so switches go on sending meanwhile.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import click
from sqlalchemy import DateTime, bindparam, delete, select

from ringstead.api import Command
from ringstead.api.switch import Database
from ringstead_calllogs import rollups
from ringstead_calllogs.models import Conversation, Leg, LegKey
from ringstead_calllogs.storing import legs_of_calls, lock, rejoin

AT_ONCE: Final = 1000
_SPAN: Final = (
    bindparam("first", type_=DateTime(timezone=True)),
    bindparam("last", type_=DateTime(timezone=True)),
)
_CALLS = (
    select(Leg.linked_id)
    .where(Leg.started_at >= _SPAN[0], Leg.started_at < _SPAN[1], Leg.linked_id > bindparam("after"))
    .distinct()
    .order_by(Leg.linked_id)
    .limit(AT_ONCE)
)
# Rows whose call has no leg any more.
_ORPHANS = (
    delete(Conversation)
    .where(
        Conversation.started_at >= _SPAN[0],
        Conversation.started_at < _SPAN[1],
        ~select(LegKey.id)
        .where(LegKey.org_id == Conversation.org_id, LegKey.linked_id == Conversation.linked_id)
        .exists(),
    )
    .returning(Conversation.subscriber_id, Conversation.started_at)
)


class Rebuilt(NamedTuple):
    """What a rebuild did."""

    calls: int
    removed: int


def rebuild(database: Database, org_id: UUID, first: datetime, last: datetime) -> Rebuilt:
    """Compute the conversations of all calls with a leg that began from `first` to before `last`."""
    calls = sum(_rebuild_some(database, org_id, linked) for linked in _calls(database, org_id, first, last))
    with database.run_as(org_id) as session:
        lock(session)
        options = {"synchronize_session": False}
        gone = session.execute(_ORPHANS, {"first": first, "last": last}, execution_options=options).all()
        rollups.refresh(session, [(row.subscriber_id, row.started_at) for row in gone])
    return Rebuilt(calls, len(gone))


def _calls(database: Database, org_id: UUID, first: datetime, last: datetime) -> Iterator[list[str]]:
    after = ""
    while True:
        with database.run_as(org_id) as session:
            values = {"first": first, "last": last, "after": after}
            linked = list(session.scalars(_CALLS, values))
        if not linked:
            return
        yield linked
        after = linked[-1]


def _rebuild_some(database: Database, org_id: UUID, linked: list[str]) -> int:
    with database.run_as(org_id) as session:
        lock(session)
        legs = legs_of_calls(session, linked)
        rejoin(session, legs, legs, recount=True)
    return len(linked)


def commands() -> list[Command]:
    """`ringstead run calllogs.rebuild --from DAY --to DAY ORGANIZATION`."""
    days = [
        click.Option([f"--{name}", parameter], type=click.DateTime(["%Y-%m-%d"]), required=True, help=text)
        for name, parameter, text in (
            ("from", "first", "The first day, in UTC."),
            ("to", "last", "The day after the last one, in UTC."),
        )
    ]
    text = "Compute conversations and counts anew from the legs of these days. May be run at any time, and twice."
    return [Command(name="calllogs.rebuild", help=text, run=_run, options=tuple(days))]


def _run(database: Database, org_id: UUID, *, first: datetime, last: datetime) -> str:
    done = rebuild(database, org_id, first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
    return f"{done.calls} calls computed anew, {done.removed} rows without legs removed."
