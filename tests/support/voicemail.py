"""What tests of voicemail need: sound, and whose is what."""

import math
import struct
import wave
from io import BytesIO
from uuid import UUID

from ringstead.api.testing import Person


def tone(seconds: float = 1.0, rate: int = 8000, hertz: float = 440.0) -> bytes:
    """A WAV file of a sine, 16-bit mono."""
    frames = int(seconds * rate)
    samples = (int(12000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(frames))
    file = BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(struct.pack(f"<{frames}h", *samples))
    return file.getvalue()


def org_of(person: Person) -> UUID:
    """The organization of a subscriber."""
    assert person.organization is not None
    return person.organization.org_id


def me(person: Person) -> UUID:
    """The subscriber of a person."""
    assert person.subscriber is not None
    return person.subscriber.id
