"""One's own data as a file: everything that the portal knows about the subscriber who asks."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import Final
from weakref import WeakSet

import structlog
from pyramid.httpexceptions import HTTPSeeOther, HTTPTooManyRequests
from pyramid.request import Request
from pyramid.response import Response

from ringstead import audit, privacy
from ringstead.api import Permission, TenantContext, translations
from ringstead.auth.paths import ACCOUNT

_ = translations("ringstead")
log = structlog.get_logger(__name__)
EXPORT: Final = Permission(
    name="core:data:export",
    title=_("Download one’s own data"),
    default_roles=frozenset({"subscriber", "org_admin"}),
)
# Bytes. A larger file lies on disk meanwhile, and holds a thread until it is read.
_SMALL: Final = 256 * 1024
_PIECE: Final = 64 * 1024
_MOST: Final = 1
_TAKING: Final = Lock()


class Package:
    """A file that is written, and then sent in pieces; it is gone when it is closed."""

    def __init__(self) -> None:
        self.file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=_SMALL)  # noqa: SIM115

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self.file.read(_PIECE)
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Remove the file."""
        self.file.close()


def download_data(context: TenantContext, request: Request) -> Response:
    """`POST /account/data`: a zip of JSON files. 429 while this process sends another one.

    Leads back to the page, and says so, when a feature cannot give its part.
    """
    package = _take_place(request)
    response = Response(content_type="application/zip")
    response.headers["Content-Disposition"] = 'attachment; filename="my-data.zip"'
    with ExitStack() as opened:
        opened.enter_context(closing(package))
        try:
            parts = privacy.export_person(request.plugins, request.db, context.subscriber_id, package.file)
        except privacy.PrivacyFailed as error:
            log.error("privacy.export_failed", why=str(error), exc_info=error)
            why = _(
                "Your data is not complete right now, so there is no file. Your provider can see what is wrong."
            )
            request.flash(why, "warn")
            request.tm.doom()
            return HTTPSeeOther(ACCOUNT)
        audit.record(
            request,
            audit.DATA_EXPORTED,
            subject=context.subscriber_id,
            detail={"rows": sum(part.count for part in parts)},
        )
        size = package.file.tell()
        package.file.seek(0)
        if size <= _SMALL:
            response.body = package.file.read()
        else:
            response.app_iter, response.content_length = package, size
            opened.pop_all()  # the server closes it
    return response


def _take_place(request: Request) -> Package:
    """An empty package, whose place is free again when it is closed. Raises 429 when all places are taken."""
    # Weakly: one that is made and then thrown away gives its place back though nobody closes it.
    sending: WeakSet[Package] = request.registry.setdefault("ringstead.data_packages", WeakSet())
    with _TAKING:
        if sum(not package.file.closed for package in sending) >= _MOST:
            why = _("Somebody else is downloading right now. Nothing is wrong: try again in a moment.")
            raise HTTPTooManyRequests(why, headers=[("Retry-After", "10")])
        package = Package()
        sending.add(package)
    return package
