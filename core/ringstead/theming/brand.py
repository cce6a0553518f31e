"""A brand: the few typed values a partner may set. Style sheets, logos, icons and addresses are derived from them."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from markupsafe import Markup
from translationstring import TranslationString

from ringstead.theming.derive import Pair, Theme, weak_pairs
from ringstead.theming.icons import APPLE_SIZE, SIZES, app_icon
from ringstead.theming.logo import Logo, LogoRefused, clean_svg, monogram, read_logo
from ringstead.theming.repair import nearest_without_weak_pairs, to_blame
from ringstead.theming.sheet import brand_css, standalone
from ringstead.theming.values import FONTS as FONTS
from ringstead.theming.values import InvalidBrand as InvalidBrand
from ringstead.theming.values import wrong_type, wrong_values
from ringstead.theming.words import messages as _

LOGOS: Final = ("logo", "logo_dark", "favicon")
"""The fields that are pictures: the logo, the one for dark pages, and the one for browser tabs and home screens."""
Files = Mapping[str, bytes]
# Browsers keep icons for a year. Count up when the same brand is drawn in another way.
_DRAWING: Final = 1


@dataclass(frozen=True, kw_only=True)
class Brand:
    """How a partner's portal looks and speaks. Raises InvalidBrand naming every wrong field.

    `color` and `accent` are `#rrggbb`, `radius` is 0 to 16 px, `font` a key of FONTS. `support_phone` is
    E.164. `mail_sender` is `address@host` or `Name <address@host>`. `languages` are those that people may
    choose, all when there are none; addresses are `https://`.
    """

    name: str
    color: str = "#3f5573"
    accent: str = ""
    radius: int = 9
    font: str = "inter"
    logo: Logo | None = None
    logo_dark: Logo | None = None
    favicon: Logo | None = None
    support_phone: str = ""
    support_email: str = ""
    support_url: str = ""
    sign_in_text: str = ""
    imprint_url: str = ""
    privacy_url: str = ""
    terms_url: str = ""
    mail_sender: str = ""
    languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        errors = wrong_values(vars(self))
        if errors:
            raise InvalidBrand(errors)
        if not self.accent:
            object.__setattr__(self, "accent", self.color)
        if weak := weak_pairs(self.color, self.accent):
            raise _faint(self.color, self.accent, weak)

    @cached_property
    def css(self) -> str:
        """The brand's style sheet: its inputs, and fixed colours for browsers without relative colours."""
        return brand_css(self)

    @cached_property
    def digest(self) -> str:
        """Changes whenever any value does; part of the addresses of what is derived from them."""
        stored = json.dumps(self.to_mapping(), sort_keys=True)
        return hashlib.sha256(f"{_DRAWING}{self.css}{stored}".encode()).hexdigest()[:16]

    @property
    def css_url(self) -> str:
        """Where the brand's host serves its style sheet."""
        return f"/brand/{self.digest}.css"

    @property
    def icon_url(self) -> str:
        """Where the brand's host serves the icon of browser tabs."""
        return f"/brand/{self.digest}.{'svg' if self._icon.kind == 'svg' else 'png'}"

    @property
    def apple_icon_url(self) -> str:
        """Where the brand's host serves the icon for home screens that read no manifest."""
        return self.app_icon_url(APPLE_SIZE, maskable=True)

    def app_icon_url(self, size: int, *, maskable: bool) -> str:
        """Where the brand's host serves an icon of the manifest."""
        return f"/brand/{self.digest}-{'maskable-' if maskable else ''}{size}.png"

    def logo_url(self, name: str) -> str:
        """Where the brand's host serves the pixels of its `logo` or `logo_dark`."""
        return f"/brand/{self.digest}-{name.replace('_', '-')}.png"

    @property
    def _logo(self) -> Logo:
        return self.logo or monogram(self.name)

    @property
    def _icon(self) -> Logo:
        return self.favicon or self._logo

    @cached_property
    def mark(self) -> Markup:
        """The logo as it stands in a page; with one for dark pages, both, of which the page shows one."""
        if self.logo_dark is None:
            return self._logo.mark(self.logo_url("logo"))
        return self._logo.mark(self.logo_url("logo"), "for-light") + self.logo_dark.mark(
            self.logo_url("logo_dark"), "for-dark"
        )

    def draft_mark(self, theme: Theme) -> Markup:
        """The logo of one theme, for a page of another brand: pixels come with it, since no host serves them."""
        logo = self.logo_dark if theme == "dark" and self.logo_dark is not None else self._logo
        return logo.mark(logo.draft_url)

    @cached_property
    def icon(self) -> tuple[bytes, str]:
        """The bytes and media type of the icon of browser tabs."""
        if self._icon.kind == "png":
            return self._icon.png, "image/png"
        return standalone(self._icon.svg, self.color, self.accent).encode(), "image/svg+xml"

    @cached_property
    def files(self) -> dict[str, Callable[[], bytes]]:
        """What makes the PNG that is served under the brand's digest and a name, such as `maskable-512`."""
        made: dict[str, Callable[[], bytes]] = {}
        for name, logo in (("logo", self.logo), ("logo-dark", self.logo_dark)):
            if logo is not None and logo.kind == "png":
                made[name] = partial(bytes, logo.png)
        for size in (*SIZES, APPLE_SIZE):
            made[f"{size}"] = self._made(size, False)
            made[f"maskable-{size}"] = self._made(size, True)
        return made

    def _made(self, size: int, maskable: bool) -> Callable[[], bytes]:
        """An icon that is drawn when it is asked for the first time, and kept as long as the brand is."""

        def make() -> bytes:
            key = (size, maskable)
            if key not in self._drawn:
                self._drawn[key] = app_icon(self._icon, self.color, self.accent, size, maskable=maskable)
            return self._drawn[key]

        return make

    @cached_property
    def _drawn(self) -> dict[tuple[int, bool], bytes]:
        return {}

    @classmethod
    def from_mapping(
        cls, data: Mapping[str, Any], logo: bytes | None = None, files: Files | None = None
    ) -> "Brand":
        """A brand from `partner.toml` or from the database.

        `files` are contents of uploaded files by field (`logo` is the one of that name). Unknown names and wrong
        types are errors, each under its field's name.
        """
        uploaded = {**(files or {}), **({} if logo is None else {"logo": logo})}
        known = set(cls.__dataclass_fields__) - set(LOGOS)
        errors: dict[str, TranslationString] = {
            name: _("unknown") for name in data if name not in known and name not in LOGOS
        }
        values: dict[str, Any] = {name: data[name] for name in known & data.keys()}
        for name, value in values.items():
            wrong = wrong_type(name, value)
            if wrong is not None:
                errors[name] = wrong
        if "name" not in data:
            errors["name"] = _("is missing")
        for name in LOGOS:
            try:
                values[name] = read_logo(uploaded[name]) if name in uploaded else _stored_logo(data.get(name))
            except LogoRefused as refused:
                errors[name] = refused.message
        if errors:
            raise InvalidBrand(errors)
        values["languages"] = tuple(values.get("languages", ()))
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """The brand as JSON values, for the database; `from_mapping` reads it back."""
        plain = (name for name in self.__dataclass_fields__ if name not in LOGOS)
        data: dict[str, Any] = {name: getattr(self, name) for name in plain}
        data["languages"] = list(self.languages)
        for name in LOGOS:
            logo: Logo | None = getattr(self, name)
            if logo is not None and logo.kind == "svg":
                data[name] = {"svg": logo.svg}
            elif logo is not None:
                data[name] = {"png": base64.b64encode(logo.png).decode()}
        return data


_FAINT: Final[dict[Theme, TranslationString]] = {
    "light": _(
        "words would reach only ${ratio} : 1 on light pages, and need ${least} : 1; choose another colour"
    ),
    "dark": _(
        "words would reach only ${ratio} : 1 on dark pages, and need ${least} : 1; choose another colour"
    ),
}


def _faint(color: str, accent: str, weak: Sequence[tuple[Theme, Pair, float]]) -> InvalidBrand:
    """Why a brand cannot be read: the first pair of each colour that is to blame, and what would do instead."""
    messages: dict[str, TranslationString] = {}
    for theme, pair, ratio in weak:
        words = {"ratio": f"{ratio:.1f}", "least": f"{pair.least:g}"}
        why = _FAINT[theme] % words
        messages.setdefault(to_blame(pair, color, accent), why)
    offers = {field: nearest_without_weak_pairs(color, accent, field) for field in messages}
    return InvalidBrand(messages, {field: found for field, found in offers.items() if found})


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
                raise LogoRefused(_("the stored picture is damaged")) from error
    raise LogoRefused(_("must be a file"))


NEUTRAL: Final = Brand(name="Portal")
