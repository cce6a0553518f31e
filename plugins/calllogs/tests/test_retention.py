"""What is too old goes, whole calls at a time; what stays, stays as it was; nothing old comes back."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import event, select, text

from ringstead.api.testing import Person, Tenants
from ringstead.cli import cli
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.preferences.store import set_for_organization
from ringstead.tenancy.models import AuditEntry
from ringstead_calllogs import intake, retention
from ringstead_calllogs.keeping import move_horizon
from ringstead_calllogs.models import Annotation, Conversation, Leg, LegKey, Merge
from ringstead_calllogs.rebuilding import rebuild
from ringstead_calllogs.retention import RetentionRun, preview, prune
from ringstead_calllogs.rollups import MEASURES, OfficeQuarter, PersonQuarter
from ringstead_calllogs.storing import lock

Make = Callable[..., dict[str, Any]]
Keep = Callable[..., None]
DAY = timedelta(days=1)


@pytest.fixture
def keep(wsgi: Any, database: Database) -> Keep:
    """`keep(person, days, hold=False)`: set the organization's rule."""

    def store(person: Person, days: int, hold: bool = False) -> None:
        declared = wsgi.registry["ringstead.declared_settings"]
        with database.run_as(org_of(person)) as session:
            set_for_organization(session, declared, "calllogs.keep_days", days)
            set_for_organization(session, declared, "calllogs.legal_hold", hold)

    return store


def org_of(person: Person) -> UUID:
    assert person.organization is not None
    return person.organization.org_id


def rows(database: Database, person: Person, model: Any) -> list[Any]:
    with database.run_as(org_of(person)) as session:
        return list(session.scalars(select(model)))


def office(database: Database, person: Person) -> dict[datetime, tuple[int, ...]]:
    return {
        row.at: tuple(getattr(row, name) for name in MEASURES)
        for row in rows(database, person, OfficeQuarter)
    }


def test_whole_calls_go_and_the_newest_leg_decides(
    person: Person, switch: Any, leg: Make, keep: Keep, database: Database, now: datetime
) -> None:
    switch.accept(
        leg(person, id="old 1", linked_id="old", at=now - 50 * DAY),
        leg(person, id="old 2", linked_id="old", at=now - 49 * DAY, disposition="missed"),
        leg(person, id="long 1", linked_id="long", at=now - 40 * DAY),
        leg(person, id="long 2", linked_id="long", at=now - DAY),
        leg(person, id="taken over", linked_id="before", at=now - 45 * DAY),
        leg(person, id="taking", linked_id="after", at=now - 45 * DAY, merges=["before"]),
        leg(person, id="new", at=now - DAY),
    )
    counted = office(database, person)
    mine = next(call for call in rows(database, person, Conversation) if call.linked_id == "old")
    with database.run_as(org_of(person)) as session:
        session.add(Annotation(subscriber_id=mine.subscriber_id, conversation_id=mine.id, note="Ring back"))
    keep(person, 30)
    run = prune(database, org_of(person))
    assert run is not None
    assert (run.calls, run.legs, run.leg_keys, run.merges) == (2, 4, 4, 1)
    assert (run.conversations, run.annotations, run.why) == (2, 1, "")
    assert {row.key for row in rows(database, person, Leg)} == {"long 1", "long 2", "new"}
    assert {row.id for row in rows(database, person, LegKey)} == {"long 1", "long 2", "new"}
    assert {row.linked_id for row in rows(database, person, Conversation)} == {"long", "new"}
    assert rows(database, person, Annotation) == rows(database, person, Merge) == []
    assert all(quarter.at >= run.kept_since for quarter in rows(database, person, PersonQuarter))
    assert office(database, person) == counted, "an organization's counts name nobody and stay"


def test_counts_of_what_is_gone_are_never_computed_anew(
    person: Person, switch: Any, leg: Make, keep: Keep, database: Database, now: datetime
) -> None:
    switch.accept(leg(person, at=now - 50 * DAY), leg(person, id="long", linked_id="long", at=now - 40 * DAY))
    switch.accept(leg(person, linked_id="long", at=now - DAY, disposition="missed"))
    counted = office(database, person)
    keep(person, 30)
    prune(database, org_of(person))
    rebuild(database, org_of(person), now - 100 * DAY, now + DAY)
    assert office(database, person) == counted
    # A kept call with a leg behind the horizon changes: what was counted there is history.
    switch.accept(leg(person, linked_id="long", at=now - DAY + timedelta(minutes=1)))
    later = office(database, person)
    assert {at: sums for at, sums in later.items() if at in counted} == counted


