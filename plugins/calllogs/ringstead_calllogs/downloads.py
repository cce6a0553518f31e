"""Files on their way to a browser: spooled first, and few of them at a time in a process.

Reading the rows is over before anything is sent, so a slow reader holds no transaction. It holds a thread while a
large file is sent, so a process sends few of those at a time.
"""

from collections.abc import Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import Final
from uuid import UUID
from weakref import WeakSet

PER_ACCOUNT: Final = 2
# Bytes. A file of this size goes out in one piece, which holds no thread; a larger one lies on disk meanwhile.
SMALL: Final = 256 * 1024
_PIECE: Final = 64 * 1024


class TooManyDownloads(Exception):
    """No place is free for another download; `is_own` when that is because of the same account's downloads."""

    def __init__(self, is_own: bool) -> None:
        self.is_own = is_own
        super().__init__("an account's places are taken" if is_own else "all places are taken")


class Place:
    """A place among the downloads of a process. It is taken as long as this lives."""

    def __init__(self, account_id: UUID) -> None:
        self.account_id = account_id


class Downloads:
    """The downloads that a process makes and sends: fewer than half of its threads (but one), two for an account."""

    def __init__(self, web_threads: int) -> None:
        self._most = max(1, (web_threads - 1) // 2)
        # Weakly: a response that is made and then thrown away, as when a lost connection is found out at the commit,
        # gives its place back though nobody closes it.
        self._taken: WeakSet[Place] = WeakSet()
        self._lock = Lock()

    def take(self, account_id: UUID) -> Place:
        """A place for an account. Raises `TooManyDownloads`."""
        with self._lock:
            accounts = [place.account_id for place in self._taken]
            if accounts.count(account_id) >= PER_ACCOUNT:
                raise TooManyDownloads(is_own=True)
            if len(accounts) >= self._most:
                raise TooManyDownloads(is_own=account_id in accounts)
            place = Place(account_id)
            self._taken.add(place)
        return place

    def give_back(self, place: Place) -> None:
        """Let somebody else have it."""
        self._taken.discard(place)


class Spool:
    """A file that is written, and then sent in pieces; closing it, as a server does in the end, frees its place."""

    def __init__(self, downloads: Downloads, account_id: UUID) -> None:
        self._downloads, self._place = downloads, downloads.take(account_id)
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=SMALL)  # noqa: SIM115

    def write(self, pieces: Iterable[bytes]) -> int:
        """Write a whole file; returns its size in bytes."""
        for piece in pieces:
            self._file.write(piece)
        size = self._file.tell()
        self._file.seek(0)
        return size

    def read(self) -> bytes:
        """All of it."""
        return self._file.read()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._file.read(_PIECE)
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Remove the file and give the place back."""
        self._file.close()
        self._downloads.give_back(self._place)


class Kept:
    """A file that is kept elsewhere, as the body of an answer: all of it, or the range that WebOb asks for.

    `read(start, stop)` gives the pieces. Its place is freed when the server closes it.
    """

    def __init__(
        self, downloads: Downloads, account_id: UUID, read: Callable[[int, int], Iterator[bytes]], size: int
    ) -> None:
        self._downloads, self._place = downloads, downloads.take(account_id)
        self._read, self._size = read, size
        self._pieces: Iterator[bytes] | None = None

    def app_iter_range(self, start: int, stop: int) -> "Kept":
        """The same, from `start` to before `stop`."""
        self._pieces = self._read(start, stop)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._pieces is None:
            self._pieces = self._read(0, self._size)
        return next(self._pieces)

    def close(self) -> None:
        """Give the place back."""
        self._downloads.give_back(self._place)
