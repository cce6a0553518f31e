"""The records of one request on their way into the database, chunk by chunk: memory does not grow with their number.

While the database stores one chunk, the next one is read and checked. Leniently, each chunk is committed for itself
and its good rows are kept; strictly, all chunks are one transaction, which a single bad row undoes.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from sqlalchemy import text

from ringstead.api.models import TenantScopeMissing, TenantSession
from ringstead.api.switch import Database, SwitchNode
from ringstead_calllogs.merging import Calls
from ringstead_calllogs.models import Conversation, Leg
from ringstead_calllogs.preparing import Row, prepare
from ringstead_calllogs.records import Rejection, utc
from ringstead_calllogs.rollups import PersonQuarter
from ringstead_calllogs.storing import MOST_LEGS, Stored, lock, store

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
        self._wait()
        if is_last and self._background is None:
            self._store(groups)
            return
        if self._background is None:
            self._background = ThreadPoolExecutor(1, "intake")
        self._waiting = self._background.submit(self._store, groups)

    def _wait(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.result()

    def _store(self, groups: Mapping[UUID, Sequence[Row]]) -> None:
        # In the order of ids, so that two requests never wait for one another crosswise.
        for org_id, rows in sorted(groups.items()):
            if not self._reaches(org_id, rows):
                # The same words for an organization that is not there and for another switch's: a key tells nothing.
                named = "This switch serves no such organization."
                self._outcome.rejected += [row.refused(_organization_field(row), named) for row in rows]
            elif self._strict:
                self._take_in_strictly(org_id, rows)
            else:
                with self._database.run_as(org_id) as session:
                    lock(session)
                    self._take_in(session, rows)

    def _take_in_strictly(self, org_id: UUID, rows: Sequence[Row]) -> None:
        if self._session is None:
            self._session = self._transaction.enter_context(self._database.run_as(org_id))
            lock(self._session)
        if self._session.org_id == org_id:
            self._take_in(self._session, rows)
        else:
            what = "A strict request is for one organization, and an earlier record names another."
            self._outcome.rejected += [row.refused(_organization_field(row), what) for row in rows]

    def _reaches(self, org_id: UUID, rows: Sequence[Row]) -> bool:
        """Whether the node speaks for this organization; then the months of its rows have their partitions."""
        try:
            with self._database.run_as(org_id) as session:
                partner_id = session.scope.partner_id
                if partner_id is None or not self._node.serves(partner_id):
                    return False
                _make_months(session, rows)
        except TenantScopeMissing:
            return False
        return True

    def _take_in(self, session: TenantSession, rows: Sequence[Row]) -> None:
        legs, rejected = prepare(session, self._declared, self._node.id, rows)
        self._outcome.rejected += rejected
        if not legs:
            return
        stored = _store_legs(session, legs, rows)
        refused = [row for row in rows if row.record.id in stored.refused]
        what = f"Its call has {MOST_LEGS} legs already. Do all calls of this switch have the same linked_id?"
        self._outcome.rejected += [row.refused("linked_id", what) for row in refused]
        self._outcome.accepted += stored.count
        self._outcome.duplicates += len(legs) - stored.count - len(refused)


def _store_legs(session: TenantSession, legs: Sequence[Any], rows: Sequence[Row]) -> Stored:
    merging = [(merged, row.record.call) for row in rows for merged in row.record.merges]
    calls = Calls(session, {leg.linked_id for leg in legs} | {name for pair in merging for name in pair})
    merged = {calls.merge(taken_over, into) for taken_over, into in merging}
    return store(session, calls.in_their_calls(legs), {calls.of(name) for name in merged})


def _organization_field(row: Row) -> str:
    return "organization" if row.record.organization is not None else "domain"


def _make_months(session: TenantSession, rows: Sequence[Row]) -> None:
    starts = (utc(row.record.started_at) for row in rows)
    months = sorted({at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for at in starts})
    for table in _PARTITIONED:
        session.execute(text(f"SELECT {table}_ensure_month(m) FROM unnest(:months) AS m"), {"months": months})
