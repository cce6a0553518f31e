"""Threads that cards are rendered in, so that one that hangs costs its seconds and not the page."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock


class TooSlow(Exception):
    """A card was not ready in time."""


class Busy(Exception):
    """No thread was free in time. That is the portal's fault, not the card's."""


class CardThreads:
    """A pool of threads with a time limit for each page.

    A thread cannot be ended from outside. So when half of them are lost to late cards, the pool is left to those and a
    new one takes its place; and a card whose earlier call still runs is not called again: one that hangs
    for ever holds a thread for each page that was being made when it began to, and not one for each page after that.
    """

    def __init__(self, seconds: float, threads: int = 32) -> None:
        self.seconds = seconds
        self._threads = threads
        self._pool = self._new_pool()
        self._lost = 0
        self._late: dict[str, list[Future[str]]] = defaultdict(list)
        self._lock = Lock()

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=self._threads, thread_name_prefix="card")

    def _submit(self, task: Callable[[], str]) -> "Future[str]":
        with self._lock:
            return self._pool.submit(task)

    def _lose(self, card_id: str, future: "Future[str]") -> None:
        with self._lock:
            self._late[card_id].append(future)
            self._lost += 1
            if self._lost * 2 >= self._threads:
                # What waits in the old pool is still done there; its idle threads end.
                self._pool.shutdown(wait=False)
                self._pool, self._lost = self._new_pool(), 0

    def render(
        self, work: Mapping[str, Callable[[], str]], seconds: float | None = None
    ) -> dict[str, str | BaseException]:
        """Markup by card id, or the exception that there is instead. `seconds`: what is left of the page's time."""
        seconds = self.seconds if seconds is None else min(seconds, self.seconds)
        answers: dict[str, str | BaseException] = {}
        futures: dict[str, Future[str]] = {}
        for card_id, task in work.items():
            if self._still_runs(card_id):
                answers[card_id] = TooSlow("an earlier call has not ended yet")
            else:
                futures[card_id] = self._submit(task)
        wait(futures.values(), timeout=seconds)
        for card_id, future in futures.items():
            answers[card_id] = self._answer(card_id, future, seconds)
        return answers

    def _answer(self, card_id: str, future: "Future[str]", seconds: float) -> str | BaseException:
        if future.cancel():
            return Busy("the portal has no time for this card at the moment")
        if not future.done():
            self._lose(card_id, future)
            if seconds * 2 < self.seconds:
                return Busy("slower cards had used up the page's time")
            return TooSlow(f"took longer than {self.seconds:g} seconds")
        return future.exception() or future.result()

    def _still_runs(self, card_id: str) -> bool:
        if card_id not in self._late:
            return False
        with self._lock:
            running = [future for future in self._late.pop(card_id, ()) if not future.done()]
            if running:
                self._late[card_id] = running
        return bool(running)
