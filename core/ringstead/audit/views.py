"""Pages of the audit trail: the partner's on the console, an organization's and one's own on the portal."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import select

from ringstead import audit
from ringstead.api import SIGNED_IN, NavItem, Permission, Route, TenantContext, translations
from ringstead.api.cells import Lines, separator
from ringstead.api.contributions import Site
from ringstead.api.formatting import Formats, formats_of
from ringstead.audit.listing import Shown, Wanted, read_all, read_page
from ringstead.tenancy.addresses import id_of, queried
from ringstead.tenancy.models import Organization

_ = translations("ringstead")

PARTNER: Final = Permission(
    name="core:audit:partner",
    title=_("See what was done at the partner"),
    default_roles=frozenset({"partner_support", "partner_admin"}),
)
ORGANIZATION: Final = Permission(
    name="core:audit:organization",
    title=_("See what was done in the organization"),
    default_roles=frozenset({"org_admin"}),
)
PAGE: Final = "core/audit.pt"
DAYS: Final = 30
_QUERY_MOST: Final = 80
_PIECE: Final = 64 * 1024
_SMALL: Final = 1024 * 1024
_ORGANIZATIONS_OFFERED: Final = 500


def permissions() -> list[Permission]:
    """Who sees which trail; everybody sees their own."""
    return [PARTNER, ORGANIZATION]


def routes() -> list[Route]:
    """Each trail as a page, and as a file."""
    found: list[Route] = []
    trails: tuple[tuple[Site, str, str], ...] = (
        ("console", "core.console", PARTNER.name),
        ("portal", "core", ORGANIZATION.name),
    )
    for site, name, permission in trails:
        own = f"{name}.account.activity"
        mine = partial(Route, site=site, permission=SIGNED_IN, support="closed")
        everybodys = partial(Route, site=site, permission=permission)
        found += [
            everybodys(name=f"{name}.audit", pattern="/audit", view=show, renderer=PAGE),
            everybodys(name=f"{name}.audit_file", pattern="/audit.csv", view=send),
            mine(name=own, pattern="/account/activity", view=show_own, renderer=PAGE),
            mine(name=f"{own}_file", pattern="/account/activity.csv", view=send_own),
        ]
    return found


def navigation() -> list[NavItem]:
    """On the console, and for who looks after an organization."""
    entry = partial(NavItem, title=_("Audit trail"), icon="history", order=800)
    return [
        entry(id="core.console.audit", route="core.console.audit", permission=PARTNER.name, site="console"),
        entry(id="core.audit", route="core.audit", permission=ORGANIZATION.name, section="account"),
    ]


def show(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /audit`: everything done at the partner, or in the organization.

    `q` is in who did it, what it was done to or where from; `action`, `org` (on the console), `from` and `to` narrow
    it; `before` is the last entry of the page before.
    """
    return _page(context, request, _wanted(context, request))


