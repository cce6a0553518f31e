"""Batches: strict or lenient, compressed, larger than one chunk; legs that are corrected; calls that become one."""

import gzip
import json
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ringstead.api.testing import Person, Tenants
from ringstead.db.engine import Database
from ringstead_calllogs.models import Conversation

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Make = Callable[..., dict[str, Any]]
Read = Callable[[Person], list[Conversation]]
STRICT = {"Prefer": "respond-async, handling=strict"}
LINES = "application/x-ndjson"


def body(*records: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(record).encode() for record in records)


def test_a_strict_request_is_all_or_nothing(
    switch: Any, person: Person, leg: Make, calls_of: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bad record is in the last of several chunks: the earlier ones are undone."""
    monkeypatch.setattr("ringstead_calllogs.switch.AT_ONCE", 2)
    good = [leg(person) for _ in range(4)]
    answer = switch.send(body(*good, leg(person, to={"extension": "999"})), LINES, **STRICT)
    assert answer.status_int == 422
    assert (answer.json["accepted"], answer.json["duplicates"]) == (0, 0)
    assert [(r["line"], r["field"]) for r in answer.json["rejected"]] == [(5, "to.extension")]
    assert calls_of(person) == []
    answer = switch.send(body(*good), LINES, **STRICT)
    assert (answer.status_int, answer.json["accepted"]) == (200, 4)
    assert len(calls_of(person)) == 4


def test_a_strict_request_makes_the_months_of_its_later_chunks(
    switch: Any, person: Person, leg: Make, calls_of: Read, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own transaction, open since the first chunk, must not keep it from making partitions."""
    monkeypatch.setattr("ringstead_calllogs.switch.AT_ONCE", 2)
    legs = [leg(person, id=f"leg {n}", at=now - timedelta(days=9 * 365 + 31 * n)) for n in range(7)]
    # A correction in the third chunk of what the first one brought.
    legs.insert(4, legs[0] | {"revision": 1, "device": "Mobile"})
    answer = switch.send(body(*legs), LINES, **STRICT)
    assert (answer.status_int, answer.json["accepted"]) == (200, 8)
    calls = calls_of(person)
    assert len(calls) == 7
    assert calls[0].devices == ["Mobile"]


def test_a_strict_request_is_for_one_organization(
    switch: Any, tenants: Tenants, leg: Make, calls_of: Read
) -> None:
    people = [tenants.person(tenants.organization(None, "calllogs")) for _ in range(2)]
    answer = switch.send(body(*(leg(person) for person in people)), LINES, **STRICT)
    assert answer.status_int == 422
    assert [r["field"] for r in answer.json["rejected"]] == ["organization"]
    assert [calls_of(person) for person in people] == [[], []]


def test_a_batch_of_many_chunks(
    switch: Any, person: Person, leg: Make, calls_of: Read, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Legs of one call lie in different chunks, and so do two records of one leg."""
    monkeypatch.setattr("ringstead_calllogs.switch.AT_ONCE", 3)
    legs = [
        leg(person, id=f"leg {n}", linked_id=f"call {n % 5}", at=now - timedelta(hours=2, seconds=n))
        for n in range(20)
    ]
    answer = switch.post(*legs, *legs[::4], b"nonsense")
    assert answer.status_int == 200
    assert (answer.json["accepted"], answer.json["duplicates"]) == (20, 5)
    assert [r["line"] for r in answer.json["rejected"]] == [26]
    calls = calls_of(person)
    assert {call.linked_id: call.leg_count for call in calls} == {f"call {n}": 4 for n in range(5)}
    assert len(calls) == 5


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_compressed_batches(
    name: str, compress: Callable[[bytes], bytes], switch: Any, person: Person, leg: Make, calls_of: Read
) -> None:
    lines = [body(leg(person)) + b"\n" for _ in range(3)]
    members = compress(lines[0]) + compress(lines[1] + lines[2])
    assert switch.send(members, LINES, Content_Encoding=name).json["accepted"] == 3
    whole = compress(lines[0])
    for broken in (whole[:-9], whole[:-1], b"something else", b"", whole + b"rest"):
        answer = switch.send(broken, LINES, Content_Encoding=name)
        assert answer.status_int == 400, broken
        assert name in answer.json["detail"]
    assert len(calls_of(person)) == 3


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_bombs_do_not_unfold(
    compress: Callable[[bytes], bytes], app_with: Callable[..., Any], make_switch: Callable[..., Any]
) -> None:
    switch = make_switch(app=app_with(max_body_bytes=100_000))
    name = "gzip" if compress is gzip.compress else "zstd"
    bomb = compress(b"{}\n" * 5_000_000)
    assert len(bomb) < 100_000
    assert switch.send(bomb, LINES, Content_Encoding=name).status_int == 413


def test_what_was_stored_before_a_body_breaks_off_is_said(
    switch: Any, person: Person, leg: Make, calls_of: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringstead_calllogs.switch.AT_ONCE", 2)
    # Random ids do not compress: the first chunks are whole before the end is missed.
    packed = gzip.compress(body(*(leg(person, trace_id=f"{n}" * 60) for n in range(800))))[:-10]
    answer = switch.send(packed, LINES, Content_Encoding="gzip")
    assert answer.status_int == 400
    assert "may be sent again" in answer.json["detail"]
    assert 0 < answer.json["accepted"] == len(calls_of(person)) < 800


def test_a_corrected_leg_takes_the_place_of_the_old_one(
    switch: Any, person: Person, leg: Make, calls_of: Read, now: datetime
) -> None:
    # The correction lies in another month and belongs to another call.
    first = leg(person, id="leg", linked_id="one", at=now - timedelta(days=40), revision=1)
    switch.accept(first)
    for same in (first, first | {"revision": 0, "direction": "internal"}):
        assert switch.post(same).json["duplicates"] == 1
    later = leg(person, id="leg", linked_id="two", revision=2, at=now - timedelta(days=3), talk=7)
    assert switch.post(first, later, later).json == {"accepted": 1, "duplicates": 2, "rejected": []}
    [call] = calls_of(person)
    assert (call.linked_id, call.talk_seconds, call.leg_count) == ("two", 7, 1)
    assert call.started_at == now - timedelta(days=3)


def test_an_attended_transfer_makes_two_calls_one(
    switch: Any, tenants: Tenants, person: Person, leg: Make, calls_of: Read, now: datetime
) -> None:
    """Juno takes a call, asks Pip in a second one, and hands the first over; late legs of either belong to it."""
    assert person.organization is not None
    pip = tenants.person(person.organization, "Pip Larkspur", extension="200")
    at = now - timedelta(hours=1)
    incoming = leg(person, linked_id="outside", at=at, talk=90)
    asking = leg(
        pip, linked_id="asking", direction="internal", at=at + timedelta(seconds=30), talk=60,
        **{"from": {"extension": "214"}},
    )  # fmt: skip
    switch.accept(incoming, asking)
    assert [call.linked_id for call in calls_of(person)] == ["asking", "outside"]
    joined = leg(pip, linked_id="outside", merges=["asking"], at=at + timedelta(seconds=95), talk=60)
    switch.accept(joined)
    [junos], [pips] = calls_of(person), calls_of(pip)
    assert (junos.linked_id, junos.disposition, junos.leg_count) == ("outside", "answered", 2)
    assert (pips.linked_id, pips.leg_count) == ("outside", 2)
    switch.accept(leg(pip, linked_id="asking", at=at + timedelta(seconds=31), disposition="missed"))
    assert [call.leg_count for call in calls_of(pip)] == [3]
    # A third call takes over the whole; the chain is followed from its very beginning.
    switch.accept(leg(pip, linked_id="third", merges=["outside"], at=at + timedelta(minutes=9)))
    switch.accept(leg(pip, linked_id="asking", at=at + timedelta(seconds=33), disposition="missed"))
    assert [(call.linked_id, call.leg_count) for call in calls_of(pip)] == [("third", 5)]
    assert [call.linked_id for call in calls_of(person)] == ["third"]


def test_who_was_asked_for_is_kept_apart_from_who_answered(
    switch: Any, tenants: Tenants, person: Person, leg: Make, calls_of: Read
) -> None:
    assert person.organization is not None
    tenants.subscriber(person.organization, "Front desk", extension="600")
    switch.accept(leg(person, requested={"extension": "600"}, trace_id="trace 1"))
    [call] = calls_of(person)
    assert (call.requested_number, call.requested_name) == ("600", "Front desk")
    assert (call.name, call.trace_id) == ("Wren Halloway", "trace 1")


def test_a_call_that_reaches_nobody_is_the_organizations(
    switch: Any, database: Database, person: Person, leg: Make, calls_of: Read
) -> None:
    from sqlalchemy import select

    assert person.organization is not None
    switch.accept(leg(person, to={"number": "600"}, disposition="cancelled"))
    assert calls_of(person) == []
    with database.run_as(person.organization.org_id) as session:
        call = session.scalars(select(Conversation)).one()
    assert (call.subscriber_id, call.is_primary) == (None, True)
    assert (call.kind, call.disposition) == ("missed", "abandoned")


def test_a_call_has_so_many_legs(
    switch: Any, person: Person, leg: Make, calls_of: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringstead_calllogs.storing.MOST_LEGS", 3)
    legs = [leg(person, id=f"leg {n}", linked_id="always the same") for n in range(5)]
    switch.accept(*legs[:2])
    answer = switch.post(*legs)
    assert (answer.json["accepted"], answer.json["duplicates"]) == (1, 2)
    assert [(r["line"], r["field"]) for r in answer.json["rejected"]] == [(4, "linked_id"), (5, "linked_id")]
    assert [call.leg_count for call in calls_of(person)] == [3]


def test_a_request_looks_up_so_many_domains(
    switch: Any, person: Person, leg: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringstead_calllogs.switch.MOST_DOMAINS", 3)
    seen: list[str] = []
    monkeypatch.setattr(
        "ringstead_calllogs.switch.organization_of_domain", lambda _request, name: seen.append(name)
    )
    answer = switch.post(*(leg(person, organization=None, domain=f"d{n}.example") for n in range(9)))
    assert {r["field"] for r in answer.json["rejected"]} == {"domain"}
    assert len(seen) == 3
