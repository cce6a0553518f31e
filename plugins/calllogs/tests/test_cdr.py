"""`POST /switch/v1/cdr` through the front door: who may speak, which bodies, what becomes of records."""

import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import webtest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import Host
from ringstead_calllogs.models import Conversation, Leg

Make = Callable[..., dict[str, Any]]
Read = Callable[[Person], list[Conversation]]


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_int == status, answer.text
    assert answer.content_type == "application/problem+json"
    found: dict[str, Any] = answer.json
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    return found


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic a2V5", "bearer \u00e9"]
)
def test_without_a_valid_key_there_is_no_talking(wsgi: Any, header: str | None) -> None:
    app = webtest.TestApp(wsgi, extra_environ={"HTTP_HOST": "127.0.0.1"})
    headers = {} if header is None else {"Authorization": header}
    for path in ("cdr", "nonsense"):
        answer = app.post(f"/switch/v1/{path}", b"{}", headers=headers, status="*")
        problem_of(answer, 401)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="switch"'


def test_only_on_platform_hosts(switch: Any, visitor: Callable[..., Client], tenants: Tenants) -> None:
    headers = {"Authorization": f"Bearer {switch.key}"}
    for site in ("portal", "console"):
        answer = visitor(tenants.partner(), site).post("/switch/v1/cdr", b"{}", headers=headers, status="*")
        assert answer.status_int == 404
    headers["Host"] = "nowhere.test"
    assert switch.app.post("/switch/v1/cdr", b"{}", headers=headers, status="*").status_int == 421


def test_unknown_message_and_wrong_method(switch: Any) -> None:
    headers = {"Authorization": f"Bearer {switch.key}"}
    assert (
        "cdr" in problem_of(switch.app.post("/switch/v1/x", b"", headers=headers, status="*"), 404)["detail"]
    )
    answer = switch.app.get("/switch/v1/cdr", headers=headers, status="*")
    problem_of(answer, 405)
    assert answer.headers["Allow"] == "POST"


def test_one_record(switch: Any, person: Person, leg: Make, calls_of: Read) -> None:
    record = leg(person, ring=7, talk=252, requested={"number": "(212) 555-0100"})
    body = json.dumps(record, indent=2).encode()
    answer = switch.send(body, "application/json; charset=utf-8")
    assert answer.status_int == 200
    assert answer.content_type == "application/json"
    assert answer.json == {"accepted": 1, "duplicates": 0, "rejected": []}
    [call] = calls_of(person)
    assert (call.kind, call.direction, call.disposition) == ("received", "incoming", "answered")
    assert (call.number, call.name) == ("+12125550158", "Wren Halloway")
    assert (call.requested_number, call.requested_name) == ("+12125550100", "Juno Birdsong")
    assert (call.ring_seconds, call.talk_seconds, call.devices, call.leg_count) == (7, 252, ["Desk phone"], 1)
    assert switch.send(body, "application/json").json == {"accepted": 0, "duplicates": 1, "rejected": []}
    [again] = calls_of(person)
    assert (again.id, again.started_at) == (call.id, call.started_at)


def test_one_rejected_record_is_a_problem(switch: Any, person: Person, leg: Make, calls_of: Read) -> None:
    found = problem_of(switch.send(json.dumps(leg(person, direction="up")).encode(), "application/json"), 422)
    assert found["accepted"] == found["duplicates"] == 0
    assert found["rejected"][0]["field"] == "direction"
    assert calls_of(person) == []


def test_a_batch_stores_the_good_rows_and_names_the_bad(
    switch: Any, person: Person, leg: Make, calls_of: Read
) -> None:
    good, again = leg(person), leg(person, at=datetime.now(UTC) - timedelta(days=40))
    answer = switch.post(
        good, b"", b"{nonsense", again, good, leg(person, to={"extension": "999"}, id="the bad one")
    )
    assert answer.status_int == 200
    assert (answer.json["accepted"], answer.json["duplicates"]) == (2, 1)
    broken, unknown = answer.json["rejected"]
    assert (broken["line"], broken["id"], broken["field"]) == (3, None, "")
    assert "JSON" in broken["error"]
    assert (unknown["line"], unknown["id"], unknown["field"]) == (6, "the bad one", "to.extension")
    assert unknown["mend"]
    assert len(calls_of(person)) == 2


