"""Saving a partner's brand, and every version of it: who saved it, when, and how to have it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ringstead.tenancy.directory import announce_hosts
from ringstead.tenancy.models import BrandVersion, Partner
from ringstead.theming.brand import Brand

PAGE_SIZE: Final = 12
FOUND: Final = "found"
RESTORED: Final = "restored"


class Author(Protocol):
    """Who saves a brand: an `Account` row or the `AccountInfo` of a request."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version as lists show it: everything but the pictures, which are large."""

    id: UUID
    created_at: datetime
    author_name: str
    note: str
    changed: list[str]
    name: str
    color: str
    accent: str


class Unchanged(ValueError):
    """The brand is as it was: nothing is to be saved."""


def stored_brand(partner: Partner) -> dict[str, Any]:
    """The brand's values in force, with the partner's name where the brand has none of its own."""
    return {"name": partner.name, **partner.brand}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields in which two brands (as `Brand.to_mapping` gives them) differ, in the order of the form."""
    return [
        name for name in Brand.__dataclass_fields__ if (before.get(name) or None) != (after.get(name) or None)
    ]


def save_brand(
    session: Session, partner: Partner, brand: Brand, author: Author, note: str = ""
) -> BrandVersion:
    """Put a brand into force in all processes when the transaction commits, and keep it as a version.

    What was in force and is no version (a bundle brought it) becomes one first, so that it can be restored. Lock the
    partner's row before. Raises Unchanged.
    """
    before, after = stored_brand(partner), brand.to_mapping()
    changed = differences(_whole(before), after)
    if not changed:
        raise Unchanged
    _keep_found(session, partner, before)
    version = BrandVersion(
        author_account_id=author.id, author_name=author.name, note=note, changed=changed, brand=after
    )
    session.add(version)
    partner.brand = after
    announce_hosts(session, partner.id)
    session.flush()
    return version


def _whole(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored brand with the values of today's fields that it is too old to have."""
    plain = {name: field.default for name, field in Brand.__dataclass_fields__.items() if name != "name"}
    whole = {**plain, **stored}
    return {**whole, "accent": whole["accent"] or whole["color"]}


def _keep_found(session: Session, partner: Partner, before: dict[str, Any]) -> None:
    if _latest_if_like(session, before) is None:
        session.add(BrandVersion(note=FOUND, changed=[], brand=before))
        session.flush()


def _latest_if_like(session: Session, brand: Mapping[str, Any]) -> UUID | None:
    latest = session.scalars(select(BrandVersion).order_by(BrandVersion.id.desc()).limit(1)).one_or_none()
    is_like = latest is not None and not differences(_whole(latest.brand), _whole(brand))
    return latest.id if latest is not None and is_like else None


def version_in_force(session: Session, partner: Partner) -> UUID | None:
    """The latest version, when it is what is in force: a bundle may have brought something else since."""
    return _latest_if_like(session, stored_brand(partner))


def list_versions(session: Session, before: UUID | None = None) -> list[VersionRow]:
    """Versions, newest first, one more than a page if there is one; `before` is the last id of the page before."""
    text = [BrandVersion.brand[name].astext.label(name) for name in ("name", "color", "accent")]
    statement = (
        select(
            BrandVersion.id,
            BrandVersion.created_at,
            BrandVersion.author_name,
            BrandVersion.note,
            BrandVersion.changed,
            *text,
        )
        .order_by(BrandVersion.id.desc())
        .limit(PAGE_SIZE + 1)
    )
    if before is not None:
        statement = statement.where(BrandVersion.id < before)
    return [
        VersionRow(
            row.id,
            row.created_at,
            row.author_name,
            row.note,
            row.changed,
            row.name or "",
            row.color or "",
            row.accent or row.color or "",
        )
        for row in session.execute(statement)
    ]


def find_version(session: Session, partner_id: UUID, version_id: UUID) -> BrandVersion | None:
    """A version of the partner; None when it has no such one."""
    return session.get(BrandVersion, (partner_id, version_id))
