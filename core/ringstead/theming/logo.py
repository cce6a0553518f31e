"""A partner's logo: a drawing reduced to harmless shapes, or pixels that were decoded and written anew.

Nothing a partner uploads reaches a browser as it came. A drawing is rebuilt from an allow-list of elements
and attributes whose values match a pattern; a picture is decoded within a pixel limit and encoded again.
"""

import base64
import io
import re
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal
from xml.parsers import expat

from markupsafe import Markup, escape
from PIL import Image, ImageOps, UnidentifiedImageError
from translationstring import TranslationString

from ringstead.theming.drawing import can_be_drawn
from ringstead.theming.polyglot import is_polyglot
from ringstead.theming.words import english
from ringstead.theming.words import messages as _

MAX_BYTES: Final = 512 * 1024
# A drawing stands in every page, twice.
MAX_DRAWING: Final = 16 * 1024
MAX_PIXELS: Final = 4_000_000
MAX_SIDE: Final = 512
DRAFT_SIDE: Final = 96
MAX_SHAPES: Final = 400
MAX_LEVELS: Final = 32
# A renderer walks an arc step by step, so a number without a bound is a drawing without an end.
MAX_NUMBER: Final = 100_000.0
RASTER_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
_BOMBS: Final = (Image.DecompressionBombWarning, Image.DecompressionBombError)

SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"
SHAPES: Final = {"circle", "ellipse", "line", "path", "polygon", "polyline", "rect"}
ELEMENTS: Final = SHAPES | {"svg", "g", "title", "desc"}

# Possessive (`++`, `*+`): nothing is read twice, so a long wrong value costs no more than a right one.
_NUMBER = r"[+-]?(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d{1,3}+)?+"
_EACH_NUMBER: Final = re.compile(_NUMBER)
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
IGNORED_ATTRIBUTES: Final = re.compile(
    r"(?:id|version|baseProfile|preserveAspectRatio|enable-background|\S+ space|role|focusable|aria-\w+"
    r"|data-[\w-]+)\Z"
)

# The page decides these for the drawing as a whole.
OUTER_ATTRIBUTES: Final = {"class", "width", "height", "x", "y"}


class LogoRefused(ValueError):
    """The uploaded logo cannot be taken; `message` says what and where, in the reader's language when it is shown."""

    def __init__(self, message: TranslationString) -> None:
        self.message = message
        super().__init__(english(message))


