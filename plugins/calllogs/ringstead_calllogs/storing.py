"""Legs into the tables of one organization: each leg once, and the conversations that it belongs to computed anew.

Every function here is called under the organization's lock, so that posts of the same call at the same time agree.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb
from sqlalchemy import Result, Text, Uuid, any_, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.api.bulk import insert_rows, stage
from ringstead.api.models import TenantSession
from ringstead_calllogs import rollups
from ringstead_calllogs.joining import ConversationRow, Joined, LegRow, by_call, conversation_id, people_of
from ringstead_calllogs.models import Conversation, Leg, LegKey, table_of

# Waiting longer than this for another batch, a switch had better send again.
_LOCK_WAIT: Final = "15s"
# Per organization and not per call: a batch may touch thousands of calls, and locks live in shared memory.
_LOCK = text("""
    SELECT set_config('lock_timeout', :wait, true), pg_advisory_xact_lock(hashtextextended('calllogs ' || :org, 0))
""")
_LEGS_OF_CALLS = (
    select(*(getattr(Leg, name) for name in LegRow._fields))
    .join(
        LegKey,
        (LegKey.org_id == Leg.org_id) & (LegKey.leg_id == Leg.id) & (LegKey.started_at == Leg.started_at),
    )
    .where(LegKey.linked_id == any_(bindparam("linked", type_=ARRAY(Text()))))
)
# A subquery for each row, and no join: however large the tables are, it is one look into an index.
_KNOWN_CALLS = """
    SELECT DISTINCT staged.linked_id FROM {staged} AS staged CROSS JOIN LATERAL (
        SELECT FROM calllogs_leg_key AS key
        WHERE key.org_id = :org AND key.linked_id = staged.linked_id LIMIT 1
    ) AS known
"""
_ANY_MERGED = """
    SELECT EXISTS (SELECT FROM {staged} AS staged CROSS JOIN LATERAL (
        SELECT FROM calllogs_merge AS merge WHERE merge.org_id = :org AND merge.id = staged.linked_id
    ) AS known)
"""
_CALLS_OF_KEYS = select(LegKey.linked_id).where(LegKey.id == any_(bindparam("keys", type_=ARRAY(Text()))))
_CLAIM = """
    WITH claimed AS (
        INSERT INTO calllogs_leg_key AS known (org_id, id, linked_id, leg_id, started_at, revision)
        SELECT org_id, key, linked_id, id, started_at, revision FROM {staged}
        ON CONFLICT (org_id, id) DO UPDATE SET
            linked_id = excluded.linked_id, leg_id = excluded.leg_id,
            started_at = excluded.started_at, revision = excluded.revision
        WHERE known.revision < excluded.revision
        RETURNING leg_id
    )
    DELETE FROM {staged} WHERE id NOT IN (SELECT leg_id FROM claimed) RETURNING id
"""
_FORGET_LEG = delete(Leg).where(
    Leg.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
    Leg.started_at.between(bindparam("first"), bindparam("last")),
)
_FORGET_CONVERSATIONS = (
    delete(Conversation)
    .where(
        Conversation.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
        Conversation.started_at.between(bindparam("first"), bindparam("last")),
    )
    .returning(Conversation.subscriber_id, Conversation.started_at)
)
MOST_LEGS: Final = 1000
"""No call has more legs; a switch whose linked ids never change would make one that takes ever longer."""
_UNSYNCHRONIZED: Final = {"synchronize_session": False}
_DEVICES: Final = ConversationRow._fields.index("devices")


def lock(session: TenantSession) -> None:
    """Let nobody else change this organization's calls until the transaction ends."""
    session.execute(_LOCK, {"wait": _LOCK_WAIT, "org": str(session.org_id)})


@dataclass(frozen=True, slots=True)
class Stored:
    """How many legs were stored, and the keys of those whose calls have too many. The others were known."""

    count: int
    refused: frozenset[str] = frozenset()


class Staged(NamedTuple):
    """Legs, each key once, and the temporary table that holds them too."""

    legs: Sequence[LegRow]
    table: str


def stage_legs(session: TenantSession, legs: Sequence[LegRow]) -> Staged:
    """Put legs where statements find them; of several with one key only the newest."""
    newest = newest_of_each(legs)
    return Staged(newest, stage(session, table_of(Leg), LegRow._fields, newest))


def any_merged(session: TenantSession, staged: Staged) -> bool:
    """Whether one of the legs belongs to a call that another one took over."""
    return bool(_ask(session, _ANY_MERGED, staged).scalar())


def _ask(session: TenantSession, statement: str, staged: Staged) -> Result[Any]:
    return session.execute(text(statement.format(staged=staged.table)), {"org": session.org_id})


