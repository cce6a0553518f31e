"""Files of calls: made at once when they are small, in the background when they are not; and the page of those."""

from collections.abc import Iterable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from pyramid.httpexceptions import (
    HTTPForbidden,
    HTTPGone,
    HTTPNotFound,
    HTTPSeeOther,
    HTTPTooManyRequests,
    HTTPUnprocessableEntity,
)
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api import TenantContext, translations
from ringstead.api.blobs import org_blobs
from ringstead.api.formatting import Formats, formats_of
from ringstead_calllogs.background import (
    MOST_KEPT,
    MOST_UNFINISHED,
    Download,
    Owner,
    TooManyKept,
    TooManyUnfinished,
    blob_key,
    find_file,
    forget_file,
    my_files,
    order_file,
)
from ringstead_calllogs.columns import COLUMNS, read_columns
from ringstead_calllogs.downloads import SMALL, Downloads, Kept, Spool, TooManyDownloads
from ringstead_calllogs.files import file_name, pieces
from ringstead_calllogs.filters import NAMES, Filter, read_filter
from ringstead_calllogs.looks import Looker, record_looks
from ringstead_calllogs.orders import (
    KINDS,
    MEDIA_TYPES,
    SCOPES,
    Content,
    Order,
    content_of,
    expected_rows,
    monthly_counts,
    order_of,
    private_extensions,
)
from ringstead_calllogs.other_views import scope_of
from ringstead_calllogs.permissions import EXPORT
from ringstead_calllogs.scopes import PERMISSIONS, Scope, find_scope, narrow, people_in
from ringstead_calllogs.views import LIST, Place, is_htmx, sought
from ringstead_calllogs.whose import Whose

_ = translations("ringstead_calllogs")
PAGE: Final = "/calls/downloads"
OFFER: Final = "/calls/downloads/new"
ROWS_AT_ONCE: Final = "calllogs.download_rows"
DAYS_KEPT: Final = "calllogs.download_days"
# However many an organization sets: while a page waits for its file, a thread of the web does nothing else.
MOST_AT_ONCE: Final = 100_000
# A row of a sheet takes about four times as long to make as a line of CSV, and one on paper ten times.
EFFORT: Final[dict[str, int]] = {"csv": 1, "xlsx": 4, "pdf": 10}
KIND_NAMES: Final = {"csv": _("CSV"), "xlsx": _("Excel"), "pdf": _("PDF")}
STATES: Final = {
    "waiting": _("Waiting for its turn"),
    "making": _("Being made"),
    "ready": _("Ready"),
    "failed": _("Could not be made"),
}
REASONS: Final = {
    "too_many": _("More calls fit than such a file may have. Choose fewer days, or CSV."),
    "not_yours": _("You may not see all of these calls any more."),
    "no_room": _("There is no room left to keep it. Your provider has to make room."),
    "away": _("The place where files are kept could not be reached. Order it again later."),
    "fault": _("It’s us, not you. Order it again; if that fails too, tell support."),
}


def download_calls(context: TenantContext, request: Request) -> Response:
    """`GET /calls.csv`, `.xlsx`, `.pdf`, with the list's filter and `columns`: its calls, if they are not too many.

    303 to the offer to make it in the background; 422 for a filter or columns that are none, 429 while others are sent.
    """
    return _send(context, request, None)


def download_others(context: TenantContext, request: Request) -> Response:
    """`GET /calls/of/KIND/SLUG/calls.csv`, `.xlsx`, `.pdf`: the same of others' calls."""
    if not context.can(EXPORT.name):
        raise HTTPForbidden
    return _send(context, request, scope_of(context, request))


def _send(context: TenantContext, request: Request, scope: Scope | None) -> Response:
    kind = request.matched_route.pattern.rpartition(".")[2]
    order, content = _order(context, request, request.GET, kind, scope)
    fmt = formats_of(request)
    if content.listing.exceeds(request.db, rows_at_once(context, order.kind)):
        return HTTPSeeOther(offer_url(order))
    response = Response(content_type=MEDIA_TYPES[kind], charset="utf-8" if kind == "csv" else None)
    _name_file(response, file_name(order.wanted, fmt.today(), kind))
    with ExitStack() as opened:
        spool = opened.enter_context(closing(_spool(context, request)))
        with closing(pieces(request.db, order, content)) as source:
            size = spool.write(source)
        if scope is not None:
            _record(context, request, content.listing.people(request.db), scope)
        if size <= SMALL:
            response.body = spool.read()
        else:
            response.app_iter, response.content_length = spool, size
            opened.pop_all()  # the server closes it
    return response


def _record(context: TenantContext, request: Request, people: Iterable[UUID], scope: Scope) -> None:
    record_looks(request.db, Looker.of(context, request.client_address), people, scope, "download")


