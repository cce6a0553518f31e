"""Calls that an organization no longer keeps are removed, call by call, in bounded pieces, and each run reports.

A call goes as a whole once its newest leg is older than the rule: its legs and their keys, what was merged into it,
everybody's conversations and what they wrote on them. The quarters of people behind the horizon go too; those of the
organization name nobody and stay. Each piece is a transaction of its own under the organization's lock, and adds
what it removed to the run's row: a run that was killed is taken up where it was, and one whose rule changes stops.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import click
from sqlalchemy import (
    BigInteger,
    DateTime,
    Text,
    Uuid,
    any_,
    bindparam,
    delete,
    func,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api import Command, translations
from ringstead.api.audit import declare_action, record
from ringstead.api.models import Base, OrgScoped, TenantSession, new_id
from ringstead.api.switch import Database
from ringstead_calllogs.erasing import TOMBSTONE
from ringstead_calllogs.joining import LegRow, by_call, conversation_id, people_of
from ringstead_calllogs.keeping import Horizon, Rule, move_horizon, read_rule
from ringstead_calllogs.models import Leg, LegKey, Merge
from ringstead_calllogs.rollups import CALLS_COUNTED, OfficeQuarter, PersonQuarter
from ringstead_calllogs.storing import legs_of_calls, lock

_ = translations("ringstead_calllogs")
AT_ONCE: Final = 1000
PRUNED: Final = declare_action("calllogs.retention", _("Removed calls that are no longer kept"))
HELD: Final = "held"
RUNS_KEPT: Final = timedelta(days=400)
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


class RetentionRun(OrgScoped, Base):
    """A run: what it removed, by kind, or (`why`) why it removed nothing."""

    __tablename__ = "calllogs_retention_run"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    began_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    kept_since: Mapped[datetime | None]
    calls: Mapped[int] = mapped_column(BigInteger, default=0)
    legs: Mapped[int] = mapped_column(BigInteger, default=0)
    leg_keys: Mapped[int] = mapped_column(BigInteger, default=0)
    merges: Mapped[int] = mapped_column(BigInteger, default=0)
    conversations: Mapped[int] = mapped_column(BigInteger, default=0)
    annotations: Mapped[int] = mapped_column(BigInteger, default=0)
    person_quarters: Mapped[int] = mapped_column(BigInteger, default=0)
    why: Mapped[str] = mapped_column(default="")

    @property
    def seconds(self) -> int | None:
        """How long it took; None while it runs."""
        return None if self.finished_at is None else int((self.finished_at - self.began_at).total_seconds())


class Removed(NamedTuple):
    """How many rows went, by kind."""

    calls: int = 0
    legs: int = 0
    leg_keys: int = 0
    merges: int = 0
    conversations: int = 0
    annotations: int = 0
    person_quarters: int = 0

    def plus(self, other: "Removed") -> "Removed":
        """Both together."""
        return Removed(*(a + b for a, b in zip(self, other, strict=True)))


COUNTED: Final = Removed._fields


@dataclass(frozen=True, slots=True)
class Place:
    """How far a run has looked through the old legs."""

    started_at: datetime
    id: UUID


_FIRST: Final = Place(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))
_OLD_LEGS: Final = (
    select(Leg.started_at, Leg.id, Leg.linked_id)
    .where(
        Leg.started_at >= bindparam("at", type_=DateTime(timezone=True)),
        tuple_(Leg.started_at, Leg.id)
        > tuple_(bindparam("at", type_=DateTime(timezone=True)), bindparam("id", type_=Uuid())),
        Leg.started_at < bindparam("until", type_=DateTime(timezone=True)),
    )
    .order_by(Leg.started_at, Leg.id)
    .limit(AT_ONCE)
)
_LEGS: Final = delete(Leg).where(
    Leg.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
    Leg.started_at.between(bindparam("first"), bindparam("last")),
)
_KEYS: Final = delete(LegKey).where(LegKey.linked_id == any_(bindparam("linked", type_=ARRAY(Text()))))
_MERGES: Final = delete(Merge).where(Merge.into_id == any_(bindparam("linked", type_=ARRAY(Text()))))
_CONVERSATIONS: Final = text("""
    DELETE FROM calllogs_conversation
    WHERE org_id = :org AND id = ANY (CAST(:ids AS uuid[])) AND started_at BETWEEN :first AND :last
""")
_ANNOTATIONS: Final = text("""
    DELETE FROM calllogs_annotation AS note
    USING unnest(CAST(:people AS uuid[]), CAST(:ids AS uuid[])) AS gone (person, id)
    WHERE note.org_id = :org AND note.subscriber_id = gone.person AND note.conversation_id = gone.id
""")
# Rows whose call has no leg any more: none, unless something went wrong once.
_ORPHANS: Final = text("""
    DELETE FROM calllogs_conversation AS call WHERE call.org_id = :org AND call.started_at < :until
        AND NOT EXISTS (SELECT FROM calllogs_leg_key AS known
                        WHERE known.org_id = :org AND known.linked_id = call.linked_id)
