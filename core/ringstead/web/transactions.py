"""Transactions of requests: which have one, which are tried again, and how a lost database shows."""

import errno

import pyramid_retry
from pyramid.request import Request
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ringstead.blobs import BlobsFull

# Connection trouble, too many connections, and a server that stops or starts (PostgreSQL, appendix A).
_AWAY = ("08", "53300", "57P")
_DISK_FULL = "53100"
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_KEPT_BODY_BYTES = 256 * 1024
# Addresses whose requests open their own sessions, organization by organization, or none at all.
_OWN_TRANSACTIONS = ("/switch/", "/static/", "/brand/", "/manifest.webmanifest", "/healthz")


def needs_transaction(request: Request) -> bool:
    """Whether a request runs inside one transaction that returning commits and raising rolls back."""
    # The raw bytes: `path_info` raises for an address that is no UTF-8, before anybody can answer.
    return not request.environ.get("PATH_INFO", "").startswith(_OWN_TRANSACTIONS)


def attempts(request: Request) -> int:
    """How often a request is tried when its transaction collides with another.

    Retrying means keeping the body, so a switch's long batches are not retried here: the switch sends them again.
    Nor is a body kept that is too long or does not say how long it is: the limit cuts it off while it is read.
    """
    length = request.environ.get("CONTENT_LENGTH") or "0"
    is_chunked = "HTTP_TRANSFER_ENCODING" in request.environ
    is_short = length.isdigit() and int(length) <= _KEPT_BODY_BYTES and not is_chunked
    return 3 if is_short and needs_transaction(request) else 1


def is_database_away(error: BaseException | None) -> bool:
    """Whether an error says that the database cannot be reached, and not that a statement was wrong or too slow."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    # An operational error without a state comes from the driver: there was nobody to give one.
    return isinstance(error, OperationalError) and (state is None or state.startswith(_AWAY))


def is_storage_full(error: BaseException | None) -> bool:
    """Whether an error says that a disk has no room: the database's, this machine's own, or that of the blobs."""
    if isinstance(error, DBAPIError):
        return getattr(error.orig, "sqlstate", None) == _DISK_FULL
    return isinstance(error, BlobsFull) or (isinstance(error, OSError) and error.errno in _NO_SPACE)


def retry_lost_connections(engine: Engine) -> None:
    """Try a request again on a new connection when a pooled one turned out to be dead.

    Not when COMMIT itself was cut off (it has no statement): whether that took effect is unknown, so a second try could
    do things twice.
    """

    @event.listens_for(engine, "handle_error")
    def mark(context: ExceptionContext) -> None:
        if (
            context.is_disconnect
            and context.statement is not None
            and context.sqlalchemy_exception is not None
        ):
            pyramid_retry.mark_error_retryable(context.sqlalchemy_exception)