YEARS = timedelta(days=365)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "id"),
    ({"id": ""}, "id"),
    ({"id": "x" * 129}, "id"),
    ({"id": 7}, "id"),
    ({"id": "a\u0000b"}, "id"),
    ({"linked_id": "x" * 129}, "linked_id"),
    ({"linked_id": "a\nb"}, "linked_id"),
    ({"organization": "nonsense"}, "organization"),
    ({"organization": None}, "organization"),
    ({"organization": str(uuid4())}, "organization"),
    ({"domain": "sip.example"}, "domain"),
    ({"organization": None, "domain": "sip.nowhere.example"}, "domain"),
    ({"organization": None, "domain": "a\u0000b"}, "domain"),
    ({"direction": "sideways"}, "direction"),
    ({"direction": None}, "direction"),
    ({"from": None}, "from"),
    ({"from": "214"}, "from"),
    ({"from": {"colour": "red"}}, "from.colour"),
    ({"from": {"number": "5" * 65}}, "from.number"),
    ({"from": {"number": 5}}, "from.number"),
    ({"from": {"number": "5\u00005"}}, "from.number"),
    ({"from": {"name": "x" * 129}}, "from.name"),
    ({"from": {"name": "Wren\u0007"}}, "from.name"),
    ({"to": {"subscriber": "nobody"}}, "to.subscriber"),
    ({"to": {"subscriber": str(uuid4())}}, "to.subscriber"),
    ({"to": {"extension": "nobody"}}, "to.extension"),
    ({"to": {"extension": ""}}, "to.extension"),
    ({"to": {"extension": "214", "subscriber": str(uuid4())}}, "to.extension"),
    ({"requested": "600"}, "requested"),
    ({"requested": {"number": "5" * 65}}, "requested.number"),
    ({"requested": {"name": "a\u0000"}}, "requested.name"),
    ({"requested": {"extension": "nobody"}}, "requested.extension"),
    ({"requested": {"extension": "214", "subscriber": str(uuid4())}}, "requested.extension"),
    ({"merges": "a call"}, "merges"),
    ({"merges": [""]}, "merges"),
    ({"merges": ["a\u0000"]}, "merges"),
    ({"merges": ["x"] * 9}, "merges"),
    ({"linked_id": "one", "merges": ["one"]}, "merges"),
    ({"revision": -1}, "revision"),
    ({"revision": "2"}, "revision"),
    ({"revision": 10**7}, "revision"),
    ({"trace_id": ""}, "trace_id"),
    ({"trace_id": "x" * 129}, "trace_id"),
    ({"trace_id": "a\u0007"}, "trace_id"),
    ({"device": "x" * 65}, "device"),
    ({"device": "\u007f"}, "device"),
    ({"started_at": "yesterday"}, "started_at"),
    ({"started_at": "2026-11-23T09:31:00"}, "started_at"),
    ({"started_at": 1795426260}, "started_at"),
    ({"started_at": "0001-01-01T00:00:00+14:00"}, "started_at"),
    ({"started_at": "9999-12-31T23:59:59-12:00"}, "started_at"),
    ({"started_at": (datetime.now(UTC) - 11 * YEARS).isoformat()}, "started_at"),
    ({"ended_at": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, "ended_at"),
    ({"ended_at": (datetime.now(UTC) - timedelta(days=9)).isoformat()}, "ended_at"),
    ({"answered_at": (datetime.now(UTC) - timedelta(days=9)).isoformat()}, "answered_at"),
    ({"answered_at": None}, "answered_at"),
    ({"disposition": "missed"}, "answered_at"),
    ({"disposition": "eaten"}, "disposition"),
    ({"hangup_cause": -1}, "hangup_cause"),
    ({"hangup_cause": 10**30}, "hangup_cause"),
    ({"hangup_cause": "16"}, "hangup_cause"),
    ({"colour": "red"}, "colour"),
    ({"x" * 300: 1}, "x" * 200 + "…"),
]


