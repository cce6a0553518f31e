"""What is made of a recording after it has come in: renditions, the waveform; and what is told when that is done."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from ringstead.api.blobs import BlobMissing, OrgBlobs, org_blobs
from ringstead.api.models import TenantSession
from ringstead.api.switch import Database
from ringstead.api.work import defer, emit
from ringstead_voicemail.events import MessageReady
from ringstead_voicemail.models import Message, Recording
from ringstead_voicemail.recordings import RENDER, blob_key
from ringstead_voicemail.sounds import MEDIA_TYPES, Rendered, SoundRefused, render
from ringstead_voicemail.taking_in import GREETING_RENDITIONS, MESSAGE_RENDITIONS

# The length was looked at when it came in; what a decoder gives may be a little longer than a header says.
_MOST_SECONDS: Final = 2 * 3600
_PIECE: Final = 256 * 1024


def render_recording(database: Database, *, org_id: UUID, recording_id: UUID, names: list[str]) -> None:
    """The job: make renditions and waveform. The original stays whatever happens; `failed` says why it is all there is.

    Harmless when run again: a recording that is ready stays as it is.
    """
    with database.run_as(org_id) as session:
        recording = session.get(Recording, (org_id, recording_id))
        if recording is None or recording.state == "ready":
            return
        blobs, seconds = org_blobs(session), recording.seconds
    with tempfile.TemporaryDirectory(prefix="voicemail-") as place:
        folder = Path(place)
        try:
            _fetch(blobs, recording_id, folder / "in")
            made = render(folder / "in", folder, names, max(_MOST_SECONDS, seconds))
            renditions = {name: _keep(blobs, recording_id, name, made.files[name]) for name in names}
        except Exception as why:
            with database.run_as(org_id) as session:
                _finish(session, recording_id, "failed", error=str(why))
            if isinstance(why, SoundRefused | BlobMissing):
                return
            raise  # a full disk, say: worth another try, and meanwhile the original is what there is
    with database.run_as(org_id) as session:
        _finish(session, recording_id, "ready", made, renditions)


def render_again(database: Database, org_id: UUID) -> str:
    """The command: try again to make renditions of recordings that have failed. Returns a sentence."""
    with database.run_as(org_id) as session:
        failed = session.scalars(select(Recording).where(Recording.state == "failed").with_for_update()).all()
        for recording in failed:
            names = _names_for(session, recording.id)
            defer(session, RENDER, org_id=org_id, recording_id=recording.id, names=names)
    return f"{len(failed)} recordings are being made again."


def _names_for(session: TenantSession, recording_id: UUID) -> list[str]:
    is_message = session.scalar(select(Message.id).where(Message.recording_id == recording_id).limit(1))
    return list(MESSAGE_RENDITIONS if is_message is not None else GREETING_RENDITIONS)


def _fetch(blobs: OrgBlobs, recording_id: UUID, path: Path) -> None:
    with path.open("wb") as file:
        for piece in blobs.read(blob_key(recording_id)):
            file.write(piece)


def _keep(blobs: OrgBlobs, recording_id: UUID, name: str, path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                yield piece

    size = blobs.put(blob_key(recording_id, name), pieces())
    return {"size": size, "digest": digest.hexdigest(), "media_type": MEDIA_TYPES[name]}


def _finish(
    session: TenantSession,
    recording_id: UUID,
    state: str,
    made: Rendered | None = None,
    renditions: dict[str, Any] | None = None,
    error: str = "",
) -> None:
    """Write down what became of a recording, and tell those whose messages have waited for it."""
    found = select(Recording).where(Recording.id == recording_id).with_for_update()
    recording = session.scalars(found).one_or_none()
    if recording is None or recording.state == "ready":
        return  # removed meanwhile (the sweep takes the blobs), or done by another run
    is_first = recording.state == "stored"
    recording.state, recording.error, recording.renditions = state, error, renditions or {}
    if made is not None:
        recording.peaks, recording.seconds = made.peaks, max(1, round(made.seconds))
    session.flush()
    if not is_first:
        return  # those who wait for it were told when it failed
    named = session.scalars(select(Message).where(Message.recording_id == recording_id))
    emit(
        session,
        *(
            MessageReady(org_id=message.org_id, mailbox_id=message.mailbox_id, message_id=message.id)
            for message in named
        ),
    )
