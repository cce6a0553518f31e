"""Sound on its way in: spooled to a file, looked at by a process of its own, and stored as a recording.

A recording's bytes are in object storage before its row is committed. Whoever is killed in between leaves bytes that no
row names, and a nightly sweep removes those.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from ringstead.api import new_id
from ringstead.api.blobs import OrgBlobs
from ringstead.api.models import TenantSession
from ringstead.api.work import defer
from ringstead_voicemail.models import Recording
from ringstead_voicemail.recordings import RENDER, blob_key
from ringstead_voicemail.sounds import Sound, SoundRefused, check

MESSAGE_RENDITIONS: Final = ("mp3", "wav")
GREETING_RENDITIONS: Final = ("mp3", "wav8", "wav16")
MOST_BYTES: Final = 32 * 1024 * 1024
_PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file that has come in whole. `digest` is its SHA-256."""

    path: Path
    size: int
    digest: str

    def pieces(self) -> Iterator[bytes]:
        """Its bytes."""
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece


@dataclass(frozen=True, slots=True)
class Stored:
    """A recording whose bytes are in object storage, and which has no row yet."""

    id: UUID
    spooled: Spooled
    sound: Sound


@contextmanager
def spool(pieces: Iterable[bytes], most: int) -> Iterator[Spooled]:
    """The pieces as a file, which is gone after the block. Raises `SoundRefused` when there are none or too many."""
    digest, size = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(prefix="voicemail-") as file:
        for piece in pieces:
            size += len(piece)
            if size > most:
                raise SoundRefused(
                    "large", f"It has more than {most} bytes; send it compressed, as MP3 or Ogg Opus."
                )
            digest.update(piece)
            file.write(piece)
        if not size:
            raise SoundRefused("empty", "The body is empty; send the sound as the body.")
        file.flush()
        yield Spooled(Path(file.name), size, digest.hexdigest())


def keep(blobs: OrgBlobs, spooled: Spooled, sound: Sound) -> Stored:
    """Put the bytes into object storage. Raises `BlobsAway`, `BlobsFull`."""
    stored = Stored(new_id(), spooled, sound)
    blobs.put(blob_key(stored.id), spooled.pieces())
    return stored


def add_recording(session: TenantSession, stored: Stored, names: Sequence[str]) -> Recording:
    """The row of a recording whose bytes are stored; its renditions are made after the commit."""
    recording = Recording(
        id=stored.id,
        media_type=stored.sound.media_type,
        codec=stored.sound.codec,
        size=stored.spooled.size,
        seconds=max(1, round(stored.sound.seconds)),
        digest=stored.spooled.digest,
    )
    session.add(recording)
    session.flush()
    defer(session, RENDER, org_id=session.org_id, recording_id=recording.id, names=list(names))
    return recording


def take_in(
    session: TenantSession, blobs: OrgBlobs, pieces: Iterable[bytes], most_seconds: int, names: Sequence[str]
) -> Recording:
    """All of it within a page's transaction, for a greeting. Raises `SoundRefused`."""
    with spool(pieces, MOST_BYTES) as spooled:
        return add_recording(session, keep(blobs, spooled, check(spooled.path, most_seconds)), names)
