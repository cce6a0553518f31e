"""Pictures that are something else as well: a page, a program or an archive behind or inside the pixels.

Pictures are decoded and written anew, so nothing of that would ever be served. It is refused all the same: whoever
sends it does not mean a logo, and the next program that opens the original may be less careful.
"""

import re
import struct
from typing import Final

# Of pages, scripts, documents, programs and archives. None of these is in the pixels of a picture, but by a chance of
# one in a thousand million; ordinary metadata (XMP, Exif, ICC) holds none of them.
_FOREIGN: Final = re.compile(
    rb"<script|<html|<!doctype|<svg[\s>]|<iframe|<\?php|javascript:|%PDF-1|%PDF-2|PK\x03\x04\x14|\x7fELF\x02\x01"
    rb"|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c",
    re.IGNORECASE,
)


def is_polyglot(data: bytes, kind: str) -> bool:
    """Whether a picture of the format `kind` (as Pillow names it) goes on behind its end or holds something else."""
    return _goes_on(data, kind) or _FOREIGN.search(data) is not None


def _goes_on(data: bytes, kind: str) -> bool:
    ends = {"PNG": _png_end, "GIF": _gif_end, "WEBP": _webp_end, "JPEG": _jpeg_end}
    if kind not in ends:
        return False
    try:
        end = ends[kind](data)
    except (IndexError, struct.error):
        return False  # cut off: whether it can be decoded is another question
    return bool(data[end:].strip(b"\0"))


def _png_end(data: bytes) -> int:
    """Behind the chunk IEND (PNG, third edition, section 5.3)."""
    at = 8
    while True:
        length, name = struct.unpack_from(">I4s", data, at)
        at += 12 + int(length)
        if name == b"IEND":
            return at


def _webp_end(data: bytes) -> int:
    """Behind the RIFF chunk that is the whole file (RFC 9649, section 2.3), which has an even length."""
    (length,) = struct.unpack_from("<I", data, 4)
    return 8 + int(length) + int(length) % 2


def _gif_end(data: bytes) -> int:
    """Behind the trailer (GIF89a, section 27), past the colour tables and the sub-blocks before it."""
    at = 13 + _table(data[10])
    while data[at] != 0x3B:
        if data[at] == 0x21:  # an extension
            at += 2
        elif data[at] == 0x2C:  # an image: its descriptor, its own colours, the size of its codes
            at += 10 + _table(data[at + 9]) + 1
        else:
            return at
        while data[at]:
            at += 1 + data[at]
        at += 1
    return at + 1


def _table(packed: int) -> int:
    return 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0


def _jpeg_end(data: bytes) -> int:
    """Behind the marker EOI (ITU-T T.81, annex B). Segments are stepped over: a thumbnail inside has an EOI too."""
    at = 2
    while True:
        if data[at] != 0xFF:
            at = _behind_scan(data, at)
            continue
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker == 0xD9:
            return at + 2
        elif (
            marker == 0x00 or marker == 0x01 or 0xD0 <= marker <= 0xD8
        ):  # stuffing, and markers without a length
            at += 2
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            at += 2 + int(length)


def _behind_scan(data: bytes, at: int) -> int:
    """The next marker byte behind coded data."""
    found = data.find(b"\xff", at)
    if found < 0:
        raise IndexError("the picture ends inside coded data")
    return found
