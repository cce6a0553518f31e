"""The neutral switch interface: messages that a softswitch sends to the portal, on platform hosts only."""

from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED


def includeme(config: Configurator) -> None:
    """Add `/switch/v1/…` and `/healthz`. A node's key is its permission, so there is no session and no form token."""
    # Views name these rooms by path, so that plugins may import this package without the web's rooms.
    config.add_route("switch", "/switch/v1/*path", site_kind="platform")
    config.add_view(
        "ringstead.switch.views.receive",
        route_name="switch",
        permission=NO_PERMISSION_REQUIRED,
        require_csrf=False,
    )
    config.add_route("healthz", "/healthz", site_kind="platform", request_method=("GET", "HEAD"))
    config.add_view("ringstead.web.health.healthz", route_name="healthz", permission=NO_PERMISSION_REQUIRED)
