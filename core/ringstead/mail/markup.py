"""From one template's markup to the three parts of a mail: subject, plain text, and HTML with its styles inlined.

A template holds plain elements and no styles. Mail programs know no style sheets worth the name, so each element
gets the style that belongs to its name, or to its name and class.

By hand, because what a mail must not hold is refused in the same pass, which a library such as css-inline (MIT, a
binary of its own) would not spare, and because the converters to text are under the GPL (html2text) or bring lxml and
an HTTP client with them (inscriptis).
"""

import re
import textwrap
from collections.abc import Mapping
from html import escape
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlsplit

from ringstead.theming.brand import FONTS, Brand
from ringstead.theming.derive import derive

_VOID: Final = frozenset({"br", "hr", "img", "meta"})
_BLOCKS: Final = frozenset({"blockquote", "div", "h1", "h2", "hr", "li", "ol", "p", "table", "tr", "ul"})
_HIDDEN: Final = frozenset({"head", "style", "script", "title"})
_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})
_WIDTH: Final = 76
# Around an address that stands behind its link's text; taken out of what a template says.
_BEFORE_LINK: Final = "\x02"
_AFTER_LINK: Final = "\x03"
_LINK_ALONE: Final = re.compile(r"([^\x02\n]+)\x02([^\x03\n]+)\x03")
_SPACE: Final = re.compile(r"[ \t\r\n]+")


class UnfitMarkup(ValueError):
    """A template's markup that cannot go into a mail; the message says what is wrong."""


def styles(brand: Brand) -> Mapping[str, str]:
    """The style of each element (`p`) or element with a class (`a.button`), in the brand's colours for light pages.

    Every value is computed: colours are `#rrggbb`, the radius is a number, the font comes from a list.
    """
    color = {name: rgb.hex for name, rgb in derive(brand.color, brand.accent, "light").items()}
    font = f"{FONTS[brand.font]}, system-ui, sans-serif".replace('"', "'")
    return {
        "body": f"margin:0;padding:24px 12px;background:{color['canvas']};color:{color['text']};"
        f"font:16px/1.5 {font};",
        "div.sheet": f"max-width:560px;margin:0 auto;padding:28px;background:{color['surface']};"
        f"border:1px solid {color['line']};border-radius:{brand.radius}px;",
        "p.brand": f"margin:0 0 20px;font-weight:700;color:{color['brand-text']};",
        "h1": f"margin:0 0 12px;font-size:22px;line-height:1.3;color:{color['text']};",
        "h2": f"margin:20px 0 8px;font-size:17px;color:{color['text']};",
        "p": "margin:0 0 14px;",
        "p.note": f"margin:0 0 14px;font-size:14px;color:{color['text-2']};",
        "ul": "margin:0 0 14px;padding-inline-start:22px;",
        "ol": "margin:0 0 14px;padding-inline-start:22px;",
        "li": "margin:0 0 4px;",
        "a": f"color:{color['brand-text']};",
        "a.button": f"display:inline-block;padding:11px 20px;border-radius:{brand.radius}px;"
        f"background:{color['brand-solid']};color:{color['on-brand']};font-weight:600;text-decoration:none;",
        "div.foot": f"max-width:560px;margin:16px auto 0;font-size:13px;color:{color['text-3']};",
        "table": "border-collapse:collapse;margin:0 0 14px;",
        "th": f"text-align:start;padding:4px 16px 4px 0;font-weight:600;color:{color['text-2']};",
        "td": "padding:4px 16px 4px 0;",
    }


def subject_of(markup: str) -> str:
    """The text of `<title>`, in one line. Raises `UnfitMarkup` when there is none."""
    reader = _Title()
    reader.feed(markup)
    reader.close()
    subject = " ".join("".join(reader.found).split())
    if not subject:
        raise UnfitMarkup("the template has no <title>, which is the mail's subject")
    return subject


def html_of(markup: str, style: Mapping[str, str]) -> str:
    """The markup with styles inlined and classes taken off. Raises `UnfitMarkup` for links that lead nowhere."""
    inliner = _Inliner(style)
    inliner.feed(markup)
    inliner.close()
    return "".join(inliner.out)


def text_of(markup: str) -> str:
    """The body as plain text: paragraphs, list items with a dash, links with their address behind."""
    reader = _Text()
    reader.feed(markup)
    reader.close()
    return reader.text()


class _Title(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found.append(data)


class _Inliner(HTMLParser):
    def __init__(self, style: Mapping[str, str]) -> None:
        super().__init__(convert_charrefs=False)
        self._style = style
        self.out: list[str] = []

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "iframe", "form", "input"):
            raise UnfitMarkup(f"<{tag}> has no place in a mail")
        kept = [(name, value or "") for name, value in attrs if name not in ("class", "style")]
        for name, value in kept:
            if name.startswith("on"):
                raise UnfitMarkup(f"{name}= has no place in a mail")
            if name in ("href", "src") and urlsplit(value).scheme not in _SCHEMES:
                raise UnfitMarkup(f"{name}={value!r} is no full address; a mail has no page to start from")
        style = self._style_of(tag, dict(attrs).get("class") or "")
        if style:
            kept.append(("style", style))
        text = "".join(f' {name}="{escape(value)}"' for name, value in kept)
        self.out.append(f"<{tag}{text}>")

    def _style_of(self, tag: str, classes: str) -> str:
        for name in classes.split():
            if f"{tag}.{name}" in self._style:
                return self._style[f"{tag}.{name}"]
        return self._style.get(tag, "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.out.append(f"</{tag}>")

    def handle_endtag(self, tag: str) -> None:
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        self.out.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.out.append(f"&#{name};")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[str] = [""]
        self._hidden = 0
        self._link = ""
        self._label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _BLOCKS:
            self._blocks.append("- " if tag == "li" else "")
        elif tag == "br":
            self._blocks[-1] += "\n"
        elif tag in ("td", "th"):
            self._blocks[-1] += " "
        elif tag == "a":
            self._link, self._label = dict(attrs).get("href") or "", ""

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden -= 1
        elif tag in _BLOCKS:
            self._blocks.append("")
        elif tag == "a":
            # A number reads as one, and needs no address behind it.
            is_told = self._label.strip() in (self._link, self._link.partition(":")[2])
            if not is_told and not self._link.startswith("tel:"):
                self._blocks[-1] += f"{_BEFORE_LINK}{self._link}{_AFTER_LINK}"
            self._link = ""

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            shown = _SPACE.sub(" ", data.replace(_BEFORE_LINK, "").replace(_AFTER_LINK, ""))
            self._blocks[-1] += shown
            self._label += shown

    def text(self) -> str:
        """Everything read so far."""
        blocks = [_wrapped(block) for block in self._blocks if block.strip(" \n-")]
        text = ""
        for block in blocks:
            close = block.startswith("- ") and text.rpartition("\n\n")[2].startswith("- ")
            text += ("" if not text else "\n" if close else "\n\n") + block
        return text + "\n"


def _wrapped(block: str) -> str:
    alone = _LINK_ALONE.fullmatch(block.strip())
    if alone:
        return f"{alone[1].strip()}:\n{alone[2]}"
    # As RFC 3986, appendix C, advises for addresses in running text.
    told = block.replace(_BEFORE_LINK, " <").replace(_AFTER_LINK, ">")
    lines = [line.strip() for line in told.strip().split("\n")]
    # An address that is broken over two lines is no address any more.
    return "\n".join(
        textwrap.fill(line, _WIDTH, break_long_words=False, break_on_hyphens=False) for line in lines if line
    )
