"""What a bundle says of feature packages, and who has them: a package is known by its name, case apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from ringstead.db.base import new_id
from ringstead.tenancy.bundle_change import Change
from ringstead.tenancy.bundle_file import Bundle
from ringstead.tenancy.bundle_rows import Rows
from ringstead.tenancy.bundle_schema import OrganizationPart, PackagePart, SubscriberPart
from ringstead.tenancy.bundle_source import BundleError, Key, Problem
from ringstead.tenancy.models import FeaturePackage, Organization, Subscriber


def written_package(row: FeaturePackage) -> dict[str, Any]:
    """A package as a file says it."""
    settings = {name: {"value": said[0], "who": said[1]} for name, said in sorted(row.settings.items())}
    return {
        "name": row.name,
        "features": sorted(row.features),
        "without": sorted(row.closed),
        "settings": settings,
        "admins_give": row.admins_give,
    }


def refuse_unknown_packages(bundle: Bundle, rows: Rows) -> None:
    """Stop when an organization or a subscriber names a package that is neither in the file nor in the database."""
    known = {part.name.casefold() for part in bundle.content.packages} | set(rows.packages)
    problems: list[Problem] = [
        (key, f"there is no package {name}; add it to packages, or name another")
        for key, name in _named(bundle)
        if name.casefold() not in known
    ]
    if problems:
        raise BundleError(bundle.source.describe_all(problems))


def _named(bundle: Bundle) -> Iterator[tuple[Key, str]]:
    for i, organization in enumerate(bundle.content.organizations):
        if organization.package is not None:
            yield ("organizations", i, "package"), organization.package
        for j, person in enumerate(organization.subscribers):
            if person.package is not None:
                yield ("organizations", i, "subscribers", j, "package"), person.package


def package_changes(rows: Rows, parts: list[PackagePart]) -> Iterator[Change]:
    """What must change so that the packages are as they are said to be. What a part leaves out stays."""
    for i, part in enumerate(parts):
        wanted = _wanted(part)
        known = rows.packages.get(part.name.casefold())
        if known is None:

            def create(session: Session, rows: Rows, wanted: dict[str, Any] = wanted) -> None:
                values = {"features": [], "closed": [], "settings": {}, "admins_give": True, **wanted}
                made = FeaturePackage(partner_id=rows.partner_id, id=new_id(), **values)
                session.add(made)
                rows.packages[made.name.casefold()] = made

            yield Change("+", "package", part.name, "", ("packages", i), create)
            continue
        differing = {field: value for field, value in wanted.items() if getattr(known, field) != value}
        if differing:

            def update(
                _session: Session, rows: Rows, name: str = part.name, values: dict[str, Any] = differing
            ) -> None:
                for field, value in values.items():
                    setattr(rows.packages[name.casefold()], field, value)

            yield Change("~", "package", part.name, ", ".join(differing), ("packages", i), update)


def _wanted(part: PackagePart) -> dict[str, Any]:
    found: dict[str, Any] = {"name": part.name}
    if part.features is not None:
        found["features"] = sorted(set(part.features))
    if part.without is not None:
        found["closed"] = sorted(set(part.without))
    if part.settings is not None:
        found["settings"] = {name: [said.value, said.who] for name, said in part.settings.items()}
    if part.admins_give is not None:
        found["admins_give"] = part.admins_give
    return found


def given_changes(
    rows: Rows,
    part: OrganizationPart | SubscriberPart,
    known: Organization | Subscriber | None,
    name: str,
    find: Any,
    at: Key,
) -> Iterator[Change]:
    """What must change so that an organization or a subscriber has the package that is named. `find(rows)`: its row."""
    if part.package is None:
        return
    package = rows.packages.get(part.package.casefold())
    if known is not None and package is not None and known.package_id == package.id:
        return

    def give(_session: Session, rows: Rows, wanted: str = part.package) -> None:
        find(rows).package_id = rows.packages[wanted.casefold()].id

    thing = "organization" if isinstance(part, OrganizationPart) else "subscriber"
    yield Change("~", thing, name, f"package {part.package}", (*at, "package"), give)