# Named by place: some values are made anew in each process.
@pytest.mark.parametrize(
    ("changes", "field"), WRONG, ids=[f"{n}-{field[:20]}" for n, (_, field) in enumerate(WRONG)]
)
def test_every_field_is_checked(
    changes: dict[str, Any], field: str, switch: Any, person: Person, leg: Make, calls_of: Read
) -> None:
    record = leg(person)
    if "answered_at" not in changes and changes.get("disposition") == "missed":
        record["answered_at"] = record["ended_at"]
    record.update(changes)
    [rejection] = problem_of(switch.post(record), 422)["rejected"]
    assert rejection["field"] == field
    assert rejection["line"] == 1
    assert rejection["error"].endswith((".", "?"))
    assert rejection["mend"].endswith(".")
    assert calls_of(person) == []


@pytest.mark.parametrize(
    "line", [b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"{}", b'{"id": "\\ud800"}', b"[" * 5000, b"\x00"]
)
def test_a_line_that_is_no_record(line: bytes, switch: Any) -> None:
    assert len(problem_of(switch.post(line), 422)["rejected"]) == 1


def test_a_record_without_a_field_names_it(switch: Any, person: Person, leg: Make) -> None:
    for field in ("id", "direction", "from", "to", "started_at", "ended_at", "disposition"):
        record = leg(person)
        del record[field]
        [rejection] = problem_of(switch.post(record), 422)["rejected"]
        assert rejection["field"] == field
        assert "missing" in rejection["error"]


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/xml", "application/json; charset=utf-16", "multipart/form-data"],
)
def test_other_types_are_refused(content_type: str, switch: Any) -> None:
    assert "application/json" in problem_of(switch.send(b"{}", content_type), 415)["detail"] or content_type


def test_empty_bodies_are_refused(switch: Any) -> None:
    for content_type in ("application/json", "application/x-ndjson"):
        for body in (b"", b"\n\n  \n"):
            problem_of(switch.send(body, content_type), 422)


def test_compressed_bodies(switch: Any, person: Person, leg: Make, calls_of: Read) -> None:
    lines = [json.dumps(leg(person)).encode() + b"\n" for _ in range(3)]
    members = gzip.compress(lines[0]) + gzip.compress(lines[1] + lines[2])
    answer = switch.send(members, "application/x-ndjson", Content_Encoding="gzip")
    assert answer.json["accepted"] == 3
    whole = gzip.compress(lines[0])
    for broken in (whole[:-9], whole[:-1], b"not gzip", b"", whole + b"rest"):
        problem_of(switch.send(broken, "application/x-ndjson", Content_Encoding="gzip"), 400)
    problem_of(switch.send(whole, "application/x-ndjson", Content_Encoding="br"), 415)
    assert len(calls_of(person)) == 3


def test_bodies_are_bounded(app_with: Callable[..., Any], make_switch: Callable[..., Any]) -> None:
    switch = make_switch(app=app_with(max_body_bytes=100_000))
    problem_of(switch.send(b" " * 100_001, "application/json"), 413)
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    problem_of(switch.send(bomb, "application/json", Content_Encoding="gzip"), 413)
    problem_of(switch.send(bomb, "application/x-ndjson", Content_Encoding="gzip"), 413)
    problem_of(switch.send(b"{}" * 40_000, "application/x-ndjson"), 413)


def test_a_request_has_so_many_records(switch: Any) -> None:
    assert "50000" in problem_of(switch.send(b"{}\n" * 50_001, "application/x-ndjson"), 413)["detail"]


