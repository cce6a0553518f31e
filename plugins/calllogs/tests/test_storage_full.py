"""The database's disk is full in the middle of a batch: the switch is told so, and nothing is torn."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from ringstead.api.testing import Person
from ringstead.db.engine import Database, DatabaseUrls
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.rebuilding import rebuild

Make = Callable[..., dict[str, Any]]
Read = Callable[[Person], list[Conversation]]
TABLES = ("calllogs_leg", "calllogs_conversation", "calllogs_person_quarter", "calllogs_office_quarter")


@contextmanager
def room_for(rows: int, table: str, urls: DatabaseUrls) -> Iterator[None]:
    """A table that has room for so many rows more: then the server's own error, by its own code."""
    engine = create_engine(urls.owner, isolation_level="AUTOCOMMIT")
    with engine.connect() as owner:
        for statement in (
            "CREATE SEQUENCE rows_taken START 1",
            "GRANT USAGE ON rows_taken TO PUBLIC",
            f"""CREATE FUNCTION take_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('rows_taken') <= {rows} THEN RETURN new; END IF;
                RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file';
            END $$""",
            f"CREATE TRIGGER room BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION take_room()",
        ):
            owner.execute(text(statement))
        try:
            yield
        finally:
            owner.execute(text("DROP FUNCTION take_room CASCADE"))
            owner.execute(text("DROP SEQUENCE rows_taken"))
    engine.dispose()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("strict", [True, False])
def test_a_full_disk_is_told_and_tears_nothing(
    strict: bool,
    table: str,
    database_urls: DatabaseUrls,
    switch: Any,
    person: Person,
    leg: Make,
    calls_of: Read,
    database: Database,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ringstead_calllogs.switch.AT_ONCE", 2)
    legs = [leg(person, at=now - timedelta(hours=hour)) for hour in range(1, 8)]
    prefer = {"Prefer": "handling=strict"} if strict else {}
    with room_for(2, table, database_urls):
        answer = switch.post(*legs, **prefer)
    assert answer.status_int == 507
    assert answer.content_type == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert "full" in answer.json["detail"]
    assert len(calls_of(person)) == (0 if strict else 2)
    assert _stands(database, person, now)

    answer = switch.post(*legs, **prefer)
    assert (answer.status_int, answer.json["accepted"]) == (200, 7 if strict else 5)
    assert len(calls_of(person)) == 7
    assert _stands(database, person, now)


def _stands(database: Database, person: Person, now: datetime) -> bool:
    """Whether a rebuild finds nothing to mend."""
    assert person.organization is not None
    org_id = person.organization.org_id
    before = _rows(database, org_id)
    rebuild(database, org_id, now - timedelta(days=2), now + timedelta(days=1))
    return _rows(database, org_id) == before


def _rows(database: Database, org_id: Any) -> list[str]:
    with database.run_as(org_id) as session:
        connection = session.connection()
        statements = [f"SELECT * FROM {table} WHERE org_id = %s ORDER BY 1, 2, 3" for table in TABLES[1:]]
        return [repr(connection.exec_driver_sql(statement, (org_id,)).all()) for statement in statements]


def test_a_page_that_cannot_be_stored_says_so(
    database_urls: DatabaseUrls,
    portal: Callable[..., Any],
    switch: Any,
    person: Person,
    leg: Make,
    calls_of: Read,
) -> None:
    switch.accept(leg(person))
    client, [call] = portal(person), calls_of(person)
    with room_for(0, "calllogs_annotation", database_urls):
        answer = client.post_form(f"/calls/{call.id}", {"note": "Ring back"}, status="*")
    assert answer.status_int == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Traceback" not in answer.text