""")
_OLD_QUARTERS: Final = (
    select(func.count()).select_from(PersonQuarter).where(PersonQuarter.at < bindparam("until"))
)
# Keys of legs of people who were erased, which no call knows any more.
_TOMBSTONES: Final = text("""
    DELETE FROM calllogs_leg_key WHERE org_id = :org AND id IN (
        SELECT id FROM calllogs_leg_key WHERE org_id = :org AND linked_id >= :mark AND linked_id < :mark || :day
        LIMIT :limit)
""")
_QUARTERS: Final = text("""
    DELETE FROM calllogs_person_quarter WHERE org_id = :org AND at < :until AND (subscriber_id, at) IN (
        SELECT subscriber_id, at FROM calllogs_person_quarter WHERE org_id = :org AND at < :until LIMIT :limit)
""")


def retain(database: Database, *, org_id: UUID) -> None:
    """The nightly job of one organization."""
    prune(database, org_id)


def prune(database: Database, org_id: UUID, now: datetime | None = None) -> RetentionRun | None:
    """Remove what the organization no longer keeps. None where calls are kept for ever: then there is no run."""
    now = now or datetime.now(UTC)
    with database.run_as(org_id) as session:
        rule = read_rule(session)
        since = rule.kept_since(now)
        if rule.is_held:
            return _report(session, _run(session, None), HELD)
        if since is None:
            return None
        lock(session)
        move_horizon(session, since)
        run = _run(session, since)
    with suppress(_RuleChanged):
        for _removed in _pieces(database, org_id, run.id, since):
            pass
    with database.run_as(org_id) as session:
        why = HELD if read_rule(session).is_held else ""
        return _report(session, session.get_one(RetentionRun, (org_id, run.id)), why)


def _run(session: TenantSession, since: datetime | None) -> RetentionRun:
    """The run to add to: one that was begun for the same moment and killed, else a new one."""
    started = select(RetentionRun).where(RetentionRun.finished_at.is_(None), RetentionRun.kept_since == since)
    run = session.scalars(started.limit(1)).first() if since is not None else None
    if run is None:
        run = RetentionRun(began_at=datetime.now(UTC), kept_since=since)
        session.add(run)
        session.flush()
    return run


def _report(session: TenantSession, run: RetentionRun, why: str = "") -> RetentionRun:
    """The run is over: say so in its row and in the audit trail, and forget runs of long ago."""
    run.finished_at, run.why = datetime.now(UTC), why
    counts = {name: getattr(run, name) for name in COUNTED}
    since = run.kept_since.isoformat() if run.kept_since else None
    record(session, PRUNED, target=str(run.id), detail={"kept_since": since, "why": why, **counts})
    session.execute(
        delete(RetentionRun).where(RetentionRun.began_at < run.finished_at - RUNS_KEPT),
        execution_options=_UNSYNCHRONIZED,
    )
    return run


class _RuleChanged(Exception):
    """A legal hold came while a run was under way, or calls are kept longer now: it removes nothing more."""


@contextmanager
def _piece(database: Database, org_id: UUID, since: datetime) -> Iterator[TenantSession]:
    """A transaction of a run, under the organization's lock. Raises `_RuleChanged`."""
    with database.run_as(org_id) as session:
        lock(session)
        goes_by_now = read_rule(session).kept_since(datetime.now(UTC))
        if goes_by_now is None or goes_by_now < since:
            raise _RuleChanged
        yield session


def _pieces(database: Database, org_id: UUID, run_id: UUID, since: datetime) -> Iterator[Removed]:
    """Remove everything that is behind the horizon, piece by piece."""
    place: Place | None = _FIRST
    while place is not None:
        with _piece(database, org_id, since) as session:
            legs, place = _next_calls(session, place, since)
            yield _note(session, run_id, _remove_calls(session, legs))
    values = {"org": org_id, "until": since, "limit": AT_ONCE * 5}
    with _piece(database, org_id, since) as session:
        yield _note(session, run_id, Removed(conversations=_count(session, _ORPHANS, values)))
    values |= {"mark": TOMBSTONE, "day": f"{since:%Y-%m-%d}"}
    for statement, kind in ((_TOMBSTONES, "leg_keys"), (_QUARTERS, "person_quarters")):
        count = values["limit"]
        while count == values["limit"]:
            with _piece(database, org_id, since) as session:
                count = _count(session, statement, values)
                yield _note(session, run_id, Removed(**{kind: count}))


def _note(session: TenantSession, run_id: UUID, removed: Removed) -> Removed:
    """Add to the run's row what its transaction removed."""
    more = {name: getattr(RetentionRun, name) + count for name, count in removed._asdict().items() if count}
    if more:
        session.execute(
            update(RetentionRun).where(RetentionRun.id == run_id).values(more),
            execution_options=_UNSYNCHRONIZED,
        )
    return removed


def _next_calls(session: TenantSession, place: Place, since: datetime) -> tuple[list[LegRow], Place | None]:
    """The legs of the next calls whose newest leg is too old, and where to go on; None when that was all."""
    rows = session.execute(_OLD_LEGS, {"at": place.started_at, "id": place.id, "until": since}).all()
    legs = legs_of_calls(session, {row.linked_id for row in rows})
    old = [call for call in by_call(legs) if max(leg.started_at for leg in call) < since]
    last = Place(rows[-1].started_at, rows[-1].id) if len(rows) == AT_ONCE else None
    return [leg for call in old for leg in call], last


