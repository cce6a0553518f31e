"""What a request's address says, as views need it."""

from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request


def id_of(written: str) -> UUID:
    """An id in an address; what is none names nothing, so 404."""
    try:
        return UUID(written)
    except ValueError:
        raise HTTPNotFound from None


def queried(request: Request, name: str) -> str:
    """A field of the address's query as the database takes it; empty when it is missing."""
    value: str = request.GET.get(name, "")
    return value.replace("\0", "")
