"""Asking every check about host names, within a time that a page has. One that fails or hangs costs its own answer."""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from typing import Final

import structlog
from cachetools import TTLCache
from pyramid.i18n import TranslationStringFactory

from ringstead.api.contributions import HostCheck, HostFinding, HostToCheck
from ringstead.plugins.registry import Owned

_ = TranslationStringFactory("ringstead")
SECONDS: Final = 5.0
"""How long a page waits for all answers together."""
_KEPT_SECONDS: Final = 30.0
_THREADS: Final = 16
_AT_ONCE: Final = 3
"""How many checks may run at once for one console: the names are its partner's choice, and so is how long their DNS
takes."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check found about a host."""

    check: str
    title: str
    finding: HostFinding


Key = tuple[str, HostToCheck]
Question = tuple[Owned[HostCheck], HostToCheck]


class HostChecks:
    """Runs checks in threads of their own; answers are kept for half a minute. Safe for threads.

    A thread cannot be ended from outside. So a console has few of them at a time, and one look: whoever's names hang
    learns nothing about their own, and takes nothing from others.
    """

    def __init__(self, checks: Sequence[Owned[HostCheck]], seconds: float = SECONDS) -> None:
        self._checks, self.seconds = checks, seconds
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="host-check")
        self._known: TTLCache[Key, HostFinding] = TTLCache(4096, _KEPT_SECONDS, time.monotonic)
        self._running: dict[Key, Future[HostFinding]] = {}
        self._looking: set[str] = set()
        self._lock = Lock()

    def look(self, hosts: Sequence[HostToCheck]) -> dict[str, list[Seen]]:
        """What every check found about each of a console's hosts, by the host's name."""
        asked: list[Question] = [(owned, host) for host in hosts for owned in self._checks]
        console = hosts[0].console if hosts else ""
        with self._lock:
            found = {key: self._known[key] for one in asked if (key := _key(one)) in self._known}
            is_mine = console not in self._looking
            self._looking.add(console)
        if is_mine:
            try:
                found |= self._ask(deque(one for one in asked if _key(one) not in found))
            finally:
                self._looking.discard(console)
        late = HostFinding(state="unknown", text=_("No answer in time. Look again in a moment."))
        seen: dict[str, list[Seen]] = {host.name: [] for host in hosts}
        for one in asked:
            check = one[0].item
            seen[one[1].name].append(Seen(check.name, check.title, found.get(_key(one), late)))
        return seen

    def forget(self, name: str) -> None:
        """Look anew at a host the next time."""
        with self._lock:
            for key in [key for key in self._known if key[1].name == name]:
                del self._known[key]

    def _ask(self, waiting: deque[Question]) -> dict[Key, HostFinding]:
        """Ask what is waiting, few at a time, until all is answered or the time is over."""
        deadline = time.monotonic() + self.seconds
        asked: dict[Future[HostFinding], Question] = {}
        found: dict[Key, HostFinding] = {}
        while (left := deadline - time.monotonic()) > 0:
            while waiting and (future := self._begin(*waiting[0])) is not None:
                asked[future] = waiting.popleft()
            if not asked:
                break
            done, _rest = wait(asked, timeout=left, return_when=FIRST_COMPLETED)
            for future in done:
                question = asked.pop(future)
                found[_key(question)] = self._end(*question, future)
        return found

    def _begin(self, owned: Owned[HostCheck], host: HostToCheck) -> "Future[HostFinding] | None":
        """The check of a host, which may run already since an earlier look; None while its console has enough."""
        key = _key((owned, host))
        with self._lock:
            running = self._running.get(key)
            if (
                running is None
                and sum(other.console == host.console for _, other in self._running) < _AT_ONCE
            ):
                running = self._running[key] = self._pool.submit(owned.item.check, host)
            return running

    def _end(self, owned: Owned[HostCheck], host: HostToCheck, done: "Future[HostFinding]") -> HostFinding:
        key = _key((owned, host))
        finding = _answer(owned, done)
        with self._lock:
            self._running.pop(key, None)
            if finding is not None:
                self._known[key] = finding
        return finding or HostFinding(state="unknown", text=_("This could not be looked at."))


def _key(question: Question) -> Key:
    return question[0].item.name, question[1]


def _answer(owned: Owned[HostCheck], done: "Future[HostFinding]") -> HostFinding | None:
    """What a check that is done said; None when it failed."""
    try:
        finding = done.result()
        if not isinstance(finding, HostFinding):
            raise TypeError(f"check must return a HostFinding, not {type(finding).__name__}")
    except BaseException as error:
        log.error("plugin.failed", plugin=owned.plugin, what=owned.item.name, why=str(error), exc_info=error)
        return None
    return finding
