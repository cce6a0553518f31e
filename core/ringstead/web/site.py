"""The outermost tween: the exact host decides the site; an unknown one gets 421 and learns nothing."""

from collections.abc import Callable

from pyramid.registry import Registry as PyramidRegistry
from pyramid.request import Request
from pyramid.response import Response

from ringstead.tenancy.hosts import HostDirectory, normal_host
from ringstead.web.transactions import is_database_away

PLATFORM = "platform"
Handler = Callable[[Request], Response]
# RFC 1035, section 2.3.4. A longer one is nobody's, and is not worth a look-up and a place in the cache.
LONGEST_HOST = 253


def site_tween_factory(handler: Handler, registry: PyramidRegistry) -> Handler:
    """Set `request.site` and `request.site_kind` (portal, console or platform)."""
    hosts: HostDirectory = registry["ringstead.hosts"]
    platform = frozenset(registry["ringstead.settings"].platform_hosts)

    def tween(request: Request) -> Response:
        host = normal_host(request.environ.get("HTTP_HOST", ""))
        if host in platform:
            request.site, request.site_kind = None, PLATFORM
            return handler(request)
        try:
            site = hosts.resolve(host) if 0 < len(host) <= LONGEST_HOST and "\0" not in host else None
        except Exception as error:
            if not is_database_away(error):
                raise
            request.site, request.site_kind = None, "unknown"
            # The page that says so needs its files, which are the same for everybody.
            is_static = request.environ.get("PATH_INFO", "").startswith("/static/")
            return handler(request) if is_static else registry["ringstead.away"](request)
        if site is None or site.kind == "sip":
            request.site, request.site_kind = None, "unknown"
            return registry["ringstead.misdirected"](request)
        request.site, request.site_kind = site, site.kind
        return handler(request)

    return tween
