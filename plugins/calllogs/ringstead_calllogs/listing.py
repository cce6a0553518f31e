"""Conversations of a person, of people or of the organization, newest first: pages by keyset, in windows of time.

The table has a partition for each month. A page that named no time would visit them all, so it asks for the newest
sixty days and goes further back only when those do not fill it. Nothing is ever counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Row,
    Select,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ringstead.api.models import TenantSession
from ringstead_calllogs.filters import Cursor, Filter
from ringstead_calllogs.joining import LegRow
from ringstead_calllogs.models import Annotation, Conversation, Leg, LegKey
from ringstead_calllogs.records import NEWEST, OLDEST
from ringstead_calllogs.searching import Search, understand
from ringstead_calllogs.whose import FEW, Whose

PAGE_SIZE: Final = 25
FIRST_WINDOW: Final = timedelta(days=60)
# Of a crowd somebody always telephones, and less of each one's time is read in vain.
CROWDS_WINDOW: Final = timedelta(hours=6)
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
COLUMNS: Final[tuple[Any, ...]] = (
    *CALL_COLUMNS,
    Conversation.subscriber_id,
    Annotation.note,
    Annotation.tags,
)
# Notes and tags are for who wrote them alone.
_OF_OTHERS: Final[tuple[Any, ...]] = (
    *CALL_COLUMNS,
    Conversation.subscriber_id,
    cast(null(), Text).label("note"),
    cast(null(), JSONB).label("tags"),
)
# What files are made of beside.
_FILE: Final[tuple[Any, ...]] = (Conversation.is_internal,)
_PLAN_EACH: Final = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
_STARTS_WITH: Final = {"number": Conversation.number, "number_reversed": Conversation.number_reversed}


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


_PEOPLE: Final = bindparam("people", type_=ARRAY(Uuid()))
_EXCLUDED: Final = bindparam("excluded", type_=ARRAY(Uuid()))
_EACH: Final = func.unnest(_PEOPLE).table_valued(column("id", Uuid())).render_derived(name="person")
_NOT_EXCLUDED: Final = func.coalesce(Conversation.subscriber_id != _EXCLUDED.all_(), literal(True))
_WHOSE: Final[dict[str, tuple[Any, ...]]] = {
    "own": (Conversation.subscriber_id == bindparam("person", type_=Uuid()),),
    "people": (Conversation.subscriber_id == _EACH.c.id,),
    "organization": (Conversation.is_primary,),
}


class Shape(NamedTuple):
    """What a statement of the list is made of; two with the same shape differ in parameters only."""

    whose: str = "own"
    excludes: bool = False
    conditions: tuple[str, ...] = ()
    words: int = 0
    beginnings: tuple[str, ...] = ()
    paged: bool = True


# Prebuilt, and told apart only by their shape: the session keeps a scoped twin of each.
@lru_cache(maxsize=256)
def _statement(shape: Shape) -> Select[Any]:
    numbers = range(len(shape.beginnings))
    if not _has_branches(shape):
        return _branch(shape, numbers)
    # One branch for each column, as an OR across columns would keep every index from being used.
    found = union(*(_branch(shape, [number]) for number in numbers)).subquery()
    return _ordered(select(*(found.c[name] for name in _names(shape))), found.c, shape.paged)


def _has_branches(shape: Shape) -> bool:
    """Whether numbers are looked up in their own indexes, which only all calls of an organization have; a person's
    rows are read in the order of their list, whatever is looked for in them."""
    return shape.whose == "organization" and len(shape.beginnings) > 1


def _names(shape: Shape) -> list[str]:
    return [column.key for column in (*COLUMNS, *_more(shape))]


def _more(shape: Shape) -> tuple[Any, ...]:
    return () if shape.paged else _FILE


def _branch(shape: Shape, numbers: Sequence[int]) -> Select[Any]:
    statement = (
        select(*COLUMNS, *_more(shape)).outerjoin(Annotation, _NOTE)
        if shape.whose == "own"
        else select(*_OF_OTHERS, *_more(shape))
    ).where(
        *_WHOSE[shape.whose],
        Conversation.started_at >= bindparam("since", type_=DateTime(timezone=True)),
        Conversation.started_at <= bindparam("at", type_=DateTime(timezone=True)),
        tuple_(Conversation.started_at, Conversation.id)
        < tuple_(bindparam("at", type_=DateTime(timezone=True)), bindparam("id", type_=Uuid())),
        *(_CONDITIONS[name] for name in shape.conditions),
    )
    if shape.excludes:
        statement = statement.where(_NOT_EXCLUDED)
    for word in range(shape.words):
        statement = statement.where(func.strpos(Conversation.name_folded, bindparam(f"word{word}")) > 0)
    if numbers:
        statement = statement.where(or_(*(_begins(shape.beginnings[n], f"text{n}") for n in numbers)))
    statement = _ordered(statement, Conversation, shape.paged)
    return _of_each(statement, shape) if shape.whose == "people" else statement


def _begins(column: str, text: str) -> ColumnElement[bool]:
    starts_with: ColumnElement[bool] = _STARTS_WITH[column].op("^@", is_comparison=True)(bindparam(text))
    return starts_with


def _of_each(statement: Select[Any], shape: Shape) -> Select[Any]:
    """The rows of each person in their own order, merged: of each no more are read than the page has."""
    call = statement.lateral("call")
    merged = select(*(call.c[name] for name in _names(shape))).select_from(_EACH.join(call, true()))
    return _ordered(merged, call.c, shape.paged)


def _ordered(statement: Select[Any], columns: Any, paged: bool) -> Select[Any]:
    statement = statement.order_by(columns.started_at.desc(), columns.id.desc())
    return statement.limit(bindparam("size")) if paged else statement


def _conditions(wanted: Filter, is_own: bool) -> dict[str, Any]:
    """The conditions of a filter by name, with the values of their parameters. Nobody finds calls by others' tags."""
    internal = wanted.direction == "internal"
    values = {
        "kind": wanted.kind,
        "direction": None if internal else wanted.direction,
        "internal": internal or None,
        "result": wanted.result,
        "phone": wanted.phone.lower() or None,
        "least": None if wanted.least is None else wanted.least * 60,
        "most": None if wanted.most is None else wanted.most * 60,
        "tag": (is_own and wanted.tag.lower()) or None,
    }
    return {name: value for name, value in values.items() if value is not None}


