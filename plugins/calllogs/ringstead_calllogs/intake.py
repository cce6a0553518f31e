"""Records into the database: each leg once, and the conversations that it belongs to computed anew.

Everything of one organization is one transaction under one lock, so that posts of the same call at the same time agree.
The lock is per organization and not per call: a batch may touch thousands of calls, and locks live in shared memory.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, Uuid, any_, bindparam, delete, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.api.directory import SubscriberInfo, find_subscribers
from ringstead.api.models import TenantScopeMissing, TenantSession, new_id
from ringstead.api.preferences import load_preferences
from ringstead.api.switch import Database, SwitchNode
from ringstead_calllogs.joining import LegFacts, conversation_id, conversations, people_of
from ringstead_calllogs.models import Conversation, Leg, LegKey
from ringstead_calllogs.numbers import bare_number, stored_number
from ringstead_calllogs.records import MENDS, Party, Record, Rejection, utc

# Waiting longer than this for another batch, a switch had better send again.
_LOCK_WAIT: Final = "15s"


@dataclass(frozen=True, slots=True)
class Row:
    """A record and the line that it came on."""

    line: int
    record: Record

    def refused(self, field: str, what: str) -> Rejection:
        """Why the row is not taken."""
        return Rejection(self.line, self.record.id, field, what, MENDS[field])


@dataclass(slots=True)
class Outcome:
    """What became of a request's records."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)


def take_in(
    database: Database,
    node: SwitchNode,
    declared: Mapping[str, Any],
    org_id: UUID,
    rows: Sequence[Row],
    outcome: Outcome,
) -> None:
    """Store one organization's rows and count them in `outcome`; committed when this returns."""
    try:
        with database.run_as(org_id) as session:
            known = session.scope.partner_id is not None and node.serves(session.scope.partner_id)
            legs = _prepared(session, declared, node, rows, outcome) if known else []
            if legs:
                _make_months(session, {leg["started_at"] for leg in legs})
    except TenantScopeMissing:
        known = False
    if not known:
        # The same words for an organization that is not there and for another switch's: a key tells nothing of others.
        named = "This switch serves no such organization."
        outcome.rejected += [row.refused(_organization_field(row.record), named) for row in rows]
    elif legs:
        with database.run_as(org_id) as session:
            accepted = _store(session, legs)
        outcome.accepted += accepted
        outcome.duplicates += len(legs) - accepted


def _organization_field(record: Record) -> str:
    return "organization" if record.organization is not None else "domain"


def _prepared(
    session: TenantSession,
    declared: Mapping[str, Any],
    node: SwitchNode,
    rows: Sequence[Row],
    outcome: Outcome,
) -> list[dict[str, Any]]:
    """The rows as values of `Leg`; those that name unknown people go to `outcome.rejected`."""
    people = _people(session, [row.record for row in rows])
    region = str(load_preferences(session, declared)["core.region"])
    legs = []
    for row in rows:
        wrong = next((field for field, party in _ends(row.record) if people.unknown(party)), None)
        if wrong is None:
            legs.append(_leg(session.org_id, node, row.record, people, region))
        else:
            what = wrong.rpartition(".")[2]
            outcome.rejected.append(row.refused(wrong, f"The organization has no such {what}."))
    return legs


@dataclass(frozen=True, slots=True)
class People:
    """The subscribers that a batch names."""

    by_id: Mapping[UUID, SubscriberInfo]
    by_extension: Mapping[str, SubscriberInfo]

    def owner(self, party: Party) -> SubscriberInfo | None:
        """The subscriber whose end this is."""
        if party.subscriber is not None:
            return self.by_id.get(party.subscriber)
        return self.by_extension.get(party.extension) if party.extension is not None else None

    def unknown(self, party: Party) -> bool:
        """Whether the end names a subscriber who is not there."""
        return (party.subscriber or party.extension) is not None and self.owner(party) is None


def _ends(record: Record) -> Iterable[tuple[str, Party]]:
    for name, party in (("from", record.caller), ("to", record.called)):
        yield f"{name}.{'extension' if party.subscriber is None else 'subscriber'}", party


def _people(session: TenantSession, records: Sequence[Record]) -> People:
    parties = [party for record in records for party in (record.caller, record.called)]
    numbers = [party.number for party in parties] + [record.dialled for record in records]
    extensions = {party.extension for party in parties if party.extension is not None}
    extensions |= {bare for number in numbers if number and (bare := bare_number(number)) and len(bare) <= 32}
    found = find_subscribers(session, {p.subscriber for p in parties if p.subscriber is not None}, extensions)
    return People({s.id: s for s in found}, {s.extension: s for s in found})


