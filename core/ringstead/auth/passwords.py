"""Passwords: argon2id (RFC 9106) in a bounded pool, and what a new password must be like."""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.resources import files
from threading import BoundedSemaphore
from typing import Final

import structlog
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from translationstring import TranslationString

from ringstead.api import translations

_ = translations("ringstead")
log = structlog.get_logger(__name__)

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 256
# OWASP's second choice (19 MiB, two passes): the same strength as 46 MiB in one pass, and measured at twice its
# throughput with two threads. One lane, because the pool below is what uses the second core.
PASSES: Final = 2
MEMORY_KIB: Final = 19 * 1024
AT_ONCE: Final = 2
WAIT_SECONDS: Final = 0.1


class Busy(Exception):
    """All places of the pool are taken; the caller should say so and ask to try again."""


class Passwords:
    """Hash and verify in at most half of a process's web threads, so that sign-ins leave some for every other page.

    At most two hash at once. What is left of the half may wait, a tenth of a second at most; whoever comes then is
    refused at once. A process with a single thread hashes in that one.
    """

    def __init__(self, web_threads: int = 4, wait_seconds: float = WAIT_SECONDS) -> None:
        self._hasher = PasswordHasher(PASSES, MEMORY_KIB, parallelism=1, type=Type.ID)
        half = max(1, web_threads // 2)
        self._room = BoundedSemaphore(half)
        self._places = BoundedSemaphore(min(AT_ONCE, half))
        self._wait = wait_seconds
        # What is verified when there is no such account, so that the answer takes as long.
        self._nobody = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """The hash to store. Raises `Busy`."""
        with self._place():
            return self._hasher.hash(_bytes(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is right; takes the same time when there is nothing stored. Raises `Busy`."""
        too_long = len(password) > MAX_LENGTH
        with self._place():
            try:
                right = self._hasher.verify(stored or self._nobody, _bytes("" if too_long else password))
            except InvalidHashError:
                log.error("password.stored_hash_unreadable")
                return False
            except VerificationError:
                return False
        return right and stored is not None and not too_long

    def is_outdated(self, stored: str) -> bool:
        """Whether `stored` was made with other parameters than today's, and should be made anew."""
        return self._hasher.check_needs_rehash(stored)

    @contextmanager
    def _place(self) -> Iterator[None]:
        # A thread that waits serves nobody, so waiting takes room as hashing does.
        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            if not self._places.acquire(timeout=self._wait):
                raise Busy
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._room.release()


def problem_with_password(password: str, *names: str) -> TranslationString | None:
    """What is wrong with a new password, in words; None when nothing is. `names` are the owner's e-mail and name."""
    chosen = normal(password)
    if len(chosen) < MIN_LENGTH:
        return _("Use at least ${count} characters.", mapping={"count": MIN_LENGTH})
    if len(password) > MAX_LENGTH:
        return _("Use at most ${count} characters.", mapping={"count": MAX_LENGTH})
    folded = chosen.casefold()
    if len(set(folded)) < 4 or folded in _commonest():
        return _("That password is among the first that anybody would guess. Choose another one.")
    if any(_too_like(folded, normal(name).casefold()) for name in names):
        return _("Do not use your name or email address as your password.")
    return None


def normal(password: str) -> str:
    """NFKC (RFC 8265 asks for it): the same letters typed on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)


def _too_like(password: str, name: str) -> bool:
    """Whether the password is a name, parts of an address, or either with a few characters around it or between."""
    local, _at, domain = name.partition("@")
    host = domain.partition(".")[0]
    candidates = {name, local, host, local + host, host + local, name.replace(" ", "")} - {""}
    letters = "".join(char for char in password if char.isalnum())
    return any(c in text and len(text) - len(c) < 4 for c in candidates for text in (password, letters))


def _bytes(password: str) -> bytes:
    return normal(password[:MAX_LENGTH]).encode("utf-8", "surrogatepass")


@lru_cache(maxsize=1)
def _commonest() -> frozenset[str]:
    text = files("ringstead.auth").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))
