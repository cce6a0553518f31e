"""A partner as data: what `partner.toml` may hold, read and checked; every error names file, line and key."""

from __future__ import annotations

import difflib
import errno
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import tomlkit
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from tomlkit.exceptions import TOMLKitError

from ringstead.tenancy import fields
from ringstead.theming.brand import Brand, InvalidBrand
from ringstead.theming.logo import MAX_BYTES as MAX_LOGO_BYTES

FILE_NAME: Final = "partner.toml"
_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_SHOWN: Final = 20
_MARK: Final = "@@here@@"
Key = tuple[str | int, ...]
Problem = tuple[Key, str]

Slug = Annotated[str, AfterValidator(fields.slug)]
Name = Annotated[str, AfterValidator(fields.display_name)]
Email = Annotated[str, AfterValidator(fields.email)]
Extension = Annotated[str, AfterValidator(fields.extension)]
HostName = Annotated[str, AfterValidator(fields.host)]
Zone = Annotated[str, AfterValidator(fields.time_zone)]
LocaleName = Annotated[str, AfterValidator(fields.locale)]
Features = dict[Annotated[str, AfterValidator(fields.plugin_name)], bool]


class BundleError(Exception):
    """A bundle cannot be used. `problems` holds one line for each fault: file, line, key, and what would do."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = len(problems) - _MAX_SHOWN
        lines = problems[:_MAX_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        super().__init__("The partner bundle cannot be used:\n" + "\n".join(f"  - {line}" for line in lines))


class Part(BaseModel):
    """A table of the file: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PartnerPart(Part):
    """`[partner]`. Locale and zone hold where an organization and a subscriber say nothing else."""

    slug: Slug
    name: Name
    locale: LocaleName | None = None
    time_zone: Zone | None = None


class HostsPart(Part):
    """`[hosts]`: where the partner's portal and console are."""

    portal: list[HostName] = Field(min_length=1)
    console: list[HostName] = Field(min_length=1)


class StaffPart(Part):
    """`[[staff]]`: somebody of the partner who signs in to the console."""

    name: Name
    email: Email
    role: Literal["partner_admin", "partner_support"]


class SubscriberPart(Part):
    """One of `subscribers`: known by its extension. With an e-mail address, somebody can sign in."""

    extension: Extension
    name: Name
    number: Annotated[str, AfterValidator(fields.number)] | None = None
    email: Email | None = None
    role: Literal["subscriber", "org_admin"] = "subscriber"
    location: Slug | None = None


class TeamPart(Part):
    """One of `teams`: known by its slug. Leads are members too."""

    slug: Slug
    name: Name
    leads: list[Extension] = []
    members: list[Extension] = []


class LocationPart(Part):
    """One of `locations`: known by its slug. Who is there is said by the subscribers."""

    slug: Slug
    name: Name
    managers: list[Extension] = []


class OrganizationHosts(Part):
    """`[organizations.hosts]`: the SIP domain, and portal hosts of the organization's own, if it has any."""

    sip: list[HostName] = []
    portal: list[HostName] = []


class OrganizationPart(Part):
    """`[[organizations]]`: known by its slug."""

    slug: Slug
    name: Name
    locale: LocaleName | None = None
    time_zone: Zone | None = None
    hosts: OrganizationHosts = OrganizationHosts()
    features: Features = {}
    locations: list[LocationPart] = []
    teams: list[TeamPart] = []
    subscribers: list[SubscriberPart] = []


class DemoPart(Part):
    """`[demo]`: heeded by `ringstead demo` alone. The password of every account of the bundle."""

    password: str = Field(min_length=12, max_length=128)