def _leg(org_id: UUID, node: SwitchNode, record: Record, people: People, region: str) -> dict[str, Any]:
    return {
        "org_id": org_id,
        "id": new_id(),
        "key": record.id,
        "linked_id": record.linked_id or record.id,
        "direction": record.direction,
        "disposition": record.disposition,
        "started_at": utc(record.started_at),
        "answered_at": utc(record.answered_at) if record.answered_at is not None else None,
        "ended_at": utc(record.ended_at),
        "hangup_cause": record.hangup_cause,
        **_end("from", record.caller, people, region),
        **_end("to", record.called, people, region),
        "dialled": stored_number(record.dialled, region, people.by_extension),
        "device": (record.device or "").strip() or None,
        "node_id": node.id,
    }


def _end(side: str, party: Party, people: People, region: str) -> dict[str, Any]:
    owner = people.owner(party)
    number = stored_number(party.number, region, people.by_extension)
    named = owner or people.by_extension.get(number or "")
    return {
        f"{side}_subscriber_id": owner.id if owner else None,
        f"{side}_number": number or (owner.extension if owner else None),
        f"{side}_name": (party.name or "").strip() or (named.name if named else None),
    }


def _make_months(session: TenantSession, moments: Iterable[datetime]) -> None:
    months = sorted({moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for moment in moments})
    for table in (Leg.__tablename__, Conversation.__tablename__):
        session.execute(text(f"SELECT {table}_ensure_month(m) FROM unnest(:months) AS m"), {"months": months})


_LINKED = bindparam("linked", type_=ARRAY(Text()))
_LEGS_OF_CALLS = (
    select(*(getattr(Leg, name) for name in LegFacts._fields))
    .join(
        LegKey,
        (LegKey.org_id == Leg.org_id) & (LegKey.leg_id == Leg.id) & (LegKey.started_at == Leg.started_at),
    )
    .where(LegKey.linked_id == any_(_LINKED))
)
_LOCK = text("""
    SELECT set_config('lock_timeout', :wait, true), pg_advisory_xact_lock(hashtextextended('calllogs ' || :org, 0))
""")
# One array for each column: a row of parameters for each leg would take longer to write down than to store.
_CLAIM = text("""
    INSERT INTO calllogs_leg_key (org_id, id, linked_id, leg_id, started_at)
    SELECT CAST(:org AS uuid), k.* FROM unnest(CAST(:key AS text[]), CAST(:linked_id AS text[]), CAST(:id AS uuid[]),
                                               CAST(:started_at AS timestamptz[])) k
    ON CONFLICT DO NOTHING RETURNING id
""")
_REMOVE = (
    delete(Conversation)
    .where(
        Conversation.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
        Conversation.started_at.between(bindparam("first"), bindparam("last")),
    )
    .execution_options(synchronize_session=False)
)


def _store(session: TenantSession, legs: Sequence[dict[str, Any]]) -> int:
    """Insert the legs that are new and compute their calls' conversations; returns how many were new."""
    session.execute(_LOCK, {"wait": _LOCK_WAIT, "org": str(session.org_id)})
    fresh = _without_known(session, legs)
    if not fresh:
        return 0
    linked = sorted({leg["linked_id"] for leg in fresh})
    before = [LegFacts(*row) for row in session.execute(_LEGS_OF_CALLS, {"linked": linked})]
    session.execute(insert(Leg.__table__), fresh)  # type: ignore[arg-type]  # a Table, which insert() takes
    if before:
        _remove_conversations(session, before)
    now = [LegFacts(*(leg[name] for name in LegFacts._fields)) for leg in fresh]
    rows = [row for call in _by_call((*before, *now)) for row in conversations(session.org_id, call)]
    if rows:
        session.execute(insert(Conversation.__table__), rows)  # type: ignore[arg-type]  # as above
    return len(fresh)


def _without_known(session: TenantSession, legs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Claim the legs' keys; returns the legs whose key nobody had, in their order, each key once."""
    by_key: dict[str, dict[str, Any]] = {}
    for leg in legs:
        by_key.setdefault(leg["key"], leg)
    columns = {
        name: [leg[name] for leg in by_key.values()] for name in ("key", "linked_id", "id", "started_at")
    }
    fresh = set(session.scalars(_CLAIM, {"org": session.org_id, **columns}))
    return [leg for key, leg in by_key.items() if key in fresh]


def _remove_conversations(session: TenantSession, legs: Sequence[LegFacts]) -> None:
    """Take away the rows that were computed from these legs; each starts when one of them does."""
    ids = [
        conversation_id(session.org_id, person, call[0].linked_id)
        for call in _by_call(legs)
        for person in people_of(call)
    ]
    starts = [leg.started_at for leg in legs]
    session.execute(_REMOVE, {"ids": ids, "first": min(starts), "last": max(starts)})


def _by_call(legs: Iterable[LegFacts]) -> list[list[LegFacts]]:
    calls: dict[str, list[LegFacts]] = defaultdict(list)
    for leg in legs:
        calls[leg.linked_id].append(leg)
    return list(calls.values())
