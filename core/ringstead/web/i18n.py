"""Languages: message catalogues of every distribution, the choice of a locale, and dates, times and numbers.

A catalogue's domain is the import package of its distribution (`ringstead`, `ringstead_calllogs`) and lies in
that package's `locale/LANGUAGE/LC_MESSAGES/DOMAIN.mo`. Message ids are the English texts.
"""

import gettext
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import structlog
from babel import Locale, UnknownLocaleError
from pyramid.config import Configurator
from pyramid.request import Request
from translationstring import TranslationString

from ringstead.plugins.registry import Registry
from ringstead.preferences.cascade import Preferences
from ringstead.web.folders import plugin_folders
from ringstead.web.pseudo import pseudo

log = structlog.get_logger(__name__)
CORE_LOCALE: Final = Path(__file__).parent.parent / "locale"
SOURCE_LANGUAGE: Final = "en"
# What a visitor chose on the sign-in page.
LANGUAGE_COOKIE: Final = "lang"
_PLACEHOLDER: Final = re.compile(r"\$(?:\{([A-Za-z_][\w-]*)\}|([A-Za-z_]\w*))")
_TAG: Final = re.compile(r"([A-Za-z]{2,3})(?:-([A-Za-z]{4}))?(?:-([A-Za-z]{2}|[0-9]{3}))?")
_QUALITY: Final = re.compile(r"\s*;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*\Z")


class Translator(Protocol):
    """Turns a message into a locale's text; the shape Chameleon calls."""

    def __call__(
        self,
        msgid: Any,
        domain: str | None = None,
        mapping: Mapping[str, Any] | None = None,
        context: str | None = None,
        target_language: str | None = None,
        default: str | None = None,
    ) -> Any: ...


class PluralString(str):
    """A message whose form depends on `n`, translated when it is shown. Made by `plurals(domain)`."""

    __slots__ = ("domain", "mapping", "n", "plural")

    plural: str
    n: int
    domain: str
    mapping: Mapping[str, Any]

    def __new__(
        cls, singular: str, plural: str, n: int, domain: str, mapping: Mapping[str, Any]
    ) -> "PluralString":
        self = super().__new__(cls, singular)
        self.plural, self.n, self.domain, self.mapping = plural, n, domain, mapping
        return self


class Ngettext(Protocol):
    """Makes plural messages of one domain."""

    def __call__(self, singular: str, plural: str, n: int, **mapping: Any) -> PluralString: ...


def plurals(domain: str) -> Ngettext:
    """A function for plural messages.

    `ngettext("${n} call", "${n} calls", count)`; `n` is always in the mapping.
    """

    def ngettext(singular: str, plural: str, n: int, **mapping: Any) -> PluralString:
        return PluralString(singular, plural, n, domain, {"n": n, **mapping})

    return ngettext


def messages(domain: str) -> Callable[..., TranslationString]:
    """A function for messages of one domain: `_("Call ${name}", name=caller)`."""

    def message(msgid: str, context: str | None = None, **mapping: Any) -> TranslationString:
        return TranslationString(msgid, domain=domain, mapping=mapping or None, context=context)

    return message


class Translations:
    """The catalogues of all distributions, read once at start. `folders` maps a domain to its `locale/`
    folder.

    With `pseudo_locale`, every translated text comes out accented, bracketed and 40 % longer, so that a test
    finds the ones that were not translated.
    """

    def __init__(self, folders: Mapping[str, Path], *, pseudo_locale: bool = False) -> None:
        self.pseudo_locale = pseudo_locale
        self._catalogues: dict[tuple[str, str], gettext.GNUTranslations] = {}
        for domain, folder in folders.items():
            for path in sorted(folder.glob(f"*/LC_MESSAGES/{domain}.mo")):
                language = path.parent.parent.name.replace("_", "-")
                try:
                    with path.open("rb") as stream:
                        self._catalogues[language, domain] = gettext.GNUTranslations(stream)
                except (OSError, ValueError, struct.error) as error:
                    # Without it the texts are English; that is no reason not to start.
                    log.error("catalogue.unreadable", path=str(path), why=str(error))
        languages = {language for language, _ in self._catalogues} | {SOURCE_LANGUAGE}
        self.languages: tuple[str, ...] = tuple(sorted(languages))
        self._find = lru_cache(maxsize=1024)(self._catalogue)

    def _catalogue(self, locale: str, domain: str) -> gettext.GNUTranslations | None:
        for name in (locale, locale.partition("-")[0]):
            found = self._catalogues.get((name, domain))
            if found is not None:
                return found
        return None

    def translate(
        self,
        msgid: Any,
        domain: str | None = None,
        mapping: Mapping[str, Any] | None = None,
        context: str | None = None,
        target_language: str | None = None,
        default: str | None = None,
    ) -> Any:
        """The text of `msgid` in `target_language`.

        What is not text comes back as it is (Chameleon relies on it).
        """
        if not isinstance(msgid, str):
            return msgid
        locale = target_language or SOURCE_LANGUAGE
        if isinstance(msgid, PluralString):
            return self._fill(self._plural(msgid, locale), msgid.mapping, locale)
        if isinstance(msgid, TranslationString):
            domain, context, default = (
                msgid.domain or domain,
                msgid.context or context,
                msgid.default or default,
            )
            mapping = {**(msgid.mapping or {}), **(mapping or {})}
        elif domain is None:
            # Plain text in a page is data, not a message: only marked texts are translated.
            return msgid if default is None else default
        catalogue = self._find(locale, domain or "")
        text = _lookup(catalogue, msgid, context) or default or str(msgid)
        return self._fill(text, mapping, locale)

    def _plural(self, message: PluralString, locale: str) -> str:
        catalogue = self._find(locale, message.domain)
        if catalogue is None:
            return str(message) if message.n == 1 else message.plural
        return catalogue.ngettext(str(message), message.plural, message.n)

    def _fill(self, text: str, mapping: Mapping[str, Any] | None, locale: str) -> str:
        if self.pseudo_locale:
            text = pseudo(text)
        if not mapping or "$" not in text:
            return text

        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name not in mapping:
                return match[0]
            return str(self.translate(mapping[name], target_language=locale))

        return _PLACEHOLDER.sub(value, text)


