"""A person's conversations from the database, newest first: pages by keyset, in bounded windows of time.

The table has a partition for each month. A page that named no time would visit them all, so it asks for the newest
sixty days and goes further back only when those do not fill it. Nothing is ever counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import DateTime, Row, Select, Uuid, bindparam, func, select, tuple_, union

from ringstead.api.models import TenantSession
from ringstead_calllogs.filters import Cursor, Filter
from ringstead_calllogs.joining import LegRow, folded
from ringstead_calllogs.models import Conversation, Leg, LegKey
from ringstead_calllogs.numbers import bare_number, e164, international_prefix
from ringstead_calllogs.records import NEWEST, OLDEST

PAGE_SIZE: Final = 25
FIRST_WINDOW: Final = timedelta(days=60)
WIDER: Final = 4
_DAY: Final = timedelta(days=1)
_SMALLEST: Final = UUID(int=0)
COLUMNS: Final[tuple[Any, ...]] = (
    Conversation.id,
    Conversation.started_at,
    Conversation.kind,
    Conversation.direction,
    Conversation.disposition,
    Conversation.number,
    Conversation.name,
    Conversation.talk_seconds,
    Conversation.ring_seconds,
    Conversation.devices,
)
_STARTS_WITH: Final = {"number": Conversation.number, "number_reversed": Conversation.number_reversed}


@dataclass(frozen=True, slots=True)
class Search:
    """What a search text means: words of a name, or beginnings and an ending of a number.

    `beginnings` are (column, text) pairs of which one must fit; the ending is the beginning of the reversed number.
    """

    words: tuple[str, ...] = ()
    beginnings: tuple[tuple[str, str], ...] = ()


def understand(query: str, region: str) -> Search:
    """Read a search text as a person means it; `region` is the country whose national numbers they type."""
    bare = bare_number(query)
    if bare is None:
        return Search(words=tuple(folded(query).split()))
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    whole = e164(bare, region)
    if bare.startswith("+"):
        return Search(beginnings=(("number", whole or bare),))
    if whole is not None:
        return Search(beginnings=(("number", whole), ("number", bare)))
    national = international_prefix(bare, region)
    texts = [("number", bare), *([("number", national)] if national else []), ("number_reversed", bare[::-1])]
    return Search(beginnings=tuple(texts))


# Prebuilt, and told apart only by their shape: the session keeps a scoped twin of each.
@lru_cache(maxsize=64)
def _statement(by_kind: bool, words: int, beginnings: tuple[str, ...], paged: bool) -> Select[Any]:
    branches = [
        _branch(by_kind, words, column, number, paged) for number, column in enumerate(beginnings or ("",))
    ]
    if len(branches) == 1:
        return branches[0]
    # One branch for each column, as an OR across columns would keep every index from being used.
    found = union(*branches).subquery()
    return _ordered(select(*(found.c[column.key] for column in COLUMNS)), found.c, paged)


def _branch(by_kind: bool, words: int, column: str, number: int, paged: bool) -> Select[Any]:
    statement = select(*COLUMNS).where(
        Conversation.subscriber_id == bindparam("person", type_=Uuid()),
        Conversation.started_at >= bindparam("since", type_=DateTime(timezone=True)),
        Conversation.started_at <= bindparam("at", type_=DateTime(timezone=True)),
        tuple_(Conversation.started_at, Conversation.id)
        < tuple_(bindparam("at", type_=DateTime(timezone=True)), bindparam("id", type_=Uuid())),
    )
    if by_kind:
        statement = statement.where(Conversation.kind == bindparam("kind"))
    for word in range(words):
        statement = statement.where(func.strpos(Conversation.name_folded, bindparam(f"word{word}")) > 0)
    if column:
        starts_with = _STARTS_WITH[column].op("^@", is_comparison=True)
        statement = statement.where(starts_with(bindparam(f"text{number}")))
    return _ordered(statement, Conversation, paged)


def _ordered(statement: Select[Any], columns: Any, paged: bool) -> Select[Any]:
    statement = statement.order_by(columns.started_at.desc(), columns.id.desc())
    return statement.limit(bindparam("size")) if paged else statement


class Listing:
    """One person's conversations that fit a filter."""

    def __init__(
        self, person: UUID, wanted: Filter, zone: Any, region: str, now: datetime | None = None
    ) -> None:
        search = understand(wanted.query, region) if wanted.query else Search()
        now = now or datetime.now(UTC)
        self._shape = (wanted.kind is not None, len(search.words), tuple(c for c, _ in search.beginnings))
        self._values: dict[str, Any] = {"person": person, "kind": wanted.kind}
        self._values |= {f"word{n}": f" {word}" for n, word in enumerate(search.words)}
        self._values |= {f"text{n}": text for n, (_, text) in enumerate(search.beginnings)}
        self._bottom = max(wanted.since(zone) or now - OLDEST - _DAY, now - OLDEST - _DAY)
        top = min(wanted.until(zone) or now + NEWEST + _DAY, now + NEWEST + _DAY)
        self._start = Cursor(top, _SMALLEST)
        if wanted.before is not None and wanted.before.started_at < top:
            self._start = wanted.before

    def page(self, session: TenantSession, size: int = PAGE_SIZE) -> tuple[list[Row[Any]], Cursor | None]:
        """At most `size` rows, and the cursor of the next page if there is one."""
        rows: list[Row[Any]] = []
        place, window = self._start, FIRST_WINDOW
        while len(rows) <= size and place.started_at > self._bottom:
            since = max(self._bottom, place.started_at - window)
            rows += session.execute(
                _statement(*self._shape, True), self._bound(place, since) | {"size": size + 1 - len(rows)}
            ).all()
            place, window = Cursor(since, _SMALLEST), window * WIDER
        if len(rows) <= size:
            return rows, None
        last = rows[size - 1]
        return rows[:size], Cursor(last.started_at, last.id)

    def all(self, session: TenantSession, at_once: int = 1000) -> Iterator[Row[Any]]:
        """Every row, through a cursor of the server: memory does not grow with their number."""
        values = self._bound(self._start, self._bottom)
        options = {"yield_per": at_once}
        yield from session.execute(_statement(*self._shape, False), values, execution_options=options)

    def _bound(self, place: Cursor, since: datetime) -> dict[str, Any]:
        return self._values | {"at": place.started_at, "id": place.id, "since": since}


