"""A partner's sums always equal those of its organizations, whatever comes, goes and happens beside it."""

import csv
import io
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from support.counting import counted

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db import session as wall_one
from ringstead.db.engine import Database
from ringstead.plugins.enablement import allow_plugin
from ringstead.preferences.store import set_for_organization
from ringstead_calllogs import partner_counts, partner_report, partner_views
from ringstead_calllogs.charts import Span
from ringstead_calllogs.erasing import erase_person
from ringstead_calllogs.partner_counts import PartnerQuarter, StaleQuarter, count_partners
from ringstead_calllogs.partner_report import read_partner_hours, read_partner_report
from ringstead_calllogs.rebuilding import rebuild
from ringstead_calllogs.retention import prune
from ringstead_calllogs.rollups import MEASURES, OfficeQuarter

Make = Callable[..., dict[str, Any]]
Console = Callable[..., Client]
Sums = dict[datetime, dict[str, int]]
DAY = timedelta(days=1)


def org_of(person: Person) -> UUID:
    assert person.organization is not None
    return person.organization.org_id


def partner_sums(database: Database, partner_id: UUID) -> Sums:
    """What the partner's table holds, without quarters of zeros."""
    with database.in_partner(partner_id) as session:
        rows = session.scalars(select(PartnerQuarter)).all()
        assert session.scalars(select(StaleQuarter)).all() == []
    sums = {row.at: {name: getattr(row, name) for name in MEASURES} for row in rows}
    return {at: values for at, values in sums.items() if any(values.values())}


