"""Bodies of messages: JSON documents or JSON lines, plain or gzip, never more than the limit in memory."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from pyramid.request import Request

_CHUNK: Final = 64 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_LONGEST_LINE: Final = 64 * 1024
_BOM: Final = b"\xef\xbb\xbf"
JSON_TYPES: Final = frozenset({"application/json"})
LINES_TYPES: Final = frozenset({"application/x-ndjson", "application/jsonl", "application/ndjson"})


class BodyRefused(ValueError):
    """The body cannot be read; `status` is the answer's, the message says what and the mend."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a body, each with the number of its line (from 1). `is_batch`: they came as JSON lines."""

    is_batch: bool
    lines: tuple[tuple[int, bytes], ...]


def read_records(request: Request, most: int) -> Records:
    """The records of a request: one as `application/json`, up to `most` as `application/x-ndjson`.

    Raises `BodyRefused`: 400 for a body that breaks off, 413 for too much, 415 for types and encodings unknown here,
    422 for no record at all.
    """
    kind = _content_type(request)
    encoding = (request.headers.get("Content-Encoding") or "").strip().lower()
    limit = request.deployment.max_body_bytes
    try:
        if kind in JSON_TYPES:
            document = read_document(request.body_file, encoding, limit)
            lines = tuple([(1, document)] if document.strip() else [])
        else:
            lines = tuple(_at_most(most, read_lines(request.body_file, encoding, limit)))
    except OSError as error:
        raise BodyRefused(400, "the body ends early; send it again") from error
    if not lines:
        raise BodyRefused(422, "there is no record in it; send one JSON object a line")
    return Records(kind in LINES_TYPES, lines)


def _content_type(request: Request) -> str:
    kind, _, parameters = (request.headers.get("Content-Type") or "").lower().partition(";")
    if kind.strip() not in JSON_TYPES | LINES_TYPES:
        raise BodyRefused(
            415,
            "Content-Type must be application/json for one record, or application/x-ndjson for one record a line",
        )
    charset = parameters.replace('"', "").replace(" ", "")
    if charset not in ("", "charset=utf-8", "charset=utf8"):
        raise BodyRefused(415, "records are UTF-8; leave the charset away")
    return kind.strip()


def _at_most(most: int, lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for count, line in enumerate(lines, start=1):
        if count > most:
            raise BodyRefused(413, f"a request may have {most} records; send the rest in further requests")
        yield line


def read_lines(
    stream: IO[bytes], encoding: str, limit: int, longest: int = _LONGEST_LINE
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
                yield number, _without_bom(line)
    if rest.strip():
        yield number + 1, _without_bom(rest)


def read_document(stream: IO[bytes], encoding: str, limit: int) -> bytes:
    """The whole body."""
    return _without_bom(b"".join(_chunks(stream, encoding, limit)))


def _without_bom(text: bytes) -> bytes:
    return text.removeprefix(_BOM)


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
    if encoding not in ("gzip", "x-gzip"):
        raise BodyRefused(415, f"Content-Encoding {encoding[:40]!r} is not known here; send gzip or none")
    try:
        yield from _inflated(stream)
    except zlib.error as error:
        raise BodyRefused(
            400, "the body is not valid gzip; send it whole, or without Content-Encoding"
        ) from error


def _inflated(stream: IO[bytes]) -> Iterator[bytes]:
    """A gzip stream, which may have several members (RFC 1952, section 2.2), unfolded piece by piece."""
    inflater = zlib.decompressobj(_GZIP)
    while waiting := stream.read(_CHUNK):
        while waiting:
            if inflater.eof:
                inflater = zlib.decompressobj(_GZIP)
            # The second argument keeps a bomb from unfolding in memory at once.
            yield inflater.decompress(waiting, _CHUNK)
            waiting = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    while not inflater.eof:
        more = inflater.decompress(b"", _CHUNK)
        if not more:
            raise BodyRefused(400, "the gzip body ends early; send it again")
        yield more