def test_a_switch_speaks_for_its_partner_only(
    make_switch: Callable[..., Any], tenants: Tenants, person: Person, leg: Make, calls_of: Read
) -> None:
    """The answer about another partner's organization is that about one which does not exist, word for word."""
    foreign = make_switch(tenants.partner())
    [theirs] = problem_of(foreign.post(leg(person, id="x")), 422)["rejected"]
    [nobodys] = problem_of(foreign.post(leg(person, id="x", organization=str(uuid4()))), 422)["rejected"]
    assert theirs == nobodys
    assert calls_of(person) == []
    make_switch(person.partner).accept(leg(person))
    assert len(calls_of(person)) == 1


def test_a_person_of_another_organization_is_unknown(
    switch: Any, tenants: Tenants, person: Person, leg: Make
) -> None:
    stranger = tenants.person(tenants.organization(person.partner, "calllogs"))
    assert stranger.subscriber is not None
    [rejection] = problem_of(switch.post(leg(person, to={"subscriber": str(stranger.subscriber.id)})), 422)[
        "rejected"
    ]
    assert rejection["field"] == "to.subscriber"


def test_an_organization_by_its_sip_domain(
    switch: Any, database: Database, person: Person, leg: Make, calls_of: Read
) -> None:
    assert person.organization is not None
    name = f"sip.{person.partner.slug}.test"
    with database.as_operator("tests", "make a SIP domain") as session:
        session.add(
            Host(name=name, partner_id=person.partner.id, kind="sip", org_id=person.organization.org_id)
        )
    switch.accept(leg(person, organization=None, domain=name.upper()))
    assert len(calls_of(person)) == 1
    portal = leg(person, organization=None, domain=f"{person.partner.slug}.test")
    assert problem_of(switch.post(portal), 422)["rejected"][0]["field"] == "domain"


def test_several_organizations_in_one_batch(switch: Any, tenants: Tenants, leg: Make, calls_of: Read) -> None:
    people = [tenants.person(tenants.organization(None, "calllogs")) for _ in range(3)]
    switch.accept(*(leg(person) for person in people for _ in range(2)))
    assert [len(calls_of(person)) for person in people] == [2, 2, 2]


def test_the_same_id_in_two_organizations_is_two_legs(
    switch: Any, tenants: Tenants, leg: Make, calls_of: Read
) -> None:
    people = [tenants.person(tenants.organization(None, "calllogs")) for _ in range(2)]
    switch.accept(*(leg(person, id="same") for person in people))
    assert [len(calls_of(person)) for person in people] == [1, 1]


def test_sent_twice_at_the_same_time(
    switch: Any, database: Database, person: Person, leg: Make, calls_of: Read
) -> None:
    assert person.organization is not None
    at = datetime.now(UTC) - timedelta(days=3)
    legs = [
        leg(person, id=f"leg {n}", linked_id=f"call {n % 5}", at=at + timedelta(seconds=n)) for n in range(20)
    ]

    def post(number: int) -> Any:
        return replace(
            switch, app=webtest.TestApp(switch.app.app, extra_environ={"HTTP_HOST": "127.0.0.1"})
        ).post(*(legs[number:] + legs[:number]))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(post, range(8)))
    assert sum(answer.json["accepted"] for answer in answers) == 20
    assert sum(answer.json["duplicates"] for answer in answers) == 7 * 20
    calls = calls_of(person)
    assert [call.leg_count for call in calls] == [4] * 5
    assert {call.linked_id for call in calls} == {f"call {n}" for n in range(5)}
    with database.run_as(person.organization.org_id) as session:
        assert len(session.scalars(select(Leg.id)).all()) == 20


def test_legs_of_one_call_at_the_same_time_agree(
    switch: Any, person: Person, leg: Make, calls_of: Read
) -> None:
    at = datetime.now(UTC) - timedelta(days=70)
    legs = [leg(person, linked_id="one", at=at + timedelta(minutes=n)) for n in range(12)]

    def post(record: dict[str, Any]) -> None:
        replace(switch, app=webtest.TestApp(switch.app.app, extra_environ={"HTTP_HOST": "127.0.0.1"})).accept(
            record
        )

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(post, reversed(legs)))
    [call] = calls_of(person)
    assert (call.leg_count, call.started_at, call.talk_seconds) == (12, at, 12 * 60)