_ONE = (
    select(Conversation)
    .where(
        Conversation.id == bindparam("id", type_=Uuid()),
        Conversation.subscriber_id == bindparam("person", type_=Uuid()),
        Conversation.started_at >= bindparam("since", type_=DateTime(timezone=True)),
        Conversation.started_at < bindparam("until", type_=DateTime(timezone=True)),
    )
    .limit(1)
)
_LEGS = (
    select(*(getattr(Leg, name) for name in LegRow._fields))
    .join(
        LegKey,
        (LegKey.org_id == Leg.org_id) & (LegKey.leg_id == Leg.id) & (LegKey.started_at == Leg.started_at),
    )
    .where(LegKey.linked_id == bindparam("linked"))
    .order_by(Leg.started_at, Leg.key)
)


def find_conversation(
    session: TenantSession, person: UUID, wanted: UUID, now: datetime | None = None
) -> Conversation | None:
    """A person's own conversation; None for one that is not there or is somebody else's, after the same search."""
    now = now or datetime.now(UTC)
    until, window, bottom = now + NEWEST + _DAY, FIRST_WINDOW, now - OLDEST - _DAY
    while until > bottom:
        since = max(bottom, until - window)
        values = {"id": wanted, "person": person, "since": since, "until": until}
        found = session.scalars(_ONE, values).first()
        if found is not None:
            return found
        until, window = since, window * WIDER
    return None


def legs_of(session: TenantSession, conversation: Conversation) -> list[Any]:
    """The legs of a conversation that are its person's own, in their order."""
    person = conversation.subscriber_id
    legs: Sequence[Any] = session.execute(_LEGS, {"linked": conversation.linked_id}).all()
    return [leg for leg in legs if person in (leg.from_subscriber_id, leg.to_subscriber_id)]
