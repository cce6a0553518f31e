"""Files that forms send: `multipart/form-data` (RFC 7578), only to routes that say how large a file may be.

The body is parsed once, bounded in parts, headers, memory and disk. Its text fields then stand where those of every
other form do, so that tokens and views know no difference; its files are in `request.uploads`.
"""

from dataclasses import dataclass
from typing import IO, Any, Final
from urllib.parse import urlencode

from multipart import (
    MultipartError,
    MultipartParser,
    MultipartPart,
    ParserLimitReached,
    parse_options_header,
)
from pyramid.httpexceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request

from ringstead.web.i18n import messages

_ = messages("ringstead")
MULTIPART: Final = "multipart/form-data"
ROUTES: Final = "ringstead.uploads"
"""Where the registry holds the most bytes of a file, by the name of a route."""
_MOST_PARTS: Final = 96
_MOST_TEXT: Final = 64 * 1024
_SPOOLED_ABOVE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form. `name` and `media_type` are what the browser says: show them, and believe neither. Bytes."""

    name: str
    media_type: str
    size: int
    file: IO[bytes]


def most_bytes(request: Request) -> int | None:
    """How large a file may be that is sent to a request's address; None where there are none."""
    routes: dict[str, int] = request.registry[ROUTES]
    matched = request.registry.queryUtility(IRoutesMapper)(request)["route"] if routes else None
    return None if matched is None else routes.get(matched.name)


def read_uploads(request: Request, most: int) -> None:
    """Put a multipart body's files into `request.uploads` and its fields where those of other forms are.

    Raises 400 for a body that is none, 413 for a file over `most` bytes or too many parts.
    """
    _kind, options = parse_options_header(request.environ.get("CONTENT_TYPE", ""))
    fields: list[tuple[str, str]] = []
    uploads: dict[str, Upload] = {}
    left = _MOST_TEXT
    try:
        for part in _parts(request, options.get("boundary", ""), most):
            if part.filename is None:
                left -= part.size
                if left < 0:
                    raise _too_large(most)
                # Whatever charset a part declares: what a browser sends is UTF-8, and some decoders take for ever.
                fields.append((part.name, part.raw.decode()))
            elif part.filename:  # a field of files in which none was chosen has an empty name
                uploads[part.name] = Upload(part.filename, part.content_type, part.size, part.file)
        body = urlencode(fields).encode()
    except ParserLimitReached:
        raise _too_large(most) from None
    except (MultipartError, UnicodeError, ValueError):
        raise HTTPBadRequest(_("The form did not arrive as a browser sends it. Send it again.")) from None
    if any(upload.size > most for upload in uploads.values()):
        raise _too_large(most)
    request.uploads = uploads
    request.content_type = "application/x-www-form-urlencoded"
    request.body = body


def _parts(request: Request, boundary: str, most: int) -> list[MultipartPart]:
    if not boundary:
        raise MultipartError("no boundary")
    parser = MultipartParser(
        request.body_file,
        boundary,
        content_length=request.content_length if request.content_length is not None else -1,
        part_limit=_MOST_PARTS,
        partsize_limit=most + 1,
        spool_limit=_SPOOLED_ABOVE,
        memory_limit=_MOST_TEXT + _MOST_PARTS * _SPOOLED_ABOVE,
        disk_limit=most + _MOST_TEXT,
    )
    return list(parser)


def _too_large(most: int) -> Any:
    return HTTPRequestEntityTooLarge(_("A file may have ${n} megabytes.", n=max(1, most // 1024**2)))
