"""The page behind a link in a mail: one message, for whoever has the link."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther, HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import PUBLIC, Route, TenantContext, translations
from ringstead.api.blobs import org_blobs
from ringstead.api.directory import has_feature
from ringstead.api.files import blob_response
from ringstead.api.models import TenantScopeMissing, TenantSession
from ringstead_voicemail import messages
from ringstead_voicemail.links import PATH, linked_message, read_token
from ringstead_voicemail.mailboxes import lock_mailbox
from ringstead_voicemail.message_views import playable, wants_json
from ringstead_voicemail.models import Mailbox
from ringstead_voicemail.notices import is_in_package
from ringstead_voicemail.presenting import present

_ = translations("ringstead_voicemail")


def routes() -> list[Route]:
    """Pages that nobody signs in for."""
    return [
        Route(
            name="voicemail.link",
            pattern=f"{PATH}/{{token}}",
            view=show_link,
            permission=PUBLIC,
            renderer="voicemail/link.pt",
        ),
        Route(
            name="voicemail.link.act",
            pattern=f"{PATH}/{{token}}",
            view=act_on_link,
            permission=PUBLIC,
            methods=("POST",),
        ),
        Route(
            name="voicemail.link.audio",
            pattern=f"{PATH}/{{token}}/audio",
            view=send_linked_audio,
            permission=PUBLIC,
        ),
    ]


def show_link(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail/link/{token}`: a message, to be played. 404 for a link that has ended or is another partner's."""

    def read(_session: TenantSession, row: Any) -> dict[str, Any]:
        (message,) = present([row], {})
        return {"message": message, "link_url": request.path, "audio_url": f"{request.path}/audio"}

    return dict(_in_mailbox(context, request, read))


def act_on_link(context: TenantContext, request: Request) -> Response:
    """`POST /voicemail/link/{token}` with `do`: heard, or trash, after which the link shows nothing any more."""
    do = request.POST.get("do", "")
    if do not in ("heard", "trash"):
        raise HTTPUnprocessableEntity(_("Choose what is to be done with the message."))

    def change(session: TenantSession, row: Any) -> None:
        mailbox = lock_mailbox(session, row.mailbox_id)
        if do == "heard":
            messages.mark_heard(session, mailbox, [row.id])
        else:
            messages.move(session, mailbox, [row.id], "trash")

    _in_mailbox(context, request, change)
    if wants_json(request):
        return Response(json_body={})
    request.flash(_("Deleted") if do == "trash" else _("Marked as heard"))
    return HTTPSeeOther("/sign-in" if do == "trash" else request.path)


def send_linked_audio(context: TenantContext, request: Request) -> Response:
    """`GET /voicemail/link/{token}/audio`: its sound. With `played` it counts as heard."""

    def send(session: TenantSession, row: Any) -> Response:
        if "played" in request.GET and row.heard_at is None and request.method == "GET":
            messages.mark_heard(session, lock_mailbox(session, row.mailbox_id), [row.id])
        return blob_response(request, org_blobs(session), playable(row))

    response: Response = _in_mailbox(context, request, send)
    return response


def _in_mailbox(context: TenantContext, request: Request, do: Callable[[TenantSession, Any], Any]) -> Any:
    """Do something in the organization of the link, with its message. 404 for a link that does not hold."""
    named: tuple[UUID, UUID] | None = read_token(request.db, request.matchdict["token"])
    if named is None:
        raise HTTPNotFound
    org_id, link_id = named
    try:
        with request.database.run_as(org_id) as session:
            holds = session.scope.partner_id == context.partner.id and has_feature(session, "voicemail")
            row = linked_message(session, link_id) if holds else None
            mailbox = None if row is None else session.get(Mailbox, (org_id, row.mailbox_id))
            if mailbox is None or not is_in_package(session, mailbox):
                raise HTTPNotFound
            return do(session, row)
    except TenantScopeMissing:
        raise HTTPNotFound from None
