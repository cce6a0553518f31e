"""What the values of a brand must be. Each check returns what is wrong, in words for whoever typed it, or None.

No text of a partner ever enters a style sheet: colours are parsed, the radius is a number, the font is chosen from a
list.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import phonenumbers
from translationstring import TranslationString

from ringstead.tenancy import fields
from ringstead.theming.color import HEX
from ringstead.theming.words import english
from ringstead.theming.words import messages as _

FONTS: Final = {
    "inter": '"Inter Variable"',
    "nunito": '"Nunito Variable"',
    "system": "system-ui",
}
MAX_RADIUS: Final = 16
MAX_LANGUAGES: Final = 40
_SENDER: Final = re.compile(r"(?:(?P<name>[^<>\"\\\x00-\x1f]{1,80}) )?<(?P<address>[^<>]+)>\Z")
_URL: Final = re.compile(r"https://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:[/?#][!-~]*)?\Z")
_MAX_URL: Final = 500
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
Problem: TypeAlias = "TranslationString | None"


class InvalidBrand(ValueError):
    """A brand that cannot be taken.

    `messages` maps each wrong field to what is wrong with it and what would do, to be shown in the reader's language;
    `errors` holds the same in English. `offers`, when the colours are the trouble, are the nearest that would do.
    """

    def __init__(
        self, messages: Mapping[str, TranslationString], offers: Mapping[str, str] | None = None
    ) -> None:
        self.messages = dict(messages)
        self.errors = {name: english(why) for name, why in messages.items()}
        self.offers = dict(offers or {})
        super().__init__("; ".join(f"{name}: {why}" for name, why in self.errors.items()))


def wrong_values(values: Mapping[str, Any]) -> dict[str, TranslationString]:
    """What is wrong with a brand's values of the right types, by field."""
    return {name: why for name, check in CHECKS.items() if (why := check(values[name])) is not None}


def wrong_type(name: str, value: object) -> Problem:
    """What is wrong with the type of a field as it came from a file or the database."""
    if name == "radius":
        is_right = isinstance(value, int) and not isinstance(value, bool)
        return None if is_right else _("must be a whole number")
    if name == "languages":
        is_right = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
        return None if is_right else _("must be a list of languages, such as en and de")
    return None if isinstance(value, str) else _("must be text")


def _text(limit: int, *, needed: bool = False) -> Callable[[str], Problem]:
    def check(value: str) -> Problem:
        if needed and not value.strip():
            return _("is missing")
        if len(value) > limit:
            return _("has ${n} characters; at most ${most} fit", mapping={"n": len(value), "most": limit})
        return _("contains control characters") if _CONTROL.search(value) else None

    return check


def _color(value: str) -> Problem:
    return None if HEX.match(value) else _("must be a colour of the form #rrggbb")


def _radius(value: int) -> Problem:
    fits = 0 <= value <= MAX_RADIUS
    return None if fits else _("must be 0 to ${most} (pixels)", mapping={"most": MAX_RADIUS})


def _font(value: str) -> Problem:
    known = ", ".join(sorted(FONTS))
    return None if value in FONTS else _("must be one of ${known}", mapping={"known": known})


def _phone(value: str) -> Problem:
    if not value:
        return None
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(value))
    except phonenumbers.NumberParseException:
        possible = False
    fits = possible and value.startswith("+")
    return None if fits else _("must be an international number such as +12125550199")


def _email(value: str) -> Problem:
    try:
        fields.email(value or "nobody@example.com")
    except ValueError:
        return _("must be an e-mail address")
    return None


def split_sender(value: str) -> tuple[str, str]:
    """Name and address of a mail sender, either of which may be empty.

    Not as RFC 5322 reads it: in a name, a comma or a colon is a character like any other.
    """
    named = _SENDER.match(value)
    return ((named["name"] or "").strip(), named["address"]) if named else ("", value)


def _sender(value: str) -> Problem:
    name, address = split_sender(value)
    is_wrong = _email(address) is not None or _CONTROL.search(name) is not None
    return _("must be address@host or Name <address@host>") if is_wrong else None


def _url(value: str) -> Problem:
    fits = not value or (len(value) <= _MAX_URL and _URL.match(value))
    return None if fits else _("must be an address starting https://")


def _languages(value: tuple[str, ...]) -> Problem:
    if len(value) > MAX_LANGUAGES or len(set(value)) != len(value):
        return _("must name each language once")
    for one in value:
        try:
            fields.locale(one[:20])
        except ValueError:
            return _("must be a list of languages, such as en and de")
    return None


CHECKS: Final[dict[str, Callable[[Any], Problem]]] = {
    "name": _text(60, needed=True),
    "color": _color,
    "accent": lambda value: _color(value) if value else None,
    "radius": _radius,
    "font": _font,
    "support_phone": _phone,
    "support_email": _email,
    "support_url": _url,
    "sign_in_text": _text(160),
    "imprint_url": _url,
    "privacy_url": _url,
    "terms_url": _url,
    "mail_sender": _sender,
    "languages": _languages,
}
