"""The search box: entries of the navigation to jump to, then what the features find."""

import unicodedata
from typing import Any, Final

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request

from ringstead.api.contributions import SearchHit
from ringstead.tenancy.context import TenantContext
from ringstead.web.addresses import is_local
from ringstead.web.i18n import messages

_ = messages("ringstead")
MAX_LENGTH: Final = 100
LIMIT: Final = 20
JUMPS: Final = 5


def search(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /search?q=`: at most LIMIT hits for 1 to MAX_LENGTH characters."""
    query = clean_query(request.GET.get("q", ""))
    hits: list[SearchHit] = []
    if query:
        hits = jumps(request, query)
        found = request.gate.ask("search", context, request.db, SearchHit, query=query, limit=LIMIT)
        known = {hit.url for hit in hits}
        hits += [hit for hit in found if is_local(hit.url) and hit.url not in known]
    return {"hits": hits[:LIMIT], "query": query}


def clean_query(text: str) -> str:
    """The words to look for. Raises HTTPBadRequest for what nobody types."""
    query = " ".join(text.split())
    if len(query) > MAX_LENGTH:
        raise HTTPBadRequest(
            _(
                "A search may have ${most} characters; this one has ${n}. Use fewer words.",
                most=MAX_LENGTH,
                n=len(query),
            )
        )
    if any(unicodedata.category(char) == "Cc" for char in query):
        raise HTTPBadRequest(_("The field “q” holds control characters. Type the words again."))
    return query


def folded(text: str) -> str:
    """Text for comparing: without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


def jumps(request: Request, query: str) -> list[SearchHit]:
    """Entries of the reader's navigation whose title has a word starting with the query."""
    layout = request.layout
    translate = request.registry["ringstead.translations"].translate
    wanted = folded(query)
    hits = []
    for group in layout.navigation.groups:
        for link in group.links:
            title = str(translate(link.title, target_language=layout.locale))
            words = folded(title)
            if words.startswith(wanted) or f" {wanted}" in words:
                hits.append(SearchHit(title=title, url=link.url, detail=str(_go(request)), icon=link.icon))
    return hits[:JUMPS]


def _go(request: Request) -> str:
    locale = request.layout.locale
    return str(request.registry["ringstead.translations"].translate(_("Go to page"), target_language=locale))
