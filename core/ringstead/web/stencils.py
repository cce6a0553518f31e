"""Rows of a list, quickly: a row's template is rendered once for each kind of row, with marks for the row's own words.

Which elements a row has depends on few facts (missed or not, with a number or without); the rest are words. So the
template is rendered once for each combination of facts and language and kept; a row then costs filling in its words.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup, escape

from ringstead.web.frame import Piece, mark

# More kinds than this are no kinds: somebody put words among the facts.
MOST_KINDS: Final = 4096
# What a row's template knows beside `kind` and `row`. Nothing that differs from reader to reader may be here.
_SHARED: Final = ("icon", "num", "partner", "static", "target_language")


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row. `kind` holds the facts that decide its markup, `words` the texts that are filled in.

    The template sees `kind` as it is, and each word as `row.NAME`, which it may only insert: a condition on a word
    would always hold. Texts are escaped; `Markup` is not, and must not be inserted into attributes.
    """

    kind: Hashable
    words: Mapping[str, str]


class _Marks:
    """`row` while a stencil is cut."""

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        return mark(name)


class Stencils:
    """The stencils of a process by template, language and kind. Bounded; safe for threads."""

    def __init__(self, templates: Any, reload: bool = False) -> None:
        self._templates, self._reload = templates, reload
        self._known: dict[Any, Piece] = {}

    def for_page(self, scope: Mapping[str, Any]) -> Callable[[str, Iterable[ListRow]], Markup]:
        """The function `stencil(template, rows)` of a page's templates."""

        def stencil(name: str, rows: Iterable[ListRow]) -> Markup:
            known = self._stencil(name, scope)
            return Markup("".join([known(row.kind).filled(_escaped(row.words)) for row in rows]))

        return stencil

    def _stencil(self, name: str, scope: Mapping[str, Any]) -> Callable[[Hashable], Piece]:
        place = (name, scope["partner"], scope["target_language"])

        def of_kind(kind: Hashable) -> Piece:
            key = (place, kind)
            piece = None if self._reload else self._known.get(key)
            if piece is None:
                shared = {name: scope[name] for name in _SHARED}
                piece = Piece(self._templates.render(name, shared, {"kind": kind, "row": _Marks()}))
                if len(self._known) >= MOST_KINDS:
                    self._known.clear()
                self._known[key] = piece
            return piece

        return of_kind


def _escaped(words: Mapping[str, str]) -> dict[str, str]:
    """The words, safe inside markup. Texts are escaped together, as each call costs more than its text."""
    texts = [text for text in words.values() if type(text) is not Markup]
    together = str(escape("\0".join(texts))).split("\0")
    if len(together) != len(texts):  # one of them holds the separator, which no database's text does
        together = [str(escape(text)) for text in texts]
    safe = iter(together)
    return {name: text if type(text) is Markup else next(safe) for name, text in words.items()}
