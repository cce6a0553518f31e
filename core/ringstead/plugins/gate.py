"""The gate: the one place where plugins are asked something during a request.

It decides which plugins (enabled ones), in which order (core, then by name), inside a savepoint, with timing, error
containment and the circuit breaker. A plugin that raises costs its own card, never the page. With `strict` (in tests)
it raises.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ringstead.api.contributions import Card
from ringstead.plugins.batch import read_batch
from ringstead.plugins.breaker import Breaker
from ringstead.plugins.registry import Owned, Registry
from ringstead.tenancy.context import TenantContext

CARD_SECONDS = 2.0
SLOW_SECONDS = 1.0
log = structlog.get_logger(__name__)


class RenderCard(Protocol):
    """Renders a card's template with the variables that its plugin gave; must be safe to call from another thread."""

    def __call__(self, card: Owned[Card], values: Mapping[str, Any]) -> str: ...


@dataclass(frozen=True, slots=True)
class CardResult:
    """A card of the landing page: its markup, or why there is none (`failure`, for support)."""

    card: Card
    plugin: str
    html: str = ""
    failure: str = ""


class Gate:
    """Asks enabled plugins. One per process; every call names the context and the session it works for."""

    def __init__(self, registry: Registry, strict: bool = False, breaker: Breaker | None = None) -> None:
        self.registry = registry
        self.strict = strict
        self.breaker = breaker or Breaker()
        # Rendering happens here so that a card that hangs costs its two seconds and not the page.
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="card")

    def ask(self, hook: str, ctx: TenantContext, session: Session, kind: type, **arguments: Any) -> list[Any]:
        """Ask `hook` of every enabled plugin; returns the items of all answers, checked to be of `kind`."""
        answers: list[Any] = []
        for owned in ctx.features.hooks.get(hook, ()):
            if self.breaker.is_open(owned.plugin, hook):
                continue
            try:
                answers += self._ask_one(
                    owned, hook, kind, session, {"ctx": ctx, "session": session, **arguments}
                )
            except OperationalError:
                raise
            except Exception as error:
                self._failed(owned.plugin, hook, error)
        return answers

    def _ask_one(
        self, owned: Owned[Any], hook: str, kind: type, session: Session, arguments: dict[str, Any]
    ) -> list[Any]:
        started = time.monotonic()
        with session.begin_nested():
            answer = owned.item(**arguments)
        if not isinstance(answer, list) or not all(isinstance(item, kind) for item in answer):
            raise TypeError(f"{hook} must return a list of {kind.__name__}")
        self._timed(owned.plugin, hook, time.monotonic() - started)
        return answer

    def cards(
        self, ctx: TenantContext, session: Session, render: RenderCard, only: frozenset[str] | None = None
    ) -> list[CardResult]:
        """The landing page's cards (`only` these ids, when given); one statement reads the data of all of them."""
        wanted = [
            c
            for c in ctx.features.cards
            if ctx.can(c.item.permission) and (only is None or c.item.id in only)
        ]
        resting = {
            c.item.id: self.breaker.why(c.plugin, c.item.id)
            for c in wanted
            if self.breaker.is_open(c.plugin, c.item.id)
        }
        asked = [c for c in wanted if c.item.id not in resting]
        rows, faults = read_batch(ctx, session, asked)
        for card in asked:
            if card.item.id in faults:
                self._failed(card.plugin, card.item.id, faults[card.item.id])
        futures = {
            c.item.id: self._pool.submit(self._render, ctx, c, rows.get(c.item.id, ()), render)
            for c in asked
            if c.item.id not in faults
        }
        deadline = time.monotonic() + CARD_SECONDS
        return [self._collect(c, futures.get(c.item.id), deadline, resting) for c in wanted]

    @staticmethod
    def _render(
        ctx: TenantContext, card: Owned[Card], rows: Sequence[Mapping[str, Any]], render: RenderCard
    ) -> str:
        values = card.item.present(ctx, rows)
        if not isinstance(values, Mapping):
            raise TypeError(f"present must return a mapping, not {type(values).__name__}")
        return render(card, values)

    def _collect(
        self, card: Owned[Card], future: "Future[str] | None", deadline: float, resting: Mapping[str, str]
    ) -> CardResult:
        if future is None:
            why = resting.get(card.item.id) or self.breaker.why(card.plugin, card.item.id)
            return CardResult(card.item, card.plugin, failure=why or "failed")
        try:
            html = future.result(timeout=max(0.0, deadline - time.monotonic()))
        except Late as error:
            future.cancel()
            late = TimeoutError(f"took longer than {CARD_SECONDS:g} seconds")
            self._failed(card.plugin, card.item.id, late if not str(error) else error)
            return CardResult(card.item, card.plugin, failure=str(late))
        except Exception as error:
            self._failed(card.plugin, card.item.id, error)
            return CardResult(card.item, card.plugin, failure=f"{type(error).__name__}: {error}")
        self.breaker.succeeded(card.plugin, card.item.id)
        return CardResult(card.item, card.plugin, html=html)

    def _timed(self, plugin: str, what: str, seconds: float) -> None:
        if seconds > SLOW_SECONDS:
            self.breaker.failed(plugin, what, f"took {seconds:.1f} s")
            log.warning("plugin.slow", plugin=plugin, what=what, seconds=round(seconds, 2))
        else:
            self.breaker.succeeded(plugin, what)

    def _failed(self, plugin: str, what: str, error: Exception) -> None:
        log.error("plugin.failed", plugin=plugin, what=what, why=str(error), exc_info=error)
        self.breaker.failed(plugin, what, f"{type(error).__name__}: {error}")
        if self.strict:
            raise error
