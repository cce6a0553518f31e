"""What a body may be: no longer than the deployment allows, and for a page a form, with files where the route says."""

from collections.abc import Callable
from typing import Any, Final

from pyramid.httpexceptions import HTTPBadRequest, HTTPUnsupportedMediaType
from pyramid.registry import Registry as PyramidRegistry
from pyramid.request import Request
from pyramid.response import Response

from ringstead.web.i18n import messages
from ringstead.web.problems import problem
from ringstead.web.uploads import MULTIPART, most_bytes, read_uploads

_ = messages("ringstead")
Handler = Callable[[Request], Response]
# A form's fields are all parsed before anything looks at them, and ten megabytes of `a&a&…` keep a core busy for
# twenty seconds.
FORM_BYTES: Final = 128 * 1024
# Digits of a Content-Length that may be a length at all; Python refuses to read thousands of them.
_LONGEST_LENGTH: Final = 18
FORM_TYPE: Final = "application/x-www-form-urlencoded"
# What a page may be sent; the empty one is no header.
_FORM_TYPES: Final = ("", FORM_TYPE)
_BODILESS: Final = ("GET", "HEAD", "OPTIONS", "TRACE")


class BodyTooLarge(Exception):
    """A body without a declared length went over the `limit` (bytes) while it was read."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"a body over {limit} bytes")


class LimitedBody:
    """A request body that ends in `BodyTooLarge` when it is longer than `limit` bytes."""

    def __init__(self, body: Any, limit: int) -> None:
        self._body, self._left, self._limit = body, limit, limit

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; all, when negative, but never more than the limit and one byte."""
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        return self._count(self._body.read(wanted))

    def readline(self, size: int = -1) -> bytes:
        """Read a line, no longer than what is left."""
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        return self._count(self._body.readline(wanted))

    def __iter__(self) -> "LimitedBody":
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise BodyTooLarge(self._limit)
        return data


def body_limit_tween_factory(handler: Handler, registry: PyramidRegistry) -> Handler:
    """Refuse a declared length over the limit at once, and cut off an undeclared one while it is read."""
    most: int = registry["ringstead.settings"].max_body_bytes

    def tween(request: Request) -> Response:
        limit = min(most, FORM_BYTES) if media_type(request) in _FORM_TYPES else most
        length = request.environ.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            return problem(400, "Bad Content-Length", "Content-Length must be a whole number.")
        if len(length) > _LONGEST_LENGTH or int(length) > limit:
            return too_large(limit)
        if not request.is_body_seekable:  # else it was read already, to be there for a second try
            request.environ["wsgi.input"] = LimitedBody(request.environ["wsgi.input"], limit)
        try:
            return handler(request)
        except BodyTooLarge as error:
            return too_large(error.limit)

    return tween


# The database takes no text with it, and nobody types it.
ZERO: Final = _("A field holds the character zero, which no text has. Type it again.")


def form_tween_factory(handler: Handler, _registry: PyramidRegistry) -> Handler:
    """Innermost tween: refuse what pages cannot read before anything parses it.

    WebOb parses a body when the form's token is looked for: the countless parts of a multipart body cost it seconds,
    and a charset or a boundary that it does not like is an error in it.
    """

    def tween(request: Request) -> Response:
        is_site = request.site_kind in ("portal", "console")
        is_page = is_site and request.method not in _BODILESS
        if is_site and "%00" in request.environ.get("QUERY_STRING", ""):
            raise HTTPBadRequest(ZERO)
        if is_page and media_type(request) == MULTIPART:
            most = most_bytes(request)
            if most is not None:
                read_uploads(request, most)
                if b"%00" in request.body:
                    raise HTTPBadRequest(ZERO)
                return handler(request)
        if is_page and (media_type(request) not in _FORM_TYPES or request.charset != "UTF-8"):
            raise HTTPUnsupportedMediaType(_("Send a form as ${type}, in UTF-8.", type=FORM_TYPE))
        if is_page and (b"%00" in request.body or b"\0" in request.body):
            raise HTTPBadRequest(ZERO)
        return handler(request)

    return tween


def media_type(request: Request) -> str:
    """The body's declared type without its parameters, in lower case; empty when there is none."""
    kind: str = request.environ.get("CONTENT_TYPE", "")
    return kind.partition(";")[0].strip().lower()


def too_large(limit: int) -> Response:
    """413 with the limit in words."""
    return problem(
        413, "Body too large", f"A request body may have {limit} bytes. Send less, or in several requests."
    )
