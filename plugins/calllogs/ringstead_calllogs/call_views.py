"""One call: its page, the part that opens in the list, what its reader notes about it."""

from typing import Any
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request

from ringstead.api import CallInfo, TenantContext, translations
from ringstead.api.actions import actions_for_call
from ringstead_calllogs.annotations import AnnotationForm, annotate, annotation_of, read_annotation
from ringstead_calllogs.listing import find_conversation, legs_of
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.permissions import ANNOTATE
from ringstead_calllogs.presenting import dial_url, icon_name, label, party, present_leg
from ringstead_calllogs.views import is_htmx
from ringstead_calllogs.whose import Whose

_ = translations("ringstead_calllogs")


def show_call(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/{id}`: one conversation with its legs; with htmx, the part that opens in the list."""
    call = _find(context, request)
    if is_htmx(request):
        request.override_renderer = "calllogs/opened.pt"
    return _page(context, request, call, _stored_form(context, request, call))


def annotate_call(context: TenantContext, request: Request) -> Any:
    """`POST /calls/{id}`: the fields `note` and `tags` of one's own conversation. 422 names what is wrong."""
    call = _find(context, request)
    form = read_annotation(request.POST)
    if form.errors:
        request.response.status_int = 422
    else:
        annotate(request.db, context.subscriber_id, call.id, form)
    if not is_htmx(request):
        if form.errors:
            return _page(context, request, call, form)
        request.flash(_("Note saved"))
        return HTTPSeeOther(f"/calls/{call.id}")
    request.override_renderer = "calllogs/opened.pt"
    return _page(context, request, call, form) | {"is_saved": not form.errors}


def _find(context: TenantContext, request: Request) -> Conversation:
    try:
        wanted = UUID(request.matchdict["id"])
    except ValueError:
        raise HTTPNotFound from None
    call = find_conversation(request.db, Whose.person(context.subscriber_id), wanted)
    if call is None:
        raise HTTPNotFound
    return call


def _stored_form(context: TenantContext, request: Request, call: Conversation) -> AnnotationForm:
    stored = annotation_of(request.db, context.subscriber_id, call.id)
    if stored is None:
        return AnnotationForm({"note": "", "tags": ""})
    return AnnotationForm({"note": stored.note, "tags": ", ".join(stored.tags)})


def _page(
    context: TenantContext, request: Request, call: Conversation, form: AnnotationForm
) -> dict[str, Any]:
    outgoing, own = call.direction == "outgoing", Whose.person(context.subscriber_id)
    about = CallInfo(
        number=call.number,
        name=call.name,
        direction="outgoing" if outgoing else "incoming",
        started_at=call.started_at,
        subscriber_id=call.other_subscriber_id,
        trace_id=call.trace_id,
    )
    return {
        "call": call,
        "who": party(call.name, call.number, outgoing),
        "label": label(outgoing, call.disposition),
        "icon_name": icon_name(outgoing, call.disposition),
        "dial": dial_url(call.number),
        "legs": [present_leg(leg, context.subscriber_id) for leg in legs_of(request.db, call, own)],
        "actions": actions_for_call(context, request, about),
        "can_annotate": context.can(ANNOTATE.name),
        "texts": form.texts,
        "errors": form.errors,
        "is_saved": False,
    }
