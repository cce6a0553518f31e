"""Turn the declared routes of core and plugins into Pyramid's, behind site, enablement and permission."""

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request

from ringstead.api.contributions import Route
from ringstead.auth.support import check_support
from ringstead.plugins.registry import CORE, Owned, Registry
from ringstead.tenancy.context import TenantContext


class SitePredicate:
    """Route predicate `site_kind="portal"`: the route exists only on that kind of host."""

    def __init__(self, kind: str, _config: Configurator) -> None:
        self.kind = kind

    def text(self) -> str:
        """How the predicate shows in `proutes`."""
        return f"site_kind = {self.kind}"

    phash = text

    def __call__(self, _info: Any, request: Request) -> bool:
        return bool(request.site_kind == self.kind)


def add_plugin_routes(config: Configurator, registry: Registry) -> None:
    """Add every declared route. Order of declaration decides between patterns that both match."""
    for owned in registry.routes():
        route = owned.item
        config.add_route(
            route.name,
            route.pattern,
            request_method=route.methods,
            site_kind=route.site,
            factory=context_factory(owned),
        )
        config.add_view(
            route.view, route_name=route.name, permission=route.permission, renderer=route.renderer
        )


def context_factory(owned: Owned[Route]) -> Callable[[Request], TenantContext]:
    """The context of a plugin's views; for somebody whose organization has the plugin off, there is no such page.

    A support session is told what is closed to it.
    """
    plugin, route = owned.plugin, owned.item

    def make(request: Request) -> TenantContext:
        context: TenantContext = request.tenant
        if plugin != CORE and context.account is not None and plugin not in context.features.plugins:
            raise HTTPNotFound
        check_support(context, route, request.method)
        return context

    return make