def show_own(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /account/activity`: what the reader did, and what was done to their portal; with the same fields."""
    return {**_page(context, request, _own(context, request)), "is_own": True}


def send(context: TenantContext, request: Request) -> Response:
    """`GET /audit.csv` with the page's fields: the trail as a file, which the trail tells of too."""
    return _file(context, request, _wanted(context, request))


def send_own(context: TenantContext, request: Request) -> Response:
    """`GET /account/activity.csv`."""
    return _file(context, request, _own(context, request))


def _own(context: TenantContext, request: Request) -> Wanted:
    me = context.account
    assert me is not None  # the route asks for somebody who is signed in
    return _wanted(
        context, request, account_id=me.id, subscriber_id=context.subscriber and context.subscriber.id
    )


def _wanted(context: TenantContext, request: Request, **whose: Any) -> Wanted:
    today = formats_of(request).today()
    last = _day(request, "to") or today
    first = _day(request, "from") or last - timedelta(days=DAYS - 1)
    first, last = min(first, last), max(first, last)
    action, org = queried(request, "action"), queried(request, "org")
    return Wanted(
        first=_moment(context, first),
        last=_moment(context, last + timedelta(days=1)),
        query=queried(request, "q").strip()[:_QUERY_MOST],
        action=action if action in audit.known_actions() else "",
        org_id=id_of(org) if org and context.site.kind == "console" else None,
        **whose,
    )


def _day(request: Request, name: str) -> date | None:
    written = queried(request, name)
    try:
        day = date.fromisoformat(written) if written else None
    except ValueError:
        day = date.min
    # Far from the ends of the calendar, where a time zone would lead past them.
    if day is not None and not 1970 <= day.year <= 9000:
        raise HTTPBadRequest(
            _("“${day}” is no day. Write it like 2026-11-30.", mapping={"day": written[:20]})
        )
    return day


def _moment(context: TenantContext, day: date) -> datetime:
    return datetime.combine(day, time(), context.time_zone).astimezone(UTC)


def _page(context: TenantContext, request: Request, wanted: Wanted) -> dict[str, Any]:
    before = queried(request, "before")
    shown, older = read_page(request.db, wanted, id_of(before) if before else None)
    fmt = formats_of(request)
    kept = {
        name: queried(request, name)
        for name in ("q", "action", "org", "from", "to")
        if queried(request, name)
    }
    path = request.path
    last = fmt.local(wanted.last - timedelta(seconds=1)).date()
    return {
        "rows": shown,
        "path": path,
        "file_url": _address(f"{path}.csv", kept),
        "older_url": None if older is None else _address(path, {**kept, "before": str(older)}),
        "is_first": not before,
        "values": {"q": wanted.query, "action": wanted.action, "org": kept.get("org", "")},
        "first": fmt.local(wanted.first).date().isoformat(),
        "last": last.isoformat(),
        "actions": sorted(((fmt.text(title), name) for name, title in audit.known_actions().items())),
        "organizations": _organizations(context, request),
        "is_own": False,
        "is_narrowed": bool(kept),
    }


def _address(path: str, values: dict[str, str]) -> str:
    return f"{path}?{urlencode(values)}" if values else path


def _organizations(context: TenantContext, request: Request) -> list[tuple[UUID, str]]:
    """What the console offers to choose from; with more of them, the page of an organization leads here."""
    if context.site.kind != "console":
        return []
    found = (
        select(Organization.org_id, Organization.name)
        .order_by(Organization.name)
        .limit(_ORGANIZATIONS_OFFERED)
    )
    return [(one.org_id, one.name) for one in request.db.execute(found)]


def _file(context: TenantContext, request: Request, wanted: Wanted) -> Response:
    fmt = formats_of(request)
    file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(max_size=_SMALL)  # noqa: SIM115 -- the server closes it
    lines = Lines(separator(context.locale))
    lines.write([fmt.text(title) for title in _TITLES])
    count = 0
    for one in read_all(request.db, wanted):
        lines.write(_cells(fmt, one))
        file.write(lines.take())
        count += 1
    file.write(lines.take())
    audit.record(request, audit.TRAIL_EXPORTED, detail={"rows": count})
    response = Response(content_type="text/csv", charset="utf-8")
    response.content_disposition = 'attachment; filename="audit.csv"'
    response.content_length = file.tell()
    file.seek(0)
    response.app_iter = _Pieces(file)
    return response


class _Pieces:
    """A file in pieces; gone when it is closed."""

    def __init__(self, file: "SpooledTemporaryFile[bytes]") -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(partial(self._file.read, _PIECE), b"")

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


_TITLES: Final = (
    _("Time (UTC)"),
    _("Who"),
    _("Whose portal"),
    _("About whom"),
    _("Organization"),
    _("What"),
    _("Action"),
    _("Of what"),
    _("Details"),
    _("From where"),
)


def _cells(fmt: Formats, one: Shown) -> list[str]:
    entry = one.entry
    return [
        entry.at.astimezone(UTC).isoformat(timespec="seconds"),
        entry.actor_name,
        one.subject if one.is_in_portal else "",
        one.subject,
        one.organization,
        fmt.text(one.title),
        entry.action,
        entry.target,
        msgspec.json.encode(entry.detail).decode() if entry.detail else "",
        entry.address,
    ]