def store(
    session: TenantSession, staged: Staged, also: Iterable[str] = (), joined: Joined | None = None
) -> Stored:
    """Insert the legs that are new or corrected; compute the conversations of their calls and of the calls `also`.

    `joined` holds those that were computed before.
    """
    newest = staged.legs
    linked = {*_ask(session, _KNOWN_CALLS, staged).scalars(), *also}
    if corrected := [leg.key for leg in newest if leg.revision]:
        linked |= set(session.scalars(_CALLS_OF_KEYS, {"keys": corrected}))
    before = legs_of_calls(session, linked)
    if refused := _of_crowded_calls(before, newest):
        newest = [leg for leg in newest if leg.key not in refused]
        staged = stage_legs(session, newest)
    fresh = _claim_and_insert(session, staged)
    stored = {leg.key for leg in fresh}
    if replaced := [leg for leg in before if leg.key in stored]:
        session.execute(_FORGET_LEG, _named(replaced), execution_options=_UNSYNCHRONIZED)
    touched = {leg.linked_id for leg in fresh} | {leg.linked_id for leg in replaced} | set(also)
    before = [leg for leg in before if leg.linked_id in touched]
    rejoin(session, before, [*(leg for leg in before if leg.key not in stored), *fresh], joined)
    return Stored(len(fresh), refused)


def _of_crowded_calls(before: Sequence[LegRow], legs: Sequence[LegRow]) -> frozenset[str]:
    """Keys of the legs for which their call has no room: known legs come first, then in the order of their sending."""
    known = {leg.key for leg in before}
    counts = Counter(leg.linked_id for leg in before)
    refused = set()
    for leg in legs:
        if leg.key not in known:
            counts[leg.linked_id] += 1
            if counts[leg.linked_id] > MOST_LEGS:
                refused.add(leg.key)
    return frozenset(refused)


def legs_of_calls(session: TenantSession, linked: Iterable[str]) -> list[LegRow]:
    """All stored legs of the calls with these linked ids."""
    wanted = sorted(linked)
    return [LegRow(*row) for row in session.execute(_LEGS_OF_CALLS, {"linked": wanted})] if wanted else []


def rejoin(
    session: TenantSession,
    before: Sequence[LegRow],
    legs: Sequence[LegRow],
    joined: Joined | None = None,
    *,
    recount: bool = False,
) -> None:
    """Put the conversations of `legs` in place of those that were computed from `before`, and count them.

    With `recount` nothing is believed of what was counted before.
    """
    removed = _forget_conversations(session, before) if before else []
    joined = joined or Joined()
    rows = [row for call in by_call(legs) for row in joined.rows_of(call)]
    staged = insert_rows(session, table_of(Conversation), ConversationRow._fields, _for_copy(rows))
    rollups.add(session, staged)
    # Where a row was taken away nothing can be subtracted (the longest wait): those quarters are counted anew.
    stale = [(row.subscriber_id, row.started_at) for row in rows] if recount else []
    rollups.refresh(session, [*removed, *stale])


def newest_of_each(legs: Sequence[LegRow]) -> list[LegRow]:
    """Each key once, with its highest revision; of equal ones the first that came."""
    newest: dict[str, LegRow] = {}
    for leg in legs:
        known = newest.get(leg.key)
        if known is None or known.revision < leg.revision:
            newest[leg.key] = leg
    return list(newest.values())


def _claim_and_insert(session: TenantSession, staged: Staged) -> Sequence[LegRow]:
    """Claim the legs' keys and insert those that are new or have a higher revision than the stored ones."""
    if not staged.legs:
        return []
    known: set[UUID] = set(session.scalars(text(_CLAIM.format(staged=staged.table))))
    columns = ", ".join(LegRow._fields)
    session.execute(text(f"INSERT INTO calllogs_leg ({columns}) SELECT {columns} FROM {staged.table}"))
    return [leg for leg in staged.legs if leg.id not in known] if known else staged.legs


def _forget_conversations(session: TenantSession, legs: Sequence[LegRow]) -> list[tuple[UUID | None, Any]]:
    """Take away the rows that were computed from these legs; each starts when one of them does."""
    ids = [
        conversation_id(session.org_id, person, call[0].linked_id)
        for call in by_call(legs)
        for person in people_of(call) or (None,)
    ]
    values = _named(legs) | {"ids": ids}
    return [
        (row.subscriber_id, row.started_at)
        for row in session.execute(_FORGET_CONVERSATIONS, values, execution_options=_UNSYNCHRONIZED)
    ]


def _named(legs: Sequence[LegRow]) -> dict[str, Any]:
    """Ids, and the span of time in which to look for them."""
    starts = [leg.started_at for leg in legs]
    return {"ids": [leg.id for leg in legs], "first": min(starts), "last": max(starts)}


def _for_copy(rows: Iterable[ConversationRow]) -> Iterator[Sequence[Any]]:
    for row in rows:
        yield *row[:_DEVICES], _json(tuple(row.devices)), *row[_DEVICES + 1 :]


@lru_cache(maxsize=5000)
def _json(devices: tuple[str, ...]) -> Jsonb:
    written = msgspec.json.encode(devices)
    return Jsonb(devices, dumps=lambda _: written)
