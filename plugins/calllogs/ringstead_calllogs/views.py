"""The list of calls with what belongs to it: chart, news, download."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from pyramid.httpexceptions import HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import TenantContext, translations
from ringstead.api.directory import find_subscribers
from ringstead.api.formatting import Formats, formats_of
from ringstead_calllogs.charts import chart_span, read_chart
from ringstead_calllogs.columns import columns_of, usual_columns
from ringstead_calllogs.filters import DIRECTIONS, RESULTS, Cursor, Filter, FilterForm, read_filter
from ringstead_calllogs.listing import PAGE_SIZE, Listing
from ringstead_calllogs.looks import VISIBLE, Looker, record_looks
from ringstead_calllogs.permissions import EXPORT, REPORT
from ringstead_calllogs.presenting import Others, day_groups
from ringstead_calllogs.scopes import TITLES, Scope, scopes_of
from ringstead_calllogs.whose import Whose

_ = translations("ringstead_calllogs")
LIST: Final = "/calls"
CHART: Final = "/calls/chart"
NEW: Final = "/calls/new"
LOOKS: Final = "/calls/looks"
REPORT_PAGE: Final = "/calls/report"
# More new calls than this are not told apart.
MOST_NEW: Final = 25
_SHOWN: Final = frozenset(map(str, range(PAGE_SIZE + 1)))
TABS: Final = (
    (None, _("All")),
    ("missed", _("Missed")),
    ("received", _("Received")),
    ("dialled", _("Dialled")),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A list: its address, and whose calls it shows. `scope` is None for one's own; `choices` its filters offer."""

    path: str
    whose: Whose
    scope: Scope | None = None
    choices: Mapping[str, Any] = field(default_factory=dict)

    def below(self, wanted: Filter, own: str, others: str) -> str:
        """The address of something about this list, with its filter; one's own and others' have different ones."""
        return wanted.url(own if self.scope is None else f"{self.path}/{others}", before=None)


