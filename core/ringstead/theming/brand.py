"""A brand: the few typed values a partner may set. Style sheets, logo and addresses are derived from them.

No text of a partner ever enters a style sheet: colours are parsed, the radius is a number, the font is chosen
from a list.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import phonenumbers
from markupsafe import Markup

from ringstead.tenancy import fields
from ringstead.theming.color import HEX, parse_hex
from ringstead.theming.derive import THEMES, derive, weak_pairs
from ringstead.theming.logo import Logo, LogoRefused, clean_svg, monogram, read_logo

FONTS: Final = {
    "inter": '"Inter Variable"',
    "nunito": '"Nunito Variable"',
    "system": "system-ui",
}
MAX_RADIUS: Final = 16
_SENDER: Final = re.compile(r"(?:[^<>\"\\\x00-\x1f]{1,80} )?<(?P<address>[^<>]+)>\Z")
_URL: Final = re.compile(r"https://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:/[!-~]*)?\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class InvalidBrand(ValueError):
    """A brand that cannot be taken.

    `errors` maps each wrong field to what is wrong with it and what would do.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{name}: {why}" for name, why in self.errors.items()))


@dataclass(frozen=True, kw_only=True)
class Brand:
    """How a partner's portal looks and speaks. Raises InvalidBrand naming every wrong field.

    `color` and `accent` are `#rrggbb`, `radius` is 0 to 16 px, `font` a key of FONTS. `support_phone` is
    E.164. `mail_sender` is `address@host` or `Name <address@host>`.
    """

    name: str
    color: str = "#3f5573"
    accent: str = ""
    radius: int = 9
    font: str = "inter"
    logo: Logo | None = None
    support_phone: str = ""
    support_email: str = ""
    support_url: str = ""
    sign_in_text: str = ""
    mail_sender: str = ""

    def __post_init__(self) -> None:
        errors = {
            name: why for name, check in _CHECKS.items() if (why := check(getattr(self, name))) is not None
        }
        if errors:
            raise InvalidBrand(errors)
        if not self.accent:
            object.__setattr__(self, "accent", self.color)
        if weak := weak_pairs(self.color, self.accent):
            theme, pair, ratio = weak[0]
            why = f"{pair.front} on {pair.back} reaches only {ratio:.1f} : 1 ({theme}); choose another"
            raise InvalidBrand({"color": why})

    @cached_property
    def css(self) -> str:
        """The brand's style sheet: its inputs, and fixed colours for browsers without relative colours."""
        return brand_css(self)

    @cached_property
    def digest(self) -> str:
        """Changes whenever style sheet or logo do; part of their addresses."""
        total = hashlib.sha256(self.css.encode())
        total.update(self.icon[0])
        return total.hexdigest()[:16]

    @property
    def css_url(self) -> str:
        """Where the brand's host serves its style sheet."""
        return f"/brand/{self.digest}.css"

    @property
    def icon_url(self) -> str:
        """Where the brand's host serves its icon (and its logo, if that is a picture)."""
        return f"/brand/{self.digest}.{'svg' if self._logo.kind == 'svg' else 'png'}"

    @property
    def _logo(self) -> Logo:
        return self.logo or monogram(self.name)

    @cached_property
    def mark(self) -> Markup:
        """The logo as it stands in a page."""
        return self._logo.mark(self.icon_url if self._logo.kind == "png" else "")

    @cached_property
    def icon(self) -> tuple[bytes, str]:
        """The icon's bytes and media type."""
        if self._logo.kind == "png":
            return self._logo.png, "image/png"
        return _standalone(self._logo.svg, self.color, self.accent).encode(), "image/svg+xml"

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any], logo: bytes | None = None) -> "Brand":
        """A brand from `partner.toml` or from the database. `logo` is an uploaded file's contents.

        Unknown names and wrong types are errors, each under its field's name.
        """
        known = {name for name in cls.__dataclass_fields__ if name != "logo"}
        errors = {name: "unknown" for name in data if name not in known and name != "logo"}
        values: dict[str, Any] = {name: data[name] for name in known & data.keys()}
        for name, value in values.items():
            wanted = int if name == "radius" else str
            if not isinstance(value, wanted) or isinstance(value, bool):
                errors[name] = f"must be {'a whole number' if wanted is int else 'text'}"
        if "name" not in data:
            errors["name"] = "is missing"
        try:
            values["logo"] = read_logo(logo) if logo is not None else _stored_logo(data.get("logo"))
        except LogoRefused as refused:
            errors["logo"] = str(refused)
        if errors:
            raise InvalidBrand(errors)
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """The brand as JSON values, for the database; `from_mapping` reads it back."""
        data: dict[str, Any] = {
            name: getattr(self, name) for name in self.__dataclass_fields__ if name != "logo"
        }
        if self.logo is not None and self.logo.kind == "svg":
            data["logo"] = {"svg": self.logo.svg}
        elif self.logo is not None:
            data["logo"] = {"png": base64.b64encode(self.logo.png).decode()}
        return data


