"""Object storage: what is too large for a row (files made for somebody, recordings), in a local folder or on S3.

Keys lead with the organization, and a store's handle is bound to one: `org_blobs(session)` gives that of the session's
organization, so nobody can name another's. A blob is written once, in pieces, and is there whole or not at all: the
local store writes under another name and renames, S3 completes the upload last. Memory does not grow with its size.
"""

import re
import secrets
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from sqlalchemy.orm import Session

from ringstead.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

BLOBS: Final = "ringstead.blobs"
"""Where a session's `info` holds the store."""
PIECE: Final = 1024 * 1024
# S3 takes no smaller part; so many parts may be on their way at a time.
_PART: Final = 5 * 1024 * 1024
_PARTS_AT_ONCE: Final = 2
_MOST_KEY: Final = 200
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")
# The local store's name for what is still being written.
_UNFINISHED: Final = re.compile(r".+#[0-9]+")
_ABANDONED_AFTER: Final = timedelta(hours=1)
_FULL: Final = ("StorageFull", "QuotaExceeded", "FilesystemQuotaExceeded")


class BlobMissing(LookupError):
    """There is no blob under this key."""


class BlobsAway(Exception):
    """The store cannot be reached or refuses us; nothing was kept."""


class BlobsFull(BlobsAway):
    """The store has no room left; nothing was kept."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What is known of a blob without reading it. `size` is in bytes."""

    size: int
    written_at: datetime


class OrgBlobs:
    """One organization's blobs. Keys are words of `a-z 0-9 . _ -` with slashes between; begin with a plugin's name.

    Everything here raises `BlobsAway` when the store cannot be reached, and `BlobsFull` when it has no room.
    """

    def __init__(self, store: "ObjectStore", org_id: UUID, folder: Path | None = None) -> None:
        self._store, self._org, self._folder = store, str(org_id), folder

    def put(self, key: str, pieces: Iterable[bytes]) -> int:
        """Write a blob, in the place of one that was there; returns its size. What `pieces` raises leaves nothing."""
        import obstore

        source = _Pieces(pieces)
        try:
            with _explained(key, absence=BlobsAway):
                obstore.put(
                    self._store, self._path(key), source, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
                )
        except Exception:
            if source.error is not None:
                raise source.error from None
            raise
        finally:
            source.close()
        return source.size

    def info(self, key: str) -> BlobInfo | None:
        """Size and time of a blob; None when there is none."""
        import obstore

        try:
            with _explained(key):
                meta = obstore.head(self._store, self._path(key))
        except BlobMissing:
            return None
        return BlobInfo(meta["size"], meta["last_modified"])

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """A blob's bytes from `start` to before `stop`, a megabyte at a time. Raises `BlobMissing` at once.

        Each piece is asked for by itself, so that a slow reader keeps no connection to the store open.
        """
        found = self.info(key)
        if found is None:
            raise BlobMissing(key)
        return self._read(key, start, found.size if stop is None else min(stop, found.size))

    def _read(self, key: str, start: int, stop: int) -> Iterator[bytes]:
        import obstore

        while start < stop:
            until = min(start + PIECE, stop)
            with _explained(key):
                piece = obstore.get_range(self._store, self._path(key), start=start, end=until)
            yield bytes(piece)
            start = until

    def path(self, key: str) -> Path | None:
        """The file that a blob is, where the store is a folder of this machine: quicker to send. Else None.

        Raises `BlobMissing` when there is none.
        """
        if self._folder is None:
            return None
        path = self._folder / self._path(key)
        if not path.is_file():
            raise BlobMissing(key)
        return path

    def delete(self, key: str) -> None:
        """Remove a blob; no harm when there is none."""
        import obstore

        try:
            with _explained(key):
                obstore.delete(self._store, self._path(key))
        except BlobMissing:
            pass

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys below `prefix`, which ends at a slash: `calllogs/downloads`; all of them without one."""
        import obstore

        folder = self._path(prefix) if prefix else self._org
        with _explained(prefix):
            for some in obstore.list(self._store, f"{folder}/"):
                yield from (found["path"].removeprefix(f"{self._org}/") for found in some)

    def _path(self, key: str) -> str:
        if len(key) > _MOST_KEY or not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key: use words of a-z 0-9 . _ - with slashes between")
        return f"{self._org}/{key}"


class Blobs:
    """The deployment's store, opened when it is first used. `address` is the setting `blob_url`."""

    def __init__(self, address: str, var_dir: Path) -> None:
        parts = urlsplit(address)
        self.is_local = parts.scheme == "file"
        self.folder = Path(unquote(parts.path)) if parts.path and self.is_local else var_dir / "blobs"
        self._parts = parts
        self._opened: ObjectStore | None = None

    @property
    def name(self) -> str:
        """Where it is, for people to read."""
        return str(self.folder) if self.is_local else f"s3://{self._parts.netloc}{self._parts.path}"

    def of(self, org_id: UUID) -> OrgBlobs:
        """An organization's own."""
        return OrgBlobs(self._store(), org_id, self.folder if self.is_local else None)

    def probe(self) -> None:
        """Write, read and delete a few bytes. Raises `BlobsAway`."""
        own, key = self.of(UUID(int=0)), f"probe/{secrets.token_hex(8)}"
        own.put(key, [b"probe"])
        intact = b"".join(own.read(key)) == b"probe"
        own.delete(key)
        if not intact:
            raise BlobsAway("what was written reads otherwise")

    def sweep(self) -> int:
        """Remove what writers left unfinished that were killed an hour ago or more; returns how many that were.

        On S3 this is the bucket's own business: a rule that aborts incomplete uploads.
        """
        if not self.is_local or not self.folder.is_dir():
            return 0
        before, removed = (datetime.now(UTC) - _ABANDONED_AFTER).timestamp(), 0
        for path in self.folder.rglob("*#*"):
            if _UNFINISHED.fullmatch(path.name) and path.is_file() and path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def _store(self) -> "ObjectStore":
        if self._opened is None:
            with _explained(self.name, absence=BlobsAway):
                self._opened = self._local() if self.is_local else self._s3()
        return self._opened

    def _local(self) -> "ObjectStore":
        from obstore.store import LocalStore

        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(self.folder.absolute())

    def _s3(self) -> "ObjectStore":
        from obstore.store import S3Store

        given = {name: values[0] for name, values in parse_qs(self._parts.query).items()}
        more: dict[str, Any] = {name: given[name] for name in ("endpoint", "region") if name in given}
        return S3Store(
            self._parts.netloc,
            prefix=self._parts.path.strip("/") or None,
            client_options={
                "allow_http": more.get("endpoint", "").startswith("http:"),
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=60),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
            **more,
        )


