"""Declarative base, scope mixins and column types that every table of Ringstead is made of."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import DateTime, MetaData, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Timestamp = Annotated[datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7): made in Python, sorted by time, needs no sequence."""
    return uuid_utils.compat.uuid7()


class Base(DeclarativeBase):
    """The one declarative base; plugins inherit their tables from it too."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: JSONB,
    }


class OrgScoped:
    """A row that belongs to one organization. Its primary key starts with `org_id`.

    Reading one outside an organization raises `TenantScopeMissing`; writing one stamps the organization of the session.
    """

    org_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-2)


class PartnerScoped:
    """A row that belongs to a partner and to no single organization (accounts, web sessions, audit)."""

    partner_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-2)


class DirectoryScoped:
    """A row of an organization that its partner lists across organizations (organizations, subscribers, memberships).

    Inside an organization only that organization's rows are seen; in a partner scope, all of the partner's.
    """

    org_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-2)
    partner_id: Mapped[UUID] = mapped_column(sort_order=-1)
