"""Bodies of messages: JSON documents or JSON lines, plain or gzip, never more than the limit in memory."""

import zlib
from collections.abc import Iterator
from typing import IO, Final

_CHUNK: Final = 64 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
JSON_TYPES: Final = frozenset({"application/json"})
LINES_TYPES: Final = frozenset({"application/x-ndjson", "application/jsonl", "application/ndjson"})


class BodyRefused(ValueError):
    """The body cannot be read; `status` is the answer's, the message says what and the mend."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def read_lines(
    stream: IO[bytes], encoding: str, limit: int, longest: int = 64 * 1024
) -> Iterator[tuple[int, bytes]]:
    """Numbered lines (from 1) of a body, without empty ones. `limit` is of bytes after decompression."""
    rest, number = b"", 0
    for chunk in _chunks(stream, encoding, limit):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > longest:
            raise BodyRefused(
                413,
                f"line {number + len(whole) + 1} is longer than {longest} bytes; is it one record a line?",
            )
        for line in whole:
            number += 1
            if line.strip():
                yield number, line
    if rest.strip():
        yield number + 1, rest


def read_document(stream: IO[bytes], encoding: str, limit: int) -> bytes:
    """The whole body."""
    return b"".join(_chunks(stream, encoding, limit))


def _chunks(stream: IO[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    total = 0
    for chunk in _decoded(stream, encoding):
        total += len(chunk)
        if total > limit:
            raise BodyRefused(413, f"the body has more than {limit} bytes; send it in several requests")
        yield chunk


def _decoded(stream: IO[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        while chunk := stream.read(_CHUNK):
            yield chunk
        return
    if encoding != "gzip":
        raise BodyRefused(415, f"Content-Encoding {encoding[:40]!r} is not known here; send gzip or none")
    inflater = zlib.decompressobj(_GZIP)
    try:
        while chunk := stream.read(_CHUNK):
            # `max_length` keeps a bomb from unfolding in memory at once.
            yield inflater.decompress(chunk, _CHUNK)
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, _CHUNK)
        yield inflater.flush()
    except zlib.error as error:
        raise BodyRefused(
            400, "the body is not valid gzip; send it whole, or without Content-Encoding"
        ) from error
    if not inflater.eof:
        raise BodyRefused(400, "the gzip body ends early; send it again")
