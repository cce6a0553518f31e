"""The gate: the one place where plugins are asked something during a request.

It decides which plugins (enabled ones), in which order (core, then by name), inside a savepoint, with timing, error
containment and the circuit breaker. A plugin that raises costs its own card, never the page. With `strict` (in tests)
it raises.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import structlog
from psycopg.pq import TransactionStatus
from sqlalchemy.orm import Session

from ringstead.api.contributions import Card
from ringstead.plugins.batch import read_batch
from ringstead.plugins.breaker import Breaker
from ringstead.plugins.cards import Busy, CardThreads
from ringstead.plugins.faults import is_portals, said
from ringstead.plugins.registry import Owned, Registry
from ringstead.tenancy.context import TenantContext

# How long the landing page waits for its cards: for their data and for rendering them, together.
CARD_SECONDS = 2.0
# What rendering gets when the data took nearly all of it.
LEAST_SECONDS = 0.2
SLOW_SECONDS = 1.0
# How long one statement of a plugin that is asked something may take.
STATEMENT_SECONDS = 2.0
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


class Asking(NamedTuple):
    """Which hook or card (`what`) of which plugin is asked for whom."""

    plugin: str
    what: str
    org_id: UUID | None


class Gate:
    """Asks enabled plugins. One per process; every call names the context and the session it works for."""

    def __init__(self, registry: Registry, strict: bool = False, breaker: Breaker | None = None) -> None:
        self.registry = registry
        self.strict = strict
        self.breaker = breaker or Breaker()
        self._threads = CardThreads(CARD_SECONDS)

    def ask(self, hook: str, ctx: TenantContext, session: Session, kind: type, **arguments: Any) -> list[Any]:
        """Ask `hook` of every enabled plugin; returns the items of all answers, checked to be of `kind`."""
        answers: list[Any] = []
        asked = ctx.features.hooks.get(hook, ())
        if not asked:
            return answers
        with _statements_limited(session, STATEMENT_SECONDS):
            for owned in asked:
                asking = Asking(owned.plugin, hook, _org_id(ctx))
                if not self.breaker.admits(*asking):
                    continue
                try:
                    call = partial(owned.item, ctx=ctx, session=session, **arguments)
                    answers += self._ask_one(asking, kind, session, call)
                except (Exception, SystemExit) as error:
                    if is_portals(error):
                        raise
                    self._failed(asking, error)
        return answers

    def _ask_one(self, asking: Asking, kind: type, session: Session, call: Callable[[], Any]) -> list[Any]:
        started = time.monotonic()
        with session.begin_nested():
            answer = call()
            session.flush()
            _refuse_hidden_failure(session)
        if not isinstance(answer, list) or not all(isinstance(item, kind) for item in answer):
            raise TypeError(f"{asking.what} must return a list of {kind.__name__}")
        self._timed(asking, time.monotonic() - started)
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
        org_id = _org_id(ctx)
        asked = [c for c in wanted if self.breaker.admits(c.plugin, c.item.id, org_id)]
        deadline = time.monotonic() + CARD_SECONDS
        rows, faults = read_batch(ctx, session, asked)
        work = {
            c.item.id: partial(_markup, ctx, c, rows.get(c.item.id, ()), render)
            for c in asked
            if c.item.id not in faults
        }
        left = max(LEAST_SECONDS, deadline - time.monotonic())
        answers = {**self._threads.render(work, left), **faults}
        return [self._result(c, Asking(c.plugin, c.item.id, org_id), answers.get(c.item.id)) for c in wanted]

    def _result(self, card: Owned[Card], asking: Asking, answer: "str | BaseException | None") -> CardResult:
        if answer is None:
            why = self.breaker.why(*asking) or "failed"
            return CardResult(card.item, card.plugin, failure=why)
        if isinstance(answer, BaseException):
            if not isinstance(answer, Busy):
                self._failed(asking, answer)
            return CardResult(card.item, card.plugin, failure=said(answer))
        self.breaker.succeeded(*asking)
        return CardResult(card.item, card.plugin, html=answer)

    def _timed(self, asking: Asking, seconds: float) -> None:
        if seconds > SLOW_SECONDS:
            self.breaker.failed(*asking, f"took {seconds:.1f} s")
            log.warning("plugin.slow", plugin=asking.plugin, what=asking.what, seconds=round(seconds, 2))
        else:
            self.breaker.succeeded(*asking)

    def _failed(self, asking: Asking, error: BaseException) -> None:
        log.error(
            "plugin.failed",
            plugin=asking.plugin,
            what=asking.what,
            org_id=str(asking.org_id or ""),
            why=said(error),
            exc_info=error,
        )
        self.breaker.failed(*asking, said(error))
        if self.strict:
            raise error


def _org_id(ctx: TenantContext) -> UUID | None:
    return None if ctx.organization is None else ctx.organization.id


def _markup(
    ctx: TenantContext, card: Owned[Card], rows: Sequence[Mapping[str, Any]], render: RenderCard
) -> str:
    values = card.item.present(ctx, rows)
    if not isinstance(values, Mapping):
        raise TypeError(f"present must return a mapping, not {type(values).__name__}")
    return render(card, values)


def _refuse_hidden_failure(session: Session) -> None:
    """Raise when a statement failed and the plugin kept it to itself.

    PostgreSQL then refuses everything up to the savepoint; SQLAlchemy would try to release it and leave the whole
    transaction useless.
    """
    connection = session.connection().connection.driver_connection
    if connection is not None and connection.info.transaction_status == TransactionStatus.INERROR:
        raise RuntimeError("a statement failed and the plugin went on")


@contextmanager
def _statements_limited(session: Session, seconds: float) -> Iterator[None]:
    """Bound each statement of a block. When the block raises, its transaction and so the limit end with it."""
    connection = session.connection()
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
    yield
    connection.exec_driver_sql("SET LOCAL statement_timeout TO DEFAULT")