class BundlePart(Part):
    """The whole file."""

    partner: PartnerPart
    brand: dict[str, Any] = {}
    hosts: HostsPart
    staff: list[StaffPart] = []
    organizations: list[OrganizationPart] = []
    demo: DemoPart | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The file's text, kept so that a fault found later can still name its line."""

    path: Path
    text: str

    def describe(self, key: Key, message: str) -> str:
        """`tenants/x/partner.toml, line 12, organizations[0].slug: message`."""
        return f"{self.path}, line {self.line(key)}, {_spell(key)}: {message}"

    def line(self, key: Key) -> int:
        """The line of a key; of the nearest table around it when the key itself is missing."""
        for length in range(len(key), 0, -1):
            try:
                return _line(self.text, key[:length])
            except (LookupError, TypeError, ValueError, AttributeError, TOMLKitError):
                continue
        return 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle: the file's contents, the brand with its logo, and where things stand in the file."""

    source: Source
    brand: Brand
    content: BundlePart

    @property
    def slug(self) -> str:
        """The partner's slug."""
        return self.content.partner.slug


def read_bundle(folder: Path) -> Bundle:
    """Read `folder/partner.toml` and the logo that it names. Raises BundleError with everything wrong at once."""
    source, data = _read_toml(folder / FILE_NAME)
    problems: list[Problem] = []
    brand = _brand(folder, data, problems)
    try:
        content = BundlePart.model_validate(data)
    except ValidationError as error:
        problems += _explain(error)
        content = None
    if content is not None:
        problems += [*_misplaced(folder, content), *_contradictions(content)]
    if problems or content is None or brand is None:
        raise BundleError([source.describe(key, message) for key, message in problems])
    return Bundle(source, brand, content)


