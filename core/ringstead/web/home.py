"""The landing page: a greeting and the cards of all features, in the order that the reader likes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from markupsafe import Markup
from pyramid.httpexceptions import HTTPBadRequest, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api.contributions import Card
from ringstead.plugins.gate import CardResult, Gate
from ringstead.plugins.registry import Owned, Registry
from ringstead.preferences.store import SettingRefused, clear_for_subscriber, set_for_subscriber
from ringstead.tenancy.context import TenantContext
from ringstead.web.formats import Formats, format_day
from ringstead.web.i18n import messages
from ringstead.web.notices import Undo
from ringstead.web.scope import card_renderer

_ = messages("ringstead")
ORDER: Final = "core.card_order"
HIDDEN: Final = "core.hidden_cards"
RESTING: Final = "core.resting_cards"
AREAS: Final = (
    ("top", _("At the top"), ""),
    ("main", _("Main column"), ""),
    ("side", _("Side column"), _("On a phone, these come last.")),
)
ACTIONS: Final = ("up", "down", "hide", "show", "rest", "reset")


@dataclass(frozen=True, slots=True)
class CardView:
    """A card in its frame, ready for `core/card.pt`. `failure` is set when there is no markup."""

    id: str
    title: str
    html: Markup
    failure: str
    support: str
    badge: str
    link_url: str | None
    link_title: Any

    @property
    def element(self) -> str:
        """The id of its element."""
        return element_id(self.id)


@dataclass(frozen=True, slots=True)
class ArrangeRow:
    """A card in the list of the page that arranges them."""

    id: str
    title: str
    position: int
    first: bool
    last: bool
    hidden: bool
    only_today: bool

    @property
    def element(self) -> str:
        """The id of its element."""
        return element_id(self.id)


@dataclass(frozen=True, slots=True)
class ArrangeArea:
    """A part of the landing page with its cards."""

    id: str
    title: str
    hint: str
    cards: tuple[ArrangeRow, ...]


def element_id(card_id: str) -> str:
    """A card's id as the id of an element."""
    return "card-" + card_id.replace(".", "-").replace("_", "-")


def greeting(hour: int, name: str) -> Any:
    """What to say at this hour of the reader's day."""
    words = name.split()
    first = words[0] if words else name
    if 5 <= hour < 12:
        return _("Good morning, ${name}", name=first)
    if 12 <= hour < 18:
        return _("Good afternoon, ${name}", name=first)
    return _("Good evening, ${name}", name=first)


def allowed_cards(context: TenantContext) -> list[Owned[Card]]:
    """The cards that the reader may see, in their order.

    The ones they moved first, the others as declared.
    """
    order: Sequence[str] = context.preferences[ORDER]
    place = {card_id: index for index, card_id in enumerate(order) if isinstance(card_id, str)}
    allowed = [owned for owned in context.features.cards if context.can(owned.item.permission)]
    return sorted(allowed, key=lambda owned: place.get(owned.item.id, len(place)))


def hidden_cards(context: TenantContext, today: str) -> frozenset[str]:
    """Ids of cards that the reader hid, or hid for `today` (`2026-11-24`)."""
    resting = {str(entry) for entry in context.preferences[RESTING]}
    hidden = {str(card_id) for card_id in context.preferences[HIDDEN]}
    return frozenset(hidden | {entry.rpartition("@")[0] for entry in resting if entry.endswith(f"@{today}")})


