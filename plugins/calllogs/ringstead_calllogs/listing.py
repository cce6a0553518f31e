"""A person's conversations from the database, newest first: pages by keyset, in bounded windows of time.

The table has a partition for each month. A page that named no time would visit them all, so it asks for the newest
sixty days and goes further back only when those do not fill it. Nothing is ever counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import DateTime, Row, Select, Text, Uuid, bindparam, cast, func, select, tuple_, union

from ringstead.api.models import TenantSession
from ringstead_calllogs.filters import Cursor, Filter
from ringstead_calllogs.joining import LegRow, folded
from ringstead_calllogs.models import Annotation, Conversation, Leg, LegKey
from ringstead_calllogs.numbers import bare_number, e164, international_prefix
from ringstead_calllogs.records import NEWEST, OLDEST

PAGE_SIZE: Final = 25
FIRST_WINDOW: Final = timedelta(days=60)
WIDER: Final = 4
_DAY: Final = timedelta(days=1)
_SMALLEST: Final = UUID(int=0)
CALL_COLUMNS: Final[tuple[Any, ...]] = (
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
COLUMNS: Final[tuple[Any, ...]] = (*CALL_COLUMNS, Annotation.note, Annotation.tags)
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


_NOTE: Final = (
    (Annotation.org_id == Conversation.org_id)
    & (Annotation.subscriber_id == Conversation.subscriber_id)
    & (Annotation.conversation_id == Conversation.id)
)
# Each names the parameter that it needs; direction is a person's side of a call, but «internal» is the call's own.
_CONDITIONS: Final[dict[str, Any]] = {
    "kind": Conversation.kind == bindparam("kind"),
    "direction": (Conversation.direction == bindparam("direction")) & ~Conversation.is_internal,
    "internal": Conversation.is_internal,
    "result": Conversation.disposition == bindparam("result"),
    "phone": func.strpos(func.lower(cast(Conversation.devices, Text)), bindparam("phone")) > 0,
    "least": Conversation.talk_seconds >= bindparam("least"),
    "most": Conversation.talk_seconds <= bindparam("most"),
    "tag": func.jsonb_exists(Annotation.tags, bindparam("tag")),
}


class Shape(NamedTuple):
    """What a statement of the list is made of; two with the same shape differ in parameters only."""

    conditions: tuple[str, ...] = ()
    words: int = 0
    beginnings: tuple[str, ...] = ()
    paged: bool = True


# Prebuilt, and told apart only by their shape: the session keeps a scoped twin of each.
@lru_cache(maxsize=256)
def _statement(shape: Shape) -> Select[Any]:
    branches = [_branch(shape, column, number) for number, column in enumerate(shape.beginnings or ("",))]
    if len(branches) == 1:
        return branches[0]
    # One branch for each column, as an OR across columns would keep every index from being used.
    found = union(*branches).subquery()
    return _ordered(select(*(found.c[column.key] for column in COLUMNS)), found.c, shape.paged)


def _branch(shape: Shape, column: str, number: int) -> Select[Any]:
    statement = (
        select(*COLUMNS)
        .outerjoin(Annotation, _NOTE)
        .where(
            Conversation.subscriber_id == bindparam("person", type_=Uuid()),
            Conversation.started_at >= bindparam("since", type_=DateTime(timezone=True)),
            Conversation.started_at <= bindparam("at", type_=DateTime(timezone=True)),
            tuple_(Conversation.started_at, Conversation.id)
            < tuple_(bindparam("at", type_=DateTime(timezone=True)), bindparam("id", type_=Uuid())),
            *(_CONDITIONS[name] for name in shape.conditions),
        )
    )
    for word in range(shape.words):
        statement = statement.where(func.strpos(Conversation.name_folded, bindparam(f"word{word}")) > 0)
    if column:
        starts_with = _STARTS_WITH[column].op("^@", is_comparison=True)
        statement = statement.where(starts_with(bindparam(f"text{number}")))
    return _ordered(statement, Conversation, shape.paged)


def _ordered(statement: Select[Any], columns: Any, paged: bool) -> Select[Any]:
    statement = statement.order_by(columns.started_at.desc(), columns.id.desc())
    return statement.limit(bindparam("size")) if paged else statement


def _conditions(wanted: Filter) -> dict[str, Any]:
    """The conditions of a filter by name, with the values of their parameters."""
    internal = wanted.direction == "internal"
    values = {
        "kind": wanted.kind,
        "direction": None if internal else wanted.direction,
        "internal": internal or None,
        "result": wanted.result,
        "phone": wanted.phone.lower() or None,
        "least": None if wanted.least is None else wanted.least * 60,
        "most": None if wanted.most is None else wanted.most * 60,
        "tag": wanted.tag.lower() or None,
    }
    return {name: value for name, value in values.items() if value is not None}


class Listing:
    """One person's conversations that fit a filter."""

    def __init__(
        self, person: UUID, wanted: Filter, zone: Any, region: str, now: datetime | None = None
    ) -> None:
        search = understand(wanted.query, region) if wanted.query else Search()
        now = now or datetime.now(UTC)
        conditions = _conditions(wanted)
        self._shape = Shape(tuple(conditions), len(search.words), tuple(c for c, _ in search.beginnings))
        self._values: dict[str, Any] = {"person": person, **conditions}
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
                _statement(self._shape), self._bound(place, since) | {"size": size + 1 - len(rows)}
            ).all()
            place, window = Cursor(since, _SMALLEST), window * WIDER
        if len(rows) <= size:
            return rows, None
        last = rows[size - 1]
        return rows[:size], Cursor(last.started_at, last.id)

    def since(self, session: TenantSession, last: Cursor | None, most: int) -> list[Row[Any]]:
        """The newest rows down to `last` (itself included), at most `most`; without `last`, of the newest window."""
        bottom = last.started_at if last is not None else self._start.started_at - FIRST_WINDOW
        values = self._bound(self._start, max(self._bottom, bottom)) | {"size": most}
        rows = session.execute(_statement(self._shape), values).all()
        return [row for row in rows if last is None or (row.started_at, row.id) >= (last.started_at, last.id)]

    def all(self, session: TenantSession, at_once: int = 1000) -> Iterator[Row[Any]]:
        """Every row, through a cursor of the server: memory does not grow with their number."""
        values = self._bound(self._start, self._bottom)
        options = {"yield_per": at_once}
        yield from session.execute(
            _statement(self._shape._replace(paged=False)), values, execution_options=options
        )

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