def _read_toml(path: Path) -> tuple[Source, dict[str, Any]]:
    try:
        raw = _read(path, _MAX_BYTES)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BundleError([f"{path}: {reason}; a bundle is a folder with a {FILE_NAME}"]) from None
    try:
        text = raw.decode("utf-8")
        return Source(path, text), tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BundleError([f"{path}, line {line}: is not UTF-8; save the file as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise BundleError([f"{path}: is not TOML: {error}"]) from None


def _brand(folder: Path, data: Mapping[str, Any], problems: list[Problem]) -> Brand | None:
    """The brand, with the partner's name when it gives none of its own."""
    given = data.get("brand", {})
    partner = data.get("partner")
    if not isinstance(given, dict):
        return None  # the schema says so
    values = {"name": partner.get("name", "") if isinstance(partner, dict) else "", **given}
    try:
        logo = _logo(folder, values.pop("logo", None))
        return Brand.from_mapping(values, logo)
    except InvalidBrand as error:
        for field, why in error.errors.items():
            problems.append((("brand", field), why))
    except ValueError as error:
        problems.append((("brand", "logo"), str(error)))
    return None


def _logo(folder: Path, name: object) -> bytes | None:
    """The logo's bytes. It lies in the bundle's own folder and is no link: a bundle can never read another file."""
    if name is None:
        return None
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError("must be the name of a file beside partner.toml, such as logo.svg")
    try:
        return _read(folder / name, MAX_LOGO_BYTES, os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        is_link = isinstance(error, OSError) and error.errno == errno.ELOOP
        why = "it is a link" if is_link else getattr(error, "strerror", None) or error
        raise ValueError(f"{name} cannot be read: {why}") from None


def _read(path: Path, most: int, flags: int = 0) -> bytes:
    """A regular file of at most `most` bytes. Never waits, as for a pipe. Raises OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | flags), "rb") as stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if found.st_size > most:
            raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, at most {most} are read")
        return stream.read(most)


def _explain(error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors():
        key: Key = tuple(part for part in detail["loc"] if part != "[key]")
        match detail["type"]:
            case "missing":
                yield key, "is missing"
            case "extra_forbidden":
                yield key, _unknown(key)
            case "string_type":
                yield key, f'must be text in quotes, such as "{detail["input"]}"'
            case "literal_error":
                yield key, f"must be {detail['ctx']['expected']}".replace("'", '"')
            case _:
                yield key, detail["msg"].removeprefix("Value error, ")


def _unknown(key: Key) -> str:
    model: Any = BundlePart
    for step in key[:-1]:
        if isinstance(step, str):
            model = {
                "partner": PartnerPart,
                "hosts": HostsPart if len(key) == 2 else OrganizationHosts,
                "staff": StaffPart,
                "organizations": OrganizationPart,
                "subscribers": SubscriberPart,
                "locations": LocationPart,
                "teams": TeamPart,
                "demo": DemoPart,
            }.get(step, model)
    known = list(model.model_fields)
    close = difflib.get_close_matches(str(key[-1]), known, 1)
    return (
        f"is not known here; did you mean {close[0]}?"
        if close
        else f"is not known; known: {', '.join(known)}"
    )


def _misplaced(folder: Path, content: BundlePart) -> Iterator[Problem]:
    """A partner's templates are looked for in the folder of its slug, so the bundle must lie there."""
    name = folder.absolute().name or folder.resolve().name
    if name != content.partner.slug:
        why = f"is {content.partner.slug}, but the folder is {name}; give both the same name"
        yield ("partner", "slug"), why


def _contradictions(content: BundlePart) -> Iterator[Problem]:
    """Faults that no single value shows: twice the same slug, host, extension, number; one person, two names."""
    seen: dict[tuple[str, str], str] = {}

    def twice(kind: str, value: str, key: Key) -> Iterator[Problem]:
        if (kind, value) in seen:
            yield key, f"{value} is used twice: {seen[kind, value]} has it too"
        seen.setdefault((kind, value), _spell(key))

    for kind in ("portal", "console"):
        for i, host in enumerate(getattr(content.hosts, kind)):
            yield from twice("host", host, ("hosts", kind, i))
    for i, member in enumerate(content.staff):
        yield from twice("staff", member.email, ("staff", i, "email"))
    for i, organization in enumerate(content.organizations):
        at: Key = ("organizations", i)
        yield from twice("slug", organization.slug, (*at, "slug"))
        for kind in ("sip", "portal"):
            for j, host in enumerate(getattr(organization.hosts, kind)):
                yield from twice("host", host, (*at, "hosts", kind, j))
        for j, person in enumerate(organization.subscribers):
            where: Key = (*at, "subscribers", j)
            yield from twice(f"extension of {organization.slug}", person.extension, (*where, "extension"))
            if person.number:
                yield from twice("number", person.number, (*where, "number"))
        for name in ("locations", "teams"):
            for j, group in enumerate(getattr(organization, name)):
                yield from twice(f"{name} of {organization.slug}", group.slug, (*at, name, j, "slug"))
        for j, team in enumerate(organization.teams):
            yield from _both(team, (*at, "teams", j))
    yield from _two_names(content)


def _both(team: TeamPart, at: Key) -> Iterator[Problem]:
    for i, extension in enumerate(team.members):
        if extension in team.leads:
            yield (*at, "members", i), f"{extension} is one of the leads, who are members too; name it once"


def _two_names(content: BundlePart) -> Iterator[Problem]:
    names = {member.email: member.name for member in content.staff}
    for i, organization in enumerate(content.organizations):
        for j, person in enumerate(organization.subscribers):
            if person.email and names.setdefault(person.email, person.name) != person.name:
                key: Key = ("organizations", i, "subscribers", j, "email")
                yield key, f"{person.email} is {names[person.email]} elsewhere; one address is one person"


def _spell(key: Key) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def _line(text: str, key: Key) -> int:
    """Put a mark in the place of the value and see where it comes out: tomlkit keeps every line as it was."""
    document: Any = tomlkit.parse(text)
    holder, last = document, key[-1]
    for step in key[:-1]:
        holder = holder[step]
    value = holder[last]
    while isinstance(value, dict | list) and len(value):
        step = next(iter(value)) if isinstance(value, dict) else 0
        holder, last, value = value, step, value[step]
    holder[last] = _MARK
    return tomlkit.dumps(document).split(_MARK)[0].count("\n") + 1
