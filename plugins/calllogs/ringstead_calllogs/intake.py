"""The records of one request on their way into the database, chunk by chunk: memory does not grow with their number.

While the database stores one chunk, the next one is read, checked and joined. Leniently, each chunk is committed for
itself and its good rows are kept; strictly, all chunks are one transaction, which a single bad row undoes.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

from sqlalchemy import text

from ringstead.api.models import TenantScopeMissing, TenantSession
from ringstead.api.switch import Database, SwitchNode
from ringstead_calllogs.joining import Joined, LegRow
from ringstead_calllogs.keeping import horizon
from ringstead_calllogs.merging import Calls
from ringstead_calllogs.models import Conversation, Leg
from ringstead_calllogs.preparing import Row, prepare, too_old
from ringstead_calllogs.records import Rejection
from ringstead_calllogs.rollups import PersonQuarter
from ringstead_calllogs.storing import MOST_LEGS, Stored, any_merged, lock, newest_of_each, stage_legs, store

_PARTITIONED = (Leg.__tablename__, Conversation.__tablename__, PersonQuarter.__tablename__)


@dataclass(slots=True)
class Outcome:
    """What became of a request's records; those that are `ignored` say nothing worth keeping."""

    accepted: int = 0
    duplicates: int = 0
    ignored: int = 0
    rejected: list[Rejection] = field(default_factory=list)


class Undone(Exception):
    """A strict request has a row that is not taken: nothing of it stays."""


class Intake:
    """Takes in chunks of rows in the background; leaving the `with` block waits for the last and commits.

    A strict intake is for one organization: two cannot be one transaction, as each has a session of its own.
    """

    def __init__(
        self,
        database: Database,
        node: SwitchNode,
        declared: Mapping[str, Any],
        outcome: Outcome,
        strict: bool,
    ) -> None:
        self._database, self._node, self._declared = database, node, declared
        self._outcome, self._strict = outcome, strict
        self._background: ThreadPoolExecutor | None = None
        self._waiting: Future[None] | None = None
        self._transaction = ExitStack()
        self._session: TenantSession | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._wait()
            if self._strict and self._outcome.rejected and error is None:
                raise Undone
        except BaseException as why:
            self._transaction.__exit__(type(why), why, why.__traceback__)
            raise
        else:
            self._transaction.__exit__(kind, error, traceback)
        finally:
            if self._background is not None:
                self._background.shutdown()

    def put(self, groups: Mapping[UUID, Sequence[Row]], is_last: bool) -> None:
        """Store a chunk, grouped by organization; returns at once unless it is the last or another is under way."""
        # In the order of ids, so that two requests never wait for one another crosswise.
        ready = [found for org_id, rows in sorted(groups.items()) if (found := self._prepare(org_id, rows))]
        self._wait()
        if is_last and self._background is None:
            self._store(ready)
            return
        if self._background is None:
            self._background = ThreadPoolExecutor(1, "intake")
        self._waiting = self._background.submit(self._store, ready)

    def _wait(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.result()

    def _prepare(self, org_id: UUID, rows: Sequence[Row]) -> "_Prepared | None":
        """The rows as legs, their calls joined and their months there; None if nothing of them is taken."""
        try:
            with self._database.run_as(org_id) as session:
                partner_id = session.scope.partner_id
                if partner_id is not None and self._node.serves(partner_id):
                    legs, rejected = prepare(session, self._declared, self._node.id, rows)
                    self._outcome.rejected += rejected
                    if not legs:
                        return None
                    _make_months(session, legs)
                    return _Prepared(org_id, rows, legs, Joined(newest_of_each(legs)))
        except TenantScopeMissing:
            pass
        # The same words for an organization that is not there and for another switch's: a key tells nothing.
        named = "This switch serves no such organization."
        self._outcome.rejected += [row.refused(_organization_field(row), named) for row in rows]
        return None

    def _store(self, ready: Sequence["_Prepared"]) -> None:
        for prepared in ready:
            if self._strict:
                self._store_strictly(prepared)
            else:
                with self._database.run_as(prepared.org_id) as session:
                    lock(session)
                    self._take_in(session, prepared)

    def _store_strictly(self, prepared: "_Prepared") -> None:
        if self._session is None:
            self._session = self._transaction.enter_context(self._database.run_as(prepared.org_id))
            lock(self._session)
        if self._session.org_id == prepared.org_id:
            self._take_in(self._session, prepared)
        else:
            what = "A strict request is for one organization, and an earlier record names another."
            self._outcome.rejected += [row.refused(_organization_field(row), what) for row in prepared.rows]

    def _take_in(self, session: TenantSession, prepared: "_Prepared") -> None:
        prepared, late = _still_kept(session, prepared)
        self._outcome.rejected += late
        if not prepared.legs:
            return
        stored = _store_legs(session, prepared)
        refused = [row for row in prepared.rows if row.record.id in stored.refused]
        what = f"Its call has {MOST_LEGS} legs already. Do all calls of this switch have the same linked_id?"
        self._outcome.rejected += [row.refused("linked_id", what) for row in refused]
        self._outcome.accepted += stored.count
        self._outcome.duplicates += len(prepared.legs) - stored.count - len(refused)


class _Prepared(NamedTuple):
    """The rows of an organization in a chunk, as legs, and the conversations of these."""

    org_id: UUID
    rows: Sequence[Row]
    legs: Sequence[LegRow]
    joined: Joined


def _still_kept(session: TenantSession, prepared: _Prepared) -> tuple[_Prepared, list[Rejection]]:
    """Without what has gone behind the horizon since it was prepared, and why."""
    oldest = min(leg.started_at for leg in prepared.legs)
    since = horizon(session, oldest, datetime.now(UTC))
    if since is None or oldest >= since:
        return prepared, []
    kept = [leg for leg in prepared.legs if leg.started_at >= since]
    gone = {leg.key for leg in prepared.legs} - {leg.key for leg in kept}
    late = [too_old(row, since) for row in prepared.rows if row.record.id in gone]
    return prepared._replace(legs=kept, joined=Joined()), late


def _store_legs(session: TenantSession, prepared: _Prepared) -> Stored:
    legs, staged = prepared.legs, stage_legs(session, prepared.legs)
    merging = [(merged, row.record.call) for row in prepared.rows for merged in row.record.merges]
    if merging:
        taken = {leg.key for leg in legs}
        rows = (row for row in prepared.rows if row.record.id in taken)
        merging = [(merged, row.record.call) for row in rows for merged in row.record.merges]
    if not merging and not any_merged(session, staged):
        return store(session, staged, (), prepared.joined)
    calls = Calls(session, {leg.linked_id for leg in legs} | {name for pair in merging for name in pair})
    merged = {calls.merge(taken_over, into) for taken_over, into in merging}
    staged = stage_legs(session, calls.in_their_calls(legs))
    return store(session, staged, {calls.of(name) for name in merged}, prepared.joined)


def _organization_field(row: Row) -> str:
    return "organization" if row.record.organization is not None else "domain"


def _make_months(session: TenantSession, legs: Sequence[LegRow]) -> None:
    """Let the months in which these legs began have their partitions; the last thing that a transaction does."""
    months = sorted({(leg.started_at.year, leg.started_at.month) for leg in legs})
    firsts = [datetime(year, month, 1, tzinfo=UTC) for year, month in months]
    for table in _PARTITIONED:
        session.execute(text(f"SELECT {table}_ensure_month(m) FROM unnest(:months) AS m"), {"months": firsts})
