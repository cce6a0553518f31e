"""Telephone numbers as they are stored: E.164 where the world knows them, as dialled where only the switch does."""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

import phonenumbers

# What switches write when a caller withholds the number (RFC 3323 and habits of gateways).
WITHHELD: Final = frozenset({"", "anonymous", "private", "restricted", "unavailable", "unknown", "withheld"})
_SEPARATORS: Final = re.compile(r"[\s().\-/]+")
_DIALLABLE: Final = re.compile(r"\+?[0-9*#]+")


def stored_number(text: str | None, region: str, extensions: Collection[str] = ()) -> str | None:
    """A number for the database: E.164, or as it was dialled; None when it is withheld.

    `region` (ISO 3166, such as US) reads national numbers; `extensions` are the organization's own and stay.
    """
    if text is None:
        return None
    bare, stored = _understood(text, region)
    return bare if bare is not None and bare in extensions else stored


@lru_cache(maxsize=50_000)
def _understood(text: str, region: str) -> tuple[str | None, str | None]:
    """The bare number, if it is one, and what is stored of it where no extension is like it."""
    if text.strip().lower() in WITHHELD:
        return None, None
    bare = bare_number(text)
    return (None, text.strip()) if bare is None else (bare, e164(bare, region) or bare)


@lru_cache(maxsize=50_000)
def bare_number(text: str) -> str | None:
    """A dialled string without separators; None for what nobody can dial (a SIP user such as `alice`)."""
    bare = _SEPARATORS.sub("", text.strip())
    return bare if _DIALLABLE.fullmatch(bare) else None


@lru_cache(maxsize=50_000)
def e164(bare: str, region: str) -> str | None:
    """E.164 of a bare number that is long enough for one; None for extensions, feature codes, emergency numbers."""
    try:
        parsed = phonenumbers.parse(bare, region)
    except phonenumbers.NumberParseException:
        return None
    reason = phonenumbers.is_possible_number_with_reason(parsed)
    if reason != phonenumbers.ValidationResult.IS_POSSIBLE or "*" in bare or "#" in bare:
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def international_prefix(bare: str, region: str) -> str | None:
    """The beginning of an E.164 number that somebody typed the national way: `0664 12` in AT is `+4366412`."""
    code = phonenumbers.country_code_for_region(region)
    if not code or not bare.isdigit():
        return None
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    trunk = metadata.national_prefix if metadata is not None else None
    national = bare.removeprefix(trunk) if trunk else bare
    return f"+{code}{national}" if national else None