def test_a_late_leg_moves_the_row_and_keeps_its_id(
    switch: Any, person: Person, leg: Make, calls_of: Read
) -> None:
    # The first leg lies in the partition of the month before.
    at = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=30, microsecond=0)
    switch.accept(leg(person, linked_id="call", at=at))
    [before] = calls_of(person)
    switch.accept(
        leg(person, linked_id="call", at=at - timedelta(minutes=1), disposition="missed", device="Mobile")
    )
    [after] = calls_of(person)
    assert after.id == before.id
    assert after.started_at == at - timedelta(minutes=1)
    assert (after.disposition, after.leg_count, after.devices) == ("answered", 2, ["Desk phone"])


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("+12125550158", "+12125550158"),
        ("(212) 555-0158", "+12125550158"),
        ("12125550158", "+12125550158"),
        ("+44 20 7946 0018", "+442079460018"),
        ("011442079460018", "+442079460018"),
        ("215", "215"),
        ("7654321", "7654321"),
        ("911", "911"),
        ("*72", "*72"),
        ("alice", "alice"),
        ("anonymous", None),
        ("  ", None),
        (None, None),
    ],
)
def test_numbers(
    sent: str | None, stored: str | None, switch: Any, person: Person, leg: Make, calls_of: Read
) -> None:
    switch.accept(leg(person, **{"from": {"number": sent}}))
    assert calls_of(person)[0].number == stored


def test_an_extension_stays_one_however_long_it_is(
    switch: Any, tenants: Tenants, person: Person, leg: Make, calls_of: Read
) -> None:
    assert person.organization is not None
    tenants.subscriber(person.organization, "Pip Larkspur", extension="2125550199")
    switch.accept(leg(person, **{"from": {"number": "2125550199"}}))
    [call] = calls_of(person)
    assert (call.number, call.name) == ("2125550199", "Pip Larkspur")


def test_records_are_kept_while_the_feature_is_off(
    switch: Any, tenants: Tenants, person: Person, leg: Make, calls_of: Read
) -> None:
    assert person.organization is not None
    tenants.switch(person.organization, "calllogs", enabled=False)
    switch.accept(leg(person))
    assert len(calls_of(person)) == 1


def test_a_handler_that_fails_is_contained(
    app_with: Callable[..., Any], make_switch: Callable[..., Any], person: Person, leg: Make, calls_of: Read,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    switch = make_switch(app=app_with(plugin_strict=False))

    def broken(*_: Any) -> int:
        raise RuntimeError("half way")

    with monkeypatch.context() as patch:
        patch.setattr("ringstead_calllogs.intake.any_merged", broken)
        answer = switch.post(leg(person))
    problem_of(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert "half way" not in answer.text
    assert calls_of(person) == []
    switch.accept(leg(person))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
PLACES = ["id", "linked_id", "organization", "domain", "direction", "from", "to", "requested", "merges", "revision",
          "trace_id", "device", "started_at",
          "answered_at", "ended_at", "disposition", "hangup_cause", "from.number", "from.name", "from.subscriber",
          "to.extension", "to.name"]  # fmt: skip


@given(changes=st.dictionaries(st.sampled_from(PLACES), ANYTHING, min_size=1, max_size=3))
@settings(max_examples=150)
def test_whatever_a_field_holds(
    changes: dict[str, Any], switch: Any, person: Person, leg: Make, calls_of: Read
) -> None:
    """Taken or rejected with the field's name, never a fault; what is rejected leaves nothing behind."""
    record, before = leg(person), len(calls_of(person))
    for place, value in changes.items():
        name, _, part = place.partition(".")
        if part:
            record[name] = {**record[name], part: value} if isinstance(record[name], dict) else value
        else:
            record[name] = value
    answer = switch.post(record)
    if answer.status_int == 422:
        [rejection] = answer.json["rejected"]
        assert rejection["field"].partition(".")[0] in {*PLACES, ""}
        assert len(calls_of(person)) == before
    else:
        assert answer.status_int == 200
        assert answer.json["accepted"] + answer.json["duplicates"] == 1
