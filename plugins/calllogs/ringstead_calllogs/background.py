"""Files that are made in the background: what was ordered, by whom, how far it is, and until when it is kept.

A file is one account's and one subscriber's: nobody else finds it. It is whole before anybody may fetch it: each
attempt writes a blob of its own, and the row names an attempt only while that may go on, and when it has ended well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api import TenantContext, new_id
from ringstead.api.models import Base, CreatedAt, OrgScoped, TenantSession
from ringstead.api.work import defer
from ringstead_calllogs.orders import FileKind, Order, filter_of

MAKE: Final = "calllogs.make_download"
EXPIRE: Final = "calllogs.expire_download"
REMOVE: Final = "calllogs.remove_download"
MOST_UNFINISHED: Final = 3
# As many as their page shows; and nobody fills the store alone.
MOST_KEPT: Final = 50
UNFINISHED: Final = ("waiting", "making")
# So long after its end a link still says that it has ended.
REMEMBERED: Final = timedelta(days=30)
_UNSYNCHRONIZED: Final = {"synchronize_session": False}
# So many files are made at a time, however many workers there are: mail and events must not wait for them.
_LANES: Final = 2
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('calllogs download ' || :account, 0))")


class TooManyUnfinished(Exception):
    """The account has as many files in the making as it may have."""


class TooManyKept(Exception):
    """The account has as many files as it may have."""


class Download(OrgScoped, Base):
    """A file in the making, or made. `state` is waiting, making, ready, failed or expired; `reason` says why it failed.

    `done` of `expected` calls have been looked through, `rows` of them are in the file. `attempt` names the blob. Of a
    file with others' calls (`scope`), `people` are those whose calls it has, `looked_at` is when it was fetched first.
    """

    __tablename__ = "calllogs_download"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID]
    subscriber_id: Mapped[UUID]
    scope: Mapped[str]
    private: Mapped[list[str]] = mapped_column(JSONB)
    people: Mapped[list[str]] = mapped_column(JSONB, default=list)
    looked_at: Mapped[datetime | None]
    email: Mapped[str]
    kind: Mapped[str]
    columns: Mapped[list[str]] = mapped_column(JSONB)
    query: Mapped[str]
    locale: Mapped[str]
    zone: Mapped[str]
    region: Mapped[str]
    words: Mapped[dict[str, str]] = mapped_column(JSONB)
    name: Mapped[str]
    state: Mapped[str] = mapped_column(default="waiting")
    reason: Mapped[str] = mapped_column(default="")
    attempt: Mapped[UUID | None]
    attempts: Mapped[int] = mapped_column(default=0)
    rows: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    expected: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(default=0)
    digest: Mapped[str] = mapped_column(default="")
    days: Mapped[int]
    created_at: Mapped[CreatedAt]
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]

    @property
    def order(self) -> Order:
        """What was ordered."""
        return Order(
            self.subscriber_id,
            filter_of(self.query, self.scope),
            cast(FileKind, self.kind),
            tuple(self.columns),
            self.locale,
            ZoneInfo(self.zone),
            self.region,
            self.words,
            self.scope,
            tuple(self.private),
        )

    @property
    def percent(self) -> int | None:
        """How far it is; None when the kept counts do not know."""
        return min(99, 100 * self.done // self.expected) if self.expected else None

    @property
    def shown_rows(self) -> int | None:
        """How many calls are in it; None while nobody may know, as a number of others' calls is no look at them."""
        return None if self.scope and self.looked_at is None else self.rows

    @property
    def is_unfinished(self) -> bool:
        """Whether somebody may still wait for it."""
        return self.state in UNFINISHED

    def is_over(self, now: datetime) -> bool:
        """Whether it is kept no longer."""
        return self.state == "expired" or (self.state == "ready" and self.expires_at <= now)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose files: an account's, in the portal of a subscriber."""

    account_id: UUID
    subscriber_id: UUID
    email: str

    @classmethod
    def of(cls, context: TenantContext) -> "Owner":
        """Who asks. Only for pages of somebody who is signed in."""
        assert context.account is not None
        return cls(context.account.id, context.subscriber_id, context.account.email)


def order_file(session: TenantSession, owner: Owner, order: Order, name: str, days: int) -> Download:
    """Have a file made, to be kept for so many days. Raises `TooManyUnfinished` or `TooManyKept`."""
    session.execute(_LOCK, {"account": str(owner.account_id)})
    mine = _COUNT.where(Download.account_id == owner.account_id)
    if session.scalars(mine.where(Download.state.in_(UNFINISHED))).one() >= MOST_UNFINISHED:
        raise TooManyUnfinished
    if session.scalars(mine.where(Download.state != "expired")).one() >= MOST_KEPT:
        raise TooManyKept
    made = Download(
        id=new_id(),
        account_id=owner.account_id,
        subscriber_id=owner.subscriber_id,
        scope=order.scope,
        private=list(order.private),
        email=owner.email,
        kind=order.kind,
        columns=list(order.columns),
        query=order.query,
        locale=order.locale,
        zone=order.zone.key,
        region=order.region,
        words=dict(order.words),
        name=name,
        days=days,
        expires_at=datetime.now(UTC) + timedelta(days=days),
    )
    session.add(made)
    _queue(session, made.id, owner.account_id)
    defer(session, EXPIRE, run_at=made.expires_at, org_id=session.org_id, download_id=made.id)
    return made


