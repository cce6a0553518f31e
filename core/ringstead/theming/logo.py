"""A partner's logo: a drawing reduced to harmless shapes, or pixels that were decoded and written anew.

Nothing a partner uploads reaches a browser as it came. A drawing is rebuilt from an allow-list of elements
and attributes whose values match a pattern; a picture is decoded within a pixel limit and encoded again.
"""

import io
import re
import warnings
from dataclasses import dataclass
from typing import Final, Literal
from xml.parsers import expat

from markupsafe import Markup, escape
from PIL import Image, UnidentifiedImageError

MAX_BYTES: Final = 512 * 1024
MAX_PIXELS: Final = 16_000_000
MAX_SIDE: Final = 512
MAX_SHAPES: Final = 400
RASTER_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
_BOMBS: Final = (Image.DecompressionBombWarning, Image.DecompressionBombError)

SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"
SHAPES: Final = {"circle", "ellipse", "line", "path", "polygon", "polyline", "rect"}
ELEMENTS: Final = SHAPES | {"svg", "g", "title", "desc"}

# Possessive (`++`, `*+`): nothing is read twice, so a long wrong value costs no more than a right one.
_NUMBER = r"[+-]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d{1,3}+)?+"
_NUMBERS: Final = re.compile(rf"\s*+{_NUMBER}(?:[\s,]++{_NUMBER})*\s*+\Z")
_ONE: Final = re.compile(rf"\s*+{_NUMBER}(?:px|%)?\s*+\Z")
_PATH: Final = re.compile(r"[\sMmZzLlHhVvCcSsQqTtAa0-9eE.,+-]*\Z")
_PAINT: Final = re.compile(r"(?:none|currentColor|#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|[a-z]{3,20})\Z")
_WORD: Final = re.compile(r"[a-z-]{3,12}\Z")
_TRANSFORM: Final = re.compile(
    r"(?:\s*+(?:translate|scale|rotate|skewX|skewY|matrix)"
    rf"\(\s*+{_NUMBER}(?:[\s,]++{_NUMBER}){{0,5}}\s*+\)\s*+,?)+\s*+\Z"
)
# The classes that let a logo take the brand's colours, in light and dark.
_CLASSES: Final = re.compile(r"(?:l-bg|l-fg|l-dot)\Z")
ATTRIBUTES: Final[dict[str, re.Pattern[str]]] = {
    "class": _CLASSES,
    "d": _PATH,
    "points": _NUMBERS,
    "transform": _TRANSFORM,
    "viewBox": _NUMBERS,
    **dict.fromkeys(("fill", "stroke"), _PAINT),
    **dict.fromkeys(("fill-rule", "clip-rule", "stroke-linecap", "stroke-linejoin"), _WORD),
    **dict.fromkeys(
        ("cx", "cy", "r", "rx", "ry", "x", "y", "x1", "y1", "x2", "y2", "width", "height", "opacity",
         "fill-opacity", "stroke-opacity", "stroke-width", "stroke-miterlimit"),
        _ONE,
    ),
}  # fmt: skip
# What editors leave behind and no reader misses.
IGNORED_ATTRIBUTES: Final = re.compile(r"(?:id|version|\S+ space|role|focusable|aria-\w+|data-[\w-]+)\Z")

# The page decides these for the drawing as a whole.
OUTER_ATTRIBUTES: Final = {"class", "width", "height", "x", "y"}


class LogoRefused(ValueError):
    """The uploaded logo cannot be taken; the message says what and where."""


@dataclass(frozen=True)
class Logo:
    """A cleaned logo. `svg` holds a drawing as text, `png` pixels; exactly one of them is set."""

    kind: Literal["svg", "png"]
    svg: str = ""
    png: bytes = b""

    def mark(self, picture_url: str) -> Markup:
        """The element a page shows beside the brand's name. `picture_url` is where the pixels are served."""
        if self.kind == "svg":
            return Markup(self.svg)
        return Markup('<img class="logo" alt="" src="{}">').format(picture_url)


def read_logo(data: bytes) -> Logo:
    """A cleaned logo from an uploaded file. Raises LogoRefused with a reason a person can act on."""
    if not data:
        raise LogoRefused("the file is empty")
    if len(data) > MAX_BYTES:
        raise LogoRefused(f"the file has {len(data) // 1024} kB; at most {MAX_BYTES // 1024} kB are taken")
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith((b"<?xml", b"<svg", b"<!")):
        return Logo("svg", svg=clean_svg(data))
    return Logo("png", png=clean_raster(data))


