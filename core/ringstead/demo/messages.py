"""What callers left in the demo's mailboxes: voices without words, and the words that a program would have heard."""

from __future__ import annotations

import math
import struct
from array import array
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Final

from ringstead.demo.generator import SEED, Leg

RATE: Final = 8000
"""Samples a second, as on a telephone."""
SINCE: Final = timedelta(days=60)
MOST: Final = 6
# Somebody has listened to what is older.
HEARD_AFTER: Final = timedelta(days=2)
_SENTENCES: Final = (
    "Hello, it’s me about the drawings. Could you ring me before noon?",
    "Morning! The review has moved to Thursday at two, so we need the model a day earlier.",
    "Wrong number, sorry.",
    "Just closing the loop on the stair detail. The fabricator can do it by the end of next week.",
    "There’s a courier at reception with two parcels, they need a signature.",
    "Quick one: lunch is on, table at half past twelve. Tell me if you bring somebody.",
    "The invoice is still open on our side. No rush, but if you could check, that would be lovely.",
    "I’ll try you again this afternoon. Bye.",
    "The delivery comes between eight and ten. Is there somebody at the back door?",
    "Could you send me the new opening hours? We would like to print them.",
)


def left_messages(legs: Iterable[Leg], until: datetime) -> list[Leg]:
    """Those of the legs whose callers left a message not long ago; each person's newest."""
    left: dict[str, list[Leg]] = defaultdict(list)
    for leg in sorted(legs, key=lambda leg: leg.ended, reverse=True):
        mine = left[leg.person.extension]
        if leg.end == "voicemail" and leg.ended > until - SINCE and len(mine) < MOST:
            mine.append(leg)
    return [leg for mine in left.values() for leg in mine]


def seconds_of(leg: Leg) -> int:
    """How long a message lasts."""
    talked = (leg.ended - (leg.answered or leg.started)).total_seconds()
    return max(4, min(45, int(talked)))


def words_of(leg: Leg) -> str:
    """What was said, of most messages."""
    random = Random(f"{SEED} words {leg.key}")
    return random.choice(_SENTENCES) if random.random() < 0.8 else ""


def voice_of(leg: Leg) -> bytes:
    """A WAV file (16-bit mono) of somebody talking: syllables of two formants, a pitch of their own, and pauses."""
    samples = _babble(Random(f"{SEED} voice {leg.other.number} {leg.key}"), seconds_of(leg) * RATE)
    data = samples.tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    riff = struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
    return riff + form + struct.pack("<4sI", b"data", len(data)) + data


def _babble(random: Random, length: int) -> array[int]:
    samples = array("h")
    pitch = random.uniform(95, 210)
    while len(samples) < length:
        count = int(RATE * random.uniform(0.09, 0.24))
        loud = random.uniform(3000, 9000)
        frequencies = (pitch * random.uniform(0.85, 1.2), random.uniform(300, 800), random.uniform(900, 2200))
        throat, first, second = (2 * math.pi * frequency / RATE for frequency in frequencies)
        samples.extend(
            int(
                loud
                * math.sin(math.pi * at / count)
                * (0.5 + 0.5 * math.sin(throat * at))
                * (0.6 * math.sin(first * at) + 0.4 * math.sin(second * at))
            )
            for at in range(count)
        )
        if random.random() < 0.25:
            samples.extend([0] * int(RATE * random.uniform(0.1, 0.5)))
    return samples[:length]