_COUNT: Final = select(func.count()).select_from(Download)


def _queue(session: TenantSession, download_id: UUID, account_id: UUID) -> None:
    lane = f"{MAKE} {account_id.int % _LANES}"
    defer(session, MAKE, lock=lane, org_id=session.org_id, download_id=download_id)


def my_files(session: TenantSession, owner: Owner) -> Sequence[Download]:
    """An owner's files, the newest first; not those that are kept no longer."""
    statement = (
        select(Download)
        .where(*_mine(owner), Download.state != "expired")
        .order_by(Download.id.desc())
        .limit(MOST_KEPT)
    )
    now = datetime.now(UTC)
    return [each for each in session.scalars(statement) if not each.is_over(now)]


def find_file(session: TenantSession, owner: Owner, wanted: UUID) -> Download | None:
    """An owner's file; None for one that is not there or is somebody else's."""
    return session.scalars(select(Download).where(*_mine(owner), Download.id == wanted)).one_or_none()


def forget_file(session: TenantSession, owner: Owner, wanted: UUID) -> bool:
    """Stop making a file, or remove it; whether there was one. A job that is making it notices soon."""
    gone = session.execute(
        delete(Download)
        .where(*_mine(owner), Download.id == wanted)
        .returning(Download.id, Download.attempt)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if gone is None:
        return False
    if gone.attempt is not None:
        # After the commit: until then the file is there.
        defer(session, REMOVE, org_id=session.org_id, key=blob_key(gone.id, gone.attempt))
    return True


def remove_files_of(session: TenantSession, subscriber_id: UUID) -> None:
    """Remove the files of who is erased, and others' that have their calls; begin those in the making anew."""
    has_them = Download.people.contains([str(subscriber_id)])
    gone = delete(Download).where((Download.subscriber_id == subscriber_id) | has_them)
    for row in session.execute(
        gone.returning(Download.id, Download.attempt), execution_options=_UNSYNCHRONIZED
    ).all():
        if row.attempt is not None:
            defer(session, REMOVE, org_id=session.org_id, key=blob_key(row.id, row.attempt))
    # What is being made in a snapshot from before is not wanted any more, and its attempt is told so.
    others = update(Download).where(Download.state == "making", Download.scope != "")
    again = others.values(state="waiting").returning(Download.id, Download.account_id)
    for download_id, account_id in session.execute(again, execution_options=_UNSYNCHRONIZED).all():
        _queue(session, download_id, account_id)


def _mine(owner: Owner) -> tuple[Any, ...]:
    return (Download.account_id == owner.account_id, Download.subscriber_id == owner.subscriber_id)


def blob_key(download_id: UUID, attempt: UUID) -> str:
    """Where the blob of an attempt is."""
    return f"calllogs/downloads/{download_id.hex}/{attempt.hex}"


def begin_attempt(session: TenantSession, download_id: UUID) -> tuple[Download, UUID | None] | None:
    """Begin to make a file, or begin again; with the attempt before, whose blob is nobody's now.

    None when nobody wants it any more, or it is made.
    """
    key = (session.org_id, download_id)
    found = session.get(Download, key, with_for_update=True)
    if found is None or not found.is_unfinished:
        return None
    before = found.attempt
    found.attempt, found.state, found.attempts = new_id(), "making", found.attempts + 1
    found.rows = found.done = 0
    return found, before


def give_up(session: TenantSession, download_id: UUID, most: int) -> bool:
    """Whether a file was begun so often that it is not begun again; then its page says so."""
    found = session.get(Download, (session.org_id, download_id), with_for_update=True)
    if found is None or found.attempts < most:
        return False
    if not found.is_unfinished and (found.state, found.reason) != ("failed", "fault"):
        return False
    found.state, found.reason = "failed", "fault"
    return True


def note_progress(session: TenantSession, made: Download, **values: Any) -> bool:
    """Write down how an attempt stands; whether it may go on."""
    statement = (
        update(Download)
        .where(Download.id == made.id, Download.attempt == made.attempt, Download.state == "making")
        .values(**values)
        .returning(Download.id)
        .execution_options(synchronize_session=False)
    )
    return session.execute(statement).one_or_none() is not None
