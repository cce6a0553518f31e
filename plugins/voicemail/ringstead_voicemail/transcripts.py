"""What was said, written down: by whoever the organization has chosen, if the mailbox wants it."""

import tempfile
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select

from ringstead.api import EventListener, JobSpec, SpokenWords
from ringstead.api.blobs import org_blobs
from ringstead.api.models import TenantSession
from ringstead.api.switch import Database
from ringstead.api.transcribing import NOBODY, transcribers
from ringstead.api.work import Event, defer
from ringstead_voicemail.events import MessageReady
from ringstead_voicemail.mailboxes import read_preferences
from ringstead_voicemail.models import Mailbox, Message, Recording
from ringstead_voicemail.recordings import blob_key
from ringstead_voicemail.settings import TRANSCRIBER

TRANSCRIBE: Final = "voicemail.transcribe"
ATTEMPTS: Final = 5


def listeners() -> list[EventListener]:
    """Who hears of messages that are ready."""
    return [EventListener(name="voicemail.transcript", event=MessageReady, handle=on_ready)]


def jobs() -> list[JobSpec]:
    """Writing down."""
    return [JobSpec(name=TRANSCRIBE, run=transcribe, attempts=ATTEMPTS)]


def on_ready(session: TenantSession, event: Event) -> None:
    """Queue the writing down of a message that has no words yet."""
    assert isinstance(event, MessageReady)
    mailbox = session.get(Mailbox, (event.org_id, event.mailbox_id))
    message = session.get(Message, (event.org_id, event.message_id))
    chosen = str(read_preferences(session)[TRANSCRIBER])
    if mailbox is None or message is None or not mailbox.transcribe or chosen == NOBODY:
        return
    found = select(Recording).where(Recording.id == message.recording_id).with_for_update()
    recording = session.scalars(found).one()
    if recording.transcript_state != "none" or "wav" not in recording.renditions:
        return
    recording.transcript_state = "queued"
    defer(
        session,
        TRANSCRIBE,
        org_id=session.org_id,
        recording_id=recording.id,
        transcriber=chosen,
        language=mailbox.language,
    )


def transcribe(
    database: Database, *, org_id: UUID, recording_id: UUID, transcriber: str, language: str
) -> None:
    """The job. What the transcriber raises is raised, to be tried again; meanwhile the page says that it failed."""
    with database.run_as(org_id) as session:
        recording = session.get(Recording, (org_id, recording_id))
        known = transcribers(session).get(transcriber)
        if recording is None or recording.transcript_state == "done":
            return
        blobs, seconds = org_blobs(session), recording.seconds
    if known is None:
        _write(database, org_id, recording_id, "failed")
        raise LookupError(f"there is no transcriber {transcriber!r} on this installation")
    with tempfile.TemporaryDirectory(prefix="voicemail-") as place:
        path = Path(place) / "words.wav"
        with path.open("wb") as file:
            for piece in blobs.read(blob_key(recording_id, "wav")):
                file.write(piece)
        try:
            said = known.transcribe(SpokenWords(path=path, seconds=seconds, language=language))
        except Exception:
            _write(database, org_id, recording_id, "failed")
            raise
    text, tag = ("", "") if said is None else (said.text.strip(), said.language)
    _write(database, org_id, recording_id, "done", text, tag)


def _write(
    database: Database, org_id: UUID, recording_id: UUID, state: str, text: str = "", language: str = ""
) -> None:
    with database.run_as(org_id) as session:
        recording = session.get(Recording, (org_id, recording_id))
        if recording is not None:
            recording.transcript_state, recording.transcript = state, text
            recording.transcript_language = language
