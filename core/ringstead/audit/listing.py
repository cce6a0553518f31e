"""The trail as people read it: by time, person, action and organization; a page at a time, or all of it as rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Select, or_, select

from ringstead import audit
from ringstead.db.session import TenantSession
from ringstead.tenancy.models import AuditEntry, Membership, Organization, Subscriber

PAGE_ROWS: Final = 50
MOST_ROWS: Final = 100_000
_AT_A_TIME: Final = 500
# Ids hold the time at which a process made them, entries the database's: their clocks differ by less than this.
_SKEW: Final = timedelta(days=1)

Whose = Literal["own", "all"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: from `first` to before `last`, with `query` in who did it or what it was done to.

    With `account_id` and `subscriber_id` those that somebody did, or that were done to their portal.
    """

    first: datetime
    last: datetime
    query: str = ""
    action: str = ""
    org_id: UUID | None = None
    account_id: UUID | None = None
    subscriber_id: UUID | None = None


class Change(NamedTuple):
    """A thing that an entry tells: its name, what it was before (None: not told), and what it is."""

    name: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry with the names of what it names by ids."""

    entry: AuditEntry
    title: Any
    subject: str
    organization: str
    changes: tuple[Change, ...]

    @property
    def is_in_portal(self) -> bool:
        """Whether it was done in the subject's portal, by somebody who had opened it."""
        return bool(self.subject) and "support" in self.entry.detail

    @property
    def about(self) -> str:
        """Whom it concerned, where that is not said already."""
        return "" if self.is_in_portal or self.subject == self.entry.target else self.subject


def read_page(session: TenantSession, wanted: Wanted, before: UUID | None) -> tuple[list[Shown], UUID | None]:
    """The newest entries, older than the entry `before`; and where the next, older page begins."""
    statement = _statement(wanted).limit(PAGE_ROWS + 1)
    if before is not None:
        statement = statement.where(AuditEntry.id < before)
    found = list(session.scalars(statement))
    shown = found[:PAGE_ROWS]
    return _named(session, shown), shown[-1].id if len(found) > PAGE_ROWS else None


def read_all(session: TenantSession, wanted: Wanted) -> Iterator[Shown]:
    """All of them, newest first, at most `MOST_ROWS`; read a few hundred at a time."""
    before: UUID | None = None
    left = MOST_ROWS
    while left > 0:
        statement = _statement(wanted).limit(min(_AT_A_TIME, left))
        if before is not None:
            statement = statement.where(AuditEntry.id < before)
        found = list(session.scalars(statement))
        yield from _named(session, found)
        if len(found) < _AT_A_TIME:
            return
        left, before = left - len(found), found[-1].id
        for entry in found:
            session.expunge(entry)


def recent_of_subscriber(
    session: TenantSession, org_id: UUID, subscriber_id: UUID, limit: int
) -> list[Shown]:
    """What was done lately to a subscriber's portal, or in the organization by whoever signs in to it."""
    accounts = select(Membership.account_id).where(
        Membership.org_id == org_id, Membership.subscriber_id == subscriber_id
    )
    done = or_(
        AuditEntry.subject_subscriber_id == subscriber_id,
        AuditEntry.actor_account_id.in_(accounts.scalar_subquery()),
    )
    found = select(AuditEntry).where(AuditEntry.org_id == org_id, done).order_by(AuditEntry.id.desc())
    return _named(session, list(session.scalars(found.limit(limit))))


def _statement(wanted: Wanted) -> Select[AuditEntry]:
    statement = (
        select(AuditEntry)
        .where(
            AuditEntry.id >= _first_id(wanted.first - _SKEW),
            AuditEntry.at >= wanted.first,
            AuditEntry.at < wanted.last,
        )
        .order_by(AuditEntry.id.desc())
    )
    if wanted.action:
        statement = statement.where(AuditEntry.action == wanted.action)
    if wanted.org_id is not None:
        statement = statement.where(AuditEntry.org_id == wanted.org_id)
    if wanted.query:
        texts = (AuditEntry.actor_name, AuditEntry.target, AuditEntry.address)
        statement = statement.where(
            or_(*(column.icontains(wanted.query, autoescape=True) for column in texts))
        )
    if wanted.account_id is not None:
        mine = [AuditEntry.actor_account_id == wanted.account_id]
        if wanted.subscriber_id is not None:
            mine.append(AuditEntry.subject_subscriber_id == wanted.subscriber_id)
        statement = statement.where(or_(*mine))
    return statement


def _first_id(moment: datetime) -> UUID:
    """The least UUIDv7 of a moment (RFC 9562, section 5.7: 48 bits of milliseconds lead)."""
    return UUID(int=max(0, int(moment.timestamp() * 1000)) << 80)


def _named(session: TenantSession, entries: list[AuditEntry]) -> list[Shown]:
    subjects = {entry.subject_subscriber_id for entry in entries} - {None}
    organizations = {entry.org_id for entry in entries} - {None}
    people: dict[UUID, str] = {}
    names: dict[UUID, str] = {}
    if subjects:
        found = session.execute(select(Subscriber.id, Subscriber.name).where(Subscriber.id.in_(subjects)))
        people = {one.id: one.name for one in found}
    if organizations:
        rows = session.execute(
            select(Organization.org_id, Organization.name).where(Organization.org_id.in_(organizations))
        )
        names = {one.org_id: one.name for one in rows}
    return [
        Shown(
            entry,
            audit.title_of(entry),
            people.get(entry.subject_subscriber_id, "") if entry.subject_subscriber_id else "",
            names.get(entry.org_id, "") if entry.org_id else "",
            changes_of(entry.detail),
        )
        for entry in entries
    ]


def changes_of(detail: Mapping[str, Any]) -> tuple[Change, ...]:
    """What an entry's `detail` tells: what was changed, from what to what, then everything else."""
    changed = detail.get(audit.CHANGED)
    pairs = changed.items() if isinstance(changed, Mapping) else ()
    told = [
        Change(str(name), _text(pair[0]), _text(pair[1]))
        for name, pair in pairs
        if isinstance(pair, list) and len(pair) == 2
    ]
    return (
        *told,
        *(
            Change(str(name), None, _text(value))
            for name, value in detail.items()
            if name not in (audit.CHANGED, "support")
        ),
    )


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())[:200] or "–"
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value)[:200] or "–"
    return "–" if value in (None, "") else str(value)[:200]
