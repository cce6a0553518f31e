"""A subscriber as people type them, in a form or on a line of a file, made safe to use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from ringstead.api import translations
from ringstead.api.numbers import bare_number, e164
from ringstead.subscribers.changes import Person, Problems
from ringstead.tenancy import fields
from ringstead.tenancy.models import FeaturePackage, Location

_ = translations("ringstead")
FIELDS: Final = ("name", "extension", "number", "email", "role", "location", "package")
LABELS: Final = {
    "name": _("Name"),
    "extension": _("Extension"),
    "number": _("Number"),
    "email": _("Email"),
    "role": _("Role"),
    "location": _("Location"),
    "package": _("Package"),
}
_WRONG: Final = {
    "name": _("Enter a name of at most 80 characters."),
    "extension": _("Enter an extension of 2 to 10 digits, such as 214."),
    "number": _("Enter a telephone number, such as +1 212 555 0114."),
    "email": _("Enter an email address, such as name@example.com."),
    "role": _("Choose subscriber or organization admin."),
    "location": _("There is no such location. Choose one of the list."),
    "package": _("There is no such package. Choose one of the list."),
}
ROLES: Final = ("subscriber", "org_admin")


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is to choose from: locations by slug, which is what is typed, and packages by name, case apart.
    `region` (ISO 3166) reads national numbers."""

    region: str
    locations: Mapping[str, Location]
    packages: Mapping[str, FeaturePackage]


def read_person(typed: Mapping[str, str], offer: Offer) -> tuple[Person | None, Problems]:
    """A person from texts by field; None with what is wrong."""
    values: dict[str, Any] = {}
    problems: Problems = {}
    for name in FIELDS:
        text = " ".join(typed.get(name, "").split())
        try:
            values[name] = _READERS[name](text, offer)
        except ValueError:
            problems[name] = _WRONG[name]
    if problems:
        return None, problems
    location: UUID | None = values.pop("location")
    package: UUID | None = values.pop("package")
    return Person(**values, location_id=location, package_id=package), {}


def _number(text: str, offer: Offer) -> str | None:
    if not text:
        return None
    bare = bare_number(text)
    number = None if bare is None else e164(bare, offer.region)
    if number is None:
        raise ValueError
    return fields.number(number)


def _location(text: str, offer: Offer) -> UUID | None:
    if not text:
        return None
    by_name = {location.name.casefold(): location for location in offer.locations.values()}
    found = offer.locations.get(text) or by_name.get(text.casefold())
    if found is None:
        raise ValueError
    return found.id


def _package(text: str, offer: Offer) -> UUID | None:
    if not text:
        return None
    found = offer.packages.get(text.casefold())
    if found is None:
        raise ValueError
    return found.id


def _role(text: str, _offer: Offer) -> str:
    role = text.casefold().replace(" ", "_").replace("-", "_") or "subscriber"
    if role not in ROLES:
        raise ValueError
    return role


_READERS: Final[dict[str, Any]] = {
    "name": lambda text, _offer: fields.display_name(text),
    "extension": lambda text, _offer: fields.extension(text),
    "number": _number,
    "email": lambda text, _offer: fields.email(text) if text else "",
    "role": _role,
    "location": _location,
    "package": _package,
}
