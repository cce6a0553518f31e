"""The page on which a message is sent on."""

from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request

from ringstead.api import Route, TenantContext, translations
from ringstead.api.directory import find_people
from ringstead.api.throttling import seconds_to_wait
from ringstead.api.work import MailAttachment
from ringstead_voicemail.forwarding import NotSent, forward, send_by_mail
from ringstead_voicemail.links import revoke_links
from ringstead_voicemail.message_views import file_name, playable
from ringstead_voicemail.permissions import FORWARD
from ringstead_voicemail.presenting import present
from ringstead_voicemail.recordings import SUFFIXES
from ringstead_voicemail.views import one_message

_ = translations("ringstead_voicemail")
_MOST_OFFERED = 500
MAIL = "voicemail.mail"
MAILS_A_MINUTE, MAILS_A_DAY = 10, 100


def routes() -> list[Route]:
    """The page, and its forms."""
    one = "/voicemail/messages/{id}"
    return [
        Route(
            name="voicemail.forward",
            pattern=f"{one}/forward",
            view=show_forward,
            permission=FORWARD.name,
            support="private",
            renderer="voicemail/forward.pt",
        ),
        Route(
            name="voicemail.forward.send",
            pattern=f"{one}/forward",
            view=send_forward,
            permission=FORWARD.name,
            support="private",
            methods=("POST",),
            renderer="voicemail/forward.pt",
        ),
        Route(
            name="voicemail.links.revoke",
            pattern=f"{one}/links",
            view=revoke,
            permission=FORWARD.name,
            methods=("POST",),
        ),
    ]


def show_forward(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail/messages/{id}/forward`: the forms."""
    return _page(context, request, one_message(context, request))


def send_forward(context: TenantContext, request: Request) -> Any:
    """`POST …/forward`: with `extension` and `note` to a colleague, with `to`, `mail_note` and `attach` by mail."""
    row = one_message(context, request)
    given = {name: request.POST.get(name, "").strip() for name in ("extension", "note", "to", "mail_note")}
    if request.POST.get("way") == "mail" and seconds_to_wait(
        context, request, MAIL, MAILS_A_MINUTE, MAILS_A_DAY
    ):
        wrong: NotSent | None = NotSent("to", _("That were many mails in a short time. Try again later."))
    elif request.POST.get("way") == "mail":
        origin = request.deployment.origin(request.site.host)
        wrong = send_by_mail(
            request.db,
            context,
            row,
            origin,
            given["to"],
            given["mail_note"],
            "attach" in request.POST,
            _attachment(request, row),
        )
    else:
        wrong = forward(request.db, context, row, given["extension"], given["note"])
    if wrong is not None:
        request.response.status_int = 422
        return _page(context, request, row, given, wrong)
    request.flash(_("Sent on"))
    return HTTPSeeOther(f"/voicemail/messages/{row.id}")


def revoke(context: TenantContext, request: Request) -> Any:
    """`POST …/links`: end every link to the message."""
    row = one_message(context, request)
    revoke_links(request.db, row.id)
    request.flash(_("The links play nothing any more"))
    return HTTPSeeOther(f"/voicemail/messages/{row.id}")


def _attachment(request: Request, row: Any) -> MailAttachment:
    file = playable(row)
    return MailAttachment(file.key, f"{file_name(request, row)}.{SUFFIXES[file.media_type]}", file.media_type)


def _page(
    context: TenantContext,
    request: Request,
    row: Any,
    given: dict[str, str] | None = None,
    wrong: NotSent | None = None,
) -> dict[str, Any]:
    (message,) = present([row], {})
    people = [
        person for person in find_people(request.db, most=_MOST_OFFERED) if person.id != context.subscriber_id
    ]
    return {
        "message": message,
        "people": people,
        "texts": given or {"extension": "", "note": "", "to": "", "mail_note": ""},
        "errors": {} if wrong is None else {wrong.field: wrong.why},
    }
