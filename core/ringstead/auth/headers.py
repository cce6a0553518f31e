"""The headers that every response carries, and the scheme that the deployment says browsers use."""

from collections.abc import Callable
from typing import Final

from pyramid.registry import Registry as PyramidRegistry
from pyramid.request import Request
from pyramid.response import Response

Handler = Callable[[Request], Response]

CONTENT_SECURITY_POLICY: Final = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ]
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: under that, browsers send `Origin: null` with our own forms (Fetch, section 3.2).
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(self), payment=(), usb=(), browsing-topics=()"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Browsers ignore both on a page that came over http, the second with a complaint.
HEADERS_OVER_HTTPS: Final = {
    "Strict-Transport-Security": "max-age=31536000",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def headers_tween_factory(handler: Handler, registry: PyramidRegistry) -> Handler:
    """Outermost tween. A response that says nothing about caching is somebody's page and is not stored."""
    scheme: str = registry["ringstead.settings"].public_scheme
    headers = HEADERS | (HEADERS_OVER_HTTPS if scheme == "https" else {})

    def tween(request: Request) -> Response:
        # A proxy that ends TLS talks http to us; redirects must still name what browsers see. The scheme is a setting
        # and no header's claim, and the host is the one header `Host` that the partner was found by.
        request.environ["wsgi.url_scheme"] = scheme
        response = handler(request)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return tween
