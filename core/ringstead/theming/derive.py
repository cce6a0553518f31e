"""The derived colours of a brand, computed as `tokens.css` computes them.

The style sheet is what browsers use. This copy of its formulas serves three ends: the static fall-back for
browsers without relative colours, the contrast figures shown when a brand is saved, and the test that sweeps
the colour circle. A test compares both sides token by token in a real browser: change a clamp there and here
together.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from ringstead.theming.color import Oklch, Rgb, contrast, gamut_map, parse_hex, to_oklch

Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, Theme]] = ("light", "dark")
GamutMap = Callable[[Oklch], Rgb]

# (lightness, most chroma) of the neutrals that carry a breath of the brand's hue: light theme, dark theme.
NEUTRALS: Final = {
    "canvas": ((0.972, 0.006), (0.162, 0.008)),
    "bg": ((0.993, 0.002), (0.187, 0.009)),
    "surface": ((1.0, 0.0), (0.218, 0.010)),
    "raised": ((1.0, 0.0), (0.25, 0.011)),
    "sunken": ((0.973, 0.005), (0.17, 0.008)),
    "hover": ((0.967, 0.007), (0.255, 0.012)),
    "line": ((0.918, 0.007), (0.292, 0.012)),
    "line-strong": ((0.85, 0.010), (0.38, 0.014)),
    "line-control": ((0.645, 0.014), (0.545, 0.016)),
    "text": ((0.21, 0.014), (0.955, 0.005)),
    "text-2": ((0.37, 0.014), (0.835, 0.009)),
    "text-3": ((0.435, 0.014), (0.775, 0.011)),
}

# Meaning is the same for every brand: (lightness, chroma, hue) for the light and the dark theme.
MEANING: Final = {
    "ok": ((0.4, 0.1, 155), (0.86, 0.13, 155)),
    "ok-graphic": ((0.58, 0.14, 155), (0.75, 0.15, 155)),
    "ok-soft": ((0.957, 0.03, 155), (0.28, 0.04, 155)),
    "ok-line": ((0.83, 0.07, 155), (0.42, 0.06, 155)),
    "warn": ((0.41, 0.09, 70), (0.87, 0.12, 80)),
    "warn-graphic": ((0.61, 0.14, 65), (0.8, 0.15, 78)),
    "warn-soft": ((0.962, 0.035, 82), (0.285, 0.04, 75)),
    "warn-line": ((0.83, 0.09, 80), (0.44, 0.06, 75)),
    "danger": ((0.42, 0.16, 25), (0.84, 0.09, 22)),
    "danger-graphic": ((0.56, 0.2, 25), (0.71, 0.17, 23)),
    "danger-solid": ((0.47, 0.18, 25), (0.8, 0.1, 22)),
    "on-danger": ((1.0, 0.0, 0), (0.2, 0.04, 25)),
    "danger-soft": ((0.962, 0.018, 20), (0.28, 0.05, 22)),
    "danger-line": ((0.84, 0.07, 22), (0.44, 0.09, 22)),
}


class Pair(NamedTuple):
    """Two tokens that meet on a page, and the least contrast they may have (WCAG 2.2: 1.4.3, 1.4.11)."""

    front: str
    back: str
    least: float


TEXT, GRAPHIC = 4.5, 3.0
PAIRS: Final = (
    Pair("on-brand", "brand-solid", TEXT),
    Pair("on-brand", "brand-solid-hover", TEXT),
    Pair("on-accent", "accent-solid", TEXT),
    Pair("brand-text", "surface", TEXT),
    Pair("brand-text", "bg", TEXT),
    Pair("brand-text", "canvas", TEXT),
    Pair("brand-text", "brand-soft", TEXT),
    Pair("brand-text", "brand-soft-hover", TEXT),
    Pair("accent-text", "accent-soft", TEXT),
    Pair("text", "canvas", TEXT),
    Pair("text-2", "canvas", TEXT),
    Pair("text-2", "brand-soft", TEXT),
    Pair("text-3", "canvas", TEXT),
    Pair("text-3", "sunken", TEXT),
    Pair("text-3", "hover", TEXT),
    Pair("text-3", "brand-soft", TEXT),
    Pair("ok", "ok-soft", TEXT),
    Pair("warn", "warn-soft", TEXT),
    Pair("danger", "danger-soft", TEXT),
    Pair("danger", "surface", TEXT),
    Pair("on-danger", "danger-solid", TEXT),
    Pair("brand-graphic", "surface", GRAPHIC),
    Pair("brand-graphic", "brand-soft", GRAPHIC),
    Pair("brand-graphic", "bg", GRAPHIC),
    Pair("accent-graphic", "surface", GRAPHIC),
    Pair("line-control", "surface", GRAPHIC),
)


def _clamp(low: float, value: float, high: float) -> float:
    return max(low, min(value, high))


def _solid(color: Oklch, light: bool, ceiling: float) -> Oklch:
    """A filled area: dark enough for a white label or light enough for an ink label, never between."""
    if not light:
        return Oklch(_clamp(0.78, color.l, 0.9), min(color.c, 0.155), color.h)
    is_light = _clamp(0, (color.l - 0.66) * 9999, 1)
    lightness = is_light * max(color.l, 0.76) + (1 - is_light) * _clamp(0.34, color.l, ceiling)
    return Oklch(lightness, color.c, color.h)


def _on_solid(color: Oklch, light: bool) -> Oklch:
    if not light:
        return Oklch(0.19, 0.03, color.h)
    is_light = _clamp(0, (color.l - 0.66) * 9999, 1)
    return Oklch(1 - 0.8 * is_light, 0.03 * is_light, color.h)


def _solid_hover(color: Oklch, light: bool) -> Oklch:
    if not light:
        return Oklch(_clamp(0.78, color.l, 0.9) + 0.04, min(color.c, 0.14), color.h)
    is_light = _clamp(0, (color.l - 0.66) * 9999, 1)
    lightness = is_light * (max(color.l, 0.76) - 0.03) + (1 - is_light) * (_clamp(0.34, color.l, 0.49) - 0.05)
    return Oklch(lightness, color.c, color.h)


def _brand_tokens(brand: Oklch, light: bool) -> dict[str, Oklch]:
    lightness, c, h = brand
    tints = (
        {
            "brand-text": (_clamp(0.28, lightness, 0.385), min(c, 0.16)),
            "brand-graphic": (_clamp(0.38, lightness, 0.58), c),
            "brand-soft": (0.962, min(c * 0.2, 0.022)),
            "brand-soft-hover": (0.935, min(c * 0.28, 0.034)),
            "brand-line": (0.845, min(c * 0.55, 0.06)),
        }
        if light
        else {
            "brand-text": (_clamp(0.85, lightness, 0.92), min(c, 0.11)),
            "brand-graphic": (_clamp(0.7, lightness, 0.86), min(c, 0.16)),
            "brand-soft": (0.272, min(c * 0.5, 0.038)),
            "brand-soft-hover": (0.31, min(c * 0.55, 0.045)),
            "brand-line": (0.5, min(c * 0.7, 0.075)),
        }
    )
    return {
        "brand-solid": _solid(brand, light, 0.49),
        "brand-solid-hover": _solid_hover(brand, light),
        "on-brand": _on_solid(brand, light),
        **{name: Oklch(tone, chroma, h) for name, (tone, chroma) in tints.items()},
    }


def _accent_tokens(accent: Oklch, light: bool) -> dict[str, Oklch]:
    lightness, c, h = accent
    tints = (
        {
            "accent-graphic": (_clamp(0.38, lightness, 0.6), c),
            "accent-soft": (0.955, min(c, 0.03)),
            "accent-text": (_clamp(0.28, lightness, 0.385), min(c, 0.17)),
        }
        if light
        else {
            "accent-graphic": (_clamp(0.7, lightness, 0.86), min(c, 0.16)),
            "accent-soft": (0.29, min(c, 0.045)),
            "accent-text": (_clamp(0.83, lightness, 0.92), min(c, 0.12)),
        }
    )
    return {
        "accent-solid": _solid(accent, light, 0.54),
        "on-accent": _on_solid(accent, light),
        **{name: Oklch(tone, chroma, h) for name, (tone, chroma) in tints.items()},
    }


def derive(brand: str, accent: str, theme: Theme, gamut: GamutMap = gamut_map) -> dict[str, Rgb]:
    """Every colour token for a brand and an accent colour (`#rrggbb`) in one theme, by name without `--`."""
    light = theme == "light"
    base, second = to_oklch(parse_hex(brand)), to_oklch(parse_hex(accent))
    which = 0 if light else 1
    tokens = _brand_tokens(base, light) | _accent_tokens(second, light)
    for name, neutral in NEUTRALS.items():
        tone, chroma = neutral[which]
        tokens[name] = Oklch(tone, min(base.c, chroma), base.h)
    for name, meaning in MEANING.items():
        tokens[name] = Oklch(*meaning[which])
    colors = {name: gamut(color) for name, color in tokens.items()}
    colors["focus"] = colors["brand-graphic"]
    return colors


def contrasts(brand: str, accent: str, theme: Theme, gamut: GamutMap = gamut_map) -> dict[Pair, float]:
    """The contrast of each pair of tokens that meet on a page."""
    colors = derive(brand, accent, theme, gamut)
    return {pair: contrast(colors[pair.front], colors[pair.back]) for pair in PAIRS}


def weak_pairs(brand: str, accent: str) -> list[tuple[Theme, Pair, float]]:
    """Pairs below their least contrast in either theme.

    Empty for nearly every brand, by the way tokens are clamped: where the ink of buttons turns from white to dark, a
    few colours lie between the two.
    """
    return [
        (theme, pair, ratio)
        for theme in THEMES
        for pair, ratio in contrasts(brand, accent, theme).items()
        if ratio < pair.least
    ]
