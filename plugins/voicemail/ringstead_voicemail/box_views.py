"""Whose mailbox a settings page is about: one's own, or with `?box=` a shared one that one opens."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request

from ringstead.api import TenantContext, translations
from ringstead_voicemail.mailboxes import find_mailbox
from ringstead_voicemail.models import Mailbox
from ringstead_voicemail.permissions import GREETINGS, PIN, SETTINGS
from ringstead_voicemail.presenting import BASE

_ = translations("ringstead_voicemail")


def form_of(request: Request) -> Mapping[str, Any]:
    """What a form has sent; nothing for a page that is only looked at, whatever body came with it."""
    return request.POST if request.method == "POST" else {}


def chosen_box(context: TenantContext, request: Request) -> Mailbox:
    """The mailbox that the address or the form names. Raises HTTPNotFound for one that is not the reader's."""
    text = request.GET.get("box", "") or form_of(request).get("box", "")
    try:
        wanted = UUID(text) if text else None
    except ValueError:
        raise HTTPNotFound from None
    box = find_mailbox(request.db, context.subscriber_id, wanted)
    if box is None:
        raise HTTPNotFound
    return box


def tabs(context: TenantContext, box: Mailbox) -> list[tuple[str, Any, str]]:
    """The settings pages of a mailbox that the reader may use: name, title, address."""
    pages = (
        ("settings", _("Settings"), SETTINGS),
        ("greetings", _("Greetings"), GREETINGS),
        ("pin", _("PIN"), PIN),
    )
    return [(name, title, page_url(box, name)) for name, title, right in pages if context.can(right.name)]


def page_url(box: Mailbox, page: str) -> str:
    """The address of a settings page of a mailbox."""
    return f"{BASE}/{page}?box={box.id}" if box.is_shared else f"{BASE}/{page}"