def office_sums(database: Database, org_ids: list[UUID]) -> Sums:
    """What it must hold: the organizations' own counts, added up one by one."""
    sums: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    for org_id in org_ids:
        with database.run_as(org_id) as session:
            for row in session.scalars(select(OfficeQuarter)):
                for name in MEASURES:
                    value = getattr(row, name)
                    if name == "longest_wait":
                        sums[row.at][name] = max(sums[row.at][name], value)
                    else:
                        sums[row.at][name] += value
    found = {at: {name: values[name] for name in MEASURES} for at, values in sums.items()}
    return {at: values for at, values in found.items() if any(values.values())}


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Posts to three organizations of two partners, with late, repeated, corrected and old records, and between them
    people who are erased, nights in which old calls go, rebuilds, and minutes in which partners are counted."""
    leg = st.fixed_dictionaries(
        {
            "key": st.integers(0, 7),
            "call": st.integers(0, 2),
            "person": st.integers(0, 1),
            "minute": st.integers(0, 50),
            "old": st.booleans(),
            "ring": st.integers(0, 40),
            "talk": st.integers(0, 300),
            "direction": st.sampled_from(["incoming", "outgoing"]),
            "disposition": st.sampled_from(["answered", "missed", "voicemail"]),
            "revision": st.integers(0, 2),
        }
    )
    organization = st.integers(0, 2)
    step = st.one_of(
        st.tuples(st.just("post"), organization, st.lists(leg, min_size=1, max_size=4)),
        st.tuples(st.just("erase"), organization, st.integers(0, 1)),
        st.tuples(st.sampled_from(["night", "rebuild", "minute"]), organization, st.none()),
    )
    return draw(st.lists(step, min_size=2, max_size=10))


@given(history=histories())
@settings(max_examples=40)
def test_person_organization_and_partner_equal_a_recount(
    history: list[Any],
    switch: Any,
    tenants: Tenants,
    database: Database,
    wsgi: Any,
    leg: Make,
    now: datetime,
) -> None:
    first, second = tenants.partner(), tenants.partner()
    made = [tenants.organization(partner, "calllogs") for partner in (first, first, second)]
    people = [[tenants.person(o, extension=str(201 + n)) for n in range(2)] for o in made]
    pruned: set[int] = set()
    for what, number, more in history:
        org_id = made[number].org_id
        if what == "post":
            answer = switch.post(*(_record(leg, people[number], values, now) for values in more))
            assert {wrong["field"] for wrong in answer.json["rejected"]} <= {"started_at"}
        elif what == "erase":
            subscriber = people[number][more].subscriber
            assert subscriber is not None
            with database.run_as(org_id) as session:
                erase_person(session, subscriber.id, despite_hold=False)
        elif what == "night":
            with database.run_as(org_id) as session:
                declared = wsgi.registry["ringstead.declared_settings"]
                set_for_organization(session, declared, "calllogs.keep_days", 30)
            prune(database, org_id)
            pruned.add(number)
        elif what == "rebuild":
            rebuild(database, org_id, now - 60 * DAY, now + DAY)
        else:
            count_partners(database)
    count_partners(database)
    since = now - 30 * DAY
    for number, organization in enumerate(made):
        found, wanted = counted(database, organization.org_id)
        if number in pruned:  # what is gone is no longer to be counted, and what was counted stays
            found = {key: values for key, values in found.items() if key[1] >= since}
        assert found == wanted
    for partner, theirs in ((first, made[:2]), (second, made[2:])):
        ids = [organization.org_id for organization in theirs]
        assert partner_sums(database, partner.id) == office_sums(database, ids)


def _record(leg: Make, people: list[Person], values: dict[str, Any], now: datetime) -> dict[str, Any]:
    person = people[values["person"]]
    fields = {name: values[name] for name in ("ring", "direction", "disposition", "revision")}
    if values["disposition"] in ("answered", "voicemail"):
        fields["talk"] = values["talk"]
    age = timedelta(days=40) if values["old"] else timedelta(hours=5)
    # A call is old as a whole, or not at all: see the test of calls that reach across the horizon.
    key, call = (f"{'old' if values['old'] else 'new'} {values[name]}" for name in ("key", "call"))
    at = now - age + timedelta(minutes=values["minute"])
    return leg(person, id=key, linked_id=call, at=at, **fields)


@pytest.fixture
def two(tenants: Tenants) -> list[Person]:
    """People of two organizations of one partner."""
    partner = tenants.partner()
    return [
        tenants.person(tenants.organization(partner, "calllogs", name=name)) for name in ("Bramble", "=Finch")
    ]


def test_what_is_committed_while_it_is_counted_is_counted_next(
    two: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    """A record that comes between the look at the marks and the sums has a mark of its own, which stays."""
    at = now - timedelta(hours=3)
    switch.accept(leg(two[0], at=at))
    posted = False

    def post(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        nonlocal posted
        if "DELETE FROM calllogs_stale_quarter" in statement and not posted:
            posted = True
            thread = threading.Thread(target=lambda: switch.accept(leg(two[1], at=at)))
            thread.start()
            thread.join()

    event.listen(database.app_engine, "after_cursor_execute", post)
    try:
        count_partners(database)
    finally:
        event.remove(database.app_engine, "after_cursor_execute", post)
    assert posted
    count_partners(database)
    (sums,) = partner_sums(database, two[0].partner.id).values()
    assert sums["answered"] == 2


def test_two_workers_beside_many_senders(
    two: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    stop = threading.Event()

    def keep_counting() -> None:
        while not stop.is_set():
            count_partners(database)

    def send(person: Person) -> None:
        for number in range(20):
            switch.accept(leg(person, at=now - timedelta(hours=3, minutes=number)))

    workers = [threading.Thread(target=keep_counting) for _ in range(2)]
    senders = [threading.Thread(target=send, args=(person,)) for person in two]
    for thread in (*workers, *senders):
        thread.start()
    for thread in senders:
        thread.join()
    stop.set()
    for thread in workers:
        thread.join()
    count_partners(database)
    sums = partner_sums(database, two[0].partner.id)
    assert sum(values["answered"] for values in sums.values()) == 40
    assert sums == office_sums(database, [org_of(person) for person in two])


def test_marks_are_counted_in_pieces(
    two: list[Person],
    switch: Any,
    leg: Make,
    database: Database,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partner_counts, "AT_ONCE", 3)
    monkeypatch.setattr(partner_counts, "PARTNERS_AT_ONCE", 1)
    switch.accept(*(leg(person, at=now - timedelta(hours=n + 1)) for person in two for n in range(10)))
    count_partners(database)
    sums = partner_sums(database, two[0].partner.id)
    assert sum(values["answered"] for values in sums.values()) == 20


def test_nobody_reads_what_is_another_partners_or_the_whole_from_inside(
    two: list[Person],
    switch: Any,
    leg: Make,
    database: Database,
    tenants: Tenants,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each wall alone: the partner sees its own, an organization its own counts and never the partner's sums."""
    stranger = tenants.person(tenants.organization(None, "calllogs"))
    switch.accept(leg(two[0], at=now - DAY), leg(two[1], at=now - DAY), leg(stranger, at=now - DAY))
    count_partners(database)
    for wall_one_is_up in (True, False):
        if not wall_one_is_up:
            monkeypatch.setattr(wall_one, "_criteria", lambda scope: ())
        with database.in_partner(two[0].partner.id) as session:
            owners = set(session.scalars(select(OfficeQuarter.org_id)))
            assert owners == {org_of(person) for person in two}
            assert sum(session.scalars(select(PartnerQuarter.answered))) == 2
        with database.run_as(org_of(two[0])) as session:
            assert set(session.scalars(select(OfficeQuarter.org_id))) == {org_of(two[0])}
            assert session.execute(text("SELECT count(*) FROM calllogs_partner_quarter")).scalar() == 0


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Vienna", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]
)
def test_hours_and_days_are_those_of_the_zone(
    zone: str, two: list[Person], switch: Any, leg: Make, database: Database, now: datetime
) -> None:
    local = ZoneInfo(zone)
    moments = [now - timedelta(hours=7 * n, minutes=13 * n) for n in range(1, 20)]
    switch.accept(*(leg(two[n % 2], at=at) for n, at in enumerate(moments)))
    count_partners(database)
    since, until = now - 10 * DAY, now + DAY
    with database.in_partner(two[0].partner.id) as session:
        hours = read_partner_hours(session, since, until, local)
        days = read_partner_hours(session, since, until, local, by="day")
    assert {one.place: one.others for one in hours} == Counter(at.astimezone(local).hour for at in moments)
    assert {one.place: one.others for one in days} == Counter(at.astimezone(local).date() for at in moments)


