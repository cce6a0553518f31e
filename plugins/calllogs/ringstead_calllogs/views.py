"""The pages: the list, one call, the download."""

from typing import Any
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import TenantContext, translations
from ringstead.api.formatting import formats_of
from ringstead_calllogs.downloads import file_name, stream_csv
from ringstead_calllogs.filters import FilterForm, read_filter
from ringstead_calllogs.listing import Listing, find_conversation, legs_of
from ringstead_calllogs.permissions import EXPORT
from ringstead_calllogs.presenting import LEG, day_groups, dial_url, icon_name, label, party

_ = translations("ringstead_calllogs")
LIST = "/calls"
DOWNLOAD = "/calls.csv"
TABS = ((None, _("All")), ("missed", _("Missed")), ("received", _("Received")), ("dialled", _("Dialled")))


def list_calls(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls?kind=&from=&to=&q=&before=`: 25 calls; with htmx, only the rows. 422 for a filter that is none."""
    form = read_filter(request.GET)
    wanted = form.filter
    if form.errors:
        request.response.status_int = 422
        groups, more = [], None
    else:
        fmt = formats_of(request)
        rows, more = _listing(context, form).page(request.db)
        continues = fmt.local(wanted.before.started_at).date() if wanted.before is not None else None
        groups = day_groups(rows, fmt, continues)
    if request.headers.get("HX-Request") == "true" and wanted.before is not None and not form.errors:
        request.override_renderer = "calllogs/rows.pt"
    return {
        "groups": groups,
        "more_url": wanted.url(LIST, before=more) if more is not None else None,
        "filter": wanted,
        "texts": form.texts,
        "errors": form.errors,
        "tabs": [
            (title, wanted.url(LIST, kind=kind, before=None), kind == wanted.kind) for kind, title in TABS
        ],
        "download_url": wanted.url(DOWNLOAD, before=None) if context.can(EXPORT.name) else None,
        "newest_url": wanted.url(LIST, before=None) if wanted.before is not None else None,
        "without": lambda *names: wanted.url(LIST, before=None, **dict.fromkeys(names)),
    }


def _listing(context: TenantContext, form: FilterForm) -> Listing:
    region = context.preferences["core.region"]
    return Listing(context.subscriber_id, form.filter, context.time_zone, region)


def show_call(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/{id}`: one conversation with its legs; with htmx, only the legs."""
    try:
        wanted = UUID(request.matchdict["id"])
    except ValueError:
        raise HTTPNotFound from None
    call = find_conversation(request.db, context.subscriber_id, wanted)
    if call is None:
        raise HTTPNotFound
    if request.headers.get("HX-Request") == "true":
        request.override_renderer = "calllogs/legs.pt"
    outgoing = call.direction == "outgoing"
    return {
        "call": call,
        "who": party(call.name, call.number, outgoing),
        "label": label(outgoing, call.disposition),
        "icon_name": icon_name(outgoing, call.disposition),
        "dial": dial_url(call.number),
        "legs": [_leg(leg, context.subscriber_id) for leg in legs_of(request.db, call)],
    }


def _leg(leg: Any, person: UUID) -> dict[str, Any]:
    outgoing = leg.from_subscriber_id == person
    until = leg.answered_at or leg.ended_at
    talked = leg.disposition == "answered"
    return {
        "started_at": leg.started_at,
        "device": leg.device if (leg.direction == "outgoing") == outgoing else None,
        "other": (leg.to_name or leg.to_number) if outgoing else (leg.from_name or leg.from_number),
        "label": LEG[leg.disposition],
        "ring_seconds": int((until - leg.started_at).total_seconds()),
        "talk_seconds": int((leg.ended_at - until).total_seconds()) if talked else None,
        "hangup_cause": leg.hangup_cause,
    }


def download_calls(context: TenantContext, request: Request) -> Response:
    """`GET /calls.csv`, with the list's filter: all of its calls, streamed."""
    form = read_filter(request.GET)
    if form.errors:
        field, message = next(iter(form.errors.items()))
        raise HTTPUnprocessableEntity(f"{field}: {formats_of(request).text(message)}")
    fmt, wanted = formats_of(request), form.filter
    name = file_name(wanted.first, wanted.last, fmt.today())
    response = Response(content_type="text/csv", charset="utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.app_iter = stream_csv(request.database, context.org_id, _listing(context, form), fmt)
    return response
