"""What a person does with messages: hear, move, throw away, download, send on."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import structlog
import zipstream
from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther, HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import Route, TenantContext, translations
from ringstead.api.blobs import BlobMissing, OrgBlobs, org_blobs
from ringstead.api.files import BlobFile, blob_response
from ringstead.api.formatting import formats_of
from ringstead.api.notices import Undo
from ringstead_voicemail import messages
from ringstead_voicemail.listing import read_my_messages
from ringstead_voicemail.mailboxes import lock_mailbox, my_mailboxes
from ringstead_voicemail.models import Message
from ringstead_voicemail.permissions import DOWNLOAD, LISTEN
from ringstead_voicemail.presenting import BASE, MESSAGES, present
from ringstead_voicemail.recordings import ORIGINAL, SUFFIXES, blob_key
from ringstead_voicemail.views import one_message

_ = translations("ringstead_voicemail")
log = structlog.get_logger(__name__)
MOST_AT_ONCE: Final = 200
DONE: Final = {
    "heard": _("Marked as heard"),
    "unheard": _("Marked as new"),
    "inbox": _("Moved to the inbox"),
    "saved": _("Saved"),
    "trash": _("Deleted"),
    "restore": _("Brought back"),
    "remove": _("Deleted for good"),
}


def routes() -> list[Route]:
    """Actions and files."""
    one = "/voicemail/messages/{id}"
    return [
        Route(
            name="voicemail.act",
            pattern="/voicemail/messages",
            view=act_on_messages,
            permission=LISTEN.name,
            methods=("POST",),
        ),
        Route(
            name="voicemail.zip",
            pattern="/voicemail/messages.zip",
            view=send_zip,
            permission=DOWNLOAD.name,
            support="private",
        ),
        Route(
            name="voicemail.audio",
            pattern=f"{one}/audio",
            view=send_audio,
            permission=LISTEN.name,
            support="private",
        ),
        Route(
            name="voicemail.download",
            pattern=f"{one}/download",
            view=send_download,
            permission=DOWNLOAD.name,
            support="private",
        ),
    ]


def act_on_messages(context: TenantContext, request: Request) -> Any:
    """`POST /voicemail/messages` with `id` (several), `do`, `back`. Messages that are not the reader's are left alone.

    `do` is heard, unheard, inbox, saved, trash, restore, or remove for good (what is in the trash). 404 when none of
    the messages is the reader's. A script that asks for JSON gets the count of new messages.
    """
    do, ids = request.POST.get("do", ""), ids_of(request.POST.getall("id"))
    if do == "download":
        return HTTPSeeOther(f"{MESSAGES}.zip?" + "&".join(f"id={one}" for one in ids))
    if do not in DONE:
        raise HTTPUnprocessableEntity(_("Choose what is to be done with the messages."))
    rows = read_my_messages(request.db, context.subscriber_id, ids)
    if not ids or not rows:
        raise HTTPNotFound
    try:
        changed = _change(request, rows, do)
    except messages.HeldBack:
        request.flash(_("A legal hold is on: nothing is removed."), "warn")
        return HTTPSeeOther(_back(request))
    if wants_json(request):
        boxes = my_mailboxes(request.db, context.subscriber_id)
        return Response(json_body={"new": sum(box.new_count for box in boxes)})
    if changed:
        request.flash(_done(do, len(changed)), undo=_undo(request, do, changed))
    return HTTPSeeOther(_back(request))


def wants_json(request: Request) -> bool:
    """Whether a script asks, and not a form."""
    return "application/json" in request.headers.get("Accept", "")


def _change(request: Request, rows: list[Any], do: str) -> list[UUID]:
    """Do it, mailbox by mailbox in the order of their ids, so that two requests never wait crosswise."""
    changed: list[UUID] = []
    for mailbox_id in sorted({row.mailbox_id for row in rows}):
        mailbox = lock_mailbox(request.db, mailbox_id)
        mine = [row for row in rows if row.mailbox_id == mailbox_id]
        ids = [row.id for row in mine]
        if do in ("heard", "unheard"):
            changed += messages.mark_heard(request.db, mailbox, ids, heard=do == "heard")
        elif do == "restore":
            changed += messages.restore(request.db, mailbox, ids)
        elif do == "remove":
            changed += messages.remove(request.db, mailbox, ids, Message.folder == "trash")
        else:
            changed += messages.move(request.db, mailbox, ids, do)
    return changed


def _done(do: str, count: int) -> Any:
    return _("${done}: ${n}", mapping={"done": DONE[do], "n": count}) if count > 1 else DONE[do]


def _undo(request: Request, do: str, ids: list[UUID]) -> Undo | None:
    # The notice travels in a cookie, which holds so many ids and no more.
    if do != "trash" or len(ids) > 40:
        return None
    fields = [("do", "restore"), ("back", _back(request)), *(("id", str(one)) for one in ids)]
    return Undo(MESSAGES, tuple(fields))


def _back(request: Request) -> str:
    """The page of voicemail to return to, or home; no other."""
    back = request.POST.get("back", "")
    if not back.isprintable():
        return BASE
    return back if back == "/" or back.partition("?")[0] == BASE or back.startswith(f"{MESSAGES}/") else BASE


def ids_of(texts: list[str]) -> list[UUID]:
    """The ids among an address' or a form's values, at most 200. Raises 422 for more."""
    if len(texts) > MOST_AT_ONCE:
        most = {"most": MOST_AT_ONCE}
        raise HTTPUnprocessableEntity(_("Choose ${most} messages at most.", mapping=most))
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            raise HTTPNotFound from None
    return found


def send_audio(context: TenantContext, request: Request) -> Response:
    """`GET /voicemail/messages/{id}/audio`: the sound as browsers play it, or ranges of it.

    With `played` (how a page without scripts asks), the message counts as heard.
    """
    row = one_message(context, request)
    if "played" in request.GET and row.heard_at is None and request.method == "GET" and context.may_change:
        messages.mark_heard(request.db, lock_mailbox(request.db, row.mailbox_id), [row.id])
    return blob_response(request, org_blobs(request.db), playable(row))


def send_download(context: TenantContext, request: Request) -> Response:
    """`GET /voicemail/messages/{id}/download`: a WAV file, or the original while there is none."""
    row = one_message(context, request)
    return blob_response(request, org_blobs(request.db), downloadable(row, file_name(request, row)))


def playable(row: Any) -> BlobFile:
    """What a browser plays of a recording: the MP3, or the original where there is none."""
    return _blob(row, "mp3", "")


def downloadable(row: Any, name: str) -> BlobFile:
    """What somebody downloads of a recording; `name` without the ending."""
    return _blob(row, "wav", name)


def _blob(row: Any, rendition: str, name: str) -> BlobFile:
    made = row.renditions.get(rendition)
    if made is None:
        made = {"size": row.size, "digest": row.digest, "media_type": row.media_type}
        rendition = ORIGINAL
    full = f"{name}.{SUFFIXES.get(made['media_type'], 'bin')}" if name else ""
    return BlobFile(
        key=blob_key(row.recording_id, rendition),
        size=made["size"],
        digest=made["digest"],
        media_type=made["media_type"],
        name=full,
    )


def file_name(request: Request, row: Any) -> str:
    """The name of a downloaded message, without its ending: when and who."""
    fmt = formats_of(request)
    (shown,) = present([row], {})
    who = fmt.text(shown.who)
    safe = "".join(char if char.isalnum() or char in " +-." else "_" for char in who).strip()
    return f"{fmt.local(row.received_at):%Y-%m-%d %H.%M} {safe}"


def send_zip(context: TenantContext, request: Request) -> Response:
    """`GET /voicemail/messages.zip?id=…`: some messages as one file, made while it is sent."""
    ids = ids_of(request.GET.getall("id"))
    if not ids:
        raise HTTPUnprocessableEntity(_("Choose a message"))
    rows = read_my_messages(request.db, context.subscriber_id, ids)
    if not rows:
        raise HTTPNotFound
    response = Response(content_type="application/zip", charset=None)
    response.content_disposition = 'attachment; filename="voicemail.zip"'
    if request.method != "HEAD":
        response.app_iter = _zipped(request, org_blobs(request.db), rows)
    return response


def _zipped(request: Request, blobs: OrgBlobs, rows: list[Any]) -> Iterator[bytes]:
    archive = zipstream.ZipStream(compress_type=zipstream.ZIP_STORED)
    for number, row in enumerate(rows, start=1):
        file = downloadable(row, f"{number:03} {file_name(request, row)}")
        archive.add(_pieces(blobs, file.key), file.name)
    return iter(archive)


def _pieces(blobs: OrgBlobs, key: str) -> Iterator[bytes]:
    """A blob when its turn comes; one that is gone is an empty file, and the others come all the same."""
    try:
        yield from blobs.read(key)
    except BlobMissing:
        log.error("voicemail.blob_missing", key=key)
