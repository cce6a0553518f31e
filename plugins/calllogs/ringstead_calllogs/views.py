"""The list of calls with what belongs to it: chart, news, download."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any, Final
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPTooManyRequests, HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import TenantContext, translations
from ringstead.api.formatting import Formats, formats_of
from ringstead_calllogs.charts import chart_span, read_chart
from ringstead_calllogs.downloads import (
    MOST_CALLS,
    SMALL,
    Downloads,
    Spool,
    TooManyCalls,
    TooManyDownloads,
    file_name,
)
from ringstead_calllogs.filters import DIRECTIONS, RESULTS, Cursor, Filter, FilterForm, read_filter
from ringstead_calllogs.listing import PAGE_SIZE, Listing
from ringstead_calllogs.permissions import EXPORT
from ringstead_calllogs.presenting import day_groups
from ringstead_calllogs.whose import Whose

_ = translations("ringstead_calllogs")
LIST: Final = "/calls"
CHART: Final = "/calls/chart"
NEW: Final = "/calls/new"
DOWNLOAD: Final = "/calls.csv"
# More new calls than this are not told apart.
MOST_NEW: Final = 25
_SHOWN: Final = frozenset(map(str, range(PAGE_SIZE + 1)))
TABS: Final = (
    (None, _("All")),
    ("missed", _("Missed")),
    ("received", _("Received")),
    ("dialled", _("Dialled")),
)


def list_calls(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls` with the names of `filters.NAMES`: 25 calls; with htmx and `before`, only the rows.

    422 for a filter that is none.
    """
    form = read_filter(request.GET)
    wanted = form.filter
    fmt = formats_of(request)
    is_part = is_htmx(request) and wanted.before is not None and not form.errors
    rows: Sequence[Any] = ()
    groups, more = [], None
    if form.errors:
        request.response.status_int = 422
    else:
        rows, more = _listing(context, form).page(request.db)
        continues = fmt.local(wanted.before.started_at).date() if wanted.before is not None else None
        groups = day_groups(rows, fmt, continues, is_part)
    if is_part:
        request.override_renderer = "calllogs/rows.pt"
        return {"groups": groups, "more_url": wanted.url(LIST, before=more) if more is not None else None}
    return {
        "groups": groups,
        "more_url": wanted.url(LIST, before=more) if more is not None else None,
        "filter": wanted,
        "texts": form.texts,
        "errors": form.errors,
        "tabs": [(kind or "", title, kind == wanted.kind) for kind, title in TABS],
        "results": RESULTS,
        "directions": DIRECTIONS,
        "span": _span_text(wanted, fmt),
        "sought": _sought(wanted, fmt),
        "without": lambda *names: wanted.url(LIST, before=None, **dict.fromkeys(names, None)),
        "chart_url": _chart_url(wanted, request)
        if context.subscriber is not None and not form.errors
        else None,
        "new_url": wanted.url(NEW, before=None) + _last_shown(wanted, rows)
        if wanted.before is None
        else None,
        "download_url": wanted.url(DOWNLOAD, before=None) if context.can(EXPORT.name) else None,
        "newest_url": wanted.url(LIST, before=None) if wanted.before is not None else None,
    }


def is_htmx(request: Request) -> bool:
    """Whether a part of a page was asked for, and not the page."""
    return bool(request.headers.get("HX-Request") == "true")


def _span_text(wanted: Filter, fmt: Formats) -> str:
    """The days of a filter as people write them: `18 – 24 Nov`, `since 18 Nov`; empty without any."""
    first, last = wanted.first, wanted.last
    if first is not None and last is not None:
        return fmt.span(first, last)
    if first is not None:
        return fmt.text(_("since ${day}", mapping={"day": fmt.date_only(first)}))
    if last is not None:
        return fmt.text(_("until ${day}", mapping={"day": fmt.date_only(last)}))
    return ""


def _sought(wanted: Filter, fmt: Formats) -> str:
    """What the filter asks for beside words, in a line: `18 – 24 Nov · Missed · Desk phone`."""
    kind = dict(TABS)[wanted.kind] if wanted.kind is not None else ""
    direction = DIRECTIONS[wanted.direction] if wanted.direction is not None else ""
    result = RESULTS[wanted.result] if wanted.result is not None else ""
    parts = [
        _span_text(wanted, fmt),
        fmt.text(kind),
        fmt.text(direction),
        fmt.text(result),
        wanted.phone,
        wanted.tag,
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
    form = read_filter(request.GET)
    shown, last = request.GET.get("shown", ""), Cursor.read(request.GET.get("last", ""))
    if form.errors or shown not in _SHOWN:
        raise HTTPUnprocessableEntity(_("This page cannot say what is new. Open the list again."))
    rows = _listing(context, form).since(request.db, last, int(shown) + MOST_NEW + 1)
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
        "url": form.filter.url(LIST, before=None),
    }


def _listing(context: TenantContext, form: FilterForm) -> Listing:
    region = context.preferences["core.region"]
    return Listing(Whose.person(context.subscriber_id), form.filter, context.time_zone, region)


def download_calls(context: TenantContext, request: Request) -> Response:
    """`GET /calls.csv`, with the list's filter: all of its calls; 422 for too many, 429 while others are sent."""
    form = read_filter(request.GET)
    if form.errors:
        field, message = next(iter(form.errors.items()))
        raise HTTPUnprocessableEntity(f"{field}: {formats_of(request).text(message)}")
    fmt, wanted = formats_of(request), form.filter
    name = file_name(wanted.first, wanted.last, fmt.today())
    response = Response(content_type="text/csv", charset="utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    with ExitStack() as opened:
        spool = opened.enter_context(closing(_spool(context, request)))
        try:
            size = spool.write(_listing(context, form).all(request.db), fmt)
        except TooManyCalls:
            most = {"count": MOST_CALLS}
            why = _("More than ${count} calls fit, too many for one file. Choose fewer days.", mapping=most)
            raise HTTPUnprocessableEntity(why) from None
        if size <= SMALL:
            response.body = spool.read()
        else:
            response.app_iter, response.content_length = spool, size
            opened.pop_all()  # the server closes it
    return response


def _spool(context: TenantContext, request: Request) -> Spool:
    assert context.account is not None, "only somebody signed in may have the permission"
    downloads = request.registry.setdefault(
        "ringstead_calllogs.downloads", Downloads(request.deployment.web_threads)
    )
    try:
        return Spool(downloads, context.account.id)
    except TooManyDownloads as refused:
        why = (
            _("A file that you asked for is still being sent. Wait until it is complete, then try again.")
            if refused.is_own
            else _("Others are downloading right now. Nothing is wrong: try again in a moment.")
        )
        raise HTTPTooManyRequests(why, headers=[("Retry-After", "10")]) from None
