"""The circuit breaker: a plugin that fails or dawdles again and again is left alone for a while."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float = 0.0
    last_error: str = ""


class Breaker:
    """Per process. After `threshold` failures in a row a plugin's hook rests for `rest` seconds, then gets one try."""

    def __init__(
        self, threshold: int = 3, rest: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold, self._rest, self._clock = threshold, rest, clock
        self._circuits: dict[tuple[str, str], _Circuit] = {}
        self._lock = Lock()

    def admits(self, plugin: str, what: str) -> bool:
        """Whether `what` of `plugin` may be called now. After a rest only the first who asks may: the one try."""
        circuit = self._circuits.get((plugin, what))
        if circuit is None or circuit.failures < self._threshold:
            return True
        with self._lock:
            now = self._clock()
            if now < circuit.open_until:
                return False
            circuit.open_until = now + self._rest
            return True

    def succeeded(self, plugin: str, what: str) -> None:
        """Note a good call."""
        if (plugin, what) in self._circuits:
            with self._lock:
                self._circuits.pop((plugin, what), None)

    def failed(self, plugin: str, what: str, error: str) -> None:
        """Note a failed or too slow call."""
        with self._lock:
            circuit = self._circuits.setdefault((plugin, what), _Circuit())
            circuit.failures += 1
            circuit.last_error = error
            if circuit.failures >= self._threshold:
                circuit.open_until = self._clock() + self._rest

    def why(self, plugin: str, what: str) -> str:
        """The last error, for the operator's log and the support line of a failed card."""
        circuit = self._circuits.get((plugin, what))
        return circuit.last_error if circuit else ""
