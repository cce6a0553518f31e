"""The download: exactly the filter's calls, safe in a spreadsheet, streamed."""

import csv
import io
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringstead.api.testing import Client, Person
from ringstead.db.engine import Database
from ringstead.tenancy.models import RolePermission
from ringstead_calllogs.downloads import safe_cell
from ringstead_calllogs.models import Conversation

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
Read = Callable[[Person], list[Conversation]]


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.content_type == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.body.decode("utf-8"), newline="")))


def test_the_file(person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any) -> None:
    prefer(person, "core.time_zone", "Europe/Vienna")
    prefer(person, "core.locale", "en-GB")
    at = datetime.now(UTC).replace(
        year=datetime.now(UTC).year - 1, month=10, day=5, hour=22, minute=30, second=9
    )
    switch.accept(leg(person, at=at.replace(microsecond=0), ring=6, talk=75))
    answer = portal(person).get(f"/calls.csv?from={at.year}-10-06&to={at.year}-10-06")
    assert answer.charset == "utf-8"
    assert not answer.body.startswith(b"\xef\xbb\xbf")
    name = f"calls_{at.year}-10-06_{at.year}-10-06.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert rows_of(answer) == [
        {
            "Date": f"06/10/{at.year}",
            "Time": "00:30:09",
            "Time (UTC)": f"{at.year}-10-05T22:30:09Z",
            "Result": "Received",
            "Name": "Wren Halloway",
            "Number": "+1 212 555 0158",
            "Number (E.164)": "+12125550158",
            "Phone": "Desk phone",
            "Ringing (seconds)": "6",
            "Talking (seconds)": "75",
        }
    ]


def test_the_file_has_what_the_list_has(
    person: Person, switch: Any, portal: Portal, leg: Make, now: datetime, calls_of: Read
) -> None:
    kinds = [{"disposition": "missed"}, {"direction": "outgoing"}, {}]
    switch.accept(*(leg(person, at=now - timedelta(days=n), **kinds[n % 3]) for n in range(90)))
    client, calls = portal(person), calls_of(person)
    assert len(rows_of(client.get("/calls.csv"))) == 90
    missed = [c.started_at.strftime("%Y-%m-%dT%H:%M:%SZ") for c in calls if c.kind == "missed"]
    assert [row["Time (UTC)"] for row in rows_of(client.get("/calls.csv?kind=missed&q=wren"))] == missed
    # Digits are looked for in several columns; a call that fits in two of them is there once.
    assert len(rows_of(client.get("/calls.csv?q=0158"))) == 90
    assert rows_of(client.get("/calls.csv?q=nobody")) == []


DANGEROUS = [
    "=1+1",
    "+1+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "\u00a0=1",
    "\u200b=1",
    "\ufeff=1",
    "＝1",
    "=cmd|' /C calc'!A0",
    "+12125550158+cmd",
    "+1 212=1",
]


@pytest.mark.parametrize("text", DANGEROUS)
def test_formulas_become_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["+12125550158", "+1 212 555 0158", "Wren", "214", "*72", "", "12:30", "O’Hara = x"]
)
def test_what_is_no_formula_stays(text: str) -> None:
    assert safe_cell(text) == text


@given(st.text(max_size=20))
def test_no_cell_starts_a_formula(text: str) -> None:
    cell = safe_cell(text)
    assert cell.endswith(text)
    first = cell.lstrip()[:1]
    assert first not in ("=", "-", "@")
    assert first != "+" or cell.replace(" ", "")[1:].isdigit()


def test_names_cannot_inject(person: Person, switch: Any, portal: Portal, leg: Make) -> None:
    parties = [
        {"number": "=1+1", "name": "=HYPERLINK(1)"},
        {"number": "+1212555", "name": 'a"b,c'},
        {"name": "- @x"},
    ]
    switch.accept(*(leg(person, device="-2", **{"from": party}) for party in parties))
    rows = rows_of(portal(person).get("/calls.csv"))
    assert {row["Phone"] for row in rows} == {"'-2"}
    assert {row["Name"] for row in rows} == {"'=HYPERLINK(1)", 'a"b,c', "'- @x"}
    assert "'=1+1" in {row["Number"] for row in rows}


def test_without_the_right_there_is_no_download(
    person: Person, switch: Any, portal: Portal, database: Database
) -> None:
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        session.add(RolePermission(role="subscriber", permission="calllogs:call:export", granted=False))
    client = portal(person)
    assert client.get("/calls").html.select_one("a[download]") is None
    client.get("/calls.csv", status=403)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(
    person: Person, portal: Portal, database: Database, wsgi: Any, leg: Make, switch: Any, calls_of: Read
) -> None:
    """The same download of 20 and of 40 thousand rows takes as much memory, as only one piece is held at a time."""
    assert person.organization is not None
    switch.accept(leg(person))
    _copies(database, person, 20_000)
    client = portal(person)
    sizes = [_peak(client), _peak(client)]
    _copies(database, person, 20_000)
    sizes.append(_peak(client))
    assert sizes[2] < sizes[1] * 1.3


def _copies(database: Database, person: Person, count: int) -> None:
    from sqlalchemy import text

    assert person.organization is not None
    columns = "subscriber_id, linked_id, is_primary, kind, direction, is_internal, disposition, number, name"
    columns += ", name_folded, other_subscriber_id, requested_number, answered_at, ended_at, ring_seconds, talk_seconds"
    columns += ", devices, leg_count"
    with database.run_as(person.organization.org_id) as session:
        session.execute(
            text(f"""
                INSERT INTO calllogs_conversation (org_id, id, started_at, {columns})
                SELECT org_id, gen_random_uuid(), started_at, {columns} FROM
                (SELECT * FROM calllogs_conversation LIMIT 1) one, generate_series(1, :count)
            """),
            {"count": count},
        )


def _peak(client: Client) -> int:
    """The most memory (bytes) that reading a download piece by piece needs."""
    app, environ = client.app, dict(client.extra_environ, REQUEST_METHOD="GET", PATH_INFO="/calls.csv")
    environ |= {
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
    }
    started: list[str] = []
    tracemalloc.start()
    try:
        answer = app(environ, lambda status, headers, *rest: started.append(status))
        sizes = [len(piece) for piece in answer]
        answer.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert started == ["200 OK"]
    assert len(sizes) >= 20
    assert max(sizes) < 300_000
    return peak
