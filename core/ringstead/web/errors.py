"""What a reader or a program gets when something went wrong: a page in the partner's brand, or a problem
document.

No answer here touches the database, so each also stands when that is what went wrong. A fault of ours shows a
reference for support and nothing else; the log has the rest under the same reference.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pyramid.config import Configurator
from pyramid.exceptions import URLDecodeError
from pyramid.httpexceptions import HTTPException, HTTPSeeOther, HTTPUnauthorized
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.response import Response

from ringstead.auth.policy import is_suspended
from ringstead.auth.support import ClosedToSupport
from ringstead.blobs import BlobMissing, BlobsAway, BlobsFull
from ringstead.plugins.registry import Registry
from ringstead.tenancy.context import TenantContext
from ringstead.theming import Brand
from ringstead.web.addresses import is_local
from ringstead.web.formats import number_tag
from ringstead.web.i18n import messages, text_direction
from ringstead.web.i18n import plain_locale as browser_locale
from ringstead.web.layout import THEME_COOKIE
from ringstead.web.limits import BodyTooLarge
from ringstead.web.problems import problem
from ringstead.web.scope import Use, icon_maker, page_scope
from ringstead.web.transactions import is_database_away, is_storage_full, needs_transaction

_ = messages("ringstead")
log = structlog.get_logger(__name__)
RETRY_SECONDS: Final = 5
_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


START: Final = _("Go to the start page")
START_URL: Final = "/"


@dataclass(frozen=True, slots=True)
class Words:
    """What an error page says: a title, what still holds and what to do, and the way out."""

    title: Any
    text: Any
    action: Any = START
    action_url: str = "/"


WORDS: Final = {
    400: Words(
        _("That didn’t make sense to us"),
        _("Nothing changed. Go back, check what you entered and send it again."),
    ),
    401: Words(_("Sign in first"), _("This page needs to know who you are."), _("Sign in"), "/sign-in"),
    403: Words(
        _("This isn’t yours to open"),
        _("Nothing changed. If you need it, ask whoever looks after your phones."),
    ),
    404: Words(_("There’s nothing here"), _("The address may be mistyped, or what was here is gone.")),
    405: Words(_("That can’t be done here"), _("Nothing changed. Go back and use the buttons of the page.")),
    409: Words(
        _("Somebody was quicker"), _("Nothing changed. Open the page again to see what it looks like now.")
    ),
    410: Words(
        _("This is not kept any longer"), _("Its time is over. If you still need it, have it made again.")
    ),
    413: Words(_("That’s too much at once"), _("Nothing was saved. Send a smaller file or fewer lines.")),
    415: Words(
        _("We can’t read that kind of file"),
        _("Nothing was saved. The page you came from says what it takes."),
    ),
    421: Words(
        _("There’s no site at this address"), _("Check the address that your provider gave you."), "", ""
    ),
    422: Words(
        _("Something is missing"), _("Nothing was saved. Go back, fill in what is missing and send it again.")
    ),
    429: Words(
        _("One moment"), _("There were too many tries in a short time. Wait a few minutes, then try again.")
    ),
    500: Words(
        _("Something went wrong on our side"),
        _("It’s us, not you. We’ve been told. Your phones keep working."),
    ),
    503: Words(
        _("We’ll be right back"),
        _("The portal can’t reach its data at the moment. Your phones keep working. Try again in a minute."),
        _("Try again"),
    ),
    507: Words(
        _("There is no room left"),
        _("Nothing was saved. Your provider has to make room. Your phones keep working."),
    ),
}


CLOSED: Final = Words(_("Closed in a support session"), _("The portal stays open; go on, or leave it."))
STAFF_ONLY: Final = Words(
    WORDS[403].title, _("Nothing changed. If you need it, ask an admin of your company.")
)
GONE_PART: Final = Words(
    _("This part is not there any more"),
    _("The feature may have been turned off meanwhile, or what it showed is gone."),
)
NO_SITE: Final = b"There is no site at this address. Check the address that your provider gave you.\n"


class PlainPage:
    """The frame of a page that stands by itself: brand where the host has one, no navigation, no database."""

    def __init__(self, request: Request, *, branded: bool | None = None) -> None:
        self.brand: Brand = request.brand
        self.branded = getattr(request, "site", None) is not None if branded is None else branded
        self.locale = plain_locale(request)
        self.dir = text_direction(self.locale)
        chosen = request.cookies.get(THEME_COOKIE)
        self.theme = chosen if chosen in ("light", "dark") else None


def known_tenant(request: Request) -> TenantContext | None:
    """The tenant context if this request already has one; never asks for it."""
    context: TenantContext | None = request.__dict__.get("tenant")
    return context


def plain_locale(request: Request) -> str:
    """The locale without asking the database."""
    context = known_tenant(request)
    if context is not None:
        return context.locale
    return browser_locale(request)


def wants_problem(request: Request) -> bool:
    """Whether the answer should be a problem document: for the switch, for health checks, for programs."""
    # Not `path_info`, which raises for the very addresses that are no UTF-8.
    path: str = request.environ.get("PATH_INFO", "")
    if path.startswith("/switch/"):
        return True
    if getattr(request, "site_kind", "unknown") == "platform" and not names_html(request):
        return True
    offers = ["text/html", "application/problem+json", "application/json"]
    best = request.accept.acceptable_offers(offers) if request.headers.get("Accept") else []
    return bool(best) and best[0][0] != "text/html"


def names_html(request: Request) -> bool:
    """Whether the sender asks for HTML by name, as browsers do and programs do not."""
    return "text/html" in request.headers.get("Accept", "")


def render_plain(request: Request, name: str, values: dict[str, Any]) -> str:
    """A template in the plain frame."""
    registry = request.registry
    plain = PlainPage(request)
    partner = request.site.partner.slug if plain.branded else None
    use = Use(registry["ringstead.templates"], partner)
    static = registry["ringstead.static"].url
    scope = {
        "icon": icon_maker(static("core/icons.svg")),
        "num": number_tag,
        "parts": use("core/parts.pt").macros,
        "partner": partner,
        "plain": plain,
        "plain_shell": use("core/plain.pt"),
        "static": static,
        "target_language": plain.locale,
        "use": use,
    }
    return str(registry["ringstead.templates"].render(name, scope, values))


def error_response(request: Request, status: int, detail: str = "", reference: str = "") -> Response:
    """The answer for `status`: page, part of a page (htmx) or problem document."""
    words = WORDS.get(status) or WORDS[400 if status < 500 else 500]
    site = getattr(request, "site", None)
    if status == 403 and (detail or (site is not None and site.kind == "console")):
        words = CLOSED if detail else STAFF_ONLY
    if status == 404 and site is None:
        words = WORDS[421]
    if wants_problem(request):
        return _problem(request, status, words, detail, reference)
    if request.headers.get("HX-Request") == "true":
        return _page(status, _part(request, status, words, detail))
    values = {
        "title": words.title,
        "text": words.text,
        "detail": detail,
        "action": words.action,
        "action_url": _same_page(request) if status == 503 and request.method == "GET" else words.action_url,
        "reference": reference,
    }
    if status < 500 and _is_inside(request):
        templates = request.registry["ringstead.templates"]
        return _page(status, templates.render("core/error_framed.pt", page_scope(request), values))
    return _page(status, render_plain(request, "core/error.pt", values))


def _is_inside(request: Request) -> bool:
    """Whether the request is known to come from somebody who may use the navigation."""
    context = known_tenant(request)
    return context is not None and context.account is not None and not is_suspended(request)


def _page(status: int, body: str) -> Response:
    response = Response(status=status, content_type="text/html", charset="utf-8", text=str(body))
    response.headers["Cache-Control"] = "no-store"
    return response


def _part(request: Request, status: int, words: Words, detail: str) -> str:
    """What goes where the answer to htmx would have gone: reading may be tried again, anything else starts anew."""
    is_gone = status == 404
    values = {
        "title": GONE_PART.title if is_gone else words.title,
        "text": GONE_PART.text if is_gone else words.text,
        "detail": detail,
        "again_url": _same_page(request) if request.method == "GET" and not is_gone else None,
        "page_url": _page_around(request),
    }
    return render_plain(request, "core/error_part.pt", values).strip()


def _page_around(request: Request) -> str:
    """The page that htmx says it works for, if it is one of this host."""
    address = request.headers.get("HX-Current-URL", "").removeprefix(request.host_url)
    return address if is_local(address) else START_URL


def _same_page(request: Request) -> str:
    """The address that was asked for, unless a link to it would lead to another host (`//host`)."""
    try:
        address: str = request.path_qs
    except UnicodeDecodeError:
        return START_URL
    return address if is_local(address) else START_URL


def logged_path(request: Request) -> str:
    """The path as the log may show it: a link that sets a password, or opens a portal, is a secret while it lives."""
    path: str = request.environ.get("PATH_INFO", "")
    first = path.split("/")[1:2]
    return f"/{first[0]}/…" if first in (["reset"], ["support"]) else path


def _problem(request: Request, status: int, words: Words, detail: str, reference: str) -> Response:
    translate = request.registry["ringstead.translations"].translate
    extra = {"reference": reference} if reference else {}
    text = str(translate(detail or words.text, target_language="en"))
    return problem(status, str(translate(words.title, target_language="en")), text, **extra)


def http_error(error: HTTPException, request: Request) -> Response:
    """An HTTP error that a view raised. Its `detail` is shown for 4xx: it names what, where and the mend."""
    if error.status_int < 400:
        return error
    response = error_response(request, error.status_int, _detail(error))
    for name in ("Retry-After", "Allow", "WWW-Authenticate"):
        if name in error.headers:
            response.headers[name] = error.headers[name]
    return response


def _detail(error: HTTPException) -> str:
    """What an error says of itself, perhaps a message still to be translated; empty where that would tell too much."""
    shown = 400 <= error.status_int < 500 and error.status_int not in (401, 403, 404, 405)
    detail: str = (error.detail or "") if shown else ""
    return detail


def forbidden(error: HTTPException, request: Request) -> Response:
    """Not allowed: a visitor is led to the sign-in page and back; somebody signed in is told so."""
    context = known_tenant(request)
    if context is not None and context.account is not None:
        # Why support may not do something is no secret; anything else would tell what there is.
        return error_response(request, 403, error.detail if isinstance(error, ClosedToSupport) else "")
    if wants_problem(request):
        return error_response(request, 401)
    wanted = request.path_qs if request.method in ("GET", "HEAD") else "/"
    address = "/sign-in" if wanted == "/" else request.route_path("core.sign_in", _query={"next": wanted})
    if request.headers.get("HX-Request") == "true":
        return Response(status=401, headers={"HX-Redirect": address})
    return HTTPSeeOther(address)


def not_found(error: HTTPException, request: Request) -> Response:
    """Nothing at this address, or nothing for this method (then 405 says which ones there are)."""
    _know_reader(request)
    allowed = allowed_methods(request)
    if allowed:
        response = error_response(request, 405)
        response.headers["Allow"] = ", ".join(sorted(allowed))
        return response
    return error_response(request, 404)


def _know_reader(request: Request) -> None:
    """Find out who asks, so that somebody who is signed in keeps the navigation around the page."""
    if getattr(request, "site", None) is None or not needs_transaction(request) or wants_problem(request):
        return
    try:
        request.tenant  # noqa: B018  # it stays with the request
    except Exception as error:
        if not is_database_away(error):
            raise


def allowed_methods(request: Request) -> set[str]:
    """The methods that routes of this site answer at the request's address."""
    if getattr(request, "matched_route", None) is not None:
        return set()
    registry: Registry = request.plugins
    kind = getattr(request, "site_kind", "unknown")
    methods = {owned.item.name: owned.item.methods for owned in registry.routes() if owned.item.site == kind}
    found: set[str] = set()
    for route in request.registry.getUtility(IRoutesMapper).get_routes():
        if route.name in methods and route.match(request.path_info) is not None:
            found |= set(methods[route.name])
    return found | ({"HEAD"} if "GET" in found else set())


