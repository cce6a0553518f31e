"""Lists that people choose from: languages by their own names, countries by those of the reader's language."""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import phonenumbers
from pyramid.request import Request

from ringstead.web.i18n import SOURCE_LANGUAGE, Translations, language_name, parse_locale

Titled = Sequence[tuple[str, str]]
"""Values with the titles that people read, in the order in which they are shown."""
COUNTRIES: Final[frozenset[str]] = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""Codes of the countries whose numbers are understood (ISO 3166-1, alpha-2)."""


@lru_cache(maxsize=64)
def countries(locale: str) -> Titled:
    """The countries by their names in a language, sorted as words are."""
    known = parse_locale(locale) or parse_locale(SOURCE_LANGUAGE)
    names: Mapping[str, str] = known.territories if known is not None else {}
    return tuple(
        sorted(((code, names.get(code, code)) for code in COUNTRIES), key=lambda one: _sorted(one[1]))
    )


def country_name(code: str, locale: str) -> str:
    """A country's name in a language; the code where there is none."""
    return dict(countries(locale)).get(code, code)


def of_preferences(request: Request) -> dict[str, Titled]:
    """What may be chosen for the preferences whose values only a request knows, by the preference's name."""
    translations: Translations = request.registry["ringstead.translations"]
    return {
        "core.locale": [(tag, language_name(tag)) for tag in translations.languages],
        "core.region": countries(request.tenant.locale),
    }


def _sorted(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).casefold()
