"""Jobs of the call logs: files that are made in the background, and removed when their time is over."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ringstead.api import JobSpec
from ringstead.api.blobs import BlobsAway, BlobsFull, org_blobs
from ringstead.api.models import TenantSession
from ringstead.api.switch import Database
from ringstead.api.work import defer, queue_mail
from ringstead_calllogs.background import (
    EXPIRE,
    MAKE,
    REMEMBERED,
    REMOVE,
    Download,
    begin_attempt,
    blob_key,
    give_up,
    note_progress,
)
from ringstead_calllogs.files import pieces
from ringstead_calllogs.orders import ScopeLost, TooManyRows, content_of, monthly_counts

MOST_ATTEMPTS: Final = 5
BETWEEN_NOTES: Final = 1.0
# For so long as a piece took to make, and never longer (in seconds).
REST: Final = 0.15
LONGEST_REST: Final = 0.05
PAGE: Final = "/calls/downloads"


class GivenUp(Exception):
    """Each attempt failed, or its worker was killed."""


class Unwanted(Exception):
    """Nobody wants the file any more, or another worker makes it."""


def make_download(database: Database, *, org_id: UUID, download_id: UUID) -> None:
    """Make a file, from the start however often it was tried before; then tell who ordered it."""
    with database.run_as(org_id) as session:
        is_given_up = give_up(session, download_id, MOST_ATTEMPTS)
    if is_given_up:
        raise GivenUp(f"the file {download_id} was begun {MOST_ATTEMPTS} times")
    with database.run_as(org_id) as session:
        begun = begin_attempt(session, download_id)
        if begun is None:
            return
        made, before = begun
        if before is not None:
            org_blobs(session).delete(blob_key(made.id, before))
    try:
        _write(database, made)
    except Unwanted:
        return
    except Exception as error:
        reason = _final_reason(error, made.attempts)
        with database.run_as(org_id) as session:
            note_progress(session, made, **({"state": "failed", "reason": reason} if reason else {"rows": 0}))
        if not reason or reason == "fault":
            raise


def _write(database: Database, made: Download) -> None:
    """Write the blob in one snapshot of the database, then say that it is there."""
    assert made.attempt is not None
    key, digest = blob_key(made.id, made.attempt), hashlib.sha256()
    notes = _Notes(database, made)
    with database.run_as(made.org_id) as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        content = content_of(session, made.order)
        blobs, counts = org_blobs(session), monthly_counts(session, made.order, content)
        notes.expected = sum(counts.values())
        with closing(pieces(session, made.order, content, notes.hear, counts)) as source:
            size = blobs.put(key, _digested(_paced(source), digest.update))
        people = [] if content.scope is None else sorted(map(str, content.listing.people(session)))
    with database.run_as(made.org_id) as session:
        now = datetime.now(UTC)
        ready = {"state": "ready", "ready_at": now, "expires_at": now + timedelta(days=made.days)}
        ready |= {"rows": notes.rows, "size": size, "digest": digest.hexdigest(), "people": people}
        is_ours = note_progress(session, made, **ready)
        if is_ours:
            _tell(session, made, None if made.scope else notes.rows)
    if not is_ours:
        blobs.delete(key)


def _paced(source: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces with a rest after each, in which the server rests too: pages are asked for meanwhile."""
    begun = time.monotonic()
    for piece in source:
        yield piece
        time.sleep(min((time.monotonic() - begun) * REST, LONGEST_REST))
        begun = time.monotonic()


def _digested(source: Iterable[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in source:
        update(piece)
        yield piece


def _tell(session: TenantSession, made: Download, rows: int | None) -> None:
    values = {
        "rows": rows,
        "name": made.name,
        "path": PAGE,
        "sought": made.words["sought"],
        "days": made.days,
    }
    queue_mail(session, to=made.email, template="calllogs/mail/download", values=values, locale=made.locale)


class _Notes:
    """Writes down how far it is, about once a second, each time in a transaction of its own."""

    def __init__(self, database: Database, made: Download) -> None:
        self._database, self._made = database, made
        self._at = 0.0
        self.expected = self.rows = 0

    def hear(self, rows: int, looked: int) -> None:
        """What the file's maker tells. Raises `Unwanted`."""
        self.rows = rows
        now = time.monotonic()
        if now - self._at < BETWEEN_NOTES:
            return
        self._at = now
        # Where all calls are wanted, the rows are the better measure; they may be ahead of the last full month.
        values = {"rows": rows, "done": max(rows, looked), "expected": self.expected}
        with self._database.run_as(self._made.org_id) as session:
            if not note_progress(session, self._made, **values):
                raise Unwanted


def _final_reason(error: Exception, attempts: int) -> str:
    """Why a file will never be made; empty when it is worth another attempt."""
    if isinstance(error, TooManyRows):
        return "too_many"
    if isinstance(error, ScopeLost):
        return "not_yours"
    if attempts < MOST_ATTEMPTS:
        return ""
    return "no_room" if isinstance(error, BlobsFull) else "away" if isinstance(error, BlobsAway) else "fault"


def expire_download(database: Database, *, org_id: UUID, download_id: UUID) -> None:
    """Remove a file whose time is over; its row says so for a while, and then goes too."""
    with database.run_as(org_id) as session:
        found = session.get(Download, (org_id, download_id), with_for_update=True)
        if found is None:
            return
        now = datetime.now(UTC)
        names: dict[str, Any] = {"org_id": org_id, "download_id": download_id}
        if found.state == "ready" and found.expires_at > now:
            defer(session, EXPIRE, run_at=found.expires_at, **names)
            return
        if found.state == "expired" and found.expires_at + REMEMBERED <= now:
            session.delete(found)
            return
        if found.attempt is not None:
            org_blobs(session).delete(blob_key(found.id, found.attempt))
        found.state = "expired"
        defer(session, EXPIRE, run_at=max(now, found.expires_at + REMEMBERED), **names)


def remove_download(database: Database, *, org_id: UUID, key: str) -> None:
    """Remove the blob of a file that its owner did away with."""
    with database.run_as(org_id) as session:
        blobs = org_blobs(session)
    with suppress(ValueError):
        blobs.delete(key)


def jobs() -> list[JobSpec]:
    """All of them."""
    return [
        # And one to say that none of those went well: a worker that is killed cannot.
        JobSpec(name=MAKE, run=make_download, attempts=MOST_ATTEMPTS + 1),
        JobSpec(name=EXPIRE, run=expire_download),
        JobSpec(name=REMOVE, run=remove_download),
    ]
