"""The circuit breaker: a plugin that fails or dawdles again and again is left alone for a while."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from uuid import UUID

from cachetools import LRUCache

# An organization, or a console, which has none.
Org = UUID | None


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float = 0.0
    last_error: str = ""


@dataclass(slots=True)
class _ForAll(_Circuit):
    """Counts organizations instead of calls: one alone, with its bad data, must not count twice."""

    failed_for: set[Org] = field(default_factory=set)


class Breaker:
    """Per process. After `threshold` failures in a row for an organization a plugin's hook rests there.

    That takes `rest` seconds, then it gets one try. When it fails for `threshold` organizations in a row, it rests for
    all in the same way: then it is not somebody's data. `size` bounds how many circuits are remembered.
    """

    def __init__(
        self,
        threshold: int = 3,
        rest: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        size: int = 10_000,
    ) -> None:
        self._threshold, self._rest, self._clock = threshold, rest, clock
        self._circuits: LRUCache[tuple[str, str, Org], _Circuit] = LRUCache(size)
        self._for_all: dict[tuple[str, str], _ForAll] = {}
        self._lock = Lock()

    def admits(self, plugin: str, what: str, org_id: Org) -> bool:
        """Whether `what` of `plugin` may be called now. After a rest only the first who asks may: the one try."""
        with self._lock:
            # The rest for all first: it began last, so whoever has its one try has rested long enough himself.
            found = (self._for_all.get((plugin, what)), self._circuits.get((plugin, what, org_id)))
            return all(self._may_try(circuit) for circuit in found if circuit is not None)

    def _may_try(self, circuit: _Circuit) -> bool:
        now = self._clock()
        if circuit.failures < self._threshold:
            return True
        if now < circuit.open_until:
            return False
        circuit.open_until = now + self._rest
        return True

    def succeeded(self, plugin: str, what: str, org_id: Org) -> None:
        """Note a good call."""
        with self._lock:
            self._circuits.pop((plugin, what, org_id), None)
            self._for_all.pop((plugin, what), None)

    def failed(self, plugin: str, what: str, org_id: Org, error: str) -> None:
        """Note a failed or too slow call."""
        with self._lock:
            for_all = self._for_all.setdefault((plugin, what), _ForAll())
            if len(for_all.failed_for) < self._threshold:
                for_all.failed_for.add(org_id)
            own = self._circuits.setdefault((plugin, what, org_id), _Circuit())
            self._count(own, own.failures + 1, error)
            self._count(for_all, len(for_all.failed_for), error)

    def _count(self, circuit: _Circuit, failures: int, error: str) -> None:
        circuit.failures, circuit.last_error = failures, error
        if failures >= self._threshold:
            circuit.open_until = self._clock() + self._rest

    def rests(self, plugin: str) -> bool:
        """Whether something of a plugin rests for all organizations just now."""
        with self._lock:
            now = self._clock()
            return any(
                circuit.failures >= self._threshold and now < circuit.open_until
                for (owner, _what), circuit in self._for_all.items()
                if owner == plugin
            )

    def why(self, plugin: str, what: str, org_id: Org) -> str:
        """The last error, for the operator's log and the support line of a failed card."""
        with self._lock:
            circuit = self._circuits.get((plugin, what, org_id)) or self._for_all.get((plugin, what))
        return circuit.last_error if circuit else ""
