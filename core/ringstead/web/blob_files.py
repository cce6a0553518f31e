"""A blob as the answer to a request: whole or a range of it, only if it changed, never in memory as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final
from urllib.parse import quote

from pyramid.request import Request
from pyramid.response import Response

from ringstead.blobs import BlobMissing, OrgBlobs

# What is no longer than this goes out in one piece.
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobFile:
    """A blob that is to be sent. `digest` becomes its ETag, `name` the name of a download (none: shown in place)."""

    key: str
    size: int
    digest: str
    media_type: str
    name: str = ""
    modified: datetime | None = None


def blob_response(request: Request, blobs: OrgBlobs, file: BlobFile) -> Response:
    """Send a blob (RFC 9110, sections 13 and 14): 200, 206 with one range, 304, or 416. Raises `BlobMissing`.

    An answer is private to who asked, and asked for again each time, which its ETag makes cheap.
    """
    if blobs.info(file.key) is None:
        raise BlobMissing(file.key)
    response = Response(content_type=file.media_type, charset=None)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.accept_ranges = "bytes"
    response.etag = file.digest
    if file.modified is not None:
        response.last_modified = file.modified
    if file.name:
        response.content_disposition = _attachment(file.name)
    response.conditional_response = True
    response.content_length = file.size
    if request.method != "HEAD":
        response.app_iter = _Body(blobs, file)
        response.content_length = file.size
    return response


def _attachment(name: str) -> str:
    """`Content-Disposition` of a download, for any name (RFC 6266, section 4.3, and RFC 8187)."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


class _Body:
    """The bytes of a blob, or of the range that WebOb asks for."""

    def __init__(self, blobs: OrgBlobs, file: BlobFile) -> None:
        self._blobs, self._file = blobs, file

    def app_iter_range(self, start: int, stop: int) -> Iterator[bytes]:
        """From `start` to before `stop`."""
        path = self._blobs.path(self._file.key)
        if path is None:
            return self._blobs.read(self._file.key, start, stop)
        return _FilePieces(path.open("rb"), start, stop)

    def __iter__(self) -> Iterator[bytes]:
        return self.app_iter_range(0, self._file.size)


class _FilePieces:
    """A part of a file, a megabyte at a time; the server closes it."""

    def __init__(self, file: IO[bytes], start: int, stop: int) -> None:
        file.seek(start)
        self._file, self._left = file, stop - start

    def __iter__(self) -> "_FilePieces":
        return self

    def __next__(self) -> bytes:
        piece = self._file.read(min(_PIECE, self._left))
        if not piece:
            raise StopIteration
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