def clean_raster(data: bytes) -> bytes:
    """PNG bytes of a PNG, JPEG, WebP or GIF picture, fitted into 512 × 512 pixels, without any metadata."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=RASTER_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    size = f"{picture.width} × {picture.height}"
                    raise LogoRefused(f"the picture has {size} pixels; at most {MAX_PIXELS:,} are taken")
                pixels = picture.convert("RGBA")
    except UnidentifiedImageError as error:
        raise LogoRefused("the file is neither SVG nor PNG, JPEG, WebP or GIF") from error
    except LogoRefused:
        raise
    except (OSError, ValueError, SyntaxError, *_BOMBS) as error:
        raise LogoRefused("the picture is damaged or too large to decode") from error
    pixels.thumbnail((MAX_SIDE, MAX_SIDE))
    out = io.BytesIO()
    Image.frombytes("RGBA", pixels.size, pixels.tobytes()).save(out, "PNG", optimize=True)
    return out.getvalue()


class _Cleaner:
    """Rebuilds a drawing from an expat stream. Anything unexpected ends the reading with LogoRefused."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.out: list[str] = []
        self.shapes = 0
        self.depth = 0
        self.silent = 0
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.ProcessingInstructionHandler = self.instruction

    def refuse(self, what: str) -> LogoRefused:
        return LogoRefused(f"line {self.parser.CurrentLineNumber}: {what}")

    def doctype(self, *_: object) -> None:
        raise self.refuse("a document type or entity is not taken")

    def instruction(self, target: str, _data: str) -> None:
        raise self.refuse(f"the instruction <?{target}?> is not taken")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, tag = name.rpartition(" ")
        if space not in ("", SVG_NAMESPACE) or tag not in ELEMENTS:
            raise self.refuse(f"<{tag}> is not taken; only plain shapes are ({', '.join(sorted(SHAPES))}, g)")
        if (self.depth == 0) != (tag == "svg"):
            raise self.refuse("the drawing must be one <svg> without another inside")
        self.depth += 1
        if tag in ("title", "desc") or self.silent:
            self.silent += 1
            return
        self.shapes += tag in SHAPES
        if self.shapes > MAX_SHAPES or self.depth > 32:
            raise self.refuse(f"the drawing has more than {MAX_SHAPES} shapes or 32 levels")
        kept = self.attributes(tag, attributes)
        if tag == "svg":
            self.out.append(f'<svg class="logo" aria-hidden="true" focusable="false"{kept}>')
        else:
            self.out.append(f"<{tag}{kept}>" if tag == "g" else f"<{tag}{kept}/>")

    def attributes(self, tag: str, attributes: dict[str, str]) -> str:
        kept = ""
        for name, value in attributes.items():
            if IGNORED_ATTRIBUTES.match(name) or (tag == "svg" and name in OUTER_ATTRIBUTES):
                continue
            pattern = ATTRIBUTES.get(name)
            if pattern is None:
                raise self.refuse(f"the attribute {name.rpartition(' ')[2]!r} of <{tag}> is not taken")
            if not pattern.match(value):
                raise self.refuse(f"the value of {name!r} of <{tag}> is not taken")
            kept += f' {name}="{escape(value.strip())}"'
        if tag == "svg" and "viewBox" not in attributes:
            kept += self.view_box(attributes)
        return kept

    def view_box(self, attributes: dict[str, str]) -> str:
        try:
            width, height = (float(attributes[side].removesuffix("px")) for side in ("width", "height"))
        except (KeyError, ValueError):
            raise self.refuse("the <svg> needs a viewBox, or a width and height in pixels") from None
        return f' viewBox="0 0 {width:g} {height:g}"'

    def end(self, name: str) -> None:
        self.depth -= 1
        if self.silent:
            self.silent -= 1
            return
        tag = name.rpartition(" ")[2]
        if tag in ("svg", "g"):
            self.out.append(f"</{tag}>")


def clean_svg(data: bytes) -> str:
    """A drawing of allowed shapes only, ready to stand in a page.

    Raises LogoRefused naming line and reason.
    """
    cleaner = _Cleaner()
    try:
        cleaner.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise LogoRefused(f"line {error.lineno}: not well-formed XML") from error
    except (UnicodeError, LookupError) as error:
        raise LogoRefused("the text encoding of the drawing cannot be read") from error
    if not cleaner.shapes:
        raise LogoRefused("the drawing has no shape")
    return "".join(cleaner.out)


def monogram(name: str) -> Logo:
    """The logo of a brand that gave none: its first letter in the brand's colours."""
    letter = escape(next((char for char in name.upper() if char.isalnum()), "•"))
    return Logo(
        "svg",
        svg=(
            '<svg class="logo" aria-hidden="true" focusable="false" viewBox="0 0 28 28">'
            '<rect class="l-bg" width="28" height="28" rx="8"/>'
            f'<text class="l-text" x="14" y="19.5">{letter}</text></svg>'
        ),
    )
