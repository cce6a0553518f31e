"""Notices.

What the last action did, shown once on the next page. They travel in a signed, short-lived cookie of this very host.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from itsdangerous import BadData
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ringstead.auth.tokens import cookie_name, drop_cookie, set_cookie, timed_serializer

Kind = Literal["ok", "info", "warn", "danger"]
KINDS: Final = get_args(Kind)
COOKIE: Final = "note"
LIFE_SECONDS: Final = 120
MOST: Final = 5
MAX_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Undo:
    """How to take back what was done: a form of this site, posted to the path `action` with these fields."""

    action: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the reader. `ok` and `info` float as a toast, `warn` and `danger` stand in the page."""

    text: str
    kind: Kind = "ok"
    undo: Undo | None = None

    @property
    def is_toast(self) -> bool:
        """Whether it goes by itself: only for things already done."""
        return self.kind in ("ok", "info")


def flash(request: Request, text: Any, kind: Kind = "ok", undo: Undo | None = None) -> None:
    """Show `text` (a message) on the next page this browser gets.

    It is translated now, in the reader's language.
    """
    locale = request.tenant.locale
    translated = request.registry["ringstead.translations"].translate(text, target_language=locale)
    _pending(request).append(Notice(str(translated)[:MAX_LENGTH], kind, undo))


def take_notices(request: Request) -> list[Notice]:
    """The notices to show on this page; they are gone afterwards."""
    waiting = _read(request)
    fresh = _pending(request)
    notices = [*waiting, *fresh]
    fresh.clear()
    request.environ["ringstead.notices_shown"] = bool(waiting)
    return notices


def _pending(request: Request) -> list[Notice]:
    """The notices of this request. The first use arranges that they leave with the response."""
    known: list[Notice] | None = request.environ.get("ringstead.notices")
    if known is None:
        known = request.environ["ringstead.notices"] = []
        request.add_response_callback(_leave)
    return known


def _leave(request: Request, response: Response) -> None:
    pending: list[Notice] = request.environ["ringstead.notices"]
    shown = request.environ.get("ringstead.notices_shown", False)
    if pending:
        waiting = [] if shown else _read(request)
        stored = [_stored(notice) for notice in (*waiting, *pending)[-MOST:]]
        set_cookie(
            request, response, COOKIE, timed_serializer(request, "notice").dumps(stored), max_age=LIFE_SECONDS
        )
    elif shown:
        drop_cookie(request, response, COOKIE)


def _read(request: Request) -> list[Notice]:
    value = request.cookies.get(cookie_name(request.deployment, COOKIE))
    if not value:
        return []
    try:
        stored = timed_serializer(request, "notice").loads(value, max_age=LIFE_SECONDS)
    except BadData:
        return []
    return [Notice(str(text), kind, _undo(undo)) for kind, text, *undo in stored if kind in KINDS]


def _stored(notice: Notice) -> tuple[Any, ...]:
    """A notice as the cookie holds it; most have nothing to undo."""
    undo = (notice.undo.action, notice.undo.fields) if notice.undo else ()
    return (notice.kind, notice.text, *undo)


def _undo(stored: list[Any]) -> Undo | None:
    return Undo(stored[0], tuple((name, value) for name, value in stored[1])) if stored else None


def includeme(config: Configurator) -> None:
    """Add `request.flash`."""
    method: Callable[..., None] = flash
    config.add_request_method(method, "flash")