def test_what_is_too_old_is_refused_by_record_and_does_not_come_back(
    person: Person, switch: Any, leg: Make, keep: Keep, database: Database, now: datetime
) -> None:
    old, new = leg(person, id="old", at=now - 50 * DAY), leg(person, id="new", at=now - DAY)
    switch.accept(old, new)
    keep(person, 30)
    prune(database, org_of(person))
    answer = switch.post(old, {**old, "revision": 2}, new, leg(person, id="more", at=now - DAY))
    assert answer.status_int == 200
    assert (answer.json["accepted"], answer.json["duplicates"]) == (1, 1)
    told = answer.json["rejected"]
    assert [(found["line"], found["field"]) for found in told] == [(1, "started_at"), (2, "started_at")]
    assert "keeps calls since" in told[0]["error"]
    assert "calllogs.keep_days" in told[0]["mend"]
    assert {row.key for row in rows(database, person, Leg)} == {"new", "more"}
    # Keeping longer from now on brings nothing back that was removed.
    keep(person, 0)
    assert switch.post(old).status_int == 422
    keep(person, 365)
    assert switch.post(old).status_int == 422


def test_a_rule_refuses_before_the_first_night(
    person: Person, switch: Any, leg: Make, keep: Keep, now: datetime
) -> None:
    keep(person, 30)
    assert switch.post(leg(person, at=now - 32 * DAY)).json["rejected"][0]["field"] == "started_at"
    switch.accept(leg(person, at=now - 29 * DAY))
    keep(person, 30, hold=True)
    switch.accept(leg(person, at=now - 32 * DAY))


def test_a_record_that_is_too_old_merges_nothing(
    person: Person, switch: Any, leg: Make, keep: Keep, database: Database, now: datetime
) -> None:
    keep(person, 30)
    switch.accept(
        leg(person, id="a", linked_id="a", at=now - DAY), leg(person, id="b", linked_id="b", at=now - DAY)
    )
    switch.post(leg(person, linked_id="b", merges=["a"], at=now - 40 * DAY), leg(person, at=now - DAY))
    assert rows(database, person, Merge) == []


def test_a_horizon_that_moves_while_records_are_prepared_holds_for_them(
    person: Person,
    switch: Any,
    leg: Make,
    database: Database,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records are made ready before the organization's lock is held, and the night may come in between."""

    def lock_after_the_night(session: Any) -> None:
        lock(session)
        move_horizon(session, now - 30 * DAY)

    monkeypatch.setattr(intake, "lock", lock_after_the_night)
    answer = switch.post(leg(person, id="old", at=now - 40 * DAY), leg(person, id="new", at=now - DAY))
    assert answer.json["accepted"] == 1
    assert [told["field"] for told in answer.json["rejected"]] == ["started_at"]
    assert switch.post(leg(person, at=now - 40 * DAY)).status_int == 422
    assert [row.key for row in rows(database, person, Leg)] == ["new"]


def test_a_legal_hold_removes_nothing_and_says_so(
    person: Person, switch: Any, leg: Make, keep: Keep, database: Database, now: datetime
) -> None:
    switch.accept(leg(person, at=now - 50 * DAY))
    keep(person, 30, hold=True)
    run = prune(database, org_of(person))
    assert run is not None
    assert (run.why, run.legs, run.kept_since) == ("held", 0, None)
    assert len(rows(database, person, Leg)) == 1


@pytest.mark.parametrize(("days", "hold", "why"), [(30, True, "held"), (365, False, "")])
def test_a_rule_that_changes_during_a_run_stops_it(
    days: int,
    hold: bool,
    why: str,
    person: Person,
    switch: Any,
    leg: Make,
    keep: Keep,
    database: Database,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 4)
    monkeypatch.setattr(retention, "_OLD_LEGS", retention._OLD_LEGS.limit(None).limit(4))
    switch.accept(*(leg(person, at=now - 60 * DAY + timedelta(hours=n)) for n in range(12)))
    keep(person, 30)
    remove = retention._remove_calls

    def remove_and_change(session: Any, legs: Any) -> Any:
        keep(person, days, hold)
        return remove(session, legs)

    monkeypatch.setattr(retention, "_remove_calls", remove_and_change)
    quarters = len(rows(database, person, PersonQuarter))
    run = prune(database, org_of(person))
    assert run is not None
    assert (run.calls, run.why) == (4, why), "what was under way is the last that goes"
    assert run.finished_at is not None
    assert len(rows(database, person, Leg)) == 8
    assert len(rows(database, person, PersonQuarter)) == quarters


def test_for_ever_is_the_default_and_leaves_no_report(
    person: Person, switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    switch.accept(leg(person, at=now - 3000 * DAY))
    assert prune(database, org_of(person)) is None
    assert rows(database, person, RetentionRun) == []
    assert len(rows(database, person, Leg)) == 1


def test_less_than_a_week_counts_as_a_week(
    person: Person, switch: Any, leg: Make, keep: Keep, database: Database, now: datetime
) -> None:
    switch.accept(leg(person, id="old", at=now - 9 * DAY), leg(person, id="new", at=now - 6 * DAY))
    keep(person, 1)
    prune(database, org_of(person))
    assert [row.key for row in rows(database, person, Leg)] == ["new"]


def test_a_run_that_is_killed_is_taken_up_and_counts_each_row_once(
    person: Person,
    switch: Any,
    leg: Make,
    keep: Keep,
    database: Database,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 4)
    monkeypatch.setattr(retention, "_OLD_LEGS", retention._OLD_LEGS.limit(None).limit(4))
    switch.accept(*(leg(person, at=now - 60 * DAY + timedelta(hours=n)) for n in range(30)))
    keep(person, 30)
    commits = 0

    def die(_connection: Any) -> None:
        nonlocal commits
        commits += 1
        if commits == 4:
            raise ConnectionAbortedError("killed")

    event.listen(database.app_engine, "commit", die)
    try:
        with pytest.raises(ConnectionAbortedError):
            prune(database, org_of(person))
    finally:
        event.remove(database.app_engine, "commit", die)
    (begun,) = rows(database, person, RetentionRun)
    assert begun.finished_at is None
    assert 0 < begun.legs < 30
    assert len(rows(database, person, Leg)) == 30 - begun.legs
    run = prune(database, org_of(person))
    assert run is not None
    assert (run.id, run.legs, run.calls) == (begun.id, 30, 30)
    assert rows(database, person, Leg) == []
    again = prune(database, org_of(person))
    assert again is not None
    assert (again.legs, again.why) == (0, "")


def test_the_job_runs_for_every_organization_even_where_the_feature_is_off(
    person: Person,
    switch: Any,
    leg: Make,
    keep: Keep,
    database: Database,
    tenants: Tenants,
    now: datetime,
    wsgi: Any,
) -> None:
    switch.accept(leg(person, at=now - 50 * DAY))
    keep(person, 30)
    assert person.organization is not None
    tenants.switch(person.organization, "calllogs", enabled=False)
    spec = wsgi.registry["ringstead.plugins"].jobs()["calllogs.retain"]
    assert (spec.per, spec.everywhere) == ("organization", True)
    spec.run(database, org_id=org_of(person))
    assert rows(database, person, Leg) == []
    with database.run_as(org_of(person)) as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "calllogs.retention")).one()
    assert entry.detail["legs"] == 1


