"""The audit trail as a chain, and who reads it where."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import Connection, connect
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ringstead import audit
from ringstead.api.testing import Client, Person, Tenants
from ringstead.audit.chain import Head, Verdict, verify
from ringstead.audit.listing import changes_of
from ringstead.db.engine import Database, DatabaseUrls

Make = Callable[..., Any]


@pytest.fixture
def fern(tenants: Tenants) -> Person:
    return tenants.person(tenants.organization(), "Fern Castellan", role="org_admin")


def record(database: Database, person: Person, *targets: str, **words: Any) -> None:
    assert person.organization is not None
    for target in targets:
        with database.run_as(person.organization.org_id) as session:
            audit.record(session, audit.FEATURE_ON, target, actor=person.account, **words)


def follow(database: Database, person: Person, known: dict[UUID, Head] | None = None) -> Verdict:
    with database.as_operator("tests", "verify") as session:
        return verify(session, person.partner.id, known)


@contextmanager
def tampering(urls: DatabaseUrls) -> Iterator[Connection[Any]]:
    """A connection of who owns the tables, without the guards."""
    with connect(urls.owner.replace("+psycopg", ""), autocommit=True) as connection:
        for table in ("audit_entry", "audit_link"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # type: ignore[arg-type]
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")  # type: ignore[arg-type]
        yield connection
        for table in ("audit_entry", "audit_link"):
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")  # type: ignore[arg-type]
            connection.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")  # type: ignore[arg-type]


def test_entries_are_linked_in_one_chain_for_each_organization(
    fern: Person, tenants: Tenants, database: Database
) -> None:
    other = tenants.person(tenants.organization(fern.partner))
    record(database, fern, "one", "two")
    record(database, other, "three")
    with database.in_partner(fern.partner.id) as session:
        audit.record(session, audit.SIGNED_IN, actor=fern.account)
    verdict = follow(database, fern)
    assert (verdict.entries, verdict.faults) == (4, ())
    assert sorted(head.seq for head in verdict.heads) == [1, 1, 2]


def test_entries_at_the_same_time_make_one_chain(fern: Person, database: Database) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda n: record(database, fern, f"{n}-a", f"{n}-b"), range(20)))
    verdict = follow(database, fern)
    assert (verdict.entries, verdict.faults) == (40, ())
    assert [head.seq for head in verdict.heads] == [40]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE audit_entry SET target = 'x' WHERE target = 'two' AND partner_id = %s", "changed"),
        (
            "UPDATE audit_entry SET at = at - interval '1 day' WHERE target = 'two' AND partner_id = %s",
            "changed",
        ),
        ("UPDATE audit_entry SET detail = '{}' WHERE target = 'two' AND partner_id = %s", "changed"),
        ("DELETE FROM audit_entry WHERE target = 'two' AND partner_id = %s", "is missing"),
        ("DELETE FROM audit_link WHERE seq = 2 AND partner_id = %s", "links 2 to 2 are missing"),
        ("UPDATE audit_link SET digest = sha256('x') WHERE seq = 2 AND partner_id = %s", "changed"),
    ],
)
def test_what_is_changed_or_removed_shows(
    fern: Person, database: Database, database_urls: DatabaseUrls, statement: str, what: str
) -> None:
    record(database, fern, "one", "two", "three", detail={"why": "asked"})
    with tampering(database_urls) as connection:
        connection.execute(statement, [fern.partner.id])  # type: ignore[arg-type]
    found = follow(database, fern).faults
    assert what in found[0].what


def test_what_is_slipped_in_shows(fern: Person, database: Database, database_urls: DatabaseUrls) -> None:
    record(database, fern, "one")
    with tampering(database_urls) as connection:
        connection.execute(
            "INSERT INTO audit_entry (partner_id, id, action) VALUES (%s, gen_random_uuid(), 'sign-in.ok')",
            [fern.partner.id],
        )
    (fault,) = follow(database, fern).faults
    assert "in no chain" in fault.what


def test_a_trail_that_was_cut_or_written_anew_shows_against_heads_that_were_kept(
    fern: Person, database: Database, database_urls: DatabaseUrls
) -> None:
    record(database, fern, "one", "two")
    (head,) = follow(database, fern).heads
    record(database, fern, "three")
    assert follow(database, fern, {head.chain: head}).faults == ()
    with tampering(database_urls) as connection:
        for table in ("audit_link", "audit_entry"):
            connection.execute(f"DELETE FROM {table} WHERE partner_id = %s", [fern.partner.id])  # type: ignore[arg-type]
    (fault,) = follow(database, fern, {head.chain: head}).faults
    assert "ends here" in fault.what
    record(database, fern, "one", "other", "three")
    assert follow(database, fern).faults == ()
    (fault,) = follow(database, fern, {head.chain: head}).faults
    assert "written anew" in fault.what


def test_nobody_writes_to_the_chain(fern: Person, database: Database) -> None:
    record(database, fern, "one")
    statements = (
        "DELETE FROM audit_link",
        "UPDATE audit_link SET seq = 9",
        "INSERT INTO audit_link VALUES (gen_random_uuid(), gen_random_uuid(), 1, gen_random_uuid(), '')",
        "SELECT link_audit_entry()",
    )
    for statement in statements:
        with pytest.raises(DBAPIError), database.in_partner(fern.partner.id) as session:
            session.execute(text(statement))


def test_an_administrator_reads_who_did_what_in_the_organization(
    fern: Person, tenants: Tenants, database: Database, portal: Callable[..., Client]
) -> None:
    assert fern.organization is not None
    juno = tenants.person(fern.organization, "Juno Birdsong")
    stranger = tenants.person(tenants.organization(fern.partner), "Otis Marlowe", role="org_admin")
    assert juno.subscriber is not None
    with database.run_as(fern.organization.org_id) as session:
        audit.record(
            session,
            audit.FEATURE_ON,
            "calllogs",
            audit.changed({"colour": "red", "size": 1}, {"colour": "blue", "size": 1}),
            subject=juno.subscriber.id,
            actor=fern.account,
            address="192.0.2.7",
        )
    words = " ".join(portal(fern).get("/audit").html.select_one("table").get_text(" ").split())
    for said in (
        "Fern Castellan",
        "about Juno Birdsong",
        "calllogs",
        "colour : red → blue",
        "192.0.2.7",
    ):
        assert said in words
    assert "size" not in words
    assert "Turned a feature on" in portal(juno).get("/account/activity").text
    portal(juno).get("/audit", status=403)
    assert "Fern Castellan" not in portal(stranger).get("/audit").text
    assert portal(stranger).get("/account/activity").html.select("tbody tr") == []


def test_the_partner_reads_all_of_it_page_by_page_and_as_a_file(
    fern: Person, tenants: Tenants, database: Database, console: Callable[..., Client]
) -> None:
    staff = tenants.staff(fern.partner, "partner_admin")
    record(database, fern, *(f"thing {n}" for n in range(60)), "=evil()")
    client = console(staff)
    page = client.get("/audit")
    assert len(page.html.select("tbody tr")) == 50
    older = client.get(page.html.find("a", {"rel": "next"})["href"])
    assert len(older.html.select("tbody tr")) == 11
    assert len(client.get("/audit?q=thing+5").html.select("tbody tr")) == 11
    assert client.get("/audit?action=sign-out").html.select("tbody tr") == []
    other = tenants.organization(fern.partner)
    assert client.get(f"/audit?org={other.org_id}").html.select("tbody tr") == []
    file = client.get("/audit.csv?q=thing")
    assert file.content_type == "text/csv"
    assert len(file.body.decode().splitlines()) == 61
    assert "'=evil()" in client.get("/audit.csv").body.decode()
    assert "Downloaded the audit trail" in client.get("/audit").text
    stranger = tenants.staff(tenants.partner(), "partner_admin")
    assert "thing" not in console(stranger).get("/audit.csv").body.decode()


def test_days_are_the_readers_and_have_to_be_days(
    fern: Person, database: Database, portal: Callable[..., Client]
) -> None:
    record(database, fern, "today")
    client, day = portal(fern), timedelta(days=1)
    now = datetime.now(UTC).date()
    assert "today" in client.get(f"/audit?from={now - day}&to={now + day}").html.select_one("tbody").text
    assert client.get(f"/audit?from={now - 9 * day}&to={now - 2 * day}").html.select("tbody tr") == []
    for wrong in ("from=yesterday", "to=2026-13-01", "from=0001-01-01"):
        client.get(f"/audit?{wrong}", status=400)
    client.get("/audit?before=nothing", status=404)
    assert "today" in client.get(f"/audit?from={now + day}&to={now - day}").html.select_one("tbody").text


def test_details_are_told_whatever_they_hold() -> None:
    detail = {"changed": {"a": [None, "x"], "b": "odd"}, "rows": 3}
    assert [tuple(change) for change in changes_of(detail)] == [("a", "–", "x"), ("rows", None, "3")]
    assert [one.after for one in changes_of({"gave": {"messages": 3}, "to": ["a", "b"]})] == [
        "messages 3",
        "a, b",
    ]
    assert changes_of({"changed": "odd"}) == ()
