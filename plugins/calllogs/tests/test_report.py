"""The report: everybody's calls in numbers, for who may see it, from what was counted and nothing else."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.preferences.store import set_for_organization

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)


@pytest.fixture
def office(tenants: Tenants) -> list[Person]:
    """An organization: its admin (extension 100), Ann (101) and Ben (102)."""
    organization = tenants.organization(None, "calllogs")
    return [
        tenants.person(organization, "Ada Admin", "org_admin", extension="100"),
        tenants.person(organization, "Ann Alder", extension="101"),
        tenants.person(organization, "Ben Birch", extension="102"),
    ]


@pytest.fixture
def told(office: list[Person], switch: Any, leg: Make) -> None:
    """Ann answers two of three, Ben misses a call, they call one another once; ten days ago there was one call."""
    _ada, ann, ben = office
    at = NOON
    switch.accept(
        leg(ann, at=at, ring=10, talk=100),
        leg(ann, at=at + timedelta(minutes=20), ring=20, talk=200),
        leg(ann, at=at + timedelta(hours=1), ring=30, disposition="missed"),
        leg(ben, at=at + timedelta(hours=1), ring=60, disposition="missed"),
        leg(
            ben,
            at=at + timedelta(hours=2),
            ring=5,
            talk=5,
            direction="internal",
            **{"from": {"extension": "101"}},
        ),
        leg(ben, at=at - timedelta(days=8), ring=5, talk=7),
    )


def cells(page: Any, selector: str) -> list[list[str]]:
    rows = page.html.select(f"{selector} tbody tr")
    return [[" ".join(cell.get_text(" ").split()) for cell in row.select("th, td")] for row in rows]


@pytest.mark.usefixtures("told")
def test_the_numbers(office: list[Person], portal: Portal) -> None:
    page = portal(office[0]).get("/calls/report")
    numbers = {row[0]: row[1:] for row in cells(page, ".numbers")}
    # The call among colleagues is one call, and its row is the caller's.
    assert numbers["Calls"] == ["5", "1"]
    assert numbers["Incoming"] == ["4", "1"]
    assert numbers["Missed"] == ["2 · 50%", "0 · 0%"]
    assert numbers["Rang, on average"] == ["0:30", "0:05"]
    assert numbers["Talked, on average"] == ["1:41", "0:07"]
    assert numbers["With a colleague"] == ["1", "0"]
    people = cells(page, "[aria-labelledby=by-person]")
    assert [(row[0], row[2], row[3]) for row in people] == [
        ("Ann Alder", "4", "1 · 33%"),
        ("Ben Birch", "2", "1 · 50%"),
    ]
    waits = [" ".join(li.get_text(" ").split()) for li in page.html.select("[aria-labelledby=waits] li")]
    assert waits[0].startswith("Ben Birch")
    assert waits[0].endswith("1:00")
    assert page.html.select_one("svg[role=img] rect.c2") is not None


@pytest.mark.usefixtures("told")
def test_the_file_has_a_line_for_each_person(office: list[Person], portal: Portal) -> None:
    client = portal(office[0])
    answer = client.get(client.get("/calls/report").html.select_one("a[download]")["href"])
    rows = list(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert rows[1][:6] == ["Ann Alder", "101", "4", "2", "1", "33"]
    assert rows[2][-1] == "60"


@pytest.mark.usefixtures("told")
def test_private_extensions_are_not_named(
    office: list[Person], portal: Portal, database: Database, wsgi: Any
) -> None:
    assert office[0].organization is not None
    declared = wsgi.registry["ringstead.declared_settings"]
    with database.run_as(office[0].organization.org_id) as session:
        set_for_organization(session, declared, "calllogs.private_extensions", ["102"])
    client = portal(office[0])
    page = client.get("/calls/report")
    assert "Ben Birch" not in page.text
    assert "Ben Birch" not in client.get("/calls/report.csv").text
    assert {row[0]: row[1:] for row in cells(page, ".numbers")}["Calls"] == ["5", "1"]


@pytest.mark.usefixtures("told")
def test_only_who_may(office: list[Person], portal: Portal, tenants: Tenants) -> None:
    for path in ("/calls/report", "/calls/report.csv"):
        portal(office[1]).get(path, status=403)
    assert "/calls/report" not in portal(office[1]).get("/calls").text
    assert "/calls/report" in portal(office[0]).get("/calls").text
    stranger = tenants.person(tenants.organization(office[0].partner, "calllogs"), role="org_admin")
    page = portal(stranger).get("/calls/report")
    assert "Ann Alder" not in page.text
    assert page.html.select_one("[aria-labelledby=by-person] .empty") is not None


def test_days_that_are_none(office: list[Person], portal: Portal) -> None:
    client = portal(office[0])
    for query, field in (
        ("from=x", "#from"),
        ("to=2026-02-31", "#to"),
        ("from=2020-01-01&to=2026-01-01", "#from"),
    ):
        page = client.get(f"/calls/report?{query}", status=422)
        assert [a["href"] for a in page.html.select(".errsum a")] == [field]
        client.get(f"/calls/report.csv?{query}", status=422)