def home(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /`."""
    fmt = Formats(context.locale, context.time_zone, request.registry["ringstead.translations"].translate)
    today = fmt.today()
    allowed = allowed_cards(context)
    hidden = hidden_cards(context, today.isoformat())
    shown = [owned for owned in allowed if owned.item.id not in hidden]
    gate: Gate = request.gate
    results = {
        result.card.id: result
        for result in gate.cards(
            context, request.db, card_renderer(request), frozenset(owned.item.id for owned in shown)
        )
    }
    areas: dict[str, list[CardView]] = {name: [] for name, _title, _hint in AREAS}
    for owned in shown:
        result = results.get(owned.item.id)
        if result is not None:
            areas[owned.item.area].append(_view(request, result))
    return {
        "areas": areas,
        "assets": list(dict.fromkeys(asset for owned in shown for asset in owned.item.assets)),
        "can_arrange": context.subscriber is not None and bool(allowed),
        "day": format_day(context.locale, today),
        "extension": context.subscriber.extension if context.subscriber else "",
        "greeting": greeting(fmt.local_hour(), context.person_name),
        "hidden": bool(hidden),
        "today": today.isoformat(),
    }


def _view(request: Request, result: CardResult) -> CardView:
    card = result.card
    registry: Registry = request.plugins
    info = registry.info(result.plugin)
    return CardView(
        id=card.id,
        title=card.title,
        html=Markup(result.html),
        failure=result.failure,
        support=f"{info.name} {info.version} · {result.failure}",
        badge=info.title if info.addon else "",
        link_url=request.route_path(card.link_route) if card.link_route else None,
        link_title=card.link_title or card.title,
    )


def arrange(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /home/arrange`. `moved`, the element id of a card just moved, has its new place announced."""
    always = frozenset(map(str, context.preferences[HIDDEN]))
    hidden = hidden_cards(context, _today(context))
    allowed = allowed_cards(context)
    areas = [
        ArrangeArea(
            name, title, hint, _rows([o.item for o in allowed if o.item.area == name], hidden, always)
        )
        for name, title, hint in AREAS
    ]
    areas = [area for area in areas if area.cards]
    if len(areas) == 1:
        areas = [replace(areas[0], title=_("Your cards"), hint="")]
    return {
        "areas": areas,
        "changed": bool(context.preferences[ORDER] or hidden),
        "moved": _new_place(areas, request.GET.get("moved", "")),
    }


def _new_place(areas: Iterable[ArrangeArea], moved: str) -> Any:
    """Where a card went, in words; empty when none did."""
    for area in areas:
        for row in area.cards:
            if row.element == moved:
                return _("Moved to position ${place} of ${all}", place=row.position, all=len(area.cards))
    return ""


def _rows(cards: Sequence[Card], hidden: frozenset[str], always: frozenset[str]) -> tuple[ArrangeRow, ...]:
    return tuple(
        ArrangeRow(
            id=card.id,
            title=card.title,
            position=index + 1,
            first=index == 0,
            last=index == len(cards) - 1,
            hidden=card.id in hidden,
            only_today=card.id in hidden - always,
        )
        for index, card in enumerate(cards)
    )


def change_arrangement(context: TenantContext, request: Request) -> Response:
    """`POST /home/arrange`: `do` one of ACTIONS, `card` its id."""
    action = request.POST.get("do", "")
    if action not in ACTIONS:
        raise HTTPBadRequest(
            _("The field “${field}” must be one of ${choices}.", field="do", choices=", ".join(ACTIONS))
        )
    if action == "reset":
        for name in (ORDER, HIDDEN, RESTING):
            clear_for_subscriber(request.db, context.subscriber_id, name)
        request.flash(_("Your home page is back in its usual order"))
        return HTTPSeeOther(request.route_path("core.arrange"))
    card_id = str(request.POST.get("card", ""))
    allowed = allowed_cards(context)
    card = next((owned.item for owned in allowed if owned.item.id == card_id), None)
    if card is None:
        raise HTTPBadRequest(
            _("The field “card” names no card of yours. Open the page again and choose one.")
        )
    try:
        _apply(context, request, action, card, allowed)
    except SettingRefused as refused:
        request.flash(_("Your provider has fixed this page. Nothing changed."), "warn")
        request.environ["ringstead.refused"] = str(refused)
    back = "/" if request.POST.get("back") == "/" else request.route_path("core.arrange")
    moved = f"?moved={element_id(card_id)}" if action in ("up", "down") else ""
    return HTTPSeeOther(back + moved)


def _apply(
    context: TenantContext, request: Request, action: str, card: Card, allowed: Sequence[Owned[Card]]
) -> None:
    def store(name: str, value: Iterable[str]) -> None:
        set_for_subscriber(request.db, declared, context.subscriber_id, name, list(value))

    declared: Mapping[str, Any] = request.declared_settings
    today = _today(context)
    hidden = [str(entry) for entry in context.preferences[HIDDEN] if entry != card.id]
    resting = [str(entry) for entry in context.preferences[RESTING] if str(entry).endswith(f"@{today}")]
    if action in ("up", "down"):
        store(ORDER, moved_order(allowed, card, -1 if action == "up" else 1))
    elif action == "hide":
        store(HIDDEN, [*hidden, card.id])
        request.flash(_("${card} is hidden", card=card.title), undo=_show_again(request, card))
    elif action == "show":
        store(HIDDEN, hidden)
        if resting:
            store(RESTING, [entry for entry in resting if entry.rpartition("@")[0] != card.id])
        request.flash(_("${card} is back on your home page", card=card.title))
    else:
        store(RESTING, sorted({*resting, f"{card.id}@{today}"}))
        request.flash(_("${card} is hidden until tomorrow", card=card.title), undo=_show_again(request, card))


def _show_again(request: Request, card: Card) -> Undo:
    """Takes a hiding back, and stays on the page that it was done on."""
    back = (("back", "/"),) if request.POST.get("back") == "/" else ()
    return Undo(request.route_path("core.arrange_change"), (("card", card.id), ("do", "show"), *back))


def _today(context: TenantContext) -> str:
    """The reader's date."""
    return Formats(context.locale, context.time_zone, lambda text: text).today().isoformat()


def moved_order(allowed: Sequence[Owned[Card]], card: Card, step: int) -> list[str]:
    """Ids of all cards after moving `card` one place within its area.

    At the end of the area nothing moves.
    """
    ids = [owned.item.id for owned in allowed]
    neighbours = [owned.item.id for owned in allowed if owned.item.area == card.area]
    target = neighbours.index(card.id) + step
    if 0 <= target < len(neighbours):
        here, there = ids.index(card.id), ids.index(neighbours[target])
        ids[here], ids[there] = ids[there], ids[here]
    return ids
