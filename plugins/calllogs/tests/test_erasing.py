"""Whoever is erased is nowhere any more, and everybody else's calls are as they were."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from support.counting import counted

from ringstead.api import ErasureRefused
from ringstead.api.testing import Person, Tenants
from ringstead.db.engine import Database
from ringstead.preferences.store import set_for_organization
from ringstead_calllogs.erasing import AT_ONCE, NEVER_AGAIN, TOMBSTONE, erase_person
from ringstead_calllogs.exporting import export_person
from ringstead_calllogs.joining import ERASED
from ringstead_calllogs.models import Annotation, Conversation, Leg, LegKey
from ringstead_calllogs.rebuilding import rebuild
from ringstead_calllogs.retention import prune
from ringstead_calllogs.rollups import MEASURES, PersonQuarter

Make = Callable[..., dict[str, Any]]
DAY = timedelta(days=1)
NAME = "Juno Birdsong"
# What is told of the erased one, or marks the row that stands for the call.
NOT_COMPARED = {"name", "name_folded", "other_subscriber_id", "requested_name", "is_primary"}


@pytest.fixture
def people(tenants: Tenants) -> list[Person]:
    """Juno (201), who is erased, and two others."""
    organization = tenants.organization(None, "calllogs")
    return [
        tenants.person(organization, name, extension=extension, number=number)
        for name, extension, number in (
            (NAME, "201", "+12125550201"),
            ("Ann Alder", "202", "+12125550202"),
            ("Ben Birch", "203", None),
        )
    ]


def org_of(person: Person) -> UUID:
    assert person.organization is not None
    return person.organization.org_id


def id_of(person: Person) -> UUID:
    assert person.subscriber is not None
    return person.subscriber.id


def erase(database: Database, person: Person, despite_hold: bool = False) -> dict[str, int]:
    with database.run_as(org_of(person)) as session:
        return {str(done.what): done.count for done in erase_person(session, id_of(person), despite_hold)}


def rows(database: Database, person: Person, model: Any) -> list[Any]:
    with database.run_as(org_of(person)) as session:
        return list(session.scalars(select(model)))


def others_rows(database: Database, person: Person) -> dict[UUID, dict[str, Any]]:
    """Everybody else's conversations, without what is not compared; whom they spoke to, if not with the erased one."""
    found = {}
    for call in rows(database, person, Conversation):
        if call.subscriber_id not in (None, id_of(person)):
            values = {c.key: getattr(call, c.key) for c in Conversation.__table__.columns}
            told = (values["name"], values["other_subscriber_id"])
            kept = (
                told
                if values["name"] != NAME and values["other_subscriber_id"] != id_of(person)
                else (None, None)
            )
            asked = values["requested_name"] if values["requested_name"] != NAME else None
            found[call.id] = {k: v for k, v in values.items() if k not in NOT_COMPARED} | {
                "told": kept,
                "asked": asked,
            }
    return found


def whole_table(database: Database, person: Person, table: str) -> str:
    with database.run_as(org_of(person)) as session:
        query = text(f"SELECT to_jsonb(t)::text FROM {table} t WHERE org_id = :org ORDER BY 1")
        return "\n".join(session.execute(query, {"org": org_of(person)}).scalars())


def tables(database: Database) -> list[str]:
    """Every table of this plugin that holds rows of organizations."""
    with database.app_engine.connect() as connection:
        return list(
            connection.execute(
                text("""
                    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
                    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname LIKE 'calllogs\\_%'
                """)
            ).scalars()
        )


def without_zeros(database: Database, person: Person) -> dict[str, list[dict[str, Any]]]:
    """All tables, without what is stale for the partner, and without quarters that hold nothing (a rebuild may leave a
    row of zeros where there was none)."""
    found = {
        table: [json.loads(line) for line in whole_table(database, person, table).splitlines()]
        for table in tables(database)
        if table != "calllogs_stale_quarter"
    }
    for table in ("calllogs_person_quarter", "calllogs_office_quarter"):
        found[table] = [row for row in found[table] if any(row[name] for name in MEASURES)]
    return found


