"""The page of greetings: record, upload, listen, choose."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import Route, TenantContext, translations
from ringstead.api.blobs import org_blobs
from ringstead.api.directory import situations_of
from ringstead.api.files import BlobFile, Upload, blob_response
from ringstead.api.formatting import formats_of
from ringstead_voicemail.box_views import chosen_box, form_of, page_url, tabs
from ringstead_voicemail.greetings import (
    KIND_HELP,
    KINDS,
    LONGEST_TITLE,
    MOST,
    activate,
    add_greeting,
    end_of_day,
    follow,
    greetings_of,
    remove_greeting,
    stop,
)
from ringstead_voicemail.mailboxes import lock_mailbox, read_preferences
from ringstead_voicemail.models import Greeting, Mailbox, Recording
from ringstead_voicemail.permissions import GREETINGS
from ringstead_voicemail.presenting import wave_of
from ringstead_voicemail.recordings import ORIGINAL, blob_key
from ringstead_voicemail.settings import GREETING_SECONDS, LEGAL_HOLD
from ringstead_voicemail.sounds import ReadingFailed, SoundRefused
from ringstead_voicemail.taking_in import GREETING_RENDITIONS, MOST_BYTES, take_in

_ = translations("ringstead_voicemail")
PAGE: Final = "greetings"
_PIECE: Final = 256 * 1024
# What `SoundRefused.reason` is for whom it concerns.
REFUSALS: Final = {
    "kind": _("This is no sound that telephones can play. Choose a WAV, MP3 or Ogg Opus file."),
    "rate": _("Choose a file with one or two channels and at most 48,000 samples a second."),
    "part": _("A part of the file is missing. Save it again and choose it once more."),
    "length": _("This MP3 does not say how long it is. Save it with a constant bit rate, or as WAV."),
    "long": _("It is too long: ${n} seconds at most."),
    "large": _("The file is too large. Save it as MP3 or Ogg Opus."),
    "empty": _("There is no sound in it. Record it again, or choose another file."),
    "dear": _("Reading this file takes too long. Save it as WAV."),
}


def routes() -> list[Route]:
    """The page, its forms, and the sound of a greeting."""
    return [
        Route(
            name="voicemail.greetings",
            pattern="/voicemail/greetings",
            view=show_greetings,
            permission=GREETINGS.name,
            renderer="voicemail/greetings.pt",
        ),
        Route(
            name="voicemail.greetings.add",
            pattern="/voicemail/greetings",
            view=add,
            permission=GREETINGS.name,
            methods=("POST",),
            renderer="voicemail/greetings.pt",
            uploads=MOST_BYTES,
        ),
        Route(
            name="voicemail.greetings.change",
            pattern="/voicemail/greetings/{id}",
            view=change,
            permission=GREETINGS.name,
            methods=("POST",),
            renderer="voicemail/greetings.pt",
        ),
        Route(
            name="voicemail.greetings.sound",
            pattern="/voicemail/greetings/{id}/audio",
            view=send_sound,
            permission=GREETINGS.name,
        ),
    ]


def show_greetings(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /voicemail/greetings`, with `box` those of a shared mailbox."""
    return _page(context, request, chosen_box(context, request))


def add(context: TenantContext, request: Request) -> Any:
    """`POST /voicemail/greetings` with `kind`, `title` and the file `sound`, recorded by the browser or chosen."""
    box = chosen_box(context, request)
    kind, title = request.POST.get("kind", ""), " ".join(request.POST.get("title", "").split())
    upload: Upload | None = request.uploads.get("sound")
    errors: dict[str, Any] = {}
    if kind not in KINDS:
        errors["kind"] = _("Choose when callers hear it.")
    if len(title) > LONGEST_TITLE:
        errors["title"] = _("Use ${n} characters at most.", mapping={"n": LONGEST_TITLE})
    if upload is None:
        errors["sound"] = _("Record something, or choose a file.")
    if len(greetings_of(request.db, box.id)) >= MOST:
        errors["sound"] = _("A mailbox keeps ${n} greetings. Delete one first.", mapping={"n": MOST})
    if upload is None or errors:
        return _refused(context, request, box, errors)
    most = int(read_preferences(request.db, box.subscriber_id)[GREETING_SECONDS])
    try:
        recording = take_in(request.db, org_blobs(request.db), _pieces(upload), most, GREETING_RENDITIONS)
    except SoundRefused as refused:
        wrong = REFUSALS[refused.reason]
        return _refused(context, request, box, {"sound": _(wrong, mapping={"n": most})})
    except ReadingFailed:
        again = _("The file could not be read just now. Send it again.")
        return _refused(context, request, box, {"sound": again}, status=503)
    fmt = formats_of(request)
    name = title or fmt.text(
        _("${kind}, ${day}", mapping={"kind": fmt.text(KINDS[kind]), "day": fmt.date_only(fmt.today())})
    )
    # One after another: which one is the first of its kind, and so the active one, is decided once.
    add_greeting(request.db, lock_mailbox(request.db, box.id), recording, kind, name)
    request.flash(_("Greeting saved"))
    return HTTPSeeOther(page_url(box, PAGE))


