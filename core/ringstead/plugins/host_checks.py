"""Asking every check about host names, within a time that a page has. One that fails or hangs costs its own answer."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
_THREADS: Final = 8
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check found about a host."""

    check: str
    title: str
    finding: HostFinding


class HostChecks:
    """Runs checks in threads of their own; answers are kept for half a minute. Safe for threads.

    A thread cannot be ended from outside: whatever hangs for ever takes one, and when none is left, what is found is
    that nothing is known.
    """

    def __init__(self, checks: Sequence[Owned[HostCheck]], seconds: float = SECONDS) -> None:
        self._checks, self.seconds = checks, seconds
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="host-check")
        self._known: TTLCache[tuple[str, HostToCheck], HostFinding] = TTLCache(
            4096, _KEPT_SECONDS, time.monotonic
        )
        self._running: dict[tuple[str, HostToCheck], Future[HostFinding]] = {}
        self._lock = Lock()

    def look(self, hosts: Sequence[HostToCheck]) -> dict[str, list[Seen]]:
        """What every check found about each of the hosts, by the host's name."""
        asked = {(owned.item.name, host): self._ask(owned, host) for host in hosts for owned in self._checks}
        wait([f for f in asked.values() if isinstance(f, Future)], timeout=self.seconds)
        return {
            host.name: [
                Seen(
                    o.item.name, o.item.title, self._answer((o.item.name, host), asked[o.item.name, host], o)
                )
                for o in self._checks
            ]
            for host in hosts
        }

    def forget(self, name: str) -> None:
        """Look anew at a host the next time."""
        with self._lock:
            for key in [key for key in self._known if key[1].name == name]:
                del self._known[key]

    def _ask(self, owned: Owned[HostCheck], host: HostToCheck) -> "HostFinding | Future[HostFinding]":
        key = (owned.item.name, host)
        with self._lock:
            if key in self._known:
                return self._known[key]
            running = self._running.get(key)
            if running is None:
                running = self._running[key] = self._pool.submit(owned.item.check, host)
            return running

    def _answer(
        self,
        key: tuple[str, HostToCheck],
        asked: "HostFinding | Future[HostFinding]",
        owned: Owned[HostCheck],
    ) -> HostFinding:
        if isinstance(asked, HostFinding):
            return asked
        if not asked.done():
            if asked.cancel():
                self._ended(key)
            return HostFinding(state="unknown", text=_("No answer in time. Look again in a moment."))
        self._ended(key)
        try:
            finding = asked.result()
            if not isinstance(finding, HostFinding):
                raise TypeError(f"check must return a HostFinding, not {type(finding).__name__}")
        except BaseException as error:
            log.error("plugin.failed", plugin=owned.plugin, what=key[0], why=str(error), exc_info=error)
            return HostFinding(state="unknown", text=_("This could not be looked at."))
        with self._lock:
            self._known[key] = finding
        return finding

    def _ended(self, key: tuple[str, HostToCheck]) -> None:
        with self._lock:
            self._running.pop(key, None)
