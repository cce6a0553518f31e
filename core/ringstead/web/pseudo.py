"""A made-up language that shows which texts of a page were not translated, and where longer ones do not fit."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Final

LONGER: Final = 0.4
_PLAIN: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ACCENTED: Final = "ȦƁĆĎĔƑĠĦĬĴĶĹḾŃŐƤǪŔŠŤŰṼŴẊŶŽȧƀćďĕƒġħĭĵķĺḿńőƥǫŕšťűṽŵẋŷž"
_LETTERS: Final = str.maketrans(_PLAIN, _ACCENTED)
_KEPT: Final = re.compile(r"(\$\{[^}]*\}|\$[A-Za-z_]\w*|<[^>]*>|&[#\w]+;)")
_WORD: Final = re.compile(r"[A-Za-z]{2,}")
_TRANSLATED: Final = re.compile(r"\[[^\[\]]*\]")

# Elements whose text is data or code, and attributes that people read or hear.
_DATA_ELEMENTS: Final = {"script", "style", "code", "kbd", "time", "output"}
_VOID: Final = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
_READ_ATTRIBUTES: Final = {
    "alt",
    "aria-label",
    "aria-valuetext",
    "placeholder",
    "title",
    "data-close",
    "data-busy",
}


def pseudo(text: str) -> str:
    """`Search calls` as `[Šĕȧŕćħ ćȧĺĺš ~~~~~]`: accented, bracketed, 40 % longer, placeholders untouched."""
    if not text.strip():
        return text
    parts = _KEPT.split(text)
    changed = "".join(part if i % 2 else part.translate(_LETTERS) for i, part in enumerate(parts))
    letters = sum(len(part) for i, part in enumerate(parts) if not i % 2)
    return f"[{changed} {'~' * max(1, round(letters * LONGER))}]"


class _Reader(HTMLParser):
    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.allowed = sorted(allowed, key=len, reverse=True)
        self.found: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        data = (
            tag in _DATA_ELEMENTS
            or attributes.get("translate") == "no"
            or "num" in (attributes.get("class") or "").split()
        )
        if tag not in _VOID and (self.silent or data):
            self.silent.append(tag)
        if self.silent or data:
            return
        for name in sorted(_READ_ATTRIBUTES & attributes.keys()):
            self.check(attributes[name] or "")
        if tag == "input" and attributes.get("type") in ("submit", "button"):
            self.check(attributes.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        if self.silent and tag in self.silent:
            while self.silent.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.check(data)

    def check(self, text: str) -> None:
        rest = text
        while _TRANSLATED.search(rest):
            rest = _TRANSLATED.sub(" ", rest)
        for known in self.allowed:
            rest = rest.replace(known, " ")
        if _WORD.search(rest):
            self.found.append(text.strip())


def untranslated(html: str, allowed: Iterable[str] = ()) -> list[str]:
    """Texts of a page shown in the made-up language that did not pass through a catalogue.

    Data is left out when it is marked as such: in `time`, `code`, `kbd`, `.num`, or under `translate="no"`.
    `allowed` names further data, such as the brand's name in the title.
    """
    reader = _Reader(allowed)
    reader.feed(html)
    reader.close()
    return reader.found
