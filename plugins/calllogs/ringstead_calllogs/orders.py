"""What somebody wants as a file: whose calls, which of them, how written. Enough to make it now, or in a job later.

An order holds everything that came from the reader (language, zone, words), so whoever makes the file needs no request.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast, get_args
from urllib.parse import parse_qsl
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Integer, Uuid, any_, bindparam, func, select
from sqlalchemy import cast as cast_sql
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.api import TenantContext, translations
from ringstead.api.directory import find_people
from ringstead.api.formatting import Formats
from ringstead.api.models import TenantSession
from ringstead_calllogs.columns import word_messages
from ringstead_calllogs.filters import Filter, read_filter
from ringstead_calllogs.listing import Listing
from ringstead_calllogs.rollups import OfficeQuarter, PersonQuarter
from ringstead_calllogs.scopes import PRIVATE, TITLES, Scope, find_scope, narrow
from ringstead_calllogs.whose import Whose

_ = translations("ringstead_calllogs")
FileKind = Literal["csv", "xlsx", "pdf"]
SCOPES: Final = "/calls/of/"
KINDS: Final[tuple[FileKind, ...]] = get_args(FileKind)
MEDIA_TYPES: Final[dict[str, str]] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}
# A sheet ends there (beside its heading); a PDF of more pages serves nobody, and is made in memory.
MOST_ROWS: Final[dict[str, int | None]] = {"csv": None, "xlsx": 1_048_575, "pdf": 20_000}
# Between two looks at how far it is, if months have so many.
CALLS_A_SPAN: Final = 20_000
_DAYS_AND_KIND: Final = {
    None: ("answered", "missed", "elsewhere", "dialled"),
    "missed": ("missed",),
    "received": ("answered", "elsewhere"),
    "dialled": ("dialled",),
}


class TooManyRows(Exception):
    """More calls fit than the format may hold; `most` is how many it may."""

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"more than {most} rows")


@dataclass(frozen=True, slots=True)
class Order:
    """A file that somebody wants. `person` is who orders it; `words` are its fixed texts in the reader's language.

    Without a `scope` it is of their own calls, else of those of `team/SLUG`, `location/SLUG` or `organization`, but of
    nobody with one of the extensions in `private`.
    """

    person: UUID
    wanted: Filter
    kind: FileKind
    columns: tuple[str, ...]
    locale: str
    zone: ZoneInfo
    region: str
    words: Mapping[str, str]
    scope: str = ""
    private: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """The filter as the address bar has it; `filter_of` reads it."""
        return self.wanted.url("")

    @property
    def most(self) -> int | None:
        """How many rows the format may hold."""
        return MOST_ROWS[self.kind]


@dataclass(frozen=True, slots=True)
class Content:
    """What an order means now: the listing, whose it is, the scope (None for one's own) and all words of the file."""

    listing: Listing
    whose: Whose
    scope: Scope | None
    words: Mapping[str, str]


class ScopeLost(LookupError):
    """Who ordered the file may not see those calls any more, or a place that it asks for is gone."""


def filter_of(query: str, scope: str = "") -> Filter:
    """The filter that `Order.query` wrote."""
    return read_filter(dict(parse_qsl(query.removeprefix("?"))), of_others=bool(scope)).filter


def order_of(
    context: TenantContext,
    fmt: Formats,
    wanted: Filter,
    kind: FileKind,
    columns: tuple[str, ...],
    sought: str,
    scope: Scope | None = None,
) -> Order:
    """The reader's order; `sought` is the filter in words."""
    words = {name: fmt.text(message) for name, message in word_messages().items()}
    brand = context.partner.brand.get("name") or context.partner.name
    words |= {
        "brand": str(brand),
        "calls": fmt.text(_("Calls")),
        "sought": sought,
        "whose": _title(context, fmt, scope),
        "page": fmt.text(_("Page")),
        "made": fmt.date_only(fmt.today()),
        "unshown": fmt.text(_("Characters of some scripts cannot be shown here; the CSV file has them.")),
    }
    return Order(
        context.subscriber_id,
        wanted,
        kind,
        columns,
        context.locale,
        context.time_zone,
        context.preferences["core.region"],
        words,
        scope.path.removeprefix(SCOPES) if scope is not None else "",
        private_extensions(context),
    )


def _title(context: TenantContext, fmt: Formats, scope: Scope | None) -> str:
    if scope is not None:
        return scope.name or fmt.text(TITLES[scope.kind])
    return context.subscriber.name if context.subscriber is not None else ""


def private_extensions(context: TenantContext) -> tuple[str, ...]:
    """Whose calls are in nobody else's file."""
    return tuple(sorted(map(str, context.preferences[PRIVATE])))


def scope_of_order(session: TenantSession, order: Order, private: Iterable[str]) -> Scope | None:
    """The scope of others' calls that an order is of, as it is now. Raises `ScopeLost`."""
    if not order.scope:
        return None
    kind, _slash, slug = order.scope.partition("/")
    scope = find_scope(session, order.person, cast(Any, kind), slug, private) if kind in TITLES else None
    if scope is None:
        raise ScopeLost(order.scope)
    return scope


def content_of(session: TenantSession, order: Order) -> Content:
    """What an order means now: the one place where a file's listing is built. Raises `ScopeLost`."""
    scope = scope_of_order(session, order, order.private)
    whose, words = Whose.person(order.person), order.words
    if scope is not None:
        narrowed = narrow(session, scope, order.wanted)
        if narrowed.errors:
            raise ScopeLost(order.query)
        whose = narrowed.whose
        names = {f"person {one.id}": one.name for one in find_people(session, scope.group)}
        words = {**words, **names}
    return Content(Listing(whose, order.wanted, order.zone, order.region), whose, scope, words)


def is_counted(order: Order) -> bool:
    """Whether the kept counts say how many calls fit, and not only how many there are to look through."""
    wanted = order.wanted
    plain = Filter(kind=wanted.kind, first=wanted.first, last=wanted.last)
    return not order.scope and wanted == plain


def monthly_counts(session: TenantSession, order: Order, content: Content) -> dict[datetime, int]:
    """How many calls there are to look through, by the month of UTC, newest first, from the kept counts."""
    bottom, top = content.listing.reach
    kind = order.wanted.kind if is_counted(order) else None
    ids = content.whose.ids
    values = {"since": bottom, "until": top, **({} if ids is None else {"people": list(ids)})}
    rows = session.execute(_MONTHS[kind] if ids is not None else _OFFICE_MONTHS, values)
    return {row.month: row.calls for row in rows}


def _monthly(model: Any, kind: str | None, *whose: Any) -> Any:
    calls = sum((getattr(model, name) for name in _DAYS_AND_KIND[kind]), start=cast_sql(0, Integer))
    month = func.date_trunc("month", model.at, "UTC")
    return (
        select(month.label("month"), cast_sql(func.sum(calls), Integer).label("calls"))
        .where(
            *whose,
            model.at >= bindparam("since", type_=DateTime(timezone=True)),
            model.at < bindparam("until", type_=DateTime(timezone=True)),
        )
        .group_by(month)
        .order_by(month.desc())
    )


_PEOPLE: Final = PersonQuarter.subscriber_id == any_(bindparam("people", type_=ARRAY(Uuid())))
_MONTHS: Final = {kind: _monthly(PersonQuarter, kind, _PEOPLE) for kind in _DAYS_AND_KIND}
_OFFICE_MONTHS: Final = _monthly(OfficeQuarter, None)


def expected_rows(session: TenantSession, order: Order, content: Content) -> int | None:
    """How many rows the file will have, if the kept counts know."""
    return sum(monthly_counts(session, order, content).values()) if is_counted(order) else None


def spans_of(
    session: TenantSession, content: Content, counts: Mapping[datetime, int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The listing in spans of whole months with some thousand calls each, newest first.

    Before each, how many calls of `counts` have been looked through. What `counts` does not know is still in a span.
    """
    cuts, since_cut = [], 0
    for month, calls in counts.items():
        since_cut += calls
        if since_cut >= CALLS_A_SPAN:
            cuts.append(month)
            since_cut = 0
    for values in content.listing.spans(session, cuts):
        yield sum(calls for month, calls in counts.items() if month >= values["at"]), values
