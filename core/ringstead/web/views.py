"""Small pages and choices of the frame: More, the theme, the language."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from ringstead.preferences.store import SettingRefused, set_for_subscriber
from ringstead.tenancy.context import TenantContext
from ringstead.web.addresses import local
from ringstead.web.i18n import LANGUAGE_COOKIE, languages_of, messages
from ringstead.web.layout import THEME_COOKIE

_ = messages("ringstead")
THEMES: Final = ("system", "light", "dark")
YEAR_SECONDS: Final = 365 * 24 * 3600


def more(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /more`: everything that has no place in the phone's tab bar."""
    themes = (
        ("system", "monitor", _("Same as this device")),
        ("light", "sun", _("Light")),
        ("dark", "moon", _("Dark")),
    )
    return {"groups": request.layout.navigation.more_groups, "themes": themes}


def leads_to(path: str) -> Callable[[TenantContext, Request], Response]:
    """A view for `GET` at an address that only takes forms: whoever reloads or bookmarks it goes on to its page.

    `path` may name parts of the address: `/organizations/{id}`.
    """

    def lead(_context: TenantContext, request: Request) -> Response:
        return HTTPSeeOther(path.format_map({k: quote(v, safe="") for k, v in request.matchdict.items()}))

    return lead


def choose_theme(_context: TenantContext, request: Request) -> Response:
    """`POST /theme`: `theme` is system, light or dark; kept by this browser."""
    theme = request.POST.get("theme", "")
    if theme not in THEMES:
        raise HTTPBadRequest(
            _("The field “${field}” must be one of ${choices}.", field="theme", choices=", ".join(THEMES))
        )
    response = HTTPSeeOther(back_to(request))
    _keep(request, response, THEME_COOKIE, "" if theme == "system" else theme)
    return response


def choose_language(_context: TenantContext, request: Request) -> Response:
    """`GET /language/{locale}`: for visitors, whose preference nobody knows yet; kept by this browser."""
    locale = request.matchdict["locale"]
    if locale not in languages_of(request):
        raise HTTPNotFound
    response = HTTPSeeOther(local(request.GET.get("next", "/")))
    _keep(request, response, LANGUAGE_COOKIE, locale)
    return response


def prefer_language(context: TenantContext, request: Request) -> Response:
    """`POST /language`: `locale`, one that there is a catalogue for. It becomes a subscriber's preference; this
    browser keeps it too, for the pages before signing in and for people without preferences.
    """
    locale = request.POST.get("locale", "")
    if locale not in languages_of(request):
        choices = ", ".join(languages_of(request))
        raise HTTPBadRequest(
            _("The field “${field}” must be one of ${choices}.", field="locale", choices=choices)
        )
    response = HTTPSeeOther(back_to(request))
    if context.subscriber is not None:
        try:
            set_for_subscriber(
                request.db, request.declared_settings, context.subscriber_id, "core.locale", locale
            )
        except SettingRefused:
            request.flash(_("Your provider has fixed the language. Nothing changed."), "warn")
            return response
    _keep(request, response, LANGUAGE_COOKIE, locale)
    return response


def back_to(request: Request) -> str:
    """The page of this host that the form was on, else the landing page."""
    referrer = request.referer or ""
    prefix = f"{request.host_url}/"
    path = referrer.removeprefix(request.host_url) if referrer.startswith(prefix) else "/"
    return local(path)


def _keep(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=YEAR_SECONDS if value else 0,
        path="/",
        secure=request.deployment.public_scheme == "https",
        httponly=True,
        samesite="Lax",
    )
