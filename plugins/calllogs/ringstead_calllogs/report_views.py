"""The report page of an organization, and the same as a file."""

from typing import Any, Final

from pyramid.httpexceptions import HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import TenantContext, translations
from ringstead.api.formatting import Formats, formats_of
from ringstead_calllogs.charts import chart_span, hour_chart
from ringstead_calllogs.downloads import Lines, separator
from ringstead_calllogs.filters import Filter, read_filter
from ringstead_calllogs.reports import Report, read_report

_ = translations("ringstead_calllogs")
REPORT: Final = "/calls/report"
FILE: Final = "/calls/report.csv"
PRIVATE: Final = "calllogs.private_extensions"
MOST_DAYS: Final = 366
MOST_PEOPLE: Final = 50
HEADINGS: Final = (
    _("Name"),
    _("Extension"),
    _("Calls"),
    _("Answered"),
    _("Missed"),
    _("Missed (%)"),
    _("Dialled"),
    _("Talking (seconds)"),
    _("Longest wait (seconds)"),
)


def show_report(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/report?from=&to=`: the last seven days, if none are named. 422 for days that are none."""
    form = read_filter({name: request.GET.get(name, "") for name in ("from", "to")})
    fmt = formats_of(request)
    span, errors = chart_span(form.filter, fmt.today()), dict(form.errors)
    if span.days > MOST_DAYS:
        errors["from"] = _("From: a report is of ${most} days at most.", mapping={"most": MOST_DAYS})
    if errors:
        request.response.status_int = 422
    report = None if errors else read_report(request.db, span, context.time_zone, _private(context))
    days = Filter(first=form.filter.first, last=form.filter.last)
    return {
        "texts": form.texts,
        "errors": errors,
        "report": report,
        "people": report.people[:MOST_PEOPLE] if report else (),
        "more_people": len(report.people) - MOST_PEOPLE if report else 0,
        "chart": hour_chart(report.hours, report.span, fmt) if report else None,
        "span": fmt.span(span.first, span.last),
        "file_url": days.url(FILE),
        "percent": lambda share: _percent(fmt, share),
    }


def download_report(context: TenantContext, request: Request) -> Response:
    """`GET /calls/report.csv?from=&to=`: a line for each person."""
    form = read_filter({name: request.GET.get(name, "") for name in ("from", "to")})
    fmt = formats_of(request)
    span = chart_span(form.filter, fmt.today())
    if form.errors or span.days > MOST_DAYS:
        raise HTTPUnprocessableEntity(_("This report has no such days. Open the report and choose others."))
    report = read_report(request.db, span, context.time_zone, _private(context))
    lines = Lines(separator(fmt.locale))
    lines.write([fmt.text(heading) for heading in HEADINGS])
    for cells in _lines(report):
        lines.write(cells)
    response = Response(content_type="text/csv", charset="utf-8", body=lines.take())
    name = f"report_{span.first.isoformat()}_{span.last.isoformat()}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(report: Report) -> list[list[str]]:
    lines = []
    for line in report.people:
        counts, rate = line.counts, line.counts.missed_rate
        numbers = (counts.calls, counts.answered, counts.missed, "" if rate is None else round(rate * 100))
        more = (counts.dialled, counts.talk_seconds, counts.longest_wait)
        lines.append([line.person.name, line.person.extension, *map(str, (*numbers, *more))])
    return lines


def _private(context: TenantContext) -> frozenset[str]:
    return frozenset(map(str, context.preferences[PRIVATE]))


def _percent(fmt: Formats, share: float | None) -> str:
    return "–" if share is None else fmt.percent(share)
