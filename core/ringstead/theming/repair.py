"""The nearest colour that can be read: hue and chroma stay, lightness moves as little as it must."""

from collections.abc import Callable
from typing import Final

from ringstead.theming.color import Oklch, Rgb, contrast, gamut_map, parse_hex, to_oklch
from ringstead.theming.derive import TEXT, Pair, weak_pairs

WHITE: Final = Rgb(1, 1, 1)
_STEPS: Final = 200


def nearest(color: str, passes: Callable[[str], bool]) -> str:
    """The colour (`#rrggbb`) nearest in lightness that `passes`, `color` itself when it does; '' when there is none."""
    base = to_oklch(parse_hex(color))
    if passes(color):
        return color
    for step in range(1, _STEPS + 1):
        for side in (-1, 1):
            lightness = base.l + side * step / _STEPS
            if 0 <= lightness <= 1:
                trial = gamut_map(Oklch(lightness, base.c, base.h)).hex
                if passes(trial):
                    return trial
    return ""


def to_blame(pair: Pair, color: str, accent: str) -> str:
    """The field of a brand, `color` or `accent`, that a pair of derived colours comes from."""
    is_accents = accent != color and (pair.front + pair.back).count("accent")
    return "accent" if is_accents else "color"


def nearest_without_weak_pairs(color: str, accent: str, field: str) -> str:
    """The colour nearest to that of the field (`color`, or `accent`) from which only readable ones are derived."""

    def passes(trial: str) -> bool:
        if field == "accent":
            weak = weak_pairs(color, trial)
        else:
            weak = weak_pairs(trial, trial if accent == color else accent)
        return all(to_blame(pair, color, accent) != field for _theme, pair, _ratio in weak)

    return nearest(accent if field == "accent" else color, passes)


def on_white(color: str) -> float:
    """How a colour reads on white just as it was given: as a word on a page, or under a white label."""
    return contrast(parse_hex(color), WHITE)


def readable_as_given(color: str) -> str:
    """The nearest colour that needs no adjusting on a light page: 4.5 : 1 to white (WCAG 2.2, 1.4.3)."""
    return nearest(color, lambda trial: on_white(trial) >= TEXT)
