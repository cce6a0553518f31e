"""What is new behind the entries of the navigation. A script of the frame asks; pages do not wait for it."""

from pyramid.request import Request
from pyramid.response import Response

from ringstead.api.answers import NavCount
from ringstead.tenancy.context import TenantContext


def show_counts(context: TenantContext, request: Request) -> Response:
    """`GET /counts`: `{"voicemail.list": 3}`, by the entries that the reader has; what has nothing new is left out."""
    mine = {link.id for group in request.layout.navigation.groups for link in group.links}
    found: list[NavCount] = request.gate.ask("nav_counts", context, request.db, NavCount)
    response = Response(
        json_body={one.item: one.count for one in found if one.item in mine and one.count > 0}
    )
    response.headers["Cache-Control"] = "no-store"
    return response
