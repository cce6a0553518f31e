"""The start page of platform hosts, which are no partner's: where a browser goes that was given no better address."""

import json
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ringstead.settings import Settings
from ringstead.web.errors import error_response, render_plain, wants_problem
from ringstead.web.i18n import messages

_ = messages("ringstead")


def start(request: Request) -> Response:
    """`GET /`: in the demo its portals and consoles; elsewhere, and for programs, there is nothing here."""
    sites = _demo_sites(request.deployment) if not wants_problem(request) else []
    if not sites:
        return error_response(request, 404)
    response = Response(text=render_plain(request, "core/platform.pt", {"sites": sites}))
    response.headers["Cache-Control"] = "no-store"
    return response


def _demo_sites(settings: Settings) -> list[tuple[str, str, Any]]:
    """Address, icon and kind of each site in `var/demo.json`, which `docs/tenants.md` describes."""
    if not settings.list_demo_sites:
        return []
    try:
        told = json.loads((settings.var_dir / "demo.json").read_text(encoding="utf-8"))
        portals, consoles = sorted(told["portals"].values()), sorted(told["consoles"].values())
    except (OSError, ValueError, LookupError, AttributeError):
        return []
    return [
        *((address, "phone", _("Portal, for subscribers")) for address in portals),
        *((address, "building-2", _("Console, for the partner’s staff")) for address in consoles),
    ]


def includeme(config: Configurator) -> None:
    """Add the page."""
    config.add_route("platform.start", "/", site_kind="platform", request_method=("GET", "HEAD"))
    config.add_view(start, route_name="platform.start", permission=NO_PERMISSION_REQUIRED)