@dataclass(frozen=True)
class Logo:
    """A cleaned logo. `svg` holds a drawing as text, `png` pixels; exactly one of them is set."""

    kind: Literal["svg", "png"]
    svg: str = ""
    png: bytes = b""
    letter: str = ""
    """Of a monogram: its letter."""

    def mark(self, picture_url: str, shown: str = "") -> Markup:
        """The element a page shows beside the brand's name. `picture_url` is where the pixels are served; `shown` is a
        class that says when."""
        names = f"logo {shown}".strip()
        if self.kind == "svg":
            return Markup(self.svg.replace('class="logo"', f'class="{names}"', 1))
        return Markup('<img class="{}" alt="" src="{}">').format(names, picture_url)

    @cached_property
    def draft_url(self) -> str:
        """The pixels, made small, as an address of their own: for a logo that is not served yet. '' for a drawing."""
        if self.kind == "svg":
            return ""
        out = io.BytesIO()
        with Image.open(io.BytesIO(self.png), formats=("PNG",)) as picture:
            picture.thumbnail((DRAFT_SIDE, DRAFT_SIDE))
            picture.save(out, "PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def read_logo(data: bytes) -> Logo:
    """A cleaned logo from an uploaded file. Raises LogoRefused with a reason a person can act on."""
    if not data:
        raise LogoRefused(_("the file is empty"))
    if len(data) > MAX_BYTES:
        sizes = {"n": len(data) // 1024, "most": MAX_BYTES // 1024}
        raise LogoRefused(_("the file has ${n} kB; at most ${most} kB are taken", mapping=sizes))
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith((b"<?xml", b"<svg", b"<!")):
        return Logo("svg", svg=_small_enough(clean_svg(data)))
    return Logo("png", png=clean_raster(data))


def _small_enough(svg: str) -> str:
    if len(svg) > MAX_DRAWING:
        sizes = {"n": -(-len(svg) // 1024), "most": MAX_DRAWING // 1024}
        text = _(
            "the drawing has ${n} kB of shapes; at most ${most} kB fit: simplify it, or send a PNG",
            mapping=sizes,
        )
        raise LogoRefused(text)
    if not can_be_drawn(svg):
        raise LogoRefused(_("the drawing takes too long to draw; simplify it, or send a PNG"))
    return svg


def clean_raster(data: bytes) -> bytes:
    """PNG bytes of a PNG, JPEG, WebP or GIF picture, fitted into 512 × 512 pixels, without any metadata."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=RASTER_FORMATS) as picture:
                _refuse_unfit(data, picture)
                pixels = _upright(picture)
    except _BOMBS as error:
        raise LogoRefused(_too_many_pixels()) from error
    except UnidentifiedImageError as error:
        raise LogoRefused(_("the file is neither SVG nor PNG, JPEG, WebP or GIF")) from error
    except LogoRefused:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise LogoRefused(_("the picture is damaged")) from error
    pixels.thumbnail((MAX_SIDE, MAX_SIDE))
    out = io.BytesIO()
    Image.frombytes("RGBA", pixels.size, pixels.tobytes()).save(out, "PNG", optimize=True)
    return out.getvalue()


def _upright(picture: Image.Image) -> Image.Image:
    """The pixels as a viewer shows them: turned as the camera noted, 16-bit greys made 8-bit ones."""
    if picture.mode.startswith("I"):
        picture = picture.convert("I").point(lambda grey: grey / 257).convert("L")
    return ImageOps.exif_transpose(picture).convert("RGBA")


def _refuse_unfit(data: bytes, picture: Image.Image) -> None:
    """Before a pixel is decoded."""
    if picture.width * picture.height > MAX_PIXELS:
        raise LogoRefused(_too_many_pixels())
    if is_polyglot(data, picture.format or ""):
        raise LogoRefused(_("the file holds more than a picture; export the logo anew and send that"))


def _too_many_pixels() -> TranslationString:
    most = {"most": MAX_PIXELS // 1_000_000, "side": MAX_SIDE}
    text = _("the picture has more than ${most} million pixels; ${side} × ${side} are plenty", mapping=most)
    return text


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

    def refuse(self, what: TranslationString) -> LogoRefused:
        return _on_line(self.parser.CurrentLineNumber, what)

    def doctype(self, *_arguments: object) -> None:
        raise self.refuse(_("a document type or entity is not taken"))

    def instruction(self, target: str, _data: str) -> None:
        text = _("the instruction “${name}” is not taken", mapping={"name": target[:40]})
        raise self.refuse(text)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _space, tag = name.rpartition(" ")
        if space not in ("", SVG_NAMESPACE) or tag not in ELEMENTS:
            words = {"name": tag[:40], "known": ", ".join([*sorted(SHAPES), "g"])}
            raise self.refuse(
                _("the element “${name}” is not taken; only plain shapes are (${known})", mapping=words)
            )
        if (self.depth == 0) != (tag == "svg"):
            raise self.refuse(_("the drawing must be one “svg” without another inside"))
        self.depth += 1
        if tag in ("title", "desc") or self.silent:
            self.silent += 1
            return
        self.shapes += tag in SHAPES
        if self.shapes > MAX_SHAPES or self.depth > MAX_LEVELS:
            most = {"most": MAX_SHAPES, "levels": MAX_LEVELS}
            raise self.refuse(_("the drawing has more than ${most} shapes or ${levels} levels", mapping=most))
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
            words = {"name": name.rpartition(" ")[2][:40], "tag": tag}
            if pattern is None:
                raise self.refuse(_("the attribute “${name}” of “${tag}” is not taken", mapping=words))
            is_number = pattern is not _PAINT
            if not pattern.match(value) or (is_number and _largest(value) > MAX_NUMBER):
                raise self.refuse(_("the value of “${name}” of “${tag}” is not taken", mapping=words))
            kept += f' {name}="{escape(value.strip())}"'
        if tag == "svg" and "viewBox" in attributes and not _is_box(attributes["viewBox"]):
            raise self.refuse(_("the viewBox must be four numbers, the last two above 0"))
        if tag == "svg" and "viewBox" not in attributes:
            kept += self.view_box(attributes)
        return kept

    def view_box(self, attributes: dict[str, str]) -> str:
        try:
            width, height = (float(attributes[side].removesuffix("px")) for side in ("width", "height"))
        except (KeyError, ValueError):
            width = height = 0.0
        if not (0 < width <= MAX_NUMBER and 0 < height <= MAX_NUMBER):
            raise self.refuse(_("the “svg” needs a viewBox, or a width and height in pixels"))
        return f' viewBox="0 0 {width:g} {height:g}"'

    def end(self, name: str) -> None:
        self.depth -= 1
        if self.silent:
            self.silent -= 1
            return
        tag = name.rpartition(" ")[2]
        if tag in ("svg", "g"):
            self.out.append(f"</{tag}>")


def _largest(value: str) -> float:
    """The largest number in an attribute, whatever its sign; 0 when there is none."""
    return max((abs(float(one)) for one in _EACH_NUMBER.findall(value)), default=0.0)


def _is_box(value: str) -> bool:
    numbers = [float(one) for one in _EACH_NUMBER.findall(value)]
    return len(numbers) == 4 and min(numbers[2:]) > 0


def _on_line(number: int, what: TranslationString) -> LogoRefused:
    return LogoRefused(_("line ${n}: ${problem}", mapping={"n": number, "problem": what}))


def clean_svg(data: bytes) -> str:
    """A drawing of allowed shapes only, ready to stand in a page.

    Raises LogoRefused naming line and reason.
    """
    cleaner = _Cleaner()
    try:
        cleaner.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise _on_line(error.lineno, _("not well-formed XML")) from error
    except (UnicodeError, LookupError) as error:
        raise LogoRefused(_("the text encoding of the drawing cannot be read")) from error
    if not cleaner.shapes:
        raise LogoRefused(_("the drawing has no shape"))
    return "".join(cleaner.out)


def monogram(name: str) -> Logo:
    """The logo of a brand that gave none: its first letter in the brand's colours."""
    letter = next((char for char in name.upper() if char.isalnum()), "•")
    return Logo(
        "svg",
        svg=(
            '<svg class="logo" aria-hidden="true" focusable="false" viewBox="0 0 28 28">'
            '<rect class="l-bg" width="28" height="28" rx="8"/>'
            f'<text class="l-text" x="14" y="19.5">{escape(letter)}</text></svg>'
        ),
        letter=letter,
    )
