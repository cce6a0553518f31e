"""Calls counted one by one, to compare with what is kept of them."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from ringstead.db.engine import Database
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.rollups import MEASURES, OfficeQuarter, PersonQuarter, quarter_of

Counted = dict[tuple[UUID | None, datetime], dict[str, int]]


def recount(calls: list[Conversation]) -> Counted:
    """What the tables must hold; the organization's quarters stand under None."""
    quarters: defaultdict[tuple[UUID | None, datetime], Counter[str]] = defaultdict(Counter)
    for call in calls:
        owners = {call.subscriber_id} - {None} | ({None} if call.is_primary else set())
        for owner in owners:
            _count(quarters[owner, quarter_of(call.started_at.astimezone(UTC))], call)
    return {key: {name: counts[name] for name in MEASURES} for key, counts in quarters.items()}


def _count(counts: Counter[str], call: Conversation) -> None:
    answered = call.disposition == "answered"
    counts["answered"] += call.kind == "received" and answered
    counts["elsewhere"] += call.kind == "received" and not answered
    counts["missed"] += call.kind == "missed"
    counts["dialled"] += call.kind == "dialled"
    counts["reached"] += call.kind == "dialled" and answered
    counts["internal"] += call.is_internal
    counts["talk_seconds"] += call.talk_seconds
    if call.direction == "incoming":
        counts["wait_seconds"] += call.ring_seconds
        counts["longest_wait"] = max(counts["longest_wait"], call.ring_seconds)


def counted(database: Database, org_id: UUID) -> tuple[Counted, Counted]:
    """What the tables hold (without quarters of zeros), and what they must hold."""
    with database.run_as(org_id) as session:
        rows: list[tuple[UUID | None, Any]] = [
            (q.subscriber_id, q) for q in session.scalars(select(PersonQuarter))
        ]
        rows += [(None, quarter) for quarter in session.scalars(select(OfficeQuarter))]
        calls = list(session.scalars(select(Conversation)))
    found = {(owner, q.at): {name: getattr(q, name) for name in MEASURES} for owner, q in rows}
    return {key: values for key, values in found.items() if any(values.values())}, recount(calls)