def _stored_logo(stored: object) -> Logo | None:
    if stored is None:
        return None
    match stored:
        case {"svg": str(text)}:
            return Logo("svg", svg=clean_svg(text.encode()))
        case {"png": str(text)}:
            try:
                return Logo("png", png=base64.b64decode(text, validate=True))
            except binascii.Error as error:
                raise LogoRefused("the stored picture is damaged") from error
    raise LogoRefused("must be a file")


def _check_text(limit: int, *, needed: bool = False) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        if needed and not value.strip():
            return "is missing"
        if len(value) > limit:
            return f"has {len(value)} characters; at most {limit} fit"
        return "contains control characters" if _CONTROL.search(value) else None

    return check


def _check_color(value: str) -> str | None:
    return None if HEX.match(value) else "must be a colour of the form #rrggbb"


def _check_radius(value: int) -> str | None:
    return None if 0 <= value <= MAX_RADIUS else f"must be 0 to {MAX_RADIUS} (pixels)"


def _check_phone(value: str) -> str | None:
    if not value:
        return None
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(value))
    except phonenumbers.NumberParseException:
        possible = False
    fits = possible and value.startswith("+")
    return None if fits else "must be an international number such as +12125550199"


def _check_email(value: str) -> str | None:
    try:
        fields.email(value or "nobody@example.com")
    except ValueError:
        return "must be an e-mail address"
    return None


def _check_sender(value: str) -> str | None:
    named = _SENDER.match(value)
    wrong = _check_email(named["address"] if named else value)
    return wrong and "must be address@host or Name <address@host>"


_CHECKS: Final[dict[str, Callable[[Any], str | None]]] = {
    "name": _check_text(60, needed=True),
    "color": _check_color,
    "accent": lambda value: _check_color(value) if value else None,
    "radius": _check_radius,
    "font": lambda value: None if value in FONTS else f"must be one of {', '.join(sorted(FONTS))}",
    "support_phone": _check_phone,
    "support_email": _check_email,
    "support_url": lambda value: (
        None if not value or _URL.match(value) else "must be an address starting https://"
    ),
    "sign_in_text": _check_text(160),
    "mail_sender": _check_sender,
}


def brand_css(brand: Brand) -> str:
    """The style sheet of a brand. Unlayered, so that it wins over every token's default."""
    color, accent = parse_hex(brand.color).hex, parse_hex(brand.accent).hex
    inputs = (
        f":root {{ --brand: {color}; --brand-accent: {accent}; "
        f"--brand-radius: {brand.radius}px; --brand-font: {FONTS[brand.font]}; }}\n"
    )
    fixed = {
        theme: " ".join(f"--{name}: {rgb.hex};" for name, rgb in derive(color, accent, theme).items())
        for theme in THEMES
    }
    return (
        inputs
        + "@supports not (color: oklch(from red l c h)) {\n"
        + f'  :root, [data-theme="light"] {{ {fixed["light"]} --shadow-1: none; }}\n'
        + "  @media (prefers-color-scheme: dark) {\n"
        + f'    :root:not([data-theme="light"]) {{ {fixed["dark"]} }}\n'
        + "  }\n"
        + f'  [data-theme="dark"] {{ {fixed["dark"]} }}\n'
        + "}\n"
    )


def _standalone(svg: str, color: str, accent: str) -> str:
    """A drawing with its colours written in, for use outside a page (icon, mail)."""
    light = derive(color, accent, "light")
    solid, on = light["brand-solid"].hex, light["on-brand"].hex
    paint = {
        ' class="l-bg"': f' fill="{solid}"',
        ' class="l-fg"': f' fill="none" stroke="{on}" stroke-width="2.4" stroke-linecap="round" '
        'stroke-linejoin="round"',
        ' class="l-dot"': f' fill="{on}"',
        ' class="l-text"': f' fill="{on}" font-family="system-ui, sans-serif" font-weight="700" '
        'font-size="16" text-anchor="middle"',
        '<svg class="logo" aria-hidden="true" focusable="false"': '<svg xmlns="http://www.w3.org/2000/svg"',
    }
    for old, new in paint.items():
        svg = svg.replace(old, new)
    return svg


class BrandCache:
    """Brands by partner, kept while the database says the same, so that a page costs no parsing. Bounded."""

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._known: dict[str, tuple[Mapping[str, Any], Brand]] = {}

    def get(self, partner: str, stored: Mapping[str, Any]) -> Brand:
        """The brand of `partner` as stored. A damaged one gets the neutral looks under its own name."""
        found = self._known.get(partner)
        if found is not None and (found[0] is stored or found[0] == stored):
            return found[1]
        try:
            brand = Brand.from_mapping(stored)
        except InvalidBrand:
            brand = _nameplate(stored.get("name"))
        if len(self._known) >= self._limit:
            self._known.pop(next(iter(self._known)), None)
        self._known[partner] = (stored, brand)
        return brand


def _nameplate(name: object) -> Brand:
    try:
        return Brand(name=str(name)[:60]) if name else NEUTRAL
    except InvalidBrand:
        return NEUTRAL


NEUTRAL: Final = Brand(name="Portal")
