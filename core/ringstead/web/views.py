"""Small pages and choices of the frame: More, the theme, the language."""

from typing import Any, Final

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from ringstead.tenancy.context import TenantContext
from ringstead.web.addresses import local
from ringstead.web.i18n import LANGUAGE_COOKIE, Translations, messages
from ringstead.web.layout import THEME_COOKIE

_ = messages("ringstead")
THEMES: Final = ("system", "light", "dark")
YEAR_SECONDS: Final = 365 * 24 * 3600


def more(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /more`: everything that has no place in the phone's tab bar."""
    return {"groups": request.layout.navigation.more_groups}


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
    translations: Translations = request.registry["ringstead.translations"]
    locale = request.matchdict["locale"]
    if locale not in translations.languages:
        raise HTTPNotFound
    response = HTTPSeeOther(local(request.GET.get("next", "/")))
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
