"""Who is who in an organization, and which organizations a partner has, for plugins."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.db.session import TenantSession
from ringstead.tenancy.context import OrganizationInfo, SubscriberInfo
from ringstead.tenancy.models import Organization, Subscriber

__all__ = ["OrganizationInfo", "SubscriberInfo", "find_organizations", "find_subscribers"]

_COLUMNS = (Subscriber.id, Subscriber.name, Subscriber.extension, Subscriber.number)
_IDS, _TEXTS = (any_(bindparam("wanted", type_=ARRAY(kind))) for kind in (Uuid(), Text()))
_BY_ID = select(*_COLUMNS).where(Subscriber.id == _IDS)
_BY_EXTENSION = select(*_COLUMNS).where(Subscriber.extension == _TEXTS)
_BY_NUMBER = select(*_COLUMNS).where(Subscriber.number == _TEXTS)


def find_subscribers(
    session: TenantSession,
    ids: Iterable[UUID] = (),
    extensions: Iterable[str] = (),
    numbers: Iterable[str] = (),
) -> list[SubscriberInfo]:
    """The session's organization's subscribers with these ids, extensions or numbers (E.164); each once."""
    found: dict[UUID, SubscriberInfo] = {}
    asked: list[tuple[Any, list[Any]]] = [
        (_BY_ID, list(set(ids))),
        (_BY_EXTENSION, list(set(extensions))),
        (_BY_NUMBER, list(set(numbers))),
    ]
    for statement, wanted in asked:
        if wanted:
            for row in session.execute(statement, {"wanted": wanted}):
                found[row.id] = SubscriberInfo(*row)
    return list(found.values())


def find_organizations(session: TenantSession, ids: Iterable[UUID]) -> list[OrganizationInfo]:
    """The organizations with these ids, in a partner's session: those of the partner."""
    statement = select(Organization.org_id, Organization.slug, Organization.name)
    wanted = statement.where(Organization.org_id == any_(bindparam("wanted", type_=ARRAY(Uuid()))))
    return [OrganizationInfo(*row) for row in session.execute(wanted, {"wanted": list(set(ids))})]
