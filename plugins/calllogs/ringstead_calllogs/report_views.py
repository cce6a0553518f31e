"""The report page of an organization, a team or a location, and the same as a file."""

from collections.abc import Iterable
from typing import Any, Final

from pyramid.httpexceptions import HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import TenantContext, translations
from ringstead.api.cells import Lines, separator
from ringstead.api.formatting import Formats, formats_of
from ringstead_calllogs.charts import chart_span, hour_chart
from ringstead_calllogs.filters import Filter, read_filter
from ringstead_calllogs.looks import Looker, record_looks
from ringstead_calllogs.other_views import scope_of, whose_of
from ringstead_calllogs.permissions import REPORT
from ringstead_calllogs.reports import PersonLine, Report, Wait, read_report
from ringstead_calllogs.scopes import TITLES, Scope, scopes_of
from ringstead_calllogs.views import REPORT_PAGE

_ = translations("ringstead_calllogs")
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
    """`GET /calls/report?from=&to=`: the last seven days, if none are named. 422 for days that are none.

    `/calls/of/team/SLUG/report` and that of a location are of their people only.
    """
    form = read_filter({name: request.GET.get(name, "") for name in ("from", "to")})
    fmt = formats_of(request)
    span, errors = chart_span(form.filter, fmt.today()), dict(form.errors)
    if span.days > MOST_DAYS:
        errors["from"] = _("From: a report is of ${most} days at most.", mapping={"most": MOST_DAYS})
    if errors:
        request.response.status_int = 422
    scope = scope_of(context, request)
    report = None
    if not errors:
        whose = whose_of(request.db, scope)
        report = read_report(request.db, span, context.time_zone, whose, MOST_PEOPLE)
    people = report.people if report else ()
    _record(context, request, scope, [*people, *(report.waits if report else ())])
    days = Filter(first=form.filter.first, last=form.filter.last)
    return {
        "texts": form.texts,
        "errors": errors,
        "scope": scope,
        "scopes": [(one, days.url(report_path(one))) for one in _choices(context, request)],
        "scope_titles": TITLES,
        "list_url": scope.path if scope.group is not None else None,
        "report_url": report_path(scope),
        "report": report,
        "people": people,
        "more_people": report.more_people if report else 0,
        "chart": hour_chart(report.hours, report.span, fmt) if report else None,
        "span": fmt.span(span.first, span.last),
        "file_url": days.url(f"{report_path(scope)}.csv"),
        "percent": lambda share: _percent(fmt, share),
    }


def report_path(scope: Scope) -> str:
    """The address of a scope's report."""
    return REPORT_PAGE if scope.group is None else f"{scope.path}/report"


def _choices(context: TenantContext, request: Request) -> list[Scope]:
    """The scopes whose reports the reader may see."""
    groups = [scope for scope in scopes_of(context, request.db) if scope.group is not None]
    return [*groups, Scope("organization")] if context.can(REPORT.name) else groups


def _record(
    context: TenantContext, request: Request, scope: Scope, lines: Iterable[PersonLine | Wait]
) -> None:
    """Keep whom the report names."""
    people = {line.person.id for line in lines}
    record_looks(request.db, Looker.of(context, request.client_address), people, scope, "report")


def download_report(context: TenantContext, request: Request) -> Response:
    """`GET /calls/report.csv?from=&to=`, and of a team or location: a line for each person."""
    form = read_filter({name: request.GET.get(name, "") for name in ("from", "to")})
    fmt = formats_of(request)
    span = chart_span(form.filter, fmt.today())
    if form.errors or span.days > MOST_DAYS:
        raise HTTPUnprocessableEntity(_("This report has no such days. Open the report and choose others."))
    scope = scope_of(context, request)
    report = read_report(request.db, span, context.time_zone, whose_of(request.db, scope))
    _record(context, request, scope, report.people)
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


def _percent(fmt: Formats, share: float | None) -> str:
    return "–" if share is None else fmt.percent(share)
