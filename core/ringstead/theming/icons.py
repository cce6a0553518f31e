"""A brand's icons as pixels: what a phone puts on its home screen. Drawings are rendered, pictures are fitted.

Sizes and the safe zone of a maskable icon: W3C, Web Application Manifest, section "Icon masks and safe zone".
"""

import io
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from ringstead.theming.derive import derive
from ringstead.theming.drawing import draw
from ringstead.theming.logo import Logo
from ringstead.theming.sheet import standalone

SIZES: Final = (192, 512)
APPLE_SIZE: Final = 180
# A platform may cut a maskable icon to a circle of 80 % of its width. A square inside that has 56 %.
_SAFE: Final = 0.56
# A drawing that brings the same colour as its own ground has its strokes well inside.
_SAFE_PAINTED: Final = 0.84
_WHITE: Final = "#ffffff"


def app_icon(logo: Logo, color: str, accent: str, size: int, *, maskable: bool) -> bytes:
    """A square PNG of `size` pixels. A maskable one fills its square and keeps the logo in the middle."""
    background = _background(logo, color, accent) if maskable else None
    canvas = Image.new("RGBA", (size, size), background or (0, 0, 0, 0))
    safe = _SAFE if background == _WHITE else _SAFE_PAINTED
    inner = round(size * safe) if maskable else size
    mark = _pixels(logo, color, accent, inner)
    at = ((size - mark.width) // 2, (size - mark.height) // 2)
    canvas.alpha_composite(mark, at)
    out = io.BytesIO()
    canvas.save(out, "PNG", optimize=True)
    return out.getvalue()


def fitted(logo: Logo, color: str, accent: str, size: int) -> bytes:
    """A logo as a PNG that fits into a square of `size` pixels."""
    out = io.BytesIO()
    _pixels(logo, color, accent, size).save(out, "PNG")
    return out.getvalue()


def _background(logo: Logo, color: str, accent: str) -> str:
    """The brand's colour behind a drawing that is made for it; white behind everything else."""
    is_painted = logo.kind == "svg" and 'class="l-bg"' in logo.svg
    return derive(color, accent, "light")["brand-solid"].hex if is_painted else _WHITE


def _pixels(logo: Logo, color: str, accent: str, size: int) -> Image.Image:
    """The logo, fitted into a square of `size` pixels."""
    if logo.letter:
        return _letter(logo.letter, color, accent, size)
    if logo.kind == "png":
        with Image.open(io.BytesIO(logo.png), formats=("PNG",)) as picture:
            pixels = picture.convert("RGBA")
        scale = size / max(pixels.size)
        return pixels.resize(tuple(max(1, round(side * scale)) for side in pixels.size))  # type: ignore[arg-type]
    return _drawn(standalone(logo.svg, color, accent), size)


def _drawn(svg: str, size: int) -> Image.Image:
    with Image.open(io.BytesIO(draw(svg, size)), formats=("PNG",)) as picture:
        return picture.convert("RGBA")


def _letter(letter: str, color: str, accent: str, size: int) -> Image.Image:
    """The monogram: a letter on the brand's colour, or a dot where the font has none for it."""
    tokens = derive(color, accent, "light")
    # Drawn twice as large and made smaller, which is how Pillow gets smooth edges.
    big = size * 2
    canvas = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(canvas)
    draw.rounded_rectangle((0, 0, big - 1, big - 1), radius=big * 0.28, fill=tokens["brand-solid"].hex)
    ink = tokens["on-brand"].hex
    if letter.isascii():
        font = ImageFont.load_default(big * 0.58)
        draw.text((big / 2, big * 0.53), letter, fill=ink, font=font, anchor="mm", stroke_width=big * 0.012)
    else:
        draw.circle((big / 2, big / 2), big * 0.2, fill=ink)
    return canvas.resize((size, size), Image.Resampling.LANCZOS)
