"""The mailbox page: a folder of a mailbox, and beside it a message."""

from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request

from ringstead.api import CallInfo, Route, TenantContext, translations
from ringstead.api.actions import actions_for_call
from ringstead.api.calling import can_originate
from ringstead.api.directory import caller_names
from ringstead_voicemail import links
from ringstead_voicemail.listing import Cursor, read_my_messages, read_page
from ringstead_voicemail.mailboxes import my_mailboxes
from ringstead_voicemail.messages import FOLDERS
from ringstead_voicemail.models import Mailbox
from ringstead_voicemail.permissions import DOWNLOAD, FORWARD, GREETINGS, LISTEN, PIN, SETTINGS
from ringstead_voicemail.presenting import BASE, FOLDER_NAMES, dial_url, numbers_of, present

_ = translations("ringstead_voicemail")
_LONGEST_QUERY: Final = 100


def routes() -> list[Route]:
    """The page and its parts."""
    return [
        Route(
            name="voicemail.list",
            pattern="/voicemail",
            view=list_messages,
            permission=LISTEN.name,
            renderer="voicemail/mailbox.pt",
        ),
        Route(
            name="voicemail.message",
            pattern="/voicemail/messages/{id}",
            view=show_message,
            permission=LISTEN.name,
            renderer="voicemail/mailbox.pt",
        ),
    ]


def list_messages(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail?box=&folder=&q=&before=`: a page of a folder. 404 for a mailbox that is not the reader's."""
    boxes = my_mailboxes(request.db, context.subscriber_id)
    wanted = request.GET.get("box", "")
    box = boxes[0] if not wanted else next((one for one in boxes if str(one.id) == wanted), None)
    folder = request.GET.get("folder", "inbox")
    if box is None or folder not in FOLDERS:
        raise HTTPNotFound
    query = " ".join(request.GET.get("q", "")[:_LONGEST_QUERY].split())
    before = Cursor.read(request.GET.get("before", ""))
    return _page(context, request, boxes, box, folder, query=query, before=before)


def show_message(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail/messages/{id}`: a message beside its folder; with htmx, the message alone."""
    row = one_message(context, request)
    boxes = my_mailboxes(request.db, context.subscriber_id)
    box = next(one for one in boxes if one.id == row.mailbox_id)
    if request.headers.get("HX-Request"):
        request.override_renderer = "voicemail/message.pt"
        request.response.headers["Vary"] = "HX-Request"
        return _detail(context, request, box, row)
    return _page(context, request, boxes, box, row.folder, chosen=row)


def one_message(context: TenantContext, request: Request) -> Any:
    """The message that the address names, in a mailbox that the reader opens. Raises HTTPNotFound."""
    try:
        wanted = UUID(request.matchdict["id"])
    except ValueError:
        raise HTTPNotFound from None
    found = read_my_messages(request.db, context.subscriber_id, [wanted])
    if not found:
        raise HTTPNotFound
    return found[0]


def folder_url(box: Mailbox, folder: str, **more: str) -> str:
    """The address of a folder; the inbox of one's own mailbox is the page itself."""
    values = {"box": str(box.id) if box.is_shared else "", "folder": folder if folder != "inbox" else ""}
    asked = urlencode({name: value for name, value in (values | more).items() if value})
    return f"{BASE}?{asked}" if asked else BASE


def _page(
    context: TenantContext,
    request: Request,
    boxes: list[Mailbox],
    box: Mailbox,
    folder: str,
    *,
    query: str = "",
    before: Cursor | None = None,
    chosen: Any = None,
) -> dict[str, Any]:
    page = read_page(request.db, box.id, folder, query, before, in_words=context.may_hear)
    names = caller_names(context, request, numbers_of(page.rows))
    older = None if page.older is None else folder_url(box, folder, q=query, before=str(page.older))
    return {
        "boxes": [(one, folder_url(one, "inbox")) for one in boxes],
        "box": box,
        "folder": folder,
        "folders": [(name, FOLDER_NAMES[name], folder_url(box, name)) for name in FOLDERS],
        "query": query,
        "messages": present(page.rows, names, may_hear=context.may_hear),
        "older_url": older,
        "newer_url": folder_url(box, folder, q=query) if before is not None else None,
        "list_url": folder_url(box, folder, q=query),
        "back": request.path_qs,
        "settings_url": _settings_url(context, box),
        "can_download": context.can(DOWNLOAD.name),
        "trash_days": context.preferences["voicemail.trash_days"],
        "detail": None if chosen is None else _detail(context, request, box, chosen),
        "originates": can_originate(context, request),
        "dial_url": dial_url,
    }


def _detail(context: TenantContext, request: Request, box: Mailbox, row: Any) -> dict[str, Any]:
    """A message with what can be done about it."""
    names = caller_names(context, request, numbers_of([row]))
    (message,) = present([row], names, may_hear=context.may_hear)
    about = CallInfo(
        number=row.number,
        name=str(message.who) if message.is_name else None,
        direction="incoming",
        started_at=row.received_at,
        subscriber_id=message.subscriber_id,
    )
    may_forward = context.can(FORWARD.name)
    return {
        "message": message,
        "box": box,
        "list_url": folder_url(box, row.folder),
        "actions": actions_for_call(context, request, about),
        "originates": can_originate(context, request),
        "dial_url": dial_url,
        "can_download": context.can(DOWNLOAD.name),
        "can_forward": may_forward,
        "links": links.open_links(request.db, row.id) if may_forward else [],
        "trash_days": context.preferences["voicemail.trash_days"],
    }


def _settings_url(context: TenantContext, box: Mailbox) -> str | None:
    if not any(context.can(right.name) for right in (SETTINGS, GREETINGS, PIN)):
        return None
    return f"{BASE}/settings?box={box.id}" if box.is_shared else f"{BASE}/settings"