def test_others_keep_theirs(
    person: Person, switch: Any, leg: Make, keep: Keep, database: Database, tenants: Tenants, now: datetime
) -> None:
    other = tenants.person(tenants.organization(person.partner, "calllogs"))
    switch.accept(leg(person, id="same", at=now - 50 * DAY), leg(other, id="same", at=now - 50 * DAY))
    keep(person, 30)
    prune(database, org_of(person))
    assert rows(database, person, Leg) == []
    assert len(rows(database, other, Leg)) == len(rows(database, other, Conversation)) == 1


def test_dry_run_says_what_a_run_then_removes(
    person: Person,
    switch: Any,
    leg: Make,
    keep: Keep,
    database: Database,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    database_urls: DatabaseUrls,
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    monkeypatch.setattr(retention, "_OLD_LEGS", retention._OLD_LEGS.limit(None).limit(3))
    switch.accept(*(leg(person, linked_id=f"call {n % 4}", at=now - 60 * DAY + n * DAY) for n in range(20)))
    keep(person, 30)
    _rule, would = preview(database, org_of(person))
    for variable, url in (("", database_urls.app), ("_OPERATOR", database_urls.operator)):
        monkeypatch.setenv(f"RINGSTEAD_DATABASE{variable}_URL", url)
    assert person.organization is not None
    place = f"{person.partner.slug}/{person.organization.slug}"
    told = CliRunner().invoke(cli, ["run", "calllogs.retain", "--dry-run", place])
    assert told.exit_code == 0, told.output
    assert f"{would.calls} calls with {would.legs} legs" in told.output
    assert len(rows(database, person, Leg)) == 20
    run = prune(database, org_of(person))
    assert run is not None
    done = (run.calls, run.legs, run.leg_keys, run.conversations, run.person_quarters)
    assert done == (would.calls, would.legs, would.leg_keys, would.conversations, would.person_quarters)
    assert would.legs == 20
    again = CliRunner().invoke(cli, ["run", "calllogs.retain", place])
    assert "0 calls" in again.output


def test_the_horizon_is_the_organizations_own(person: Person, database: Database) -> None:
    with database.run_as(org_of(person)) as session:
        assert session.execute(text("SELECT count(*) FROM calllogs_horizon")).scalar() == 0
