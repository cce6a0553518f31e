"""The search box: entries of the navigation to jump to, then what the features find."""

import re
import unicodedata
from typing import Any, Final

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request

from ringstead.api.answers import SearchHit
from ringstead.tenancy.context import TenantContext
from ringstead.web.addresses import is_local
from ringstead.web.i18n import messages

_ = messages("ringstead")
MAX_LENGTH: Final = 100
LIMIT: Final = 20
JUMPS: Final = 5
# Pages that the navigation does not list.
UNLISTED: Final = (
    ("/home/arrange", _("Arrange your home page"), "layout-grid", _("cards order hide move")),
    ("/more", _("Appearance and language"), "palette", _("theme dark light colors settings")),
)
# What people type for an entry of the navigation whose title has another word. One message is a list of words.
SYNONYMS: Final = {
    "core.account": _("account password security browsers devices sessions activity"),
    "core.home": _("start overview dashboard"),
}
_NUMBER: Final = re.compile(r"tel:\+?[0-9*#]{1,32}")


def search(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /search?q=`: at most LIMIT hits for 1 to MAX_LENGTH characters."""
    query = clean_query(request.GET.get("q", ""))
    hits: list[SearchHit] = []
    if query:
        hits = jumps(request, query)
        found = request.gate.ask("search", context, request.db, SearchHit, query=query, limit=LIMIT)
        known = {hit.url for hit in hits}
        hits += [hit for hit in found if leads_somewhere(hit.url) and hit.url not in known]
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


def leads_somewhere(url: str) -> bool:
    """Whether a hit's address is one of this portal or calls a number."""
    return is_local(url) or _NUMBER.fullmatch(url) is not None


def folded(text: str) -> str:
    """Text for comparing: without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


def jumps(request: Request, query: str) -> list[SearchHit]:
    """Pages whose title, or what people call them, has a word starting with the query, in the reader's language."""
    locale = request.layout.locale
    translate = request.registry["ringstead.translations"].translate
    links = [link for group in request.layout.navigation.groups for link in group.links]
    pages = [
        *((link.url, link.title, link.icon, SYNONYMS.get(link.id, "")) for link in links),
        *UNLISTED,
    ]
    wanted = f" {folded(query)}"
    hits = []
    for url, title, icon, synonyms in pages:
        shown, more = (str(translate(text, target_language=locale)) for text in (title, synonyms))
        if wanted in f" {folded(shown)} {folded(more)}":
            hits.append(SearchHit(title=shown, url=url, detail=str(_go(request)), icon=icon))
    return hits[:JUMPS]


def _go(request: Request) -> str:
    locale = request.layout.locale
    return str(request.registry["ringstead.translations"].translate(_("Go to page"), target_language=locale))
