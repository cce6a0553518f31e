"""Read a partner bundle: `partner.toml` and the logos that it names. Everything wrong is told at once."""

from __future__ import annotations

import difflib
import errno
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from ringstead.tenancy.bundle_schema import BundlePart, MemberPart, StaffPart, SubscriberPart, TeamPart
from ringstead.tenancy.bundle_source import BundleError, Key, Problem, Source, spell
from ringstead.theming.brand import LOGOS, Brand, InvalidBrand
from ringstead.theming.logo import MAX_BYTES as MAX_LOGO_BYTES

FILE_NAME: Final = "partner.toml"
MAX_BYTES: Final = 16 * 1024 * 1024
_LINE: Final = re.compile(r" \(at line (\d+), column (\d+)\)")


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
    """Read `folder/partner.toml` and the logos that it names. Raises BundleError with everything wrong at once."""
    source, data = _read_toml(folder / FILE_NAME)
    return make_bundle(source, data, folder)


def make_bundle(source: Source, data: Mapping[str, Any], folder: Path) -> Bundle:
    """What `data` says, whose place `source` knows, in a folder that has the logo and the slug as its name."""
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
        raise BundleError(source.describe_all(problems))
    return Bundle(source, brand, content)


def _read_toml(path: Path) -> tuple[Source, dict[str, Any]]:
    try:
        raw = _read(path, MAX_BYTES)
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
        raise BundleError([f"{path}, {_not_toml(text, str(error))}"]) from None


def _not_toml(text: str, said: str) -> str:
    """`line 18, column 8: is not TOML: Expected ...`; what ends too early is wrong in the last line."""
    found = _LINE.search(said)
    line, column = found.groups() if found else (str(len(text.splitlines()) or 1), "")
    why = _LINE.sub("", said).removesuffix(" (at end of document)")
    end = "" if found else ", and there the file ends"
    return f"line {line}{', column ' * bool(column)}{column}: is not TOML: {why}{end}"


def _brand(folder: Path, data: Mapping[str, Any], problems: list[Problem]) -> Brand | None:
    """The brand, with the partner's name when it gives none of its own."""
    given = data.get("brand", {})
    partner = data.get("partner")
    if not isinstance(given, dict):
        return None  # the schema says so
    values = {"name": partner.get("name", "") if isinstance(partner, dict) else "", **given}
    files: dict[str, bytes] = {}
    known = len(problems)
    for field in LOGOS:
        try:
            files |= _logo(folder, field, values.pop(field, None))
        except ValueError as error:
            problems.append((("brand", field), str(error)))
    try:
        brand = Brand.from_mapping(values, files=files)
        return brand if len(problems) == known else None
    except InvalidBrand as error:
        for field, why in error.errors.items():
            problems.append((("brand", field), why))
    return None


def _logo(folder: Path, field: str, name: object) -> dict[str, bytes]:
    """A picture's bytes by its field. It lies in the bundle's own folder and is no link: a bundle can never read
    another file."""
    if name is None:
        return {}
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError("must be the name of a file beside partner.toml, such as logo.svg")
    try:
        return {field: _read(folder / name, MAX_LOGO_BYTES, os.O_NOFOLLOW)}
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


# What a type that is wrong should be; pydantic's own words are for programmers.
_WANTED: Final = {
    "int_type": "must be a whole number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "dict_type": "must be a table, such as [brand]",
    "model_type": 'must be a table, such as { slug = "sales", name = "Sales" }',
    "list_type": 'must be a list in brackets, such as ["voice.partner.example"]',
}


def _explain(error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors():
        key: Key = tuple(part for part in detail["loc"] if part != "[key]")
        match detail["type"]:
            case "missing":
                yield key, "is missing"
            case "extra_forbidden":
                yield key, _unknown(key)
            case "string_type":
                given = detail["input"]
                example = f', such as "{given}"' if isinstance(given, int | float | date | time) else ""
                yield key, f"must be text in quotes{example}"
            case "literal_error":
                yield key, f"must be {detail['ctx']['expected']}".replace("'", '"')
            case "greater_than_equal":
                yield key, f"must be {detail['ctx']['ge']} or more"
            case kind:
                yield key, _WANTED.get(kind) or detail["msg"].removeprefix("Value error, ")


def _unknown(key: Key) -> str:
    known = list(_model_at(key[:-1]).model_fields)
    close = difflib.get_close_matches(str(key[-1]), known, 1)
    return (
        f"is not known here; did you mean {close[0]}?"
        if close
        else f"is not known; known: {', '.join(known)}"
    )


def _model_at(key: Key) -> type[BaseModel]:
    """The part of the file that stands at a key."""
    model: type[BaseModel] = BundlePart
    for step in key:
        if isinstance(step, str):
            kind = model.model_fields[step].annotation
            while not (isinstance(kind, type) and issubclass(kind, BaseModel)):
                kind = get_args(kind)[0]
            model = kind
    return model


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
        seen.setdefault((kind, value), spell(key))

    for kind in ("portal", "console"):
        for i, host in enumerate(getattr(content.hosts, kind)):
            yield from twice("host", host, ("hosts", kind, i))
    for i, member in enumerate(content.staff):
        yield from twice("staff", member.email, ("staff", i, "email"))
    for i, package in enumerate(content.packages):
        yield from twice("package", package.name.casefold(), ("packages", i, "name"))
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
            yield from _accounts(person, where)
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


def _accounts(person: SubscriberPart, at: Key) -> Iterator[Problem]:
    if person.accounts and person.email is not None:
        yield (*at, "email"), "there are accounts too; put this address among them"
    emails = [member.email for member in person.accounts]
    for i, email in enumerate(emails):
        if email in emails[:i]:
            yield (*at, "accounts", i, "email"), f"{email} is used twice"


def _two_names(content: BundlePart) -> Iterator[Problem]:
    people: dict[str, StaffPart | MemberPart] = {member.email: member for member in content.staff}
    for i, organization in enumerate(content.organizations):
        for j, person in enumerate(organization.subscribers):
            for member, where in person.members:
                other = people.setdefault(member.email, member)
                key: Key = ("organizations", i, "subscribers", j, *where)
                if other.name != member.name:
                    why = f"{member.email} is {other.name} elsewhere; one address is one person"
                    yield (*key, "email"), why
                elif bool(other.suspended) != bool(member.suspended):
                    why = f"{member.email} is {'' if other.suspended else 'not '}suspended elsewhere; say the same"
                    yield (*key, "email"), why