def assert_gone(database: Database, person: Person, *traces: str) -> None:
    for table in tables(database):
        content = whole_table(database, person, table)
        for trace in (str(id_of(person)), NAME, NAME.casefold(), *traces):
            assert trace not in content, (table, trace)


def ends(person: Person, number: int) -> list[dict[str, Any]]:
    """Ways to name somebody."""
    assert person.subscriber is not None
    named = [{"subscriber": str(id_of(person))}, {"extension": person.subscriber.extension}]
    # A number alone: the leg is nobody's, and yet tells the name.
    return [*named, {"number": person.subscriber.number or f"+1646555{number:04}"}]


@st.composite
def batches(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    party = st.tuples(st.integers(0, 3), st.integers(0, 2))
    leg = st.fixed_dictionaries(
        {
            "key": st.integers(0, 9),
            "call": st.integers(0, 3),
            "from": party,
            "to": party,
            "requested": st.none() | party,
            "minute": st.integers(0, 70),
            "ring": st.integers(0, 40),
            "talk": st.integers(0, 300),
            "direction": st.sampled_from(["incoming", "outgoing", "internal"]),
            "disposition": st.sampled_from(
                ["answered", "missed", "voicemail", "answered_elsewhere", "busy", "forwarded"]
            ),
            "revision": st.integers(0, 2),
            "merges": st.none() | st.integers(0, 3),
        }
    )
    return draw(st.lists(st.lists(leg, min_size=1, max_size=6), min_size=1, max_size=4))


def made(leg: Make, people: list[Person], values: dict[str, Any], now: datetime) -> dict[str, Any]:
    def end(party: tuple[int, int]) -> dict[str, Any]:
        who, way = party
        return ends(people[who], who)[way] if who < 3 else {"number": f"+1917555010{way}", "name": "Wren"}

    fields: dict[str, Any] = {name: values[name] for name in ("ring", "direction", "disposition", "revision")}
    if values["disposition"] in ("answered", "voicemail"):
        fields["talk"] = values["talk"]
    if values["requested"] is not None:
        fields["requested"] = end(values["requested"])
    if values["merges"] not in (None, values["call"]):
        fields["merges"] = [f"call {values['merges']}"]
    fields |= {"from": end(values["from"]), "to": end(values["to"])}
    at = now - timedelta(hours=5) + timedelta(minutes=values["minute"])
    name = f"{people[0].partner.slug} {values['key']}"
    return leg(people[0], id=name, linked_id=f"call {values['call']}", at=at, **fields)


@given(sent=batches())
@settings(max_examples=40)
def test_everybody_else_keeps_what_they_had(
    sent: list[list[dict[str, Any]]],
    switch: Any,
    tenants: Tenants,
    database: Database,
    leg: Make,
    now: datetime,
) -> None:
    organization = tenants.organization(None, "calllogs")
    people = [
        tenants.person(organization, name, extension=str(201 + n), number=f"+1212555020{n}")
        for n, name in enumerate((NAME, "Ann Alder", "Ben Birch"))
    ]
    records = [[made(leg, people, values, now) for values in batch] for batch in sent]
    for batch in records:
        switch.accept(*batch)
    before = others_rows(database, people[0])
    erase(database, people[0])
    assert others_rows(database, people[0]) == before
    assert_gone(database, people[0])
    check_primary_and_counts(database, people[0])
    everything = without_zeros(database, people[0])
    rebuild(database, organization.org_id, now - DAY, now + DAY)
    assert without_zeros(database, people[0]) == everything
    for batch in records:  # what merges is said again, and is merged already
        switch.accept(*({**record, "merges": []} for record in batch))
    assert others_rows(database, people[0]) == before
    assert_gone(database, people[0])


def check_primary_and_counts(database: Database, person: Person) -> None:
    calls = rows(database, person, Conversation)
    assert set(Counter(call.linked_id for call in calls if call.is_primary)) == {c.linked_id for c in calls}
    assert sum(call.is_primary for call in calls) == len({call.linked_id for call in calls})
    found, wanted = counted(database, org_of(person))
    assert found == wanted


def test_a_call_of_theirs_goes_and_no_record_brings_it_back(
    people: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    juno = people[0]
    record = leg(juno, id="first", at=now - DAY, trace_id="trace 1", device="Juno's phone")
    switch.accept(record)
    with database.run_as(org_of(juno)) as session:
        (call,) = session.scalars(select(Conversation)).all()
        session.add(
            Annotation(subscriber_id=id_of(juno), conversation_id=call.id, note="My note", tags=["vip"])
        )
    done = erase(database, juno)
    assert done["calls that were nobody else’s"] == 1
    assert done["notes"] == 1
    for model in (Leg, Conversation, Annotation, PersonQuarter):
        assert rows(database, juno, model) == [], model
    assert_gone(database, juno, "+12125550158", "Wren", "Juno's phone", "My note", "trace 1")
    (key,) = rows(database, juno, LegKey)
    assert (key.id, key.revision) == ("first", NEVER_AGAIN)
    assert key.linked_id == f"{TOMBSTONE}{now - DAY:%Y-%m-%d}"
    answer = switch.post(record, {**record, "revision": 9})
    assert (answer.json["accepted"], answer.json["duplicates"]) == (0, 2)
    assert rows(database, juno, Leg) == rows(database, juno, Conversation) == []


def test_many_calls_are_erased_piece_by_piece(
    people: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    juno, ann, _ben = people
    alone, shared = AT_ONCE + 1, AT_ONCE // 2
    moments = [now - timedelta(hours=5, seconds=n) for n in range(alone + shared)]
    switch.accept(
        *(
            leg(
                juno,
                id=f"leg {n}",
                at=at,
                **({"from": {"subscriber": str(id_of(ann))}} if n < shared else {}),
            )
            for n, at in enumerate(moments)
        )
    )
    done = erase(database, juno)
    assert done["calls that were nobody else’s"] == alone
    assert done["calls with others, now without the person"] == shared
    assert {call.subscriber_id for call in rows(database, juno, Conversation)} == {id_of(ann)}
    assert len(rows(database, juno, Leg)) == shared
    assert_gone(database, juno)


def test_who_was_erased_may_telephone_again(
    people: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    juno, ann, _ben = people
    switch.accept(leg(juno, id="old", linked_id="call", at=now - DAY))
    erase(database, juno)
    switch.accept(
        leg(juno, id="new", at=now - timedelta(hours=1)),
        leg(ann, id="late", linked_id="call", at=now - DAY, disposition="missed"),
    )
    found = {call.linked_id: call for call in rows(database, juno, Conversation)}
    assert found["new"].subscriber_id == id_of(juno)
    assert (found["call"].subscriber_id, found["call"].disposition) == (id_of(ann), "missed")


def test_answered_elsewhere_stays_so(
    people: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    juno, ann, _ben = people
    at = now - DAY
    switch.accept(
        leg(ann, id="ann", linked_id="group", at=at, disposition="answered_elsewhere", talk=0),
        leg(juno, id="juno", linked_id="group", at=at, device="Juno's phone"),
    )
    erase(database, juno)
    (call,) = rows(database, juno, Conversation)
    assert (call.subscriber_id, call.disposition, call.is_primary) == (id_of(ann), "answered_elsewhere", True)
    assert (call.number, call.name) == ("+12125550158", "Wren Halloway")
    kept = next(found for found in rows(database, juno, Leg) if found.key == "juno")
    assert kept.to_subscriber_id == ERASED
    assert (kept.to_number, kept.to_name, kept.from_number, kept.device) == (None, None, None, None)


def test_a_colleague_keeps_the_number_and_loses_the_name(
    people: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    juno, ann, _ben = people
    record = leg(
        ann,
        id="between",
        at=now - DAY,
        direction="internal",
        device="Juno's phone",
        **{"from": {"extension": "201"}},
    )
    record |= {"from": {"extension": "202"}, "to": {"extension": "201"}}
    switch.accept(record)
    before = {call.subscriber_id: call for call in rows(database, juno, Conversation)}[id_of(ann)]
    assert (before.number, before.name, before.other_subscriber_id) == ("201", NAME, id_of(juno))
    erase(database, juno)
    (after,) = rows(database, juno, Conversation)
    assert (after.id, after.number, after.talk_seconds) == (before.id, "201", before.talk_seconds)
    assert (after.name, after.name_folded, after.other_subscriber_id) == (None, "", None)
    switch.accept({**record, "revision": 3})
    (again,) = rows(database, juno, Conversation)
    assert again.name is None


def test_two_who_are_erased_leave_the_third_as_it_was(
    people: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    at = now - DAY
    switch.accept(
        *(
            leg(person, linked_id="group", at=at, disposition="answered" if n == 1 else "missed")
            for n, person in enumerate(people)
        )
    )
    for person in people[:2]:
        erase(database, person)
    (call,) = rows(database, people[0], Conversation)
    assert (call.subscriber_id, call.disposition) == (id_of(people[2]), "answered_elsewhere")
    erase(database, people[2])
    assert rows(database, people[0], Conversation) == rows(database, people[0], Leg) == []


def test_a_legal_hold_stops_it_unless_somebody_says_otherwise(
    people: list[Person], switch: Any, leg: Make, database: Database, wsgi: Any, now: datetime
) -> None:
    juno = people[0]
    switch.accept(leg(juno, at=now - DAY))
    with database.run_as(org_of(juno)) as session:
        declared = wsgi.registry["ringstead.declared_settings"]
        set_for_organization(session, declared, "calllogs.legal_hold", True)
    with pytest.raises(ErasureRefused, match="legal hold"):
        erase(database, juno)
    assert len(rows(database, juno, Leg)) == 1
    erase(database, juno, despite_hold=True)
    assert rows(database, juno, Leg) == []


def test_others_of_the_same_name_in_other_organizations_stay(
    people: list[Person], tenants: Tenants, switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    namesake = tenants.person(tenants.organization(people[0].partner, "calllogs"), NAME, extension="201")
    switch.accept(leg(people[0], at=now - DAY), leg(namesake, at=now - DAY))
    erase(database, people[0])
    assert len(rows(database, namesake, Conversation)) == 1


def test_keys_of_erased_legs_go_with_their_time(
    people: list[Person], switch: Any, leg: Make, database: Database, wsgi: Any, now: datetime
) -> None:
    juno = people[0]
    switch.accept(leg(juno, id="old", at=now - 40 * DAY), leg(juno, id="new", at=now - DAY))
    erase(database, juno)
    with database.run_as(org_of(juno)) as session:
        declared = wsgi.registry["ringstead.declared_settings"]
        set_for_organization(session, declared, "calllogs.keep_days", 30)
    run = prune(database, org_of(juno))
    assert run is not None
    assert run.leg_keys == 1
    assert [key.id for key in rows(database, juno, LegKey)] == ["new"]


def test_an_export_is_the_persons_own(
    people: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    juno, ann, _ben = people
    at = now - DAY
    switch.accept(
        leg(ann, id="ann", linked_id="group", at=at, disposition="answered_elsewhere", talk=0),
        leg(juno, id="juno", linked_id="group", at=at, trace_id="trace 1"),
        leg(ann, id="not mine", at=at),
    )
    with database.run_as(org_of(juno)) as session:
        mine = session.scalars(select(Conversation).where(Conversation.subscriber_id == id_of(juno))).one()
        session.add(
            Annotation(subscriber_id=id_of(juno), conversation_id=mine.id, note="My note", tags=["vip"])
        )
    with database.run_as(org_of(juno)) as session:
        files = {data.name: list(data.rows) for data in export_person(session, id_of(juno))}
    (call,) = files["calls"]
    assert (call["note"], call["tags"], call["number"]) == ("My note", ["vip"], "+12125550158")
    assert [found["key"] for found in call["legs"]] == ["juno"]
    assert [counted["answered"] for counted in files["counts"]] == [1]
    by_key: defaultdict[str, int] = defaultdict(int)
    for found in call["legs"]:
        by_key[found["key"]] += 1
    assert by_key == {"juno": 1}
