"""What a page loads.

Static files under a digest, and the brand's style sheet, pictures and manifest on the brand's own hosts.
"""

import json
from pathlib import Path
from typing import Final

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ringstead.plugins.registry import CORE, Registry
from ringstead.tenancy.context import SiteInfo
from ringstead.theming import NEUTRAL, Brand, BrandCache
from ringstead.theming.manifest import manifest
from ringstead.web.folders import plugin_folders
from ringstead.web.i18n import plain_locale, text_direction
from ringstead.web.static_files import FOR_EVER, REVALIDATE, StaticFiles

CORE_STATIC: Final = Path(__file__).parent / "static"
MANIFEST_PATH: Final = "/manifest.webmanifest"
ROBOTS: Final = b"User-agent: *\nDisallow: /\n"


def brand_of(request: Request) -> Brand:
    """The brand of the request's host; NEUTRAL where there is none."""
    site: SiteInfo | None = getattr(request, "site", None)
    if site is None:
        return NEUTRAL
    brands: BrandCache = request.registry["ringstead.brands"]
    return brands.get(str(site.partner.id), {"name": site.partner.name, **site.partner.brand})


def brand_file(request: Request) -> Response:
    """`/brand/{digest}.css`, `.svg` and `.png`: style sheet and icon of this host's brand. `/brand/{digest}-NAME.png`:
    its logos, and the icons for home screens."""
    brand: Brand = request.brand
    stem, _dot, suffix = request.matchdict["file"].partition(".")
    digest, _dash, name = stem.partition("-")
    icon, media_type = brand.icon
    if name and suffix == "png" and name in brand.files:
        response = Response(body=brand.files[name](), content_type="image/png")
    elif suffix == "css" and not name:
        response = Response(body=brand.css.encode(), content_type="text/css", charset="utf-8")
    elif brand.icon_url.endswith(f".{suffix}") and not name:
        response = Response(body=icon, content_type=media_type)
    else:
        return Response(status=404, content_type="text/plain", body=b"Not found.\n")
    return _cached(response, digest == brand.digest, f"{brand.digest}{name}")


def web_manifest(request: Request) -> Response:
    """`/manifest.webmanifest`: what a phone needs to put this host's portal on its home screen."""
    brand: Brand = request.brand
    locale = plain_locale(request)
    body = json.dumps(manifest(brand, locale, text_direction(locale))).encode()
    response = Response(body=body, content_type="application/manifest+json", charset="utf-8")
    response.vary = ["Accept-Language", "Cookie"]
    return _cached(response, False, f"{brand.digest}{locale}")


def favicon(request: Request) -> Response:
    """`/favicon.ico`, for those who ask without looking at the page."""
    icon, media_type = request.brand.icon
    return _cached(Response(body=icon, content_type=media_type), False, request.brand.digest)


def robots(request: Request) -> Response:
    """A portal is nobody's search result."""
    return Response(body=ROBOTS, content_type="text/plain")


def _cached(response: Response, current: bool, tag: str) -> Response:
    # A page from before the brand was changed asks under the old digest: today's brand, but not to be kept.
    response.headers["Cache-Control"] = FOR_EVER if current else REVALIDATE
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.etag = tag
    response.conditional_response = True
    return response


def includeme(config: Configurator) -> None:
    """Add `/static/…`, `/brand/…` and `request.brand`."""
    registry: Registry = config.registry["ringstead.plugins"]
    static = StaticFiles({CORE: CORE_STATIC, **plugin_folders(registry, "static")})
    config.registry["ringstead.static"] = static
    config.registry["ringstead.brands"] = BrandCache()
    config.add_request_method(brand_of, "brand", reify=True)
    config.add_route("static", "/static/{digest}/*path", request_method=("GET", "HEAD"))
    config.add_view(static.serve, route_name="static", permission=NO_PERMISSION_REQUIRED)
    config.add_route("brand", "/brand/{file}", request_method=("GET", "HEAD"))
    config.add_view(brand_file, route_name="brand", permission=NO_PERMISSION_REQUIRED)
    config.add_route("manifest", MANIFEST_PATH, request_method=("GET", "HEAD"))
    config.add_view(web_manifest, route_name="manifest", permission=NO_PERMISSION_REQUIRED)
    config.add_route("favicon", "/favicon.ico", request_method=("GET", "HEAD"))
    config.add_view(favicon, route_name="favicon", permission=NO_PERMISSION_REQUIRED)
    config.add_route("robots", "/robots.txt", request_method=("GET", "HEAD"))
    config.add_view(robots, route_name="robots", permission=NO_PERMISSION_REQUIRED)
