"""The deployment's signing keys: one that signs, and earlier ones whose signatures still hold for a time of grace.

Keys come from the settings, or are made once and kept in a file, whose first line is the one in force; each further
line is an earlier key and when it was retired (UTC). A process that runs looks at the file's date before each use, so
it knows of a new key at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

GRACE: Final = timedelta(days=91)
"""How long an earlier key is worth keeping: no link that was signed lives longer."""


class KeysUnusable(Exception):
    """The keys cannot be read; the message says why and the mend."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key. `retired_at` is None for the one in force, and for earlier ones of which nobody wrote that down."""

    value: str
    retired_at: datetime | None = None

    @property
    def name(self) -> str:
        """What tells keys apart and gives nothing of them away: the beginning of a digest."""
        return hashlib.sha256(b"ringstead key name" + self.value.encode()).hexdigest()[:8]


class KeyRing:
    """The keys of a deployment. `given` and `earlier` are the settings'; without `given` the file's hold, too."""

    def __init__(self, given: str, earlier: Sequence[str], file: Path) -> None:
        self._given, self._earlier, self._file = given, [Key(value) for value in earlier], file
        self._state: tuple[int, int, int] | None = None
        self._kept: list[Key] = []

    @property
    def is_kept(self) -> bool:
        """True when Ringstead keeps the key itself, and can so change it."""
        return not self._given

    def known(self) -> list[Key]:
        """The key in force, then earlier ones."""
        own = [Key(self._given)] if self._given else self._read()
        known = {key.value for key in own}
        return own + [key for key in self._earlier if key.value not in known]

    @property
    def current(self) -> str:
        """The key that signs."""
        return self.known()[0].value

    def oldest_first(self) -> list[str]:
        """All keys in the order that itsdangerous wants: the last one signs."""
        return [key.value for key in reversed(self.known())]

    def rotate(self, now: datetime | None = None) -> Key:
        """Make a new key and let the one in force retire; only when the key is kept here. Returns the new one."""
        assert self.is_kept, "a key that was given is changed where it is given"
        with self._locked():
            old, *earlier = self._read()
            retired = Key(old.value, now or datetime.now(UTC))
            fresh = Key(secrets.token_hex(32))
            self._write([fresh, retired, *earlier])
        return fresh

    def forget(self, names: Sequence[str]) -> None:
        """Forget earlier keys that are kept here."""
        with self._locked():
            current, *earlier = self._read()
            self._write([current, *(key for key in earlier if key.name not in names)])

    def _read(self) -> list[Key]:
        found = self._stat()
        if found is None:
            self._make()
            found = self._stat()
        if found != self._state:
            self._kept = _parse(self._file.read_text(encoding="utf-8"))
            self._state = found
        if not self._kept:
            raise KeysUnusable(
                f"{self._file} holds no key. Mend: delete it, and a new one is made; or restore it."
            )
        return self._kept

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _make(self) -> None:
        """The first of several processes that start together wins."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._part([Key(secrets.token_hex(32))])
        with suppress(FileExistsError):
            os.link(fresh, self._file)
        fresh.unlink()

    def _write(self, keys: Sequence[Key]) -> None:
        self._part(keys).replace(self._file)

    def _part(self, keys: Sequence[Key]) -> Path:
        part = self._file.with_name(f"{self._file.name}.{secrets.token_hex(4)}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write("".join(f"{_line(key)}\n" for key in keys))
            stream.flush()
            os.fsync(stream.fileno())
        return part

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time: two that change the keys at once would lose one."""
        self._read()
        with self._file.with_name(f"{self._file.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _line(key: Key) -> str:
    return (
        key.value if key.retired_at is None else f"{key.value} {key.retired_at.isoformat(timespec='seconds')}"
    )


def _parse(text: str) -> list[Key]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return [Key(line) for line in lines[:1]] + [_earlier(line) for line in lines[1:]]


def _earlier(line: str) -> Key:
    value, _space, retired = line.rpartition(" ")
    try:
        return Key(value, datetime.fromisoformat(retired)) if value else Key(line)
    except ValueError:
        return Key(line)
