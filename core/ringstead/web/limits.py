"""The body limit: no request makes this process read more than the deployment allows."""

from collections.abc import Callable
from typing import Any, Final

from pyramid.registry import Registry as PyramidRegistry
from pyramid.request import Request
from pyramid.response import Response

from ringstead.web.problems import problem

Handler = Callable[[Request], Response]
# A form's fields are all parsed before anything looks at them, and ten megabytes of `a&a&…` keep a core busy for
# twenty seconds.
FORM_BYTES: Final = 128 * 1024
# What WebOb parses as fields; the empty one is no header.
_FORM_TYPES: Final = ("", "application/x-www-form-urlencoded")


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
        kind = request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        limit = min(most, FORM_BYTES) if kind in _FORM_TYPES else most
        length = request.environ.get("CONTENT_LENGTH") or "0"
        if not length.isdigit():
            return problem(400, "Bad Content-Length", "Content-Length must be a whole number.")
        if int(length) > limit:
            return too_large(limit)
        if not request.is_body_seekable:  # else it was read already, to be there for a second try
            request.environ["wsgi.input"] = LimitedBody(request.environ["wsgi.input"], limit)
        try:
            return handler(request)
        except BodyTooLarge as error:
            return too_large(error.limit)

    return tween


def too_large(limit: int) -> Response:
    """413 with the limit in words."""
    return problem(
        413, "Body too large", f"A request body may have {limit} bytes. Send less, or in several requests."
    )