class Listing:
    """The conversations of a person, of people or of the organization that fit a filter.

    Which people the filter's `person` and `location` mean is for the caller to say in `whose`.
    """

    def __init__(
        self, whose: Whose, wanted: Filter, zone: Any, region: str, now: datetime | None = None
    ) -> None:
        search = understand(wanted.query, region) if wanted.query else Search()
        now = now or datetime.now(UTC)
        conditions = _conditions(wanted, whose.is_own)
        columns = tuple(column for column, _ in search.beginnings)
        excludes = bool(whose.excluded)
        self._first_window = CROWDS_WINDOW if whose.is_crowd else FIRST_WINDOW
        # What a server puts in order at a time: sixty days of a hundred people.
        self._stretch = FIRST_WINDOW * FEW / max(FEW, len(whose.ids or ()))
        self._shape = Shape(whose.kind, excludes, tuple(conditions), len(search.words), columns)
        self._values: dict[str, Any] = {**whose.values, **conditions}
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
        self._prepare(session)
        place, window = self._start, self._first_window
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
        self._prepare(session)
        bottom = last.started_at if last is not None else self._start.started_at - FIRST_WINDOW
        values = self._bound(self._start, max(self._bottom, bottom)) | {"size": most}
        rows = session.execute(_statement(self._shape), values).all()
        return [row for row in rows if last is None or (row.started_at, row.id) >= (last.started_at, last.id)]

    @property
    def unpaged(self) -> Select[Any]:
        """The statement of every row, with what files are made of beside; `spans` are its parameters."""
        return _statement(self._shape._replace(paged=False))

    @property
    def reach(self) -> tuple[datetime, datetime]:
        """From when to when its calls may have begun."""
        return self._bottom, self._start.started_at

    def spans(self, session: TenantSession, cuts: Iterable[datetime] = ()) -> Iterator[dict[str, Any]]:
        """All rows, newest first: the parameters of `unpaged`, once for each span of time.

        Spans end at `cuts`, and where more would be put in order than a server sorts at a time.
        """
        self._prepare(session)
        moments = sorted(cuts, reverse=True)
        for place, until in self._stretches():
            for cut in (moment for moment in moments if until < moment < place.started_at):
                yield self._bound(place, cut)
                place = Cursor(cut, _SMALLEST)
            yield self._bound(place, until)

    def exceeds(self, session: TenantSession, most: int) -> bool:
        """Whether there are more rows than `most`; looks no further than that."""
        for values in self.spans(session):
            some = self.unpaged.limit(most + 1).subquery()
            most -= session.scalars(select(func.count()).select_from(some), values).one()
            if most < 0:
                return True
        return False

    def people(self, session: TenantSession) -> set[UUID]:
        """Whose rows they are."""
        found = self.unpaged.order_by(None).subquery()
        whose = select(found.c.subscriber_id).where(found.c.subscriber_id.is_not(None)).distinct()
        return {person for values in self.spans(session) for person in session.scalars(whose, values)}

    def _prepare(self, session: TenantSession) -> None:
        """Let a search of the organization's numbers be planned with its number.

        A plan for any beginning knows no range of an index, and the server would keep to one after a few searches.
        """
        if self._shape.beginnings and self._shape.whose == "organization":
            session.execute(_PLAN_EACH)

    def _stretches(self) -> Iterator[tuple[Cursor, datetime]]:
        """All of the time at once, where an index has the rows in order; else as much as a server sorts at a time."""
        place = self._start
        while place.started_at > self._bottom:
            since = max(self._bottom, place.started_at - self._stretch) if self._is_merged else self._bottom
            yield place, since
            place = Cursor(since, _SMALLEST)

    @property
    def _is_merged(self) -> bool:
        return self._shape.whose == "people" or _has_branches(self._shape)

    def _bound(self, place: Cursor, since: datetime) -> dict[str, Any]:
        return self._values | {"at": place.started_at, "id": place.id, "since": since}


