"""The landing page's card «Recent calls», and what the search box finds."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Select, select

from ringstead.api import SearchHit, TenantContext, translations
from ringstead.api.formatting import format_number_e164, format_short_day, format_time
from ringstead.api.models import TenantSession
from ringstead_calllogs.filters import Filter
from ringstead_calllogs.listing import CALL_COLUMNS, FIRST_WINDOW, Listing
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.permissions import READ
from ringstead_calllogs.presenting import icon_name, label, party, present_recent
from ringstead_calllogs.whose import Whose

_ = translations("ringstead_calllogs")
CARD_ROWS: Final = 4
SEARCH_ROWS: Final = 50
SEARCH_HITS: Final = 6


def query_recent(ctx: TenantContext) -> Select[Any]:
    """The newest calls of the signed-in subscriber; not older than two months, so that two partitions answer."""
    return (
        select(*CALL_COLUMNS)
        .where(
            Conversation.subscriber_id == ctx.subscriber_id,
            Conversation.started_at > datetime.now(UTC) - FIRST_WINDOW,
        )
        .order_by(Conversation.started_at.desc(), Conversation.id.desc())
        .limit(CARD_ROWS)
    )


def present_card(_ctx: TenantContext, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The card's variables."""
    return {"calls": present_recent(rows)}


def search_calls(ctx: TenantContext, session: TenantSession, query: str, limit: int) -> list[SearchHit]:
    """The latest call with each party whose name or number fits."""
    if not ctx.can(READ.name) or ctx.subscriber is None or not any(char.isalnum() for char in query):
        return []
    own, region = Whose.person(ctx.subscriber.id), ctx.preferences["core.region"]
    listing = Listing(own, Filter(query=query), ctx.time_zone, region)
    rows, _more = listing.page(session, SEARCH_ROWS)
    latest: dict[Any, Any] = {}
    for row in rows:
        latest.setdefault((row.name, row.number), row)
    return [_hit(ctx, row) for row in list(latest.values())[: min(limit, SEARCH_HITS)]]


def _hit(ctx: TenantContext, row: Any) -> SearchHit:
    outgoing = row.direction == "outgoing"
    local, today = row.started_at.astimezone(ctx.time_zone), datetime.now(ctx.time_zone).date()
    when = (
        format_time(ctx.locale, local.hour, local.minute)
        if local.date() == today
        else format_short_day(ctx.locale, local.date(), local.year != today.year)
    )
    number = format_number_e164(row.number) if row.number else None
    values = {"what": label(outgoing, row.disposition), "when": when, "number": number}
    detail = (
        _("${what} · ${when} · ${number}", mapping=values)
        if row.name and number
        else _("${what} · ${when}", mapping=values)
    )
    who = party(row.name, number, outgoing)
    return SearchHit(
        title=who, url=f"/calls/{row.id}", detail=detail, icon=icon_name(outgoing, row.disposition)
    )
