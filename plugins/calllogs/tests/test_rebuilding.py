"""A rebuild ends with what the legs say, whatever stood there before, and changes nothing when all is well."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select, text

from ringstead.api.testing import Person
from ringstead.db.engine import Database
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.rebuilding import rebuild
from ringstead_calllogs.rollups import MEASURES, OfficeQuarter, PersonQuarter

Make = Callable[..., dict[str, Any]]


def everything(database: Database, person: Person) -> list[Any]:
    """All that a rebuild may change, comparable."""
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        rows = [
            tuple(getattr(row, column.key) for column in Conversation.__table__.columns)
            for row in session.scalars(select(Conversation))
        ]
        counted = [
            (quarter.at, *(getattr(quarter, name) for name in MEASURES))
            for model in (PersonQuarter, OfficeQuarter)
            for quarter in session.scalars(select(model))
            if any(getattr(quarter, name) for name in MEASURES)
        ]
    return [sorted(rows, key=repr), sorted(counted)]


def test_it_repairs_and_repeats(
    person: Person, switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    assert person.organization is not None
    org_id = person.organization.org_id
    days = [now - timedelta(days=n, hours=1) for n in range(40)]
    switch.accept(*(leg(person, linked_id=f"call {n % 30}", at=at) for n, at in enumerate(days)))
    whole, first, last = everything(database, person), now - timedelta(days=60), now + timedelta(days=1)
    assert rebuild(database, org_id, first, last) == (30, 0)
    assert everything(database, person) == whole
    with database.run_as(org_id) as session:
        session.execute(text("DELETE FROM calllogs_conversation WHERE linked_id = 'call 3'"))
        session.execute(text("UPDATE calllogs_conversation SET talk_seconds = 999, kind = 'missed'"))
        copy = "org_id, started_at, subscriber_id, is_primary, kind, direction, is_internal, disposition, name_folded"
        copy += ", ended_at, ring_seconds, talk_seconds, devices, leg_count"
        session.execute(
            text(f"""
                INSERT INTO calllogs_conversation (id, linked_id, {copy})
                SELECT :id, 'a call without legs', {copy} FROM calllogs_conversation LIMIT 1
            """),
            {"id": uuid4()},
        )
    assert everything(database, person) != whole
    assert rebuild(database, org_id, first, last) == (30, 1)
    assert everything(database, person) == whole


def test_the_command_asks_for_days(wsgi: Any) -> None:
    command = wsgi.registry["ringstead.plugins"].commands()["calllogs.rebuild"].item
    assert [option.name for option in command.options] == ["first", "last"]
