"""Notices.

What the last action did, shown once on the next page. They travel in a signed, short-lived cookie.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from itsdangerous import BadData, URLSafeTimedSerializer
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

Kind = Literal["ok", "info", "warn", "danger"]
KINDS: Final = get_args(Kind)
LIFE_SECONDS: Final = 120
MOST: Final = 5
MAX_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the reader. `ok` and `info` float as a toast, `warn` and `danger` stand in the page."""

    text: str
    kind: Kind = "ok"

    @property
    def is_toast(self) -> bool:
        """Whether it goes by itself: only for things already done."""
        return self.kind in ("ok", "info")


def flash(request: Request, text: Any, kind: Kind = "ok") -> None:
    """Show `text` (a message) on the next page this browser gets.

    It is translated now, in the reader's language.
    """
    locale = request.tenant.locale
    translated = request.registry["ringstead.translations"].translate(text, target_language=locale)
    _pending(request).append(Notice(str(translated)[:MAX_LENGTH], kind))


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
    serializer, name, secure = request.registry["ringstead.notices"]
    pending: list[Notice] = request.environ["ringstead.notices"]
    shown = request.environ.get("ringstead.notices_shown", False)
    if pending:
        waiting = [] if shown else _read(request)
        value = serializer.dumps([(notice.kind, notice.text) for notice in (*waiting, *pending)[-MOST:]])
        response.set_cookie(
            name, value, max_age=LIFE_SECONDS, path="/", secure=secure, httponly=True, samesite="Lax"
        )
    elif shown:
        response.set_cookie(name, "", max_age=0, path="/", secure=secure, httponly=True, samesite="Lax")


def _read(request: Request) -> list[Notice]:
    serializer, name, _ = request.registry["ringstead.notices"]
    value = request.cookies.get(name)
    if not value:
        return []
    try:
        stored = serializer.loads(value, max_age=LIFE_SECONDS)
    except BadData:
        return []
    return [Notice(str(text), kind) for kind, text in stored if kind in KINDS]


def includeme(config: Configurator) -> None:
    """Add `request.flash`."""
    settings = config.registry["ringstead.settings"]
    secure = settings.public_scheme == "https"
    serializer = URLSafeTimedSerializer(settings.secret(), salt="notice")
    config.registry["ringstead.notices"] = (serializer, "__Host-note" if secure else "note", secure)
    method: Callable[..., None] = flash
    config.add_request_method(method, "flash")
