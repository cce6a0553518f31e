"""The frame around a page, rendered once for each kind of reader.

Brand, features, rights, language, theme and current entry decide nearly all of it. So the frame is rendered
with marks where the reader's own words go, cut into pieces and kept; a page then costs joining strings.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from threading import Lock
from typing import Any, Final

from cachetools import LRUCache
from markupsafe import Markup, escape

from ringstead.theming import Brand
from ringstead.web.navigation import NavGroup, Navigation, NavLink

# Characters of Unicode's private use, which no text has; they pass escaping unchanged.
CUT: Final = "\ue000"
_REMEMBERED: Final = 32_000_000
_MARK: Final = re.compile("\ue001([a-z_]+)\ue002")


def mark(name: str) -> str:
    """Where the reader's own `name` goes."""
    return f"\ue001{name}\ue002"


class Shared:
    """What `core/frame.pt` knows: the shared facts themselves, and marks for the reader's own."""

    csrf_token = mark("token")
    csrf_field = Markup(f'<input type="hidden" name="csrf_token" value="{mark("token")}">')
    person_name = mark("name")
    person_initials = mark("initials")
    person_detail = mark("detail")
    person_hue = mark("hue")
    query = mark("query")

    def __init__(
        self,
        brand: Brand,
        locale: str,
        direction: str,
        theme: str | None,
        on_portal: bool,
        nav: Navigation,
        languages: Sequence[Any],
        *,
        can_call: bool,
        has_counts: bool,
    ) -> None:
        self.brand, self.locale, self.dir, self.theme = brand, locale, direction, theme
        self.has_search, self.is_console = on_portal, not on_portal
        self.languages = tuple(languages)
        self.can_call = can_call
        self.counts_url = "/counts" if has_counts else None
        self.groups: tuple[NavGroup, ...] = nav.groups
        self.tabs: tuple[NavLink, ...] = nav.tabs
        self.more_current = nav.more_current


class Piece:
    """Markup with places for somebody's own words."""

    __slots__ = ("_pattern",)

    def __init__(self, text: str) -> None:
        self._pattern = _MARK.sub(r"%(\1)s", str(text).replace("%", "%%"))

    def __len__(self) -> int:
        return len(self._pattern)

    def filled(self, own: Mapping[str, str]) -> Markup:
        """The markup with these words, which are escaped already."""
        return Markup(self._pattern % own)


@dataclass(frozen=True, slots=True)
class Pieces:
    """The frame cut where a page's own parts go."""

    start: Piece
    title_end: Piece
    head_end: Piece
    above_end: Piece
    main_end: Piece

    def __len__(self) -> int:
        """How many characters they have."""
        return sum(len(getattr(self, one.name)) for one in fields(self))

    @classmethod
    def of(cls, markup: str) -> "Pieces":
        """The pieces of a rendered `core/frame.pt`.

        Raises ValueError when a bundle's own frame has other cuts.
        """
        texts = markup.strip().split(CUT)
        if len(texts) != len(fields(cls)):
            raise ValueError(f"core/frame.pt has {len(texts) - 1} cuts; it needs {len(fields(cls)) - 1}")
        return cls(*map(Piece, texts))


class Frame:
    """The pieces filled for one reader, as markup; `core/layout.pt` puts the page between them."""

    __slots__ = ("_own", "_pieces")

    def __init__(self, pieces: Pieces, own: Mapping[str, Any]) -> None:
        self._pieces = pieces
        self._own = {name: escape(value) for name, value in own.items()}

    def __getattr__(self, name: str) -> Markup:
        piece: Piece = getattr(self._pieces, name)
        return piece.filled(self._own)


class FrameCache:
    """Pieces by kind of reader, kept within `size` characters and safe for threads."""

    def __init__(self, size: int = _REMEMBERED) -> None:
        self._known: LRUCache[Any, Pieces] = LRUCache(size, len)
        self._lock = Lock()

    def get(self, key: Any) -> Pieces | None:
        """Pieces rendered before."""
        with self._lock:
            return self._known.get(key)

    def put(self, key: Any, pieces: Pieces) -> None:
        """Keep pieces."""
        with self._lock:
            self._known[key] = pieces
