"""What a switch asks about mailboxes while somebody is on the phone: PIN, greeting, messages, what they did."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import select

from ringstead.api import SwitchMessage
from ringstead.api.blobs import BlobMissing, org_blobs
from ringstead.api.directory import situations_of
from ringstead.api.files import BlobFile, blob_response
from ringstead.api.models import TenantScopeMissing, TenantSession
from ringstead.api.secrets import Busy, verify_secret
from ringstead.api.switch import Database, SwitchNode, problem, read_body
from ringstead_voicemail import deposit, fetching, messages
from ringstead_voicemail.greetings import greeting_now, greetings_of
from ringstead_voicemail.listing import read_messages, read_page
from ringstead_voicemail.mailboxes import lock_mailbox, mailbox_of_extension
from ringstead_voicemail.message_views import downloadable
from ringstead_voicemail.models import Greeting, Mailbox, Recording
from ringstead_voicemail.pin import count_failure, count_success, tries_left
from ringstead_voicemail.recordings import blob_key

Answer = Callable[[TenantSession, Mailbox, dict[str, Any]], Response]
_NAMES: Final = ("wav8", "wav16")
_ACTS: Final = ("heard", "unheard", "inbox", "saved", "trash")


def switch_messages() -> list[SwitchMessage]:
    """All that voicemail takes from switches, and gives them."""
    return [
        SwitchMessage(path="voicemail", handle=deposit.receive_message),
        SwitchMessage(path="events/voicemail", handle=fetching.receive_announcement),
        SwitchMessage(path="voicemail/pin", handle=check_pin),
        SwitchMessage(path="voicemail/greeting", handle=choose_greeting),
        SwitchMessage(path="voicemail/messages", handle=list_messages),
        SwitchMessage(path="voicemail/act", handle=act),
        SwitchMessage(
            path="voicemail/{organization}/greetings/{id}/{name}", handle=send_greeting, methods=("GET",)
        ),
        SwitchMessage(
            path="voicemail/{organization}/messages/{id}/sound", handle=send_sound, methods=("GET",)
        ),
    ]


def check_pin(node: SwitchNode, request: Request, database: Database) -> Response:
    """`{"domain", "mailbox", "pin"}`: 200 when it is right, 403 with the tries left, 429 when nobody may try now.

    The row of the mailbox is locked meanwhile, so that many tries at once are counted one by one.
    """

    def answer(session: TenantSession, mailbox: Mailbox, asked: dict[str, Any]) -> Response:
        locked, now = lock_mailbox(session, mailbox.id), datetime.now(UTC)
        tries = tries_left(locked, now)
        if not tries.left:
            return _wait(tries.seconds)
        if verify_secret(request, locked.pin_hash, str(asked.get("pin", ""))[:64]):
            count_success(locked)
            return Response(json_body={"valid": True})
        tries = count_failure(locked, now)
        if not tries.left:
            return _wait(tries.seconds)
        return problem(403, "Wrong PIN", f"{tries.left} more tries.", tries=tries.left)

    try:
        return _with_mailbox(node, request, database, answer)
    except Busy:
        busy = problem(503, "Busy", "Too many PINs are being looked at. Send it again.")
        busy.headers["Retry-After"] = "1"
        return busy


def _wait(seconds: int) -> Response:
    answer = problem(429, "Locked", f"The PIN was wrong too often. Nobody may try for {seconds} seconds.")
    answer.headers["Retry-After"] = str(seconds)
    return answer


def choose_greeting(node: SwitchNode, request: Request, database: Database) -> Response:
    """`{"domain", "mailbox", "why": "unavailable"|"busy", "rate": 8000|16000}`: what the caller shall hear.

    `url` is null for the standard greeting. `name_url` is the recorded name, which that says.
    """

    def answer(session: TenantSession, mailbox: Mailbox, asked: dict[str, Any]) -> Response:
        found = greetings_of(session, mailbox.id)
        holding: set[str] = set()
        if mailbox.subscriber_id is not None and any(greeting.situation for greeting, _sound in found):
            now = situations_of(request, session, mailbox.subscriber_id)
            holding = {situation.id for situation in now if situation.is_now}
        why = "busy" if asked.get("why") == "busy" else "unavailable"
        name = "wav16" if asked.get("rate") == 16000 else "wav8"
        # Until its renditions are made a greeting cannot be played.
        ready = {greeting.id: sound for greeting, sound in found if name in sound.renditions}
        playable = [greeting for greeting, _sound in found if greeting.id in ready]
        chosen = greeting_now(playable, why, holding, datetime.now(UTC))
        own_name = next((g for g in playable if g.kind == "name" and g.is_active), None)
        body = {
            "kind": "standard" if chosen is None else chosen.kind,
            "url": None if chosen is None else _greeting_url(chosen, name),
            "etag": None if chosen is None else ready[chosen.id].renditions[name]["digest"],
            "name_url": None if own_name is None else _greeting_url(own_name, name),
            "prompts": mailbox.all_prompts,
            "language": mailbox.language,
        }
        return Response(json_body=body)

    return _with_mailbox(node, request, database, answer)


def _greeting_url(greeting: Greeting, name: str) -> str:
    return f"/switch/v1/voicemail/{greeting.org_id}/greetings/{greeting.id}/{name}"


def send_greeting(node: SwitchNode, request: Request, database: Database) -> Response:
    """A greeting as 16-bit WAV (`wav8`, `wav16`), with an ETag: a switch that keeps it asks cheaply again."""

    def read(session: TenantSession, wanted: UUID) -> Response | None:
        name = request.matchdict["name"]
        found = session.get(Greeting, (session.org_id, wanted))
        sound = None if found is None else session.get(Recording, (session.org_id, found.recording_id))
        if name not in _NAMES or sound is None or name not in sound.renditions:
            return None
        made = sound.renditions[name]
        file = BlobFile(
            key=blob_key(sound.id, name),
            size=made["size"],
            digest=made["digest"],
            media_type=made["media_type"],
        )
        return blob_response(request, org_blobs(session), file)

    return _fetch(node, request, database, read)


def send_sound(node: SwitchNode, request: Request, database: Database) -> Response:
    """A message as 16-bit WAV, to be played on a phone; the original while there is none."""

    def read(session: TenantSession, wanted: UUID) -> Response | None:
        boxes = session.scalars(select(Mailbox.id)).all()
        rows = read_messages(session, boxes, [wanted])
        return blob_response(request, org_blobs(session), downloadable(rows[0], "")) if rows else None

    return _fetch(node, request, database, read)


def list_messages(node: SwitchNode, request: Request, database: Database) -> Response:
    """`{"domain", "mailbox", "folder": "inbox"|"saved"}`: the newest messages, for the menu on the phone."""

    def answer(session: TenantSession, mailbox: Mailbox, asked: dict[str, Any]) -> Response:
        folder = "saved" if asked.get("folder") == "saved" else "inbox"
        page = read_page(session, mailbox.id, folder)
        rows = [
            {
                "message": str(row.id),
                "number": row.number,
                "name": row.name,
                "received_at": row.received_at.astimezone(UTC).isoformat(),
                "seconds": row.seconds,
                "heard": row.heard_at is not None,
                "url": f"/switch/v1/voicemail/{session.org_id}/messages/{row.id}/sound",
            }
            for row in page.rows
        ]
        return Response(json_body={"new": mailbox.new_count, "old": mailbox.old_count, "messages": rows})

    return _with_mailbox(node, request, database, answer)


def act(node: SwitchNode, request: Request, database: Database) -> Response:
    """`{"domain", "mailbox", "do", "messages": [ids]}`: what somebody did on the phone. `do` is heard, unheard, inbox,
    saved or trash. Done again, it changes nothing. Gives the counts as they are then."""

    def answer(session: TenantSession, mailbox: Mailbox, asked: dict[str, Any]) -> Response:
        do, ids = asked.get("do"), _ids(asked.get("messages"))
        if do not in _ACTS or ids is None:
            what = f"do: one of {', '.join(_ACTS)}; messages: a list of at most 200 ids."
            return problem(422, "Field refused", what)
        locked = lock_mailbox(session, mailbox.id)
        if do in ("heard", "unheard"):
            messages.mark_heard(session, locked, ids, heard=do == "heard")
        else:
            messages.move(session, locked, ids, do)
        return Response(json_body={"new": locked.new_count, "old": locked.old_count})

    return _with_mailbox(node, request, database, answer)


def _ids(given: Any) -> list[UUID] | None:
    if not isinstance(given, list) or len(given) > 200:
        return None
    try:
        return [UUID(str(one)) for one in given]
    except ValueError:
        return None


def _with_mailbox(node: SwitchNode, request: Request, database: Database, answer: Answer) -> Response:
    """Answer about the mailbox that a JSON body names; 404 in the same words for what is not there or not its own."""
    try:
        asked = json.loads(read_body(request))
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        return problem(400, "No JSON object", "Send a JSON object with domain and mailbox.")
    org_id = deposit.organization_of(request, asked)
    nobody = problem(404, "No such mailbox", "This switch serves no organization that has such a mailbox.")
    if org_id is None:
        return nobody
    try:
        with database.run_as(org_id) as session:
            partner_id = session.scope.partner_id
            if partner_id is None or not node.serves(partner_id):
                return nobody
            named = str(asked.get("mailbox", ""))[:32]
            mailbox = mailbox_of_extension(session, named) if named.isprintable() else None
            return nobody if mailbox is None else answer(session, mailbox, asked)
    except TenantScopeMissing:
        return nobody


def _fetch(
    node: SwitchNode,
    request: Request,
    database: Database,
    read: Callable[[TenantSession, UUID], Response | None],
) -> Response:
    nothing = problem(404, "No such sound", "This switch serves no organization that has such a sound.")
    try:
        org_id, wanted = UUID(request.matchdict["organization"]), UUID(request.matchdict["id"])
        with database.run_as(org_id) as session:
            partner_id = session.scope.partner_id
            if partner_id is None or not node.serves(partner_id):
                return nothing
            return read(session, wanted) or nothing
    except (ValueError, TenantScopeMissing, BlobMissing):
        return nothing
