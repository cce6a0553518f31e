"""Throttling: several limits charged one after the other, counted where the deployment says."""

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from limits import RateLimitItem
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Charge:
    """One hit on `limit` for the thing that `key` names. Keys are hashed before they are stored anywhere."""

    limit: RateLimitItem
    key: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What is stored instead of the key, which may hold somebody's address."""
        return hashlib.sha256("\0".join(self.key).encode("utf-8", "surrogatepass")).hexdigest()


class Throttle:
    """Counts in the first storage; when that one does not answer, in the next. Fixed windows."""

    def __init__(self, *storages: Storage) -> None:
        self._limiters = [FixedWindowRateLimiter(storage) for storage in storages]

    def take(self, charges: Sequence[Charge]) -> int:
        """Charge one after the other; 0 when all are within their limits, else the seconds until the first opens.

        It stops at the first that is over, so what one limit refuses does not use up the next.
        """
        for charge in charges:
            if not self._ask(lambda limiter, c=charge: limiter.hit(c.limit, c.digest)):  # type: ignore[misc]  # bound now
                return self._seconds(charge)
        return 0

    def give_back(self, charges: Sequence[Charge]) -> None:
        """Undo the hits of `take`: the action was not what the limits are for."""
        for charge in charges:
            self._ask(lambda limiter, c=charge: limiter.hit(c.limit, c.digest, cost=-1))  # type: ignore[misc]  # bound now

    def forget(self, charges: Sequence[Charge]) -> None:
        """Start the windows of `charges` anew."""
        for charge in charges:
            self._ask(lambda limiter, c=charge: limiter.clear(c.limit, c.digest))  # type: ignore[misc]  # bound now

    def _seconds(self, charge: Charge) -> int:
        reset = self._ask(lambda limiter: limiter.get_window_stats(charge.limit, charge.digest).reset_time)
        return max(1, math.ceil(reset - time.time()))

    def _ask(self, question: Callable[[FixedWindowRateLimiter], T]) -> T:
        *first, last = self._limiters
        for limiter in first:
            try:
                return question(limiter)
            except limiter.storage.base_exceptions as error:
                log.warning("throttle.storage_away", why=str(error))
        return question(last)
