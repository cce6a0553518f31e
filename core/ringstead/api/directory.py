"""Who is who in an organization, for plugins."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Text, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.db.session import TenantSession
from ringstead.tenancy.context import SubscriberInfo
from ringstead.tenancy.models import Subscriber

__all__ = ["SubscriberInfo", "find_subscribers"]

_COLUMNS = (Subscriber.id, Subscriber.name, Subscriber.extension, Subscriber.number)
_BY_ID = select(*_COLUMNS).where(Subscriber.id == any_(bindparam("wanted", type_=ARRAY(Uuid()))))
_BY_EXTENSION = select(*_COLUMNS).where(
    Subscriber.extension == any_(bindparam("wanted", type_=ARRAY(Text())))
)


def find_subscribers(
    session: TenantSession, ids: Iterable[UUID] = (), extensions: Iterable[str] = ()
) -> list[SubscriberInfo]:
    """The session's organization's subscribers with these ids or extensions; unknown ones are left out."""
    found: dict[UUID, SubscriberInfo] = {}
    for statement, wanted in ((_BY_ID, list(set(ids))), (_BY_EXTENSION, list(set(extensions)))):
        if wanted:
            for row in session.execute(statement, {"wanted": wanted}):
                found[row.id] = SubscriberInfo(*row)
    return list(found.values())
