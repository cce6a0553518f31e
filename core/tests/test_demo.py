"""The demo: its generated calls, its manifest, and the set-up as a whole."""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from alembic.operations import Operations
from sqlalchemy import select
from sqlalchemy.orm import Session

from ringstead.auth.passwords import Passwords
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.listen import Listener
from ringstead.db.migrate import upgrade_all
from ringstead.demo import DemoError, run_demo_setup, setup
from ringstead.demo.generator import Leg, Office, Person, legs_between
from ringstead.demo.manifest import (
    DemoAccount,
    DemoManifest,
    DemoOrganization,
    DemoSwitch,
    read_manifest,
)
from ringstead.demo.people import callers
from ringstead.demo.records import batches, to_record
from ringstead.plugins.loader import load_plugins
from ringstead.settings import Settings, load_settings
from ringstead.tenancy.bundles import Plan, apply_plan, bundle_folders, read_bundle
from ringstead.tenancy.models import Account

TENANTS = Path(__file__).parents[2] / "tenants"
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
    assert {leg.way for leg in legs} == {"incoming", "outgoing", "internal"}
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


def test_nobody_outside_has_a_subscribers_number() -> None:
    organizations = [
        o for folder in bundle_folders(TENANTS) for o in read_bundle(folder).content.organizations
    ]
    inside = {person.number for o in organizations for person in o.subscribers}
    assert not inside & {caller.number for o in organizations for caller in callers(o.slug)}


def test_an_inside_call_is_between_two_people(legs: list[Leg]) -> None:
    extensions = {person.extension for person in PEOPLE}
    inside = [leg for leg in legs if leg.way == "internal"]
    assert len(inside) > 500
    assert all(leg.other.number in extensions - {leg.person.extension} for leg in inside)
    assert all(leg.other.number not in extensions for leg in legs if leg.way != "internal")


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


@pytest.mark.parametrize("way", ["incoming", "outgoing", "internal"])
def test_a_record_names_both_ends(legs: list[Leg], way: str) -> None:
    leg = next(leg for leg in legs if leg.way == way and leg.other.number and leg.end == "answered")
    record = to_record(leg, "office.test")
    own, other = ("from", "to") if way == "outgoing" else ("to", "from")
    assert record[own]["extension"] == leg.person.extension
    assert record[other]["extension" if way == "internal" else "number"] == leg.other.number
    assert (record["device"], record["requested"]) == (leg.phone, {"number": leg.dialled})
    assert record["domain"] == "office.test"
    assert datetime.fromisoformat(record["answered_at"]) == leg.answered
    assert (record["disposition"], record["hangup_cause"]) == ("answered", 16)


def test_a_group_is_told_as_what_was_dialled(legs: list[Leg]) -> None:
    rung = [leg for leg in legs if leg.end == "elsewhere" and leg.dialled == "+12125550100"]
    assert len({leg.person for leg in rung}) > 2


def test_a_withheld_number_is_told_as_such(legs: list[Leg]) -> None:
    leg = next(leg for leg in legs if not leg.other.number)
    assert to_record(leg, "office.test")["from"] == {"number": None, "name": None}


def test_batches_keep_to_lines_and_bytes() -> None:
    lines = [b"x" * 10 for _ in range(10)]
    assert [batch.count(b"x") for batch in batches(lines, 1000, most_lines=4)] == [40, 40, 20]
    assert all(len(batch) <= 25 for batch in batches(lines, 25))
    assert b"\n".join(batches(lines, 25)).split() == lines
    assert list(batches([b"y" * 50], 25)) == [b"y" * 50]
    assert list(batches([], 25)) == []


@pytest.fixture
def demo(
    postgres_server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Settings, DatabaseUrls]]:
    """A fresh database, and settings with a bundle folder to change; only three days of calls."""
    monkeypatch.setattr(setup, "DAYS", 3)
    name = f"demo_{secrets.token_hex(6)}"
    urls = postgres_server.create_database(name)
    upgrade_all(urls.owner, [p.history for p in load_plugins(strict=True) if p.history])
    shutil.copytree(TENANTS, tmp_path / "tenants")
    yield load_settings(env={}, var_dir=tmp_path / "var", tenants_dir=tmp_path / "tenants", port=8123), urls
    postgres_server.drop_database(name)


