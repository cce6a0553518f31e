"""The demo: its generated calls, its manifest, and the set-up as a whole."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ringstead.demo.generator import Leg, Office, Person, legs_between
from ringstead.demo.manifest import (
    DemoAccount,
    DemoManifest,
    DemoOrganization,
    DemoSwitch,
    read_manifest,
)

UNTIL = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
PEOPLE = [
    Person("290", "Front desk", "+12125550100"),
    *(Person(str(200 + n), f"Person {n}", f"+121255501{n:02}" if n % 2 else None) for n in range(12)),
]
OFFICE = Office("bramble-finch", ZoneInfo("America/New_York"), PEOPLE)


@pytest.fixture(scope="module")
def legs() -> list[Leg]:
    return legs_between(OFFICE, UNTIL - timedelta(days=90), UNTIL)


def test_the_same_days_are_always_the_same(legs: list[Leg]) -> None:
    assert legs_between(OFFICE, UNTIL - timedelta(days=90), UNTIL) == legs
    assert len({leg.key for leg in legs}) == len(legs)


def test_a_later_start_adds_what_is_missing_and_nothing_twice(legs: list[Leg]) -> None:
    for middle in (UNTIL - timedelta(days=40), UNTIL - timedelta(hours=3), UNTIL - timedelta(seconds=1)):
        before = legs_between(OFFICE, UNTIL - timedelta(days=90), middle)
        after = legs_between(OFFICE, middle, UNTIL)
        assert Counter(leg.key for leg in before + after) == Counter(leg.key for leg in legs)
        assert not {leg.call for leg in before} & {leg.call for leg in after}, "a call is never cut in two"


def test_times_are_in_order_and_nothing_lies_in_the_future(legs: list[Leg]) -> None:
    for leg in legs:
        assert leg.started <= (leg.answered or leg.started) <= leg.ended <= UNTIL
        assert (leg.answered is not None) == (leg.end in ("answered", "voicemail"))
    assert {leg.started.utcoffset() for leg in legs} == {timedelta(0)}


def test_the_office_has_hours_and_weekends(legs: list[Leg]) -> None:
    starts = [leg.started.astimezone(OFFICE.zone) for leg in legs]
    hours = Counter(start.hour for start in starts)
    assert hours[10] > 5 * hours[18]
    assert not any(hours[hour] for hour in (0, 1, 2, 3, 4, 5))
    days = Counter(start.weekday() for start in starts)
    assert days[1] > 5 * days[5]


def test_everything_that_a_call_log_shows_is_there(legs: list[Leg]) -> None:
    assert {leg.end for leg in legs} == {"answered", "no_answer", "busy", "failed", "elsewhere", "voicemail"}
    assert {leg.way for leg in legs} == {"in", "out"}
    assert any(not leg.other.number for leg in legs), "withheld"
    assert any(leg.other.number[:5] in ("+1416", "+1604", "+1876", "+1242") for leg in legs), "from abroad"
    assert any(leg.other.number.startswith("+") and leg.other.name is None for leg in legs), "without a name"
    assert Counter(leg.other.name for leg in legs)["Wren Halloway"] > 200, "a regular"
    answered = {leg.call for leg in legs if leg.end == "answered"}
    assert all(leg.call in answered for leg in legs if leg.end == "elsewhere")


def test_all_outside_numbers_are_reserved_for_fiction(legs: list[Leg]) -> None:
    outside = {leg.other.number for leg in legs if leg.other.number.startswith("+")}
    assert len(outside) > 30
    assert all(number[5:10] == "55501" and len(number) == 12 for number in outside)


def test_an_inside_call_has_a_leg_at_each_end(legs: list[Leg]) -> None:
    extensions = {person.extension for person in PEOPLE}
    out = [leg for leg in legs if leg.way == "out" and leg.other.number in extensions]
    by_call: dict[str, list[Leg]] = {}
    for leg in legs:
        by_call.setdefault(leg.call, []).append(leg)
    for leg in out:
        others = [other for other in by_call[leg.call] if other.way == "in"]
        assert others
        assert all(other.person.extension == leg.other.number for other in others)
        assert max(other.ended for other in others) <= leg.ended + timedelta(seconds=1)


def manifest() -> DemoManifest:
    return DemoManifest(
        portals={"harborline": "http://harborline.localhost:8080"},
        consoles={"harborline": "http://console.harborline.localhost:8080"},
        accounts=[
            DemoAccount("harborline", "o", "subscriber", "a@b.example", "secret", "Ada", "214", "id"),
            DemoAccount("harborline", None, "partner_admin", "c@b.example", "secret", "Cleo", None, None),
        ],
        switch=DemoSwitch("http://127.0.0.1:8080/switch/v1", "demo", "key"),
        organizations=[DemoOrganization("harborline", "id", "o", "O", "o.test", "UTC", ["calllogs"])],
        calls_until=UNTIL.isoformat(),
    )


def test_the_manifest_is_private_and_reads_back(tmp_path: Path) -> None:
    path = manifest().write(tmp_path / "var")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_manifest(tmp_path / "var") == manifest()
    assert [file.name for file in path.parent.iterdir()] == ["demo.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"accounts": 7}', "\x00"])
def test_a_damaged_manifest_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text)
    assert read_manifest(tmp_path) is None