def test_sums_of_many_do_not_overflow(two: list[Person], database: Database, now: datetime) -> None:
    at = now.replace(minute=0, second=0) - DAY
    columns = ", ".join(MEASURES)
    for person in two:
        with database.run_as(org_of(person)) as session:
            for hours in range(3):
                counting = f"""
                    INSERT INTO calllogs_office_quarter (org_id, at, {columns})
                    VALUES (:org, '{at - timedelta(hours=hours)}', 1, 1, 1, 1, 1, 1, 2000000000, 2000000000, 1)
                """
                partner_counts.count_and_note(session, counting)
    count_partners(database)
    days = Span(at.date() - 2 * DAY, at.date() + DAY)
    with database.in_partner(two[0].partner.id) as session:
        report = read_partner_report(session, days, ZoneInfo("UTC"), "day")
    assert report.now.talk_seconds == 12_000_000_000
    assert [line.counts.talk_seconds for line in report.organizations] == [6_000_000_000] * 2


@pytest.fixture
def told(two: list[Person], switch: Any, leg: Make, database: Database, now: datetime) -> date:
    """Bramble has three calls, one of them missed; Finch has one; all on one day, which is returned."""
    day = (now - 2 * DAY).replace(hour=12, minute=0, second=0)
    switch.accept(
        leg(two[0], at=day),
        leg(two[0], at=day, direction="outgoing"),
        leg(two[0], at=day + timedelta(hours=1), disposition="missed"),
        leg(two[1], at=day),
    )
    count_partners(database)
    return day.astimezone(UTC).date()