def _remove_calls(session: TenantSession, legs: Sequence[LegRow]) -> Removed:
    """Delete whole calls and all that hangs on them. Their counts stay: they are behind the horizon."""
    if not legs:
        return Removed()
    calls = by_call(legs)
    people = [
        (person, conversation_id(session.org_id, person, call[0].linked_id))
        for call in calls
        for person in people_of(call) or (None,)
    ]
    starts = [leg.started_at for leg in legs]
    values: dict[str, Any] = {
        "org": session.org_id,
        "linked": [call[0].linked_id for call in calls],
        "first": min(starts),
        "last": max(starts),
    }
    of_people = {"people": [person for person, _id in people], "ids": [found for _person, found in people]}
    return Removed(
        calls=len(calls),
        legs=_count(session, _LEGS, values | {"ids": [leg.id for leg in legs]}),
        leg_keys=_count(session, _KEYS, values),
        merges=_count(session, _MERGES, values),
        conversations=_count(session, _CONVERSATIONS, values | of_people),
        annotations=_count(session, _ANNOTATIONS, values | of_people),
    )


def _count(session: TenantSession, statement: Any, values: dict[str, Any]) -> int:
    """Execute a deletion; how many rows went."""
    result: Any = session.execute(statement, values, execution_options=_UNSYNCHRONIZED)
    return int(result.rowcount)


def preview(database: Database, org_id: UUID, now: datetime | None = None) -> tuple[Rule, Removed]:
    """The rule, and what a run would remove now, legal hold or not; changes nothing. Reads as it would remove."""
    with database.run_as(org_id) as session:
        rule = read_rule(session)
    since = replace(rule, is_held=False).kept_since(now or datetime.now(UTC))
    removed, place = Removed(), _FIRST if since else None
    while place is not None and since is not None:
        with database.run_as(org_id) as session:
            before = place
            legs, place = _next_calls(session, before, since)
            removed = removed.plus(_would_go(legs, before))
    if since is not None:
        with database.run_as(org_id) as session:
            quarters = session.scalar(_OLD_QUARTERS, {"until": since}) or 0
        removed = removed.plus(Removed(person_quarters=quarters))
    return rule, removed


def _would_go(legs: Sequence[LegRow], place: Place) -> Removed:
    """Of a piece. A call is found wherever one of its legs is, and counted where the first one is."""
    found = [
        call
        for call in by_call(legs)
        if min((leg.started_at, leg.id) for leg in call) > (place.started_at, place.id)
    ]
    count = sum(map(len, found))
    rows = sum(len(people_of(call)) or 1 for call in found)
    return Removed(calls=len(found), legs=count, leg_keys=count, conversations=rows)


def count_waiting(session: TenantSession, rule: Rule, now: datetime) -> int:
    """How many calls the next run would remove, from what was counted: those before the horizon are gone already."""
    since = rule.kept_since(now)
    if since is None:
        return 0
    gone = func.coalesce(select(Horizon.until).scalar_subquery(), datetime(1970, 1, 1, tzinfo=UTC))
    counts = select(func.coalesce(func.sum(CALLS_COUNTED), 0))
    return int(session.scalar(counts.where(OfficeQuarter.at < since, OfficeQuarter.at >= gone)) or 0)


def latest_runs(session: TenantSession, limit: int = 20) -> list[RetentionRun]:
    """The organization's latest runs, newest first."""
    return list(session.scalars(select(RetentionRun).order_by(RetentionRun.id.desc()).limit(limit)))


def commands() -> list[Command]:
    """`ringstead run calllogs.retain [--dry-run] ORGANIZATION`."""
    dry = click.Option(["--dry-run"], is_flag=True, help="Only say what would be removed.")
    words = "Remove calls that are older than the organization keeps them, as the nightly job does."
    return [Command(name="calllogs.retain", help=words, run=_run_command, options=(dry,))]


def _run_command(database: Database, org_id: UUID, *, dry_run: bool) -> str:
    if dry_run:
        rule, would = preview(database, org_id)
        if rule.days is None:
            return "calls are kept for ever; nothing would be removed."
        held = " once the legal hold is lifted" if rule.is_held else ""
        return f"{_said(would, 'would be removed')}{held} (kept: {rule.days} days)."
    run = prune(database, org_id)
    if run is None:
        return "calls are kept for ever; nothing was removed."
    removed = Removed(*(getattr(run, name) for name in COUNTED))
    if run.why == HELD and not any(removed):
        return "a legal hold is on; nothing was removed."
    stopped = "; then a legal hold stopped it" if run.why == HELD else ""
    return f"{_said(removed, 'removed')}{stopped}."


def _said(removed: Removed, verb: str) -> str:
    return (
        f"{removed.calls} calls with {removed.legs} legs and {removed.conversations} rows of people, and "
        f"{removed.person_quarters} counts of people, {verb}"
    )