def open_blobs(settings: Settings) -> Blobs:
    """The store that the deployment's settings name."""
    return Blobs(settings.blob_url, settings.var_dir)


def org_blobs(session: Session) -> OrgBlobs:
    """The blobs of a tenant session's organization; the handle may be used after the session has ended.

    Raises `TenantScopeMissing` in a session without an organization.
    """
    blobs: Blobs | None = session.info.get(BLOBS)
    if blobs is None:
        raise LookupError("this process has no object storage: its Database was made without it")
    org_id: UUID = session.org_id  # type: ignore[attr-defined]
    return blobs.of(org_id)


class _Pieces:
    """An iterator that counts what it gives, and remembers what its source raised."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.size = 0
        self.error: BaseException | None = None

    def close(self) -> None:
        """Let a generator that was not read to its end give back what it holds."""
        if isinstance(self._pieces, Generator):
            self._pieces.close()

    def __iter__(self) -> "_Pieces":
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces)
        except StopIteration:
            raise
        except BaseException as error:
            self.error = error
            raise
        self.size += len(piece)
        return piece


@contextmanager
def _explained(what: str, absence: type[Exception] = BlobMissing) -> Iterator[None]:
    """The library's errors as ours; «not found» as `absence`."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        raise absence(f"{what}: {_first_line(error)}") from error
    except (BaseError, OSError) as error:
        full = any(word in str(error) for word in _FULL)
        raise (BlobsFull if full else BlobsAway)(f"{what}: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