def offer_file(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/downloads/new?file=&columns=` and the filter: the offer to make a file in the background."""
    order, content = _asked_for(context, request, request.GET)
    return {
        "order": order,
        "kind": KIND_NAMES[order.kind],
        "sought": order.words["sought"],
        "titles": [COLUMNS[name].title for name in order.columns],
        "at_once": rows_at_once(context, order.kind),
        "expected": expected_rows(request.db, order, content),
        "too_many": order.most if _holds_too_many(request, order, content) else None,
        "fields": _fields(order),
        "csv_url": offer_url(order, "csv"),
        "back_url": order.wanted.url(SCOPES + order.scope if order.scope else LIST, before=None),
        "days": context.preferences[DAYS_KEPT],
    }


def begin_file(context: TenantContext, request: Request) -> Response:
    """`POST /calls/downloads`, with the fields of the offer: have the file made. 422, or 429 for too many of them."""
    order, content = _asked_for(context, request, request.POST)
    if _holds_too_many(request, order, content):
        most = {"most": order.most}
        why = _(
            "More than ${most} calls fit, too many for such a file. Choose fewer days, or CSV.", mapping=most
        )
        raise HTTPUnprocessableEntity(why)
    name = file_name(order.wanted, formats_of(request).today(), order.kind)
    try:
        order_file(request.db, Owner.of(context), order, name, context.preferences[DAYS_KEPT])
    except TooManyUnfinished:
        most = {"most": MOST_UNFINISHED}
        why = _("${most} of your files are being made. Wait for one of them, or cancel it.", mapping=most)
        raise HTTPTooManyRequests(why, headers=[("Retry-After", "30")]) from None
    except TooManyKept:
        why = _("You have ${most} files. Delete those that you have fetched.", mapping={"most": MOST_KEPT})
        raise HTTPTooManyRequests(why) from None
    request.flash(_("Your file is being made. A mail will tell you when it is ready."))
    return HTTPSeeOther(PAGE)


def list_files(context: TenantContext, request: Request) -> Any:
    """`GET /calls/downloads`: the reader's files; with htmx, only the list. 304 when that has not changed."""
    files = my_files(request.db, Owner.of(context))
    response = request.response
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "HX-Request"
    if is_htmx(request):
        request.override_renderer = "calllogs/files.pt"
        state = "-".join(
            f"{each.id.hex[-8:]}{each.state[0]}{each.percent}.{each.shown_rows}" for each in files
        )
        response.etag = f"{state}-{context.locale}"
        if response.etag in request.if_none_match:
            kept = {name: response.headers[name] for name in ("ETag", "Cache-Control", "Vary")}
            return Response(status=304, headers=kept)
    return {
        "files": files,
        "states": STATES,
        "reasons": REASONS,
        "kinds": KIND_NAMES,
        "is_waiting": any(each.is_unfinished for each in files),
        "again": lambda each: offer_url(each.order),
        "page_url": PAGE,
    }


def send_file(context: TenantContext, request: Request) -> Response:
    """`GET /calls/downloads/{id}`: a file that is ready, whole or a range of it; 410 when its time is over.

    303 to the page while it is made.
    """
    found = _find(context, request)
    if found.is_over(datetime.now(UTC)):
        raise HTTPGone(_("This file was kept until its time was over. Order it again if you still need it."))
    if found.state != "ready" or found.attempt is None:
        return HTTPSeeOther(PAGE)
    _look(context, request, found)
    blobs, key = org_blobs(request.db), blob_key(found.id, found.attempt)
    if blobs.info(key) is None:
        raise HTTPGone(_("This file is not there any more. Order it again if you still need it."))
    response = Response(content_type=MEDIA_TYPES[found.kind], charset=None)
    if found.kind == "csv":
        response.charset = "utf-8"
    _name_file(response, found.name)
    response.etag = found.digest
    response.accept_ranges = "bytes"
    response.headers["Cache-Control"] = "private, no-cache"
    response.last_modified = found.ready_at
    response.conditional_response = True
    if request.method != "HEAD":
        response.app_iter = _kept(
            context, request, lambda start, stop: blobs.read(key, start, stop), found.size
        )
    response.content_length = found.size
    return response


def _look(context: TenantContext, request: Request, found: Download) -> None:
    """Ask again whether the reader may see the calls of a file, and keep that they do, the first time.

    404 when they may not any more; 410 when somebody in it has asked for privacy meanwhile, or left the team.
    """
    scope = _scope(context, request, found.scope)
    if scope is None:
        return
    people = {*map(UUID, found.people)}
    hidden = people & scope.excluded
    if scope.group is not None:
        hidden = people - {one.id for one in people_in(request.db, scope)}
    if hidden or set(private_extensions(context)) - set(found.private):
        raise HTTPGone(_("Some of these calls are nobody else’s to see any more. Order the file again."))
    if found.looked_at is None:
        found.looked_at = datetime.now(UTC)
        _record(context, request, people, scope)


def remove_file(context: TenantContext, request: Request) -> Response:
    """`POST /calls/downloads/{id}`: stop making it, or remove it. 404 for one that is not there."""
    found = _find(context, request)
    forget_file(request.db, Owner.of(context), found.id)
    request.flash(_("Canceled") if found.is_unfinished else _("Deleted"))
    return HTTPSeeOther(PAGE)


def rows_at_once(context: TenantContext, kind: str) -> int:
    """How many rows a file may have that comes at once."""
    return int(min(context.preferences[ROWS_AT_ONCE], MOST_AT_ONCE)) // EFFORT[kind]


def offer_url(order: Order, kind: str | None = None) -> str:
    """The page that offers to make an order's file, perhaps as another kind."""
    return f"{OFFER}?{urlencode(_fields(order, kind))}"


def _fields(order: Order, kind: str | None = None) -> dict[str, str]:
    """An order as an address or a form carries it."""
    asked = dict(parse_qsl(order.query.removeprefix("?")))
    scope = {"scope": order.scope} if order.scope else {}
    return {**asked, **scope, "file": kind or order.kind, "columns": ",".join(order.columns)}


def _asked_for(context: TenantContext, request: Request, values: Any) -> tuple[Order, Content]:
    """The order of an address or a form that also name the kind of file, and others' scope."""
    scope = _scope(context, request, values.get("scope", ""))
    return _order(context, request, values, values.get("file", "csv"), scope)


def _scope(context: TenantContext, request: Request, text: str) -> Scope | None:
    """The scope of `team/SLUG`, `location/SLUG` or `organization`. 404 for one that is not the reader's."""
    if not text:
        return None
    kind, _slash, slug = text.partition("/")
    if kind not in PERMISSIONS or not context.can(PERMISSIONS[kind]):
        raise HTTPNotFound
    scope = find_scope(request.db, context.subscriber_id, cast(Any, kind), slug, private_extensions(context))
    if scope is None:
        raise HTTPNotFound
    return scope


def _order(
    context: TenantContext, request: Request, values: Any, kind: str, scope: Scope | None
) -> tuple[Order, Content]:
    """What the address or the form asks for. Raises 422 that names what is wrong."""
    fmt = formats_of(request)
    if kind not in KINDS:
        raise HTTPUnprocessableEntity(_("There is no such file. Choose CSV, Excel or PDF."))
    form = read_filter({name: values.get(name, "") for name in NAMES}, of_others=scope is not None)
    narrowed = narrow(request.db, scope, form.filter) if scope is not None else None
    errors = {**form.errors, **(narrowed.errors if narrowed is not None else {})}
    if errors:
        field, message = next(iter(errors.items()))
        raise HTTPUnprocessableEntity(f"{field}: {fmt.text(message)}")
    columns, error = read_columns(values.getall("columns"), kind, scope is not None)
    if error is not None:
        raise HTTPUnprocessableEntity(error)
    choices = {"person": narrowed.person} if narrowed is not None else {}
    place = Place(LIST, Whose.person(context.subscriber_id), scope, choices)
    words = _in_words(form.filter, fmt, place)
    order = order_of(context, fmt, form.filter, kind, columns, words, scope)
    return order, content_of(request.db, order)


def _in_words(wanted: Filter, fmt: Formats, place: Place) -> str:
    """The whole filter in a line."""
    parts = [sought(wanted, fmt, place), wanted.location]
    if wanted.query:
        parts.append(f"“{wanted.query}”")
    if wanted.least is not None:
        parts.append(fmt.text(_("at least ${n} min", mapping={"n": wanted.least})))
    if wanted.most is not None:
        parts.append(fmt.text(_("at most ${n} min", mapping={"n": wanted.most})))
    return " · ".join(part for part in parts if part) or fmt.text(_("All calls"))


def _holds_too_many(request: Request, order: Order, content: Content) -> bool:
    """Whether more calls fit than the format may hold. The kept counts answer, unless they cannot rule it out."""
    if order.most is None:
        return False
    if 0 < sum(monthly_counts(request.db, order, content).values()) <= order.most:
        return False
    return content.listing.exceeds(request.db, order.most)


def _find(context: TenantContext, request: Request) -> Download:
    try:
        wanted = UUID(request.matchdict["id"])
    except ValueError:
        raise HTTPNotFound from None
    found = find_file(request.db, Owner.of(context), wanted)
    if found is None:
        raise HTTPNotFound
    return found


def _name_file(response: Response, name: str) -> None:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'


def _downloads(request: Request) -> Downloads:
    running: Downloads = request.registry.setdefault(
        "ringstead_calllogs.downloads", Downloads(request.deployment.web_threads)
    )
    return running


def _spool(context: TenantContext, request: Request) -> Spool:
    try:
        return Spool(_downloads(request), Owner.of(context).account_id)
    except TooManyDownloads as refused:
        raise _busy(refused) from None


def _kept(context: TenantContext, request: Request, read: Any, size: int) -> Kept:
    try:
        return Kept(_downloads(request), Owner.of(context).account_id, read, size)
    except TooManyDownloads as refused:
        raise _busy(refused) from None


def _busy(refused: TooManyDownloads) -> HTTPTooManyRequests:
    why = (
        _("A file that you asked for is still being sent. Wait until it is complete, then try again.")
        if refused.is_own
        else _("Others are downloading right now. Nothing is wrong: try again in a moment.")
    )
    return HTTPTooManyRequests(why, headers=[("Retry-After", "10")])
