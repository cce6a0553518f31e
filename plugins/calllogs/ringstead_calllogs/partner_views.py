"""The partner's page of calls in numbers, on its console, and the same as a file."""

from typing import Any, Final

from pyramid.httpexceptions import HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import TenantContext, translations
from ringstead.api.cells import Lines, separator
from ringstead.api.formatting import formats_of
from ringstead_calllogs.charts import MOST_DAYS, chart_span, sums_chart
from ringstead_calllogs.filters import Filter, read_filter
from ringstead_calllogs.partner_report import (
    MOST_ORGANIZATIONS,
    OrganizationLine,
    read_organizations,
    read_partner_report,
)

_ = translations("ringstead_calllogs")
PAGE: Final = "/calls"
FILE: Final = "/calls.csv"
HEADINGS: Final = (
    _("Organization"),
    _("Calls"),
    _("Incoming"),
    _("Answered"),
    _("Missed"),
    _("Missed (%)"),
    _("Dialled"),
    _("Talking (seconds)"),
)


def show_calls(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls?from=&to=&by=` on the console: the last seven days, if none are named. 422 for days that are none."""
    form = read_filter({name: request.GET.get(name, "") for name in ("from", "to")})
    fmt, by = formats_of(request), "hour" if request.GET.get("by") == "hour" else "day"
    span, errors = chart_span(form.filter, fmt.today()), dict(form.errors)
    if span.days > MOST_DAYS:
        errors["from"] = _("From: choose ${most} days at most.", mapping={"most": MOST_DAYS})
    if errors:
        request.response.status_int = 422
    report = None if errors else read_partner_report(request.db, span, context.time_zone, by)
    days = Filter(first=form.filter.first, last=form.filter.last)
    to = days.url(PAGE) + ("&" if days.is_narrow else "?")
    return {
        "texts": form.texts,
        "errors": errors,
        "report": report,
        "chart": sums_chart(report.sums, span, by, fmt) if report else None,
        "views": [
            (title, f"{to}by={name}", name == by) for name, title in (("day", _("Day")), ("hour", _("Hour")))
        ],
        "by": by,
        "span": fmt.span(span.first, span.last),
        "file_url": days.url(FILE),
        "most": MOST_ORGANIZATIONS,
        "percent": lambda share: "–" if share is None else fmt.percent(share),
    }


def download_calls(context: TenantContext, request: Request) -> Response:
    """`GET /calls.csv?from=&to=` on the console: a line for each organization that had calls."""
    form = read_filter({name: request.GET.get(name, "") for name in ("from", "to")})
    fmt = formats_of(request)
    span = chart_span(form.filter, fmt.today())
    if form.errors or span.days > MOST_DAYS:
        raise HTTPUnprocessableEntity(_("There are no such days here. Open the page and choose others."))
    lines = Lines(separator(fmt.locale))
    lines.write([fmt.text(heading) for heading in HEADINGS])
    for line in read_organizations(request.db, span, context.time_zone):
        lines.write(_cells(line))
    response = Response(content_type="text/csv", charset="utf-8", body=lines.take())
    name = f"organizations_{span.first.isoformat()}_{span.last.isoformat()}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _cells(line: OrganizationLine) -> list[str]:
    counts, rate = line.counts, line.counts.missed_rate
    missed = (counts.missed, "" if rate is None else round(rate * 100))
    numbers = (counts.calls, counts.incoming, counts.answered, *missed, counts.dialled, counts.talk_seconds)
    return [line.name, *map(str, numbers)]
