"""What a value must look like before it becomes a row: slugs, names, extensions, numbers, hosts, zones.

Each function returns the value as it is stored, or raises ValueError with a sentence that says what would do.
"""

import re
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

import phonenumbers
from babel import Locale, UnknownLocaleError

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")
_PLUGIN: Final = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_EXTENSION: Final = re.compile(r"[0-9]{2,10}\Z")
# RFC 5321, section 4.1.2: a mailbox whose local part is a dot-string and whose domain is a name. Quoted strings and
# address literals are left out: nobody has them, and they are hard to show.
_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_EMAIL: Final = re.compile(
    rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@[a-z0-9-]{{1,63}}(?:\.[a-z0-9-]{{1,63}})+\Z"
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NAME_MAX: Final = 80
_EMAIL_MAX: Final = 254
_HOST_MAX: Final = 253


def slug(value: str) -> str:
    """A short name for addresses and files: lower-case letters, digits and hyphens, 1 to 40 characters."""
    if not _SLUG.match(value):
        raise ValueError("use 1 to 40 lower-case letters, digits and hyphens, such as bramble-finch")
    return value


def plugin_name(value: str) -> str:
    """The name of a plugin, as in its entry point."""
    if not _PLUGIN.match(value):
        raise ValueError(
            "use a plugin's name, such as calllogs (`ringstead plugins` lists the installed ones)"
        )
    return value


def display_name(value: str) -> str:
    """A name that people read: 1 to 80 characters on one line."""
    name = value.strip()
    if not name:
        raise ValueError("must not be empty")
    if len(name) > _NAME_MAX:
        raise ValueError(f"has {len(name)} characters; at most {_NAME_MAX} fit")
    if _CONTROL.search(name):
        raise ValueError("contains control characters; use one line of plain text")
    return name


def extension(value: str) -> str:
    """An extension: 2 to 10 digits."""
    if not _EXTENSION.match(value):
        raise ValueError("use 2 to 10 digits, such as 214")
    return value


def number(value: str) -> str:
    """A DID in E.164 (ITU-T E.164; spaces and hyphens are taken off)."""
    try:
        parsed = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not value.startswith("+") or not phonenumbers.is_possible_number(parsed):
        raise ValueError("use an international number, such as +12125550114")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def email(value: str) -> str:
    """An e-mail address, in lower case as it is stored and compared."""
    address = value.strip().lower()
    # Some letters of other alphabets become plain ones in lower case.
    if not value.isascii() or len(address) > _EMAIL_MAX or not _EMAIL.match(address):
        raise ValueError("use an e-mail address, such as juno@bramblefinch.example.com")
    return address


def host(value: str) -> str:
    """A host name (RFC 1123) in lower case, without scheme, port and path; IDNA names in their xn-- form."""
    name = value.strip().lower().rstrip(".")
    labels = name.split(".")
    if len(name) > _HOST_MAX or len(labels) < 2 or not all(_LABEL.match(label) for label in labels):
        raise ValueError("use a host name without scheme, port and path, such as voice.partner.example")
    return name


def time_zone(value: str) -> str:
    """A time zone's name in the IANA database."""
    if value not in _zones():
        raise ValueError("use a time zone of the IANA database, such as America/New_York")
    return value


def locale(value: str) -> str:
    """A locale that dates and numbers can be written in: a language, or language and territory."""
    try:
        Locale.parse(value.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        raise ValueError("use a language, or language and country, such as en or de-AT") from None
    return value


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
