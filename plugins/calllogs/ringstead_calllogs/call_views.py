"""One call: its page, the part that opens in the list, what its reader notes about it."""

from collections.abc import Mapping, Sequence
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
from ringstead_calllogs.views import LIST, is_htmx
from ringstead_calllogs.whose import Whose

_ = translations("ringstead_calllogs")


def show_call(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/{id}`: one conversation with its legs; with htmx, the part that opens in the list."""
    call = find_call(request, Whose.person(context.subscriber_id))
    if is_htmx(request):
        request.override_renderer = "calllogs/opened.pt"
    return _own_page(context, request, call, _stored_form(context, request, call))


def annotate_call(context: TenantContext, request: Request) -> Any:
    """`POST /calls/{id}`: the fields `note` and `tags` of one's own conversation. 422 names what is wrong."""
    call = find_call(request, Whose.person(context.subscriber_id))
    form = read_annotation(request.POST)
    if form.errors:
        request.response.status_int = 422
    else:
        annotate(request.db, context.subscriber_id, call.id, form)
    if not is_htmx(request):
        if form.errors:
            return _own_page(context, request, call, form)
        request.flash(_("Note saved"))
        return HTTPSeeOther(f"/calls/{call.id}")
    request.override_renderer = "calllogs/opened.pt"
    return _own_page(context, request, call, form) | {"is_saved": not form.errors}


def find_call(request: Request, whose: Whose) -> Conversation:
    """The call that the address names, if it is these people's. Raises HTTPNotFound."""
    try:
        wanted = UUID(request.matchdict["id"])
    except ValueError:
        raise HTTPNotFound from None
    call = find_conversation(request.db, whose, wanted)
    if call is None:
        raise HTTPNotFound
    return call


def _stored_form(context: TenantContext, request: Request, call: Conversation) -> AnnotationForm:
    stored = annotation_of(request.db, context.subscriber_id, call.id)
    if stored is None:
        return AnnotationForm({"note": "", "tags": ""})
    return AnnotationForm({"note": stored.note, "tags": ", ".join(stored.tags)})


def _own_page(
    context: TenantContext, request: Request, call: Conversation, form: AnnotationForm
) -> dict[str, Any]:
    legs = legs_of(request.db, call, Whose.person(context.subscriber_id))
    page = call_page(context, request, call, legs, LIST)
    noted = {"can_annotate": context.can(ANNOTATE.name), "texts": form.texts, "errors": form.errors}
    return page | noted


def call_page(
    context: TenantContext,
    request: Request,
    call: Conversation,
    legs: Sequence[Any],
    list_url: str,
    names: Mapping[UUID, str] | None = None,
) -> dict[str, Any]:
    """A call as a page shows it. `names` are those of the people in it, when it is another's. Without notes."""
    outgoing = call.direction == "outgoing"
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
        "list_url": list_url,
        "who": party(call.name, call.number, outgoing),
        "label": label(outgoing, call.disposition),
        "icon_name": icon_name(outgoing, call.disposition),
        "dial": dial_url(call.number),
        "legs": [present_leg(leg, call.subscriber_id, names) for leg in legs],
        "actions": actions_for_call(context, request, about),
        "whose": None,
        "can_annotate": False,
        "texts": {},
        "errors": {},
        "is_saved": False,
    }
