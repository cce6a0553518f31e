"""Bodies of messages: JSON documents or JSON lines, plain, gzip or zstd, read piece by piece and bounded."""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Final, Protocol

from pyramid.request import Request

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CHUNK: Final = 64 * 1024
_LONGEST_LINE: Final = 64 * 1024
_BOM: Final = b"\xef\xbb\xbf"
JSON_TYPES: Final = frozenset({"application/json"})
LINES_TYPES: Final = frozenset({"application/x-ndjson", "application/jsonl", "application/ndjson"})


class BodyRefused(ValueError):
    """The body cannot be read; `status` is the answer's, the message says what and the mend."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def read_records(request: Request, most: int) -> Iterator[tuple[int, bytes]]:
    """The records of a request, each with the number of its line (from 1), while the body comes in.

    One as `application/json`, or up to `most` as `application/x-ndjson`. What is wrong with the body is known when it
    is reached: raises `BodyRefused`, 400 for a body that breaks off, 413 for too much, 415 for types and encodings
    unknown here, 422 for no record at all.
    """
    kind = _content_type(request)
    encoding = (request.headers.get("Content-Encoding") or "").strip().lower()
    limit = request.deployment.max_body_bytes
    count = 0
    try:
        for count, line in enumerate(_records(request.body_file, kind, encoding, limit), start=1):
            if count > most:
                raise BodyRefused(
                    413, f"a request may have {most} records; send the rest in further requests"
                )
            yield line
    except OSError as error:
        raise BodyRefused(400, "the body ends early; send it again") from error
    if not count:
        raise BodyRefused(422, "there is no record in it; send one JSON object a line")


def _records(stream: IO[bytes], kind: str, encoding: str, limit: int) -> Iterator[tuple[int, bytes]]:
    if kind in LINES_TYPES:
        yield from read_lines(stream, encoding, limit)
    elif (document := read_document(stream, encoding, limit)).strip():
        yield 1, document


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


def read_body(request: Request) -> bytes:
    """The whole body of a request, unfolded, whatever its type. Raises `BodyRefused` as `read_records`."""
    encoding = (request.headers.get("Content-Encoding") or "").strip().lower()
    try:
        return read_document(request.body_file, encoding, request.deployment.max_body_bytes)
    except OSError as error:
        raise BodyRefused(400, "the body ends early; send it again") from error


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
    try:
        yield from _unfolded(stream, *_CODINGS[encoding])
    except KeyError:
        known = "send gzip, zstd or none"
        raise BodyRefused(415, f"Content-Encoding {encoding[:40]!r} is not known here; {known}") from None


class _Inflater:
    """zlib's decompressor with the manners of the newer ones: `needs_input`, and input kept until it is unfolded."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, most)


class Unfolder(Protocol):
    """A decompressor that never gives more than it is asked for: a bomb does not unfold in memory."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, most: int, /) -> bytes: ...


def _zstd() -> Unfolder:
    # Eight megabytes of window are what RFC 8878 asks every receiver to have.
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 23})


_CODINGS: Final[dict[str, tuple[Callable[[], Unfolder], type[Exception], str]]] = {
    "gzip": (_Inflater, zlib.error, "gzip"),
    "x-gzip": (_Inflater, zlib.error, "gzip"),
    "zstd": (_zstd, zstd.ZstdError, "zstd"),
}


def _unfolded(
    stream: IO[bytes], make: Callable[[], Unfolder], wrong: type[Exception], name: str
) -> Iterator[bytes]:
    """A compressed stream, which may have several members (RFC 1952, RFC 8878), unfolded piece by piece."""
    try:
        unfolder = make()
        while waiting := stream.read(_CHUNK):
            while waiting or not (unfolder.needs_input or unfolder.eof):
                if unfolder.eof:
                    unfolder = make()
                yield unfolder.decompress(waiting, _CHUNK)
                waiting = unfolder.unused_data if unfolder.eof else b""
    except wrong as error:
        raise BodyRefused(
            400, f"the body is not valid {name}; send it whole, or without Content-Encoding"
        ) from error
    if not unfolder.eof:
        raise BodyRefused(400, f"the {name} body ends early; send it again")