def change(context: TenantContext, request: Request) -> Any:
    """`POST /voicemail/greetings/{id}` with `do`: activate (an absence with `until`), stop, follow a `situation`,
    rename to `title`, or delete."""
    box = chosen_box(context, request)
    greeting = _find(request, box)
    do = request.POST.get("do", "")
    if do == "activate":
        until = end_of_day(request.POST.get("until", ""), context.time_zone, datetime.now(UTC))
        if greeting.kind == "absence" and until is None:
            wrong = {f"until-{greeting.id}": _("Choose the last day of your absence.")}
            return _refused(context, request, box, wrong)
        activate(request.db, greeting, until)
    elif do == "stop":
        stop(request.db, greeting)
    elif do == "follow":
        chosen = request.POST.get("situation", "")
        follow(request.db, greeting, chosen if chosen in _situations(request, box) else None)
    elif do == "rename":
        greeting.title = " ".join(request.POST.get("title", "").split())[:LONGEST_TITLE] or greeting.title
    elif do == "delete" and context.preferences[LEGAL_HOLD]:
        request.flash(_("A legal hold is on: nothing is removed."), "warn")
        return HTTPSeeOther(page_url(box, PAGE))
    elif do == "delete":
        remove_greeting(request.db, greeting)
    else:
        raise HTTPNotFound
    request.flash(_("Deleted") if do == "delete" else _("Saved"))
    return HTTPSeeOther(page_url(box, PAGE))


def send_sound(context: TenantContext, request: Request) -> Response:
    """`GET /voicemail/greetings/{id}/audio`: a greeting, as browsers play it."""
    box = chosen_box(context, request)
    greeting = _find(request, box)
    sound = request.db.get_one(Recording, (box.org_id, greeting.recording_id))
    made = sound.renditions.get("mp3")
    name = "mp3" if made is not None else ORIGINAL
    made = made or {"size": sound.size, "digest": sound.digest, "media_type": sound.media_type}
    file = BlobFile(
        key=blob_key(sound.id, name), size=made["size"], digest=made["digest"], media_type=made["media_type"]
    )
    return blob_response(request, org_blobs(request.db), file)


def _find(request: Request, box: Mailbox) -> Greeting:
    try:
        wanted = UUID(request.matchdict["id"])
    except ValueError:
        raise HTTPNotFound from None
    greeting: Greeting | None = request.db.get(Greeting, (box.org_id, wanted))
    if greeting is None or greeting.mailbox_id != box.id:
        raise HTTPNotFound
    return greeting


def _pieces(upload: Upload) -> Iterator[bytes]:
    upload.file.seek(0)
    while piece := upload.file.read(_PIECE):
        yield piece


def _situations(request: Request, box: Mailbox) -> dict[str, Any]:
    if box.subscriber_id is None:
        return {}
    found = situations_of(request, request.db, box.subscriber_id)
    return {situation.id: situation.title for situation in found}


def _refused(
    context: TenantContext, request: Request, box: Mailbox, errors: dict[str, Any], status: int = 422
) -> Any:
    request.response.status_int = status
    return _page(context, request, box, errors)


def _page(
    context: TenantContext, request: Request, box: Mailbox, errors: dict[str, Any] | None = None
) -> dict[str, Any]:
    found = greetings_of(request.db, box.id)
    query = f"?box={box.id}" if box.is_shared else ""
    shown: list[dict[str, Any]] = [
        {
            "greeting": greeting,
            "sound": sound,
            "wave": wave_of(sound.peaks, 40),
            "url": f"/voicemail/greetings/{greeting.id}",
            "audio_url": f"/voicemail/greetings/{greeting.id}/audio{query}",
        }
        for greeting, sound in found
    ]
    return {
        "box": box,
        "kinds": [
            (kind, title, KIND_HELP[kind], [one for one in shown if one["greeting"].kind == kind])
            for kind, title in KINDS.items()
        ],
        "situations": _situations(request, box),
        "most_seconds": int(read_preferences(request.db, box.subscriber_id)[GREETING_SECONDS]),
        "page_url": page_url(box, PAGE),
        "tabs": tabs(context, box),
        "texts": {name: form_of(request).get(name, "") for name in ("kind", "title")},
        "errors": errors or {},
    }
