"""Protection against forged requests: a token in every form, and a look at where the request comes from."""

import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

from pyramid.config import Configurator
from pyramid.csrf import get_csrf_token
from pyramid.exceptions import BadCSRFOrigin, BadCSRFToken
from pyramid.interfaces import ICSRFStoragePolicy
from pyramid.request import Request
from zope.interface import implementer

from ringstead.api import translations
from ringstead.auth.tokens import read_signed, set_cookie, signer

_ = translations("ringstead")

VISITOR_COOKIE = "pre"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
STALE = _(
    "This form is out of date, or your browser keeps no cookies. Open the page again and send it from there."
)
FOREIGN = _("This form was sent from another site’s page. Open our own page and send it from there.")


@implementer(ICSRFStoragePolicy)
class CsrfPolicy:
    """The token of a signed-in person lies in the session's row; a visitor's in a signed cookie of this very host.

    Only we can sign the visitor's cookie, and only for this host, so a neighbouring host cannot make one up.
    """

    def get_csrf_token(self, request: Request) -> str:
        """The token that forms of this request carry."""
        if request.site is None:
            return ""
        account = request.tenant.account
        if account is not None:
            token: str = account.csrf_token
            return token
        return read_signed(request, "csrf", VISITOR_COOKIE) or self.new_csrf_token(request)

    def new_csrf_token(self, request: Request) -> str:
        """Give a visitor a new token, one for the request however often it is asked."""
        known: str | None = request.environ.get("ringstead.visitor_token")
        if known is not None:
            return known
        token = secrets.token_urlsafe(24)
        request.environ["ringstead.visitor_token"] = token
        signed = signer(request, "csrf").sign(token.encode()).decode()
        request.add_response_callback(
            lambda request, response: set_cookie(request, response, VISITOR_COOKIE, signed, max_age=None)
        )
        return token

    def check_csrf_token(self, request: Request, supplied_token: object) -> bool:
        """True when the token that came with the request is the one that we gave; raises `BadCSRFToken` in words."""
        supplied = supplied_token if isinstance(supplied_token, str) else ""
        expected = self.get_csrf_token(request)
        if not supplied or not hmac.compare_digest(
            expected.encode(), supplied.encode("utf-8", "surrogatepass")
        ):
            raise BadCSRFToken(STALE)
        return True


def own_origins(request: Request) -> frozenset[str]:
    """What browsers may name as the origin of our own pages.

    `Host` is what the browser was asked for, port included; behind a proxy that drops the port, the deployment's
    `public_port` tells it.
    """
    settings = request.deployment
    named = f"{settings.public_scheme}://{request.environ.get('HTTP_HOST', '')}"
    return frozenset({_origin(named), _origin(settings.origin(request.site.host))} - {""})


def is_own_origin(request: Request) -> bool:
    """Whether a request that changes something comes from our own page, by every header that says where from.

    A client that sends none of them is no browser (or an old one, which the token stops), and is let through to the
    token's check.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    claimed = request.headers.get("Origin") or request.headers.get("Referer")
    return claimed is None or _origin(claimed) in own_origins(request)


def _origin(url: str) -> str:
    """Scheme, host and port of an address, without a default port; empty when it has none."""
    try:
        parts = urlsplit(url.strip().lower())
        port = parts.port
    except ValueError:
        return ""
    if not parts.hostname or parts.scheme not in _DEFAULT_PORTS:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port or _DEFAULT_PORTS[parts.scheme]}"


def origin_view(view: Any, info: Any) -> Any:
    """View deriver: check the origin wherever Pyramid checks the token."""
    if info.exception_only or info.options.get("require_csrf") is False:
        return view

    def checked(context: Any, request: Request) -> Any:
        if request.method not in SAFE_METHODS and not is_own_origin(request):
            raise BadCSRFOrigin(FOREIGN)
        return view(context, request)

    return checked


origin_view.options = ("require_csrf",)  # type: ignore[attr-defined]  # Pyramid reads this attribute


def add_forgery_protection(config: Configurator) -> None:
    """Demand a token and our own origin of every view but those that say `require_csrf=False`."""
    config.set_csrf_storage_policy(CsrfPolicy())
    config.set_default_csrf_options(require_csrf=True, check_origin=False)
    config.add_view_deriver(origin_view, under="secured_view", over="csrf_view", name="origin_view")
    config.add_request_method(get_csrf_token, "csrf_token", property=True)
