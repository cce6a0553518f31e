"""The style sheet of a brand, and drawings with the brand's colours written in."""

from typing import Final, Protocol

from ringstead.theming.color import parse_hex
from ringstead.theming.derive import THEMES, Theme, derive
from ringstead.theming.values import FONTS


class Looks(Protocol):
    """The values of a brand that a style sheet is made of."""

    @property
    def color(self) -> str: ...
    @property
    def accent(self) -> str: ...
    @property
    def radius(self) -> int: ...
    @property
    def font(self) -> str: ...


_INKS: Final = (
    ' fill="none" stroke="{on}" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"',
    ' fill="{on}" font-family="system-ui, sans-serif" font-weight="700" font-size="16" text-anchor="middle"',
)


def inputs(looks: Looks) -> str:
    """The four values that the style sheet derives everything from, as declarations."""
    color, accent = parse_hex(looks.color).hex, parse_hex(looks.accent or looks.color).hex
    return (
        f"--brand: {color}; --brand-accent: {accent}; "
        f"--brand-radius: {looks.radius}px; --brand-font: {FONTS[looks.font]};"
    )


def brand_css(looks: Looks) -> str:
    """The style sheet of a brand. Unlayered, so that it wins over every token's default."""
    fixed = {theme: _fixed(looks, theme) for theme in THEMES}
    return (
        f":root {{ {inputs(looks)} }}\n"
        + "@supports not (color: oklch(from red l c h)) {\n"
        + f'  :root, [data-theme="light"] {{ {fixed["light"]} --shadow-1: none; }}\n'
        + "  @media (prefers-color-scheme: dark) {\n"
        + f'    :root:not([data-theme="light"]) {{ {fixed["dark"]} }}\n'
        + "  }\n"
        + f'  [data-theme="dark"] {{ {fixed["dark"]} }}\n'
        + "}\n"
    )


def draft_css(looks: Looks) -> str:
    """The same for the parts of a page that show a draft, each of which has a theme of its own."""
    return (
        f"[data-draft] {{ {inputs(looks)} }}\n"
        + "@supports not (color: oklch(from red l c h)) {\n"
        + "".join(f'  [data-draft][data-theme="{t}"] {{ {_fixed(looks, t)} }}\n' for t in THEMES)
        + "}\n"
    )


def _fixed(looks: Looks, theme: Theme) -> str:
    """Every colour token, computed, for browsers without relative colours."""
    colors = derive(looks.color, looks.accent or looks.color, theme)
    return " ".join(f"--{name}: {rgb.hex};" for name, rgb in colors.items())


def standalone(svg: str, color: str, accent: str) -> str:
    """A drawing with its colours written in, for use outside a page (icon, mail)."""
    light = derive(color, accent, "light")
    solid, on = light["brand-solid"].hex, light["on-brand"].hex
    paint = {
        ' class="l-bg"': f' fill="{solid}"',
        ' class="l-fg"': _INKS[0].format(on=on),
        ' class="l-dot"': f' fill="{on}"',
        ' class="l-text"': _INKS[1].format(on=on),
        '<svg class="logo" aria-hidden="true" focusable="false"': '<svg xmlns="http://www.w3.org/2000/svg"',
    }
    for old, new in paint.items():
        svg = svg.replace(old, new)
    return svg
