"""The landing page's card «New voicemail», and what the search box finds."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Select, func, select

from ringstead.api import Card, SearchHit, TenantContext, translations
from ringstead.api.formatting import format_number_e164
from ringstead.api.models import TenantSession
from ringstead_voicemail.listing import JOINED, sought
from ringstead_voicemail.mailboxes import opened_by
from ringstead_voicemail.models import Mailbox, Message
from ringstead_voicemail.permissions import LISTEN
from ringstead_voicemail.presenting import present, snippet_of

_ = translations("ringstead_voicemail")
CARD_ROWS: Final = 3
SEARCH_HITS: Final = 6


def cards() -> list[Card]:
    """What the landing page shows."""
    return [
        Card(
            id="voicemail.new",
            title=_("New voicemail"),
            permission=LISTEN.name,
            template="voicemail/card.pt",
            query=query_new,
            present=present_card,
            area="main",
            size=2,
            order=100,
            link_route="voicemail.list",
            link_title=_("All messages"),
            assets=("core/features.css", "voicemail/voicemail.css", "voicemail/player.js"),
        )
    ]


def _of_mine(ctx: TenantContext) -> Any:
    """Whether a message is in a mailbox that the reader opens."""
    mine = select(Mailbox.id).where(Mailbox.org_id == Message.org_id, opened_by(ctx.subscriber_id))
    return Message.mailbox_id.in_(mine)


def query_new(ctx: TenantContext) -> Select[Any]:
    """The newest messages that nobody has heard, and how many there are."""
    new = (Message.folder == "inbox", Message.heard_at.is_(None))
    count = func.count().over().label("total")
    return (
        JOINED.add_columns(count)
        .where(_of_mine(ctx), *new)
        .order_by(Message.received_at.desc(), Message.id.desc())
        .limit(CARD_ROWS)
    )


def present_card(ctx: TenantContext, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The card's variables."""
    total = rows[0]["total"] if rows else 0
    return {"messages": present([_Row(row) for row in rows], {}, may_hear=ctx.may_hear), "total": total}


class _Row:
    """A mapping as a row: the gate gives mappings."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        return self._values[name]


def search_messages(ctx: TenantContext, session: TenantSession, query: str, limit: int) -> list[SearchHit]:
    """Messages of the reader's mailboxes whose caller, number or words fit; newest first."""
    if not ctx.can(LISTEN.name) or ctx.subscriber is None:
        return []
    found = sought(JOINED.where(_of_mine(ctx), Message.folder != "trash"), query, in_words=ctx.may_hear)
    rows = session.execute(found.order_by(Message.received_at.desc()).limit(min(limit, SEARCH_HITS)))
    return [
        SearchHit(
            title=row.name or (format_number_e164(row.number) if row.number else _("Number withheld")),
            url=f"/voicemail/messages/{row.id}",
            detail=snippet_of(row.transcript if ctx.may_hear else "") or _("Voicemail"),
            icon="voicemail",
        )
        for row in rows
    ]