def _lookup(catalogue: gettext.GNUTranslations | None, msgid: str, context: str | None) -> str | None:
    if catalogue is None:
        return None
    text = catalogue.pgettext(context, msgid) if context else catalogue.gettext(msgid)
    return None if text == msgid else text


@lru_cache(maxsize=256)
def parse_locale(name: str) -> Locale | None:
    """The Babel locale of a name such as `en`, `de-AT` or `zh-Hant`, or None if there is none."""
    try:
        return Locale.parse(name.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError, TypeError):
        return None


@lru_cache(maxsize=256)
def text_direction(locale: str) -> Literal["ltr", "rtl"]:
    """The direction in which `locale` is written, for the `dir` of a page."""
    known = parse_locale(locale)
    return "rtl" if known is not None and known.text_direction == "rtl" else "ltr"


@lru_cache(maxsize=256)
def language_name(locale: str) -> str:
    """A language's name in itself: `Deutsch`."""
    known = parse_locale(locale)
    name = known.get_display_name(known) if known is not None else None
    return name[:1].upper() + name[1:] if name else locale


@lru_cache(maxsize=2048)
def _accepted(header: str) -> tuple[str, ...]:
    """Locales of an Accept-Language header, best first (RFC 9110, section 12.5.4). Nonsense is left out."""
    wanted: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        name, found = part, 1.0
        if ";" in part:
            name = part[: part.index(";")]
            quality = _QUALITY.match(part[part.index(";") :])
            found = float(quality[1]) if quality else 0.0
        name = name.strip()
        if found > 0 and parse_locale(name) is not None:
            wanted.append((-found, name))
    return tuple(name for _, name in sorted(wanted, key=lambda pair: pair[0]))


def _canonical(name: str) -> str | None:
    """Language, script and region in their usual case; None for anything else.

    What visitors may spell in countless ways must not be countless names: caches and pages go by locale.
    """
    found = _TAG.fullmatch(name.replace("_", "-"))
    if found is None:
        return None
    language, script, region = found.groups(default="")
    return "-".join(filter(None, (language.lower(), script.title(), region.upper())))


def choose_locale(
    languages: Sequence[str],
    *,
    subscriber: str | None = None,
    cookie: str | None = None,
    accept_language: str | None = None,
    organization: str | None = None,
    partner: str | None = None,
) -> str:
    """The locale of a page: the subscriber's, else the browser's, else organization's, else partner's, else
    English, or the first of the languages when English is none of them.

    A locale counts if there is a catalogue for it or its language. The region is kept (`en-GB`), because
    dates and times depend on it.
    """
    known = set(languages)
    candidates = [subscriber, cookie, *_accepted(accept_language or ""), organization, partner]
    for name in candidates:
        if name in known:
            return str(name)
        tag = _canonical(name) if name else None
        locale = parse_locale(tag) if tag else None
        if tag and locale is not None and (tag in known or locale.language in known):
            return tag
    return SOURCE_LANGUAGE if SOURCE_LANGUAGE in known or not known else next(iter(languages))


def offered_languages(known: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the languages that there are catalogues for which a brand offers, in the brand's order: all, when it
    names none that is known."""
    return tuple(tag for tag in wanted if tag in known) or tuple(known)


def languages_of(request: Request) -> tuple[str, ...]:
    """The languages that people may choose on the request's host."""
    translations: Translations = request.registry["ringstead.translations"]
    return offered_languages(translations.languages, request.brand.languages)


def plain_locale(request: Request) -> str:
    """The locale of a request without asking the database: what the browser wishes."""
    return choose_locale(
        languages_of(request),
        cookie=request.cookies.get(LANGUAGE_COOKIE),
        accept_language=request.headers.get("Accept-Language"),
    )


def negotiate_locale(request: Request, preferences: Preferences) -> str:
    """The locale of a request.

    Its preference `core.locale` at every level, and the browser's wish between.
    """
    chosen = preferences.resolve("core.locale")
    wish = str(chosen.value or "")
    return choose_locale(
        languages_of(request),
        subscriber=wish if chosen.source == "subscriber" else None,
        cookie=request.cookies.get(LANGUAGE_COOKIE),
        accept_language=request.headers.get("Accept-Language"),
        organization=wish if chosen.source != "subscriber" else None,
    )


def catalogue_folders(registry: Registry) -> dict[str, Path]:
    """The catalogues of core and of every active plugin that has some, by message domain."""
    plugins = plugin_folders(registry, "locale").items()
    return {"ringstead": CORE_LOCALE, **{registry.info(name).package: folder for name, folder in plugins}}


def includeme(config: Configurator) -> None:
    """Read the catalogues of core and plugins."""
    folders = catalogue_folders(config.registry["ringstead.plugins"])
    pseudo_locale = config.registry["ringstead.settings"].pseudo_locale
    config.registry["ringstead.translations"] = Translations(folders, pseudo_locale=pseudo_locale)
