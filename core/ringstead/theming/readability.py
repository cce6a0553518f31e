"""How a brand reads: the contrasts of its colours in both themes, and how well its logo stands out."""

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image

from ringstead.theming.brand import Brand
from ringstead.theming.color import Rgb, contrast
from ringstead.theming.derive import GRAPHIC, PAIRS, THEMES, Pair, Theme, contrasts, derive
from ringstead.theming.icons import fitted
from ringstead.theming.logo import Logo
from ringstead.theming.words import messages as _

SHOWN: Final = (
    (_("Button label"), "on-brand", "brand-solid"),
    (_("Counts"), "on-accent", "accent-solid"),
    (_("Links and chosen items"), "brand-text", "surface"),
    (_("Text on tinted areas"), "brand-text", "brand-soft"),
    (_("Secondary text"), "text-3", "canvas"),
    (_("Waveforms, switches, focus ring"), "brand-graphic", "surface"),
)
_SAMPLE: Final = 24
# This share of a logo's pixels may be fainter: edges, and the parts that carry no shape.
_FAINT: Final = 0.75


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: where, the contrast in both themes, and the least that will do. `is_firm` when a brand is
    refused for it."""

    title: str
    light: float
    dark: float
    least: float
    is_firm: bool = True

    @property
    def passes(self) -> bool:
        """Whether both do."""
        return min(self.light, self.dark) >= self.least


def readability(brand: Brand) -> list[Line]:
    """What a brand's readers read, with the contrasts; last the logo, where it has colours of its own."""
    by_theme = {theme: contrasts(brand.color, brand.accent, theme) for theme in THEMES}
    lines = []
    for title, front, back in SHOWN:
        pair = _pair(front, back)
        lines.append(Line(title, by_theme["light"][pair], by_theme["dark"][pair], pair.least))
    logos: dict[Theme, Logo | None] = {"light": brand.logo, "dark": brand.logo_dark or brand.logo}
    if any(logo is not None and not _follows_theme(logo) for logo in logos.values()):
        light, dark = (_stands_out(brand, logos[theme], theme) for theme in THEMES)
        lines.append(Line(_("Logo"), light, dark, GRAPHIC, False))
    return lines


def _pair(front: str, back: str) -> Pair:
    return next(pair for pair in PAIRS if (pair.front, pair.back) == (front, back))


def _follows_theme(logo: Logo) -> bool:
    return 'class="l-bg"' in logo.svg


def _stands_out(brand: Brand, logo: Logo | None, theme: Theme) -> float:
    """The contrast to the page that a quarter of the logo's area reaches at least."""
    if logo is None or _follows_theme(logo):
        return contrasts(brand.color, brand.accent, theme)[_pair("brand-graphic", "bg")]
    ground = derive(brand.color, brand.accent, theme)["bg"]
    with Image.open(io.BytesIO(fitted(logo, brand.color, brand.accent, _SAMPLE))) as picture:
        pixels = picture.convert("RGBA").tobytes()
    found = []
    for at in range(0, len(pixels), 4):
        red, green, blue, alpha = pixels[at : at + 4]
        if alpha > 127:
            found.append(contrast(Rgb(red / 255, green / 255, blue / 255), ground))
    found.sort()
    return found[int(len(found) * _FAINT)] if found else 1.0
