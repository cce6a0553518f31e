"""Colour arithmetic: sRGB ↔ OKLCH, gamut mapping and contrast.

Sources: CSS Color Module Level 4 (sections 10.1 and 13.2, sample code), Björn Ottosson's Oklab, WCAG 2.2
(relative luminance and contrast ratio). Channels of sRGB are 0 to 1; lightness is 0 to 1, hue in degrees.
"""

import math
import re
from typing import Final, NamedTuple

HEX: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")


class Rgb(NamedTuple):
    """sRGB with gamma; outside 0 to 1 means outside the gamut."""

    r: float
    g: float
    b: float

    @property
    def hex(self) -> str:
        """`#rrggbb`, each channel clipped."""
        return "#" + "".join(f"{round(min(1.0, max(0.0, channel)) * 255):02x}" for channel in self)


class Oklch(NamedTuple):
    """Lightness 0 to 1, chroma 0 to about 0.4, hue in degrees."""

    l: float  # noqa: E741  the name CSS gives it
    c: float
    h: float


def parse_hex(text: str) -> Rgb:
    """`#rgb` or `#rrggbb` as sRGB. Raises ValueError for anything else."""
    if not HEX.match(text):
        raise ValueError(f"{text!r} is not a colour of the form #rrggbb")
    digits = text[1:] if len(text) == 7 else "".join(digit * 2 for digit in text[1:])
    return Rgb(*(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)))


def _linear(channel: float) -> float:
    size = abs(channel)
    value: float = size / 12.92 if size <= 0.04045 else ((size + 0.055) / 1.055) ** 2.4
    return math.copysign(value, channel)


def _gamma(channel: float) -> float:
    size = abs(channel)
    value: float = size * 12.92 if size <= 0.0031308 else 1.055 * size ** (1 / 2.4) - 0.055
    return math.copysign(value, channel)


def _oklab(color: Rgb) -> tuple[float, float, float]:
    r, g, b = (_linear(channel) for channel in color)
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    medium = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def to_oklch(color: Rgb) -> Oklch:
    """sRGB as OKLCH. Greys get hue 0 and chroma 0, as CSS's powerless hue."""
    lightness, a, b = _oklab(color)
    chroma = math.hypot(a, b)
    if chroma < 1e-5:
        return Oklch(lightness, 0.0, 0.0)
    return Oklch(lightness, chroma, math.degrees(math.atan2(b, a)) % 360)


def _to_rgb(color: Oklch) -> Rgb:
    angle = math.radians(color.h)
    a, b = color.c * math.cos(angle), color.c * math.sin(angle)
    long = (color.l + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (color.l - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (color.l - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return Rgb(
        _gamma(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _gamma(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _gamma(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def clip(color: Oklch) -> Rgb:
    """What browsers paint today: each channel cut off at the edge of sRGB."""
    return Rgb(*(min(1.0, max(0.0, channel)) for channel in _to_rgb(color)))


def gamut_map(color: Oklch) -> Rgb:
    """The colour in sRGB by lowering chroma only (CSS Color 4, section 13.2): hue and lightness stay.

    The loop ends when clipping differs by less than what an eye sees (deltaE OK 0.02) or after 24 halvings.
    """
    if color.l >= 1:
        return Rgb(1, 1, 1)
    if color.l <= 0:
        return Rgb(0, 0, 0)
    if _inside(_to_rgb(color)):
        return clip(color)
    low, high, best = 0.0, color.c, clip(color)
    if _delta(color, best) < 0.02:
        return best
    for _ in range(24):
        chroma = (low + high) / 2
        trial = Oklch(color.l, chroma, color.h)
        if _inside(_to_rgb(trial)):
            low = chroma
            continue
        best = clip(trial)
        if _delta(trial, best) < 0.02:
            low = chroma
        else:
            high = chroma
    return clip(Oklch(color.l, low, color.h))


def _inside(color: Rgb) -> bool:
    return all(-1e-6 <= channel <= 1 + 1e-6 for channel in color)


def _delta(color: Oklch, other: Rgb) -> float:
    angle = math.radians(color.h)
    lightness, a, b = _oklab(other)
    return math.dist((color.l, color.c * math.cos(angle), color.c * math.sin(angle)), (lightness, a, b))


def luminance(color: Rgb) -> float:
    """Relative luminance of WCAG 2.2, 0 (black) to 1 (white), after rounding to 8 bits as a screen does."""
    r, g, b = (_linear(round(channel * 255) / 255) for channel in color)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio of WCAG 2.2, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
