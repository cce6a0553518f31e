"""What each person sees of a call, whatever order its legs come in."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from ringstead.api.testing import Tenants
from ringstead.db.engine import Database
from ringstead_calllogs.joining import LegRow, conversations, people_of
from ringstead_calllogs.models import Conversation
from ringstead_calllogs.records import Disposition

BEGIN = datetime(2026, 11, 2, 9, tzinfo=UTC)
ORG = UUID(int=1)
ANN, BEN, CAT, DOT = (UUID(int=n) for n in range(10, 14))
OUTSIDE, FAR = "+12125550158", "+12125550147"


def fact(
    start: int, ring: int, disposition: str, caller: Any, called: Any, talk: int = 0, **values: Any
) -> LegRow:
    """A leg `start` seconds after BEGIN. Ends are subscriber ids, or numbers of somebody outside."""
    started = BEGIN + timedelta(seconds=start)
    answered = started + timedelta(seconds=ring) if disposition in ("answered", "voicemail") else None
    inside = [isinstance(end, UUID) for end in (caller, called)]
    direction = "internal" if all(inside) else "outgoing" if inside[0] else "incoming"
    return LegRow(
        **{
            "org_id": ORG,
            "id": uuid4(),
            "key": uuid4().hex,
            "linked_id": "call",
            "revision": 0,
            "direction": direction,
            "disposition": disposition,
            "started_at": started,
            "answered_at": answered,
            "ended_at": started + timedelta(seconds=ring + talk),
            "hangup_cause": None,
            **_end("from", caller),
            **_end("requested", None),
            **_end("to", called),
            "device": None,
            "trace_id": None,
            "node_id": UUID(int=2),
            **values,
        }
    )


def _end(side: str, end: Any) -> dict[str, Any]:
    person = end if isinstance(end, UUID) else None
    number = str(end.int % 1000) if person else end
    return {f"{side}_subscriber_id": person, f"{side}_number": number, f"{side}_name": None}


def seen(*legs: LegRow) -> dict[UUID, tuple[str, str]]:
    """(direction, disposition) by person."""
    return {
        row.subscriber_id: (row.direction, row.disposition)
        for row in conversations(list(legs))
        if row.subscriber_id is not None
    }


SCENES: list[tuple[str, list[LegRow], dict[UUID, tuple[str, str]]]] = [
    ("answered", [fact(0, 5, "answered", OUTSIDE, ANN, 60)], {ANN: ("incoming", "answered")}),
    ("missed", [fact(0, 20, "missed", OUTSIDE, ANN)], {ANN: ("incoming", "missed")}),
    ("busy is missed", [fact(0, 0, "busy", OUTSIDE, ANN)], {ANN: ("incoming", "missed")}),
    ("unreachable is missed", [fact(0, 0, "failed", OUTSIDE, ANN)], {ANN: ("incoming", "missed")}),
    ("hung up before is missed", [fact(0, 9, "cancelled", OUTSIDE, ANN)], {ANN: ("incoming", "missed")}),
    (
        "answered on the other phone",
        [
            fact(0, 7, "answered_elsewhere", OUTSIDE, ANN, device="Desk phone"),
            fact(0, 7, "answered", OUTSIDE, ANN, 30, device="Mobile"),
        ],
        {ANN: ("incoming", "answered")},
    ),
    (
        "busy on the desk phone, answered on the mobile",
        [fact(0, 0, "busy", OUTSIDE, ANN), fact(0, 7, "answered", OUTSIDE, ANN, 30)],
        {ANN: ("incoming", "answered")},
    ),
    (
        "voicemail after both phones rang",
        [
            fact(0, 20, "missed", OUTSIDE, ANN),
            fact(0, 20, "missed", OUTSIDE, ANN),
            fact(20, 0, "voicemail", OUTSIDE, ANN, 30),
        ],
        {ANN: ("incoming", "voicemail")},
    ),
    (
        "a group, answered by one",
        [
            fact(0, 9, "cancelled", OUTSIDE, ANN),
            fact(0, 9, "answered", OUTSIDE, BEN, 60),
            fact(0, 0, "busy", OUTSIDE, CAT),
        ],
        {
            ANN: ("incoming", "answered_elsewhere"),
            BEN: ("incoming", "answered"),
            CAT: ("incoming", "answered_elsewhere"),
        },
    ),
    (
        "a group that nobody answers, with the mailbox of one",
        [
            fact(0, 20, "missed", OUTSIDE, ANN),
            fact(0, 20, "missed", OUTSIDE, BEN),
            fact(20, 0, "voicemail", OUTSIDE, BEN, 9),
        ],
        {ANN: ("incoming", "missed"), BEN: ("incoming", "voicemail")},
    ),
    (
        "one after the other",
        [fact(0, 15, "missed", OUTSIDE, ANN), fact(15, 4, "answered", OUTSIDE, BEN, 60)],
        {ANN: ("incoming", "answered_elsewhere"), BEN: ("incoming", "answered")},
    ),
    (
        "handed over to somebody who does not answer",
        [fact(0, 5, "answered", OUTSIDE, ANN, 60), fact(65, 20, "missed", OUTSIDE, BEN)],
        {ANN: ("incoming", "answered"), BEN: ("incoming", "missed")},
    ),
    (
        "forwarded to a colleague",
        [fact(0, 0, "forwarded", OUTSIDE, ANN), fact(0, 5, "answered", OUTSIDE, BEN, 60)],
        {ANN: ("incoming", "forwarded"), BEN: ("incoming", "answered")},
    ),
    (
        "forwarded to a phone outside, which answers",
        [fact(0, 0, "forwarded", OUTSIDE, ANN), fact(0, 5, "answered", ANN, FAR, 60)],
        {ANN: ("incoming", "forwarded")},
    ),
    (
        "rang, then forwarded outside",
        [fact(0, 15, "forwarded", OUTSIDE, ANN), fact(15, 5, "answered", ANN, FAR, 60)],
        {ANN: ("incoming", "forwarded")},
    ),
    (
        "a member of the group forwards outside",
        [fact(0, 9, "missed", OUTSIDE, ANN), fact(2, 7, "answered", BEN, FAR, 60)],
        {ANN: ("incoming", "answered_elsewhere"), BEN: ("outgoing", "answered")},
    ),
    ("blocked", [fact(0, 0, "blocked", OUTSIDE, ANN)], {ANN: ("incoming", "blocked")}),
    ("dialled", [fact(0, 9, "answered", ANN, OUTSIDE, 60)], {ANN: ("outgoing", "answered")}),
    ("dialled, no answer", [fact(0, 30, "missed", ANN, OUTSIDE)], {ANN: ("outgoing", "missed")}),
    ("dialled, busy", [fact(0, 1, "busy", ANN, OUTSIDE)], {ANN: ("outgoing", "busy")}),
    ("dialled, hung up", [fact(0, 3, "cancelled", ANN, OUTSIDE)], {ANN: ("outgoing", "abandoned")}),
    (
        "a second route after a failed one",
        [fact(0, 0, "failed", ANN, OUTSIDE), fact(1, 9, "answered", ANN, OUTSIDE, 60)],
        {ANN: ("outgoing", "answered")},
    ),
    (
        "a colleague on two phones",
        [fact(0, 6, "answered", ANN, BEN, 60), fact(0, 6, "answered_elsewhere", ANN, BEN)],
        {ANN: ("outgoing", "answered"), BEN: ("incoming", "answered")},
    ),
    (
        "a colleague's mailbox",
        [fact(0, 20, "missed", ANN, BEN), fact(20, 0, "voicemail", ANN, BEN, 12)],
        {ANN: ("outgoing", "voicemail"), BEN: ("incoming", "voicemail")},
    ),
    ("one's own mailbox", [fact(0, 0, "voicemail", ANN, ANN, 12)], {ANN: ("outgoing", "voicemail")}),
    (
        "a colleague's leg for each end",
        [fact(0, 6, "answered", ANN, "211", 60), fact(0, 6, "answered", "210", BEN, 60)],
        {ANN: ("outgoing", "answered"), BEN: ("incoming", "answered")},
    ),
    (
        "a prompt that answers is nobody",
        [fact(0, 0, "answered", ANN, "600", 40, direction="internal"), fact(2, 20, "missed", ANN, BEN)],
        {ANN: ("outgoing", "answered"), BEN: ("incoming", "missed")},
    ),
    ("nobody's", [fact(0, 0, "failed", OUTSIDE, "600")], {}),
]


@pytest.mark.parametrize(("legs", "expected"), [scene[1:] for scene in SCENES], ids=[s[0] for s in SCENES])
def test_who_sees_what(legs: list[LegRow], expected: dict[UUID, tuple[str, str]]) -> None:
    for order in range(6):
        random.Random(order).shuffle(legs)
        assert seen(*legs) == expected


@given(st.data())
@settings(max_examples=300)
def test_order_and_repetition_do_not_matter(data: st.DataObject) -> None:
    legs = data.draw(st.lists(facts(), min_size=1, max_size=8, unique_by=lambda leg: leg.key))
    rows = conversations(legs)
    assert conversations(data.draw(st.permutations(legs))) == rows
    assert {row.subscriber_id for row in rows} == (people_of(legs) or {None})
    assert [row.is_primary for row in rows].count(True) == 1
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        mine = [x for x in legs if row.subscriber_id in (x.from_subscriber_id, x.to_subscriber_id)]
        assert row.started_at == min(leg.started_at for leg in mine)
        assert row.ended_at == max(leg.ended_at for leg in mine)
        assert row.leg_count == len(mine)
        assert 0 <= row.talk_seconds <= (row.ended_at - row.started_at).total_seconds()
        assert 0 <= row.ring_seconds <= (row.ended_at - row.started_at).total_seconds()
        assert (row.kind == "dialled") == (row.direction == "outgoing")
        if row.kind == "missed":
            assert all(x.disposition != "answered" for x in mine if x.to_subscriber_id == row.subscriber_id)


@st.composite
def facts(draw: st.DrawFn) -> LegRow:
    ends = st.sampled_from([ANN, BEN, CAT, OUTSIDE, FAR, None])
    disposition = draw(st.sampled_from(Disposition.__args__))  # type: ignore[attr-defined]  # a Literal
    return fact(
        draw(st.integers(0, 100)),
        draw(st.integers(0, 30)),
        disposition,
        draw(ends),
        draw(ends),
        draw(st.integers(0, 90)),
        key=draw(st.text(min_size=1, max_size=3)),
        device=draw(st.sampled_from([None, "Desk phone", "Mobile"])),
    )


def test_talking_time_of_overlapping_legs_counts_once() -> None:
    legs = [fact(0, 5, "answered", ANN, OUTSIDE, 60), fact(5, 0, "answered", ANN, OUTSIDE, 60)]
    [row] = conversations([*legs, fact(100, 5, "answered", ANN, OUTSIDE, 10)])
    assert row.talk_seconds == 70


def test_whom_somebody_dialled() -> None:
    group = [
        fact(0, 9, "missed", ANN, BEN, requested_number="600"),
        fact(0, 9, "missed", ANN, CAT, requested_number="600"),
    ]
    assert next(r for r in conversations(group) if r.subscriber_id == ANN).number == "600"
    hunted = [
        fact(0, 9, "missed", ANN, BEN, requested_number="11"),
        fact(9, 9, "answered", ANN, CAT, 5, requested_number="11"),
    ]
    row = next(r for r in conversations(hunted) if r.subscriber_id == ANN)
    assert (row.number, row.other_subscriber_id) == ("11", BEN)


@dataclass
class Played:
    """Calls of random scenes, as records, and what each person must see of each: by (person, linked id)."""

    records: list[dict[str, Any]] = field(default_factory=list)
    expected: dict[tuple[UUID, str], tuple[str, str]] = field(default_factory=dict)


@given(seed=st.integers(0, 2**32), numbers=st.lists(st.integers(0, len(SCENES) - 1), min_size=1, max_size=12))
@settings(max_examples=15)
def test_records_in_any_order_and_number_give_exactly_the_right_rows(
    seed: int, numbers: list[int], switch: Any, tenants: Tenants, database: Database
) -> None:
    """Legs of several calls, shuffled, some twice, over several requests: right people, right disposition, one row."""
    chance = random.Random(seed)
    organization = tenants.organization(None, "calllogs")
    people = [tenants.subscriber(organization).id for _ in range(4)]
    ids = dict(zip((ANN, BEN, CAT, DOT), people, strict=True))
    played = Played()
    for place, number in enumerate(numbers):
        _, legs, expected = SCENES[number]
        linked = f"call {place}"
        played.records += [
            _record(organization.org_id, leg, linked, ids, place, n) for n, leg in enumerate(legs)
        ]
        played.expected |= {(ids[person], linked): what for person, what in expected.items()}
    records = [*played.records, *chance.sample(played.records, len(played.records) // 3)]
    chance.shuffle(records)
    while records:
        size = chance.randint(1, len(records))
        switch.accept(*records[:size])
        records = records[size:]
    with database.run_as(organization.org_id) as session:
        rows = session.scalars(select(Conversation)).all()
    found = {
        (row.subscriber_id, row.linked_id): (row.direction, row.disposition)
        for row in rows
        if row.subscriber_id is not None
    }
    assert len({(row.subscriber_id, row.linked_id) for row in rows}) == len(rows)
    assert found == played.expected
    assert {row.linked_id for row in rows if row.is_primary} == {row.linked_id for row in rows}
    assert sum(row.is_primary for row in rows) == len(numbers)


def _record(
    org_id: UUID, leg: LegRow, linked: str, ids: dict[UUID, UUID], day: int, number: int
) -> dict[str, Any]:
    shift = timedelta(days=3 * day)
    ends: dict[str, Any] = {}
    for side in ("from", "to"):
        owner = getattr(leg, f"{side}_subscriber_id")
        ends[side] = {"subscriber": str(ids[owner])} if owner else {"number": getattr(leg, f"{side}_number")}
    return {
        "id": f"{linked} {number}",
        "linked_id": linked,
        "organization": str(org_id),
        "direction": leg.direction,
        **ends,
        "started_at": (leg.started_at - shift).isoformat(),
        "answered_at": (leg.answered_at - shift).isoformat() if leg.answered_at else None,
        "ended_at": (leg.ended_at - shift).isoformat(),
        "disposition": leg.disposition,
    }