def hashes(urls: DatabaseUrls) -> list[str | None]:
    database = Database(urls)
    try:
        with database.as_operator("tests", "look") as session:
            return list(session.scalars(select(Account.password_hash).distinct()))
    finally:
        database.dispose()


@pytest.mark.slow
def test_the_set_up_can_be_repeated(demo: tuple[Settings, DatabaseUrls]) -> None:
    settings, urls = demo
    first = run_demo_setup(settings, urls)
    told = json.loads((settings.var_dir / "demo.json").read_text())
    assert told["portals"]["harborline"] == "http://harborline.localhost:8123"
    assert told["consoles"]["marigold"] == "http://console.marigold.localhost:8123"
    assert told["switch"]["url"] == "http://127.0.0.1:8123/switch/v1"
    assert {account["role"] for account in told["accounts"]} == {
        "subscriber",
        "org_admin",
        "partner_admin",
        "partner_support",
    }
    assert told["accounts"][0]["login"] == "juno@bramblefinch.example.com"
    assert len(told["organizations"]) == 3
    stored = hashes(urls)
    assert len(stored) == 2, "one for each partner"
    passwords = {account["password"] for account in told["accounts"]}
    assert all(any(Passwords().verify(known, password) for password in passwords) for known in stored)

    second = run_demo_setup(settings, urls)
    assert second.switch == first.switch, "the key survives"
    assert second.accounts == first.accounts
    assert second.organizations == first.organizations
    assert second.calls_until >= first.calls_until
    assert hashes(urls) == stored

    (settings.var_dir / "demo.json").unlink()
    third = run_demo_setup(settings, urls)
    assert third.switch.key != first.switch.key, "only its hash was stored"
    assert third.accounts == first.accounts


@pytest.mark.slow
def test_a_second_start_does_nothing_again(
    demo: tuple[Settings, DatabaseUrls], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, urls = demo
    histories = [p.history for p in load_plugins(strict=True) if p.history]
    run_demo_setup(settings, urls)
    plans: list[Plan] = []
    sent: list[Leg] = []

    def apply(session: Session, plan: Plan) -> None:
        plans.append(plan)
        apply_plan(session, plan)

    def legs(*arguments: Any) -> list[Leg]:
        made = legs_between(*arguments)
        sent.extend(made)
        return made

    def refuse(*_arguments: Any) -> None:
        pytest.fail("a migration ran, a password was hashed or news was listened to again")

    monkeypatch.setattr(setup, "apply_plan", apply)
    monkeypatch.setattr(setup, "legs_between", legs)
    for where, name in ((Passwords, "hash"), (Operations, "invoke"), (Listener, "start")):
        monkeypatch.setattr(where, name, refuse)
    upgrade_all(urls.owner, histories)
    run_demo_setup(settings, urls)
    assert plans
    assert [change for plan in plans for change in plan.changes] == []
    assert len(sent) < 50, "only the calls since the first start"


@pytest.mark.slow
def test_a_changed_password_is_the_printed_one_after_the_next_start(
    demo: tuple[Settings, DatabaseUrls],
) -> None:
    settings, urls = demo
    run_demo_setup(settings, urls)
    before = hashes(urls)
    database = Database(urls)
    with database.as_operator("tests", "change a password") as session:
        juno = session.scalars(select(Account).where(Account.email.startswith("juno@"))).one()
        juno.password_hash = Passwords().hash("something else entirely")
    database.dispose()
    run_demo_setup(settings, urls)
    after = hashes(urls)
    assert set(before) < set(after), "one new hash, and nobody else's changed"
    assert len(after) == 3


def test_without_bundles_it_says_where_it_looked(tmp_path: Path, database_urls: DatabaseUrls) -> None:
    settings = load_settings(env={}, var_dir=tmp_path, tenants_dir=tmp_path / "nowhere")
    with pytest.raises(DemoError, match="RINGSTEAD_TENANTS_DIR"):
        run_demo_setup(settings, database_urls)