def undecodable(_error: Exception, request: Request) -> Response:
    """An address or a form whose bytes are no text."""
    return error_response(request, 400, _("Some characters in the address or in a field arrived damaged."))


def too_large(error: BodyTooLarge, request: Request) -> Response:
    """A body over the limit."""
    return error_response(request, 413, _("A request may have ${n} bytes.", n=error.limit))


def misdirected(request: Request) -> Response:
    """RFC 9110, section 15.5.20: this server does not answer for that host. In words for browsers."""
    if names_html(request):
        return error_response(request, 421)
    return Response(status=421, content_type="text/plain", charset="utf-8", body=NO_SITE)


def away(request: Request) -> Response:
    """The database cannot be reached."""
    response = error_response(request, 503)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def blob_missing(_error: BlobMissing, request: Request) -> Response:
    """A file whose bytes are not where they should be: for who asks, there is none."""
    return error_response(request, 404)


def blobs_away(error: BlobsAway, request: Request) -> Response:
    """The object storage is full, or cannot be reached."""
    log.error("blobs.away", path=logged_path(request), why=str(error))
    return error_response(request, 507) if isinstance(error, BlobsFull) else away(request)


def unexpected(error: Exception, request: Request) -> Response:
    """A fault of ours, or the database away or without room."""
    if is_database_away(error) or is_storage_full(error):
        what = "storage.full" if is_storage_full(error) else "database.away"
        log.error(what, path=logged_path(request), why=str(error).partition("\n")[0])
        return away(request)
    reference = "".join(secrets.choice(_ALPHABET) for _letter in range(8))
    log.error(
        "request.failed",
        reference=reference,
        path=logged_path(request),
        method=request.method,
        exc_info=error,
    )
    return error_response(request, 500, reference=f"{reference[:4]}-{reference[4:]}")


def includeme(config: Configurator) -> None:
    """Answer for everything that is raised."""
    config.registry["ringstead.away"] = away
    config.registry["ringstead.misdirected"] = misdirected
    config.add_request_method(plain_locale, "plain_locale", reify=True)
    config.add_exception_view(http_error, context=HTTPException)
    config.add_exception_view(undecodable, context=UnicodeDecodeError)
    config.add_exception_view(undecodable, context=URLDecodeError)
    config.add_exception_view(too_large, context=BodyTooLarge)
    config.add_exception_view(blobs_away, context=BlobsAway)
    config.add_exception_view(blob_missing, context=BlobMissing)
    config.add_exception_view(unexpected, context=Exception)
    config.add_notfound_view(not_found)
    config.add_forbidden_view(forbidden)
    config.add_exception_view(forbidden, context=HTTPUnauthorized)
