"""The page «Who looked at my calls», where the organization lets its people see that."""

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request

from ringstead.api import TenantContext
from ringstead_calllogs.filters import Filter, read_filter
from ringstead_calllogs.looks import VISIBLE, WHATS, looks_at
from ringstead_calllogs.scopes import TITLES
from ringstead_calllogs.views import LIST, LOOKS


def show_looks(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/looks?before=`: who looked at the reader's calls, newest first. 404 where nobody is told."""
    if not context.preferences[VISIBLE]:
        raise HTTPNotFound
    form = read_filter({"before": request.GET.get("before", "")})
    if form.errors:
        request.response.status_int = 422
    rows, more = (
        ([], None) if form.errors else looks_at(request.db, context.subscriber_id, form.filter.before)
    )
    return {
        "looks": rows,
        "errors": form.errors,
        "whats": WHATS,
        "scope_titles": TITLES,
        "list_url": LIST,
        "looks_url": LOOKS,
        "more_url": Filter(before=more).url(LOOKS) if more is not None else None,
        "is_first": form.filter.before is None,
    }