def list_calls(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls` with the names of `filters.NAMES`: 25 calls; with htmx and `before`, only the rows.

    422 for a filter that is none.
    """
    place = Place(LIST, Whose.person(context.subscriber_id))
    return list_page(context, request, read_filter(request.GET), place)


def list_page(context: TenantContext, request: Request, form: FilterForm, place: Place) -> dict[str, Any]:
    """The page of a list, or the rows that go on with it."""
    wanted, fmt = form.filter, formats_of(request)
    is_part = is_htmx(request) and wanted.before is not None and not form.errors
    rows: Sequence[Any] = ()
    groups, more_url = [], None
    if form.errors:
        request.response.status_int = 422
    else:
        rows, more = listing(context, form, place.whose).page(request.db)
        continues = fmt.local(wanted.before.started_at).date() if wanted.before is not None else None
        groups = day_groups(rows, fmt, continues, is_part, _others(context, request, place, rows))
        more_url = wanted.url(place.path, before=more) if more is not None else None
    if is_part:
        request.override_renderer = "calllogs/rows.pt"
        return {"groups": groups, "more_url": more_url}
    return {
        "groups": groups,
        "more_url": more_url,
        **_of_form(context, form, place, fmt),
        "scope": place.scope,
        "own_url": _elsewhere(wanted, LIST),
        "scopes": []
        if is_htmx(request)
        else [(one, _elsewhere(wanted, one.path)) for one in scopes_of(context, request.db)],
        "scope_titles": TITLES,
        "report_url": _report_url(context, place.scope),
        "looks_url": LOOKS if place.scope is None and context.preferences[VISIBLE] else None,
        "chart_url": _chart_url(wanted, request)
        if place.scope is None and context.subscriber is not None and not form.errors
        else None,
        "new_url": place.below(wanted, NEW, "new") + _last_shown(wanted, rows)
        if wanted.before is None and may_count(place, wanted)
        else None,
        "columns": columns_of(place.scope is not None)
        if context.can(EXPORT.name) and not form.errors
        else None,
        "usual_columns": usual_columns("csv", place.scope is not None),
        "asked": parse_qsl(wanted.url("", before=None).removeprefix("?")),
        "file_path": LIST if place.scope is None else f"{place.path}/calls",
    }


def _elsewhere(wanted: Filter, path: str) -> str:
    """The address of another list with the same filter, but for what is another there: person, place and tag."""
    return wanted.url(path, before=None, person="", location="", tag="")


def _of_form(context: TenantContext, form: FilterForm, place: Place, fmt: Formats) -> dict[str, Any]:
    """What the filter's form shows, and the addresses of other filters."""
    wanted = form.filter
    return {
        "list_url": place.path,
        "filter": wanted,
        "texts": form.texts,
        "errors": form.errors,
        "tabs": [(kind or "", title, kind == wanted.kind) for kind, title in TABS],
        "results": RESULTS,
        "directions": DIRECTIONS,
        "people": place.choices.get("people", ()),
        "locations": place.choices.get("locations", {}),
        "person_name": place.choices.get("person", wanted.person),
        "span": span_text(wanted, fmt),
        "sought": sought(wanted, fmt, place),
        "without": lambda *names: wanted.url(place.path, before=None, **dict.fromkeys(names, None)),
        "newest_url": wanted.url(place.path, before=None) if wanted.before is not None else None,
    }


def _report_url(context: TenantContext, scope: Scope | None) -> str | None:
    """The report of the people whose calls these are."""
    if scope is None or scope.group is not None:
        return None if scope is None else f"{scope.path}/report"
    return REPORT_PAGE if context.can(REPORT.name) else None


def _others(context: TenantContext, request: Request, place: Place, rows: Sequence[Any]) -> Others | None:
    """The names of those whose calls are shown, which is kept as a look at them; None for one's own calls."""
    if place.scope is None:
        return None
    people = {row.subscriber_id for row in rows if row.subscriber_id is not None}
    record_looks(request.db, Looker.of(context, request.client_address), people, place.scope, "list")
    names = {person.id: person.name for person in find_subscribers(request.db, people)}
    return Others(place.path, names)


def is_htmx(request: Request) -> bool:
    """Whether a part of a page was asked for, and not the page."""
    return bool(request.headers.get("HX-Request") == "true")


def span_text(wanted: Filter, fmt: Formats) -> str:
    """The days of a filter as people write them: `18 – 24 Nov`, `since 18 Nov`; empty without any."""
    first, last = wanted.first, wanted.last
    if first is not None and last is not None:
        return fmt.span(first, last)
    if first is not None:
        return fmt.text(_("since ${day}", mapping={"day": fmt.date_only(first)}))
    if last is not None:
        return fmt.text(_("until ${day}", mapping={"day": fmt.date_only(last)}))
    return ""


def sought(wanted: Filter, fmt: Formats, place: Place) -> str:
    """What the filter asks for beside words, in a line: `18 – 24 Nov · Missed · Desk phone`."""
    kind = dict(TABS)[wanted.kind] if wanted.kind is not None else ""
    direction = DIRECTIONS[wanted.direction] if wanted.direction is not None else ""
    result = RESULTS[wanted.result] if wanted.result is not None else ""
    parts = [
        span_text(wanted, fmt),
        fmt.text(kind),
        fmt.text(direction),
        fmt.text(result),
        wanted.phone,
        wanted.tag,
        place.choices.get("person", ""),
        place.choices.get("locations", {}).get(wanted.location, ""),
    ]
    return " · ".join(part for part in parts if part)


def _chart_url(wanted: Filter, request: Request) -> str:
    by = "day" if request.GET.get("chart") == "day" else "hour"
    days = Filter(first=wanted.first, last=wanted.last)
    return days.url(CHART) + ("&" if days.is_narrow else "?") + urlencode({"by": by})


def _last_shown(wanted: Filter, rows: Sequence[Any]) -> str:
    """Adds to an address how far down the page reaches, and how many calls it shows."""
    known: dict[str, Any] = {"shown": len(rows)}
    if rows:
        known["last"] = Cursor(rows[-1].started_at, rows[-1].id)
    return ("&" if wanted.is_narrow else "?") + urlencode(known)


def show_chart(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/chart?from=&to=&by=`: calls by hour or day; with htmx, only the card. 422 for days that are none."""
    form = read_filter(request.GET)
    if form.errors:
        raise HTTPUnprocessableEntity(formats_of(request).text(next(iter(form.errors.values()))))
    fmt = formats_of(request)
    by = "day" if request.GET.get("by") == "day" else "hour"
    span = chart_span(form.filter, fmt.today())
    if is_htmx(request):
        request.override_renderer = "calllogs/chart_card.pt"
        request.response.headers["Cache-Control"] = "private, max-age=60"
        request.response.headers["Vary"] = "HX-Request"
    days = Filter(first=form.filter.first, last=form.filter.last)
    to = days.url(CHART) + ("&" if days.is_narrow else "?")
    return {
        "chart": read_chart(request.db, context.subscriber_id, span, by, fmt),
        "views": [
            (title, f"{to}by={name}", name == by) for name, title in (("hour", _("Hour")), ("day", _("Day")))
        ],
        "span": "" if not days.is_narrow else fmt.span(span.first, span.last),
        "back_url": days.url(LIST),
    }


def new_calls(context: TenantContext, request: Request) -> Any:
    """`GET /calls/new`, the list's filter with `shown` and `last`: how many calls the page does not show yet.

    Answers 304 when that is what was told before, so that asking often costs little.
    """
    return count_new(
        context, request, read_filter(request.GET), Place(LIST, Whose.person(context.subscriber_id))
    )


def may_count(place: Place, wanted: Filter) -> bool:
    """Whether new calls of a list are counted: others' are not by a filter that says something of those it counts.

    A count is no look, so it must not tell whether a person spoke to a number.
    """
    return place.scope is None or not wanted.singles_out


def count_new(context: TenantContext, request: Request, form: FilterForm, place: Place) -> Any:
    """How many calls a list's page does not show yet. Nobody's calls are shown by it."""
    shown, last = request.GET.get("shown", ""), Cursor.read(request.GET.get("last", ""))
    if form.errors or shown not in _SHOWN or not may_count(place, form.filter):
        raise HTTPUnprocessableEntity(_("This page cannot say what is new. Open the list again."))
    rows = listing(context, form, place.whose).since(request.db, last, int(shown) + MOST_NEW + 1)
    count = max(0, len(rows) - int(shown))
    response = request.response
    response.headers["Cache-Control"] = "private, no-cache"
    response.etag = f"{count}-{rows[0].id.hex if rows else ''}-{context.locale}"
    if response.etag in request.if_none_match:
        return Response(
            status=304, headers={"ETag": response.headers["ETag"], "Cache-Control": "private, no-cache"}
        )
    return {
        "count": min(count, MOST_NEW),
        "is_more": count > MOST_NEW,
        "url": form.filter.url(place.path, before=None),
    }


def listing(context: TenantContext, form: FilterForm, whose: Whose) -> Listing:
    """These people's calls that fit a filter, as the reader means it."""
    return Listing(whose, form.filter, context.time_zone, context.preferences["core.region"])
