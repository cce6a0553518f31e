"""Messages as a person reads them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from ringstead.api import CallerName, translations
from ringstead.api.formatting import format_number_e164

_ = translations("ringstead_voicemail")

FOLDER_NAMES: Final = {"inbox": _("Inbox"), "saved": _("Saved"), "trash": _("Deleted")}
WITHHELD: Final = _("Number withheld")
BASE: Final = "/voicemail"
MESSAGES: Final = "/voicemail/messages"
_SNIPPET: Final = 90
_STEP, _WIDTH, _HEIGHT = 4, 2.2, 40


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a waveform, in units of its picture (`viewBox`)."""

    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Wave:
    """A waveform as a picture: `width` by 40 units."""

    width: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message on a page. `who` is a name, a number, or a text to be translated; `dial` the number to call back."""

    row: Any
    id: UUID
    who: Any
    is_name: bool
    number: str | None
    dial: str | None
    words: str
    note: str
    url: str
    audio_url: str
    key: str
    subscriber_id: UUID | None

    @property
    def snippet(self) -> str:
        """The beginning of what was said."""
        return snippet_of(self.words)

    @property
    def is_new(self) -> bool:
        """Whether nobody has heard it."""
        return self.row.heard_at is None

    @property
    def dial_url(self) -> str | None:
        """The address that calls back; None for a withheld number."""
        return None if self.dial is None else dial_url(self.dial)

    @property
    def wave(self) -> Wave:
        """The whole waveform."""
        return wave_of(self.row.peaks, 130)

    @property
    def small_wave(self) -> Wave:
        """The waveform where there is little room."""
        return wave_of(self.row.peaks, 56)


def present(rows: Iterable[Any], names: Mapping[str, CallerName], *, may_hear: bool = True) -> list[Shown]:
    """Rows of `listing.COLUMNS`, with the names that callers are known by; their words only for who `may_hear` them."""
    return [_present(row, names, may_hear) for row in rows]


def _present(row: Any, names: Mapping[str, CallerName], may_hear: bool) -> Shown:
    known = names.get(row.number) if row.number else None
    name = known.name if known is not None else row.name
    number = format_number_e164(row.number) if row.number else None
    colleague = row.caller_subscriber_id or (known.subscriber_id if known is not None else None)
    return Shown(
        row=row,
        id=row.id,
        who=name or number or WITHHELD,
        is_name=bool(name),
        number=row.number,
        dial=row.number if row.number and row.number[0] in "+*#0123456789" else None,
        words=row.transcript if may_hear else "",
        note=row.note if may_hear else "",
        url=f"{MESSAGES}/{row.id}",
        audio_url=f"{MESSAGES}/{row.id}/audio",
        key=str(colleague or row.number or row.id),
        subscriber_id=colleague,
    )


def numbers_of(rows: Iterable[Any]) -> set[str]:
    """The numbers of rows, for `caller_names`."""
    return {row.number for row in rows if row.number}


def snippet_of(transcript: str) -> str:
    """The beginning of what was said, cut at a word."""
    words = " ".join(transcript.split())
    return words if len(words) <= _SNIPPET else f"{words[:_SNIPPET].rpartition(' ')[0]}…"


def dial_url(number: str) -> str:
    """The address that dials (RFC 3966)."""
    return f"tel:{quote(number, safe='+*')}"


@lru_cache(maxsize=512)
def wave_of(peaks: bytes | None, count: int) -> Wave:
    """A waveform of `count` bars; a flat one while there are no peaks."""
    heights = _gathered(peaks or bytes(count), count)
    bars = []
    for number, height in enumerate(heights):
        tall = max(3.0, height / 255 * (_HEIGHT - 2))
        bars.append(Bar(number * _STEP + 0.7, round((_HEIGHT - tall) / 2, 1), round(tall, 1)))
    return Wave(count * _STEP, tuple(bars))


def _gathered(peaks: Sequence[int], count: int) -> list[int]:
    size = len(peaks)
    return [
        max(peaks[at * size // count : max((at + 1) * size // count, at * size // count + 1)])
        for at in range(count)
    ]
