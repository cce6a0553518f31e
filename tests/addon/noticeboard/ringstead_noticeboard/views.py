"""The board's page."""

from typing import Any
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request

from ringstead.api import TenantContext, translations
from ringstead_noticeboard import services
from ringstead_noticeboard.permissions import WRITE

_ = translations("ringstead_noticeboard")


def show_notices(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /notices`."""
    return _page(context, request)


def post_notice(context: TenantContext, request: Request) -> Any:
    """`POST /notices`: `text`."""
    text = str(request.POST.get("text", ""))
    try:
        services.post_notice(request.db, context.subscriber_id, text)
    except services.NoticeRefused:
        request.response.status_int = 422
        said = _("Write 1 to ${longest} characters.", mapping={"longest": services.LONGEST})
        return _page(context, request, text=text, errors={"text": said})
    request.flash(_("Your notice is up"))
    return HTTPSeeOther(request.route_path("noticeboard.list"))


def remove_notice(_context: TenantContext, request: Request) -> Any:
    """`POST /notices/{id}/remove`."""
    try:
        notice_id = UUID(request.matchdict["id"])
    except ValueError:
        raise HTTPNotFound from None
    if not services.remove_notice(request.db, notice_id):
        raise HTTPNotFound
    request.flash(_("The notice is gone"))
    return HTTPSeeOther(request.route_path("noticeboard.list"))


def _page(
    context: TenantContext, request: Request, text: str = "", errors: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "notices": services.all_notices(request.db),
        "may_write": context.can(WRITE.name) and context.subscriber is not None,
        "longest": services.LONGEST,
        "text": text,
        "errors": errors or {},
    }