def test_the_console_page(two: list[Person], told: date, tenants: Tenants, console: Console) -> None:
    stranger = tenants.person(tenants.organization(None, "calllogs", name="Cobalt"))
    client = console(tenants.staff(two[0].partner, "partner_support"))
    page = client.get(f"/calls?from={told}&to={told}")
    numbers = {row.th.text: row.td.text for row in page.html.select("[aria-labelledby=numbers] tbody tr")}
    assert numbers["Calls"] == "4"
    assert numbers["Missed"].startswith("1 ·")
    lines = page.html.select("[aria-labelledby=by-organization] tbody tr")
    assert [line.th.text.strip() for line in lines] == ["Bramble", "=Finch"]
    assert lines[0].a["href"] == f"/organizations/{org_of(two[0])}"
    assert client.get(lines[0].a["href"]).status_int == 200
    by_hour = client.get(f"/calls?from={told}&to={told}&by=hour")
    table = by_hour.html.select("[aria-labelledby=picture] table tr")
    assert [row.td.text for row in table if row.td] == ["3", "1"]
    assert "Cobalt" not in page.text
    other = console(tenants.staff(stranger.partner)).get("/calls")
    assert other.html.select_one("[aria-labelledby=by-organization] .empty") is not None
    assert "/calls" in client.get("/").text


def test_the_console_file_has_all_organizations(
    two: list[Person], told: date, tenants: Tenants, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partner_report, "MOST_ORGANIZATIONS", 1)
    monkeypatch.setattr(partner_views, "MOST_ORGANIZATIONS", 1)
    client = console(tenants.staff(two[0].partner))
    page = client.get(f"/calls?from={told}&to={told}")
    assert len(page.html.select("[aria-labelledby=by-organization] tbody tr")) == 1
    assert "the file has all" in page.text
    answer = client.get(f"/calls.csv?from={told}&to={told}")
    lines = list(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [line[:5] for line in lines[1:]] == [
        ["Bramble", "3", "2", "1", "1"],
        ["'=Finch", "1", "1", "1", "0"],
    ]


@pytest.mark.parametrize(
    ("query", "field"), [("from=x", "#from"), ("to=2026-02-31", "#to"), ("from=2020-01-01", "#from")]
)
def test_days_that_are_none(
    two: list[Person], tenants: Tenants, console: Console, query: str, field: str
) -> None:
    client = console(tenants.staff(two[0].partner))
    page = client.get(f"/calls?{query}", status=422)
    assert [link["href"] for link in page.html.select(".errsum a")] == [field]
    client.get(f"/calls.csv?{query}", status=422)


def test_a_partner_that_refuses_the_feature_has_no_page(
    two: list[Person], tenants: Tenants, console: Console, database: Database
) -> None:
    client = console(tenants.staff(two[0].partner))
    assert client.get("/calls").status_int == 200
    with database.in_partner(two[0].partner.id) as session:
        allow_plugin(session, "calllogs", allowed=False)
    client.get("/calls", status=404)
    assert "/calls" not in client.get("/").text
    with database.in_partner(two[0].partner.id) as session:
        allow_plugin(session, "calllogs", allowed=True)
    assert client.get("/calls").status_int == 200


def test_nothing_is_counted_while_it_is_read(
    two: list[Person], tenants: Tenants, console: Console, wsgi: Any
) -> None:
    client, seen = console(tenants.staff(two[0].partner)), []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement.lower())

    event.listen(wsgi.database.app_engine, "before_cursor_execute", listen)
    try:
        client.get("/calls")
    finally:
        event.remove(wsgi.database.app_engine, "before_cursor_execute", listen)
    assert any("calllogs_partner_quarter" in statement for statement in seen)
    assert not any("count(" in statement for statement in seen)
    assert not any("calllogs_conversation" in statement or "calllogs_leg" in statement for statement in seen)