_FOUND: Final = {
    "own": _WHOSE["own"],
    "people": (Conversation.subscriber_id == any_(_PEOPLE),),
    # Whoever sees the organization's calls may open each person's side of one.
    "organization": (),
}


@lru_cache(maxsize=8)
def _one(kind: str, excludes: bool) -> Select[Any]:
    return (
        select(Conversation)
        .where(
            Conversation.id == bindparam("id", type_=Uuid()),
            *_FOUND[kind],
            *([_NOT_EXCLUDED] if excludes else []),
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
    session: TenantSession, whose: Whose, wanted: UUID, now: datetime | None = None
) -> Conversation | None:
    """One of these people's conversations; None for one that is not there or not theirs, after the same search."""
    statement = _one(whose.kind, bool(whose.excluded))
    now = now or datetime.now(UTC)
    until, window, bottom = now + NEWEST + _DAY, FIRST_WINDOW, now - OLDEST - _DAY
    while until > bottom:
        since = max(bottom, until - window)
        values = {"id": wanted, "since": since, "until": until, **whose.values}
        found: Conversation | None = session.scalars(statement, values).first()
        if found is not None:
            return found
        until, window = since, window * WIDER
    return None


def legs_of(session: TenantSession, conversation: Conversation, whose: Whose) -> list[Any]:
    """The legs of a conversation that are its person's own, in their order; for the organization all of them, but
    those of excluded people that are not its person's too."""
    person = conversation.subscriber_id
    legs: Sequence[Any] = session.execute(_LEGS, {"linked": conversation.linked_id}).all()
    if whose.ids is not None:
        return [leg for leg in legs if person in ends_of(leg)]
    excluded = set(whose.excluded)
    return [leg for leg in legs if person in ends_of(leg) or excluded.isdisjoint(ends_of(leg))]


def ends_of(leg: Any) -> tuple[UUID | None, UUID | None]:
    """Who of the organization is at the two ends of a leg."""
    return leg.from_subscriber_id, leg.to_subscriber_id
