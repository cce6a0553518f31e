"""The download: exactly the filter's calls, safe in a spreadsheet, spooled, few at a time."""

import csv
import gc
import io
import re
import socket
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import RolePermission
from ringstead_calllogs import downloads
from ringstead_calllogs.downloads import Downloads, TooManyDownloads, safe_cell, separator
from ringstead_calllogs.models import Conversation

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
Read = Callable[[Person], list[Conversation]]


def rows_of(answer: Any) -> list[dict[str, str]]:
    assert answer.content_type == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"), newline="")))


def test_the_file(person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any) -> None:
    prefer(person, "core.time_zone", "Europe/Vienna")
    prefer(person, "core.locale", "en-GB")
    at = datetime.now(UTC).replace(
        year=datetime.now(UTC).year - 1, month=10, day=5, hour=22, minute=30, second=9
    )
    switch.accept(leg(person, at=at.replace(microsecond=0), ring=6, talk=75))
    answer = portal(person).get(f"/calls.csv?from={at.year}-10-06&to={at.year}-10-06")
    assert answer.charset == "utf-8"
    assert answer.body.startswith(b"\xef\xbb\xbf")
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


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("foo;=cmd|' /C calc'!A0", "foo;'=cmd|' /C calc'!A0"),
        ("a,b\t -1", "a,b\t' -1"),
        ('a;"=1', "a;'\"=1"),
        ("a\n=1", "a\n'=1"),
        ("\t=1", "'\t'=1"),
        ("a; +1 212 555 0158", "a;' +1 212 555 0158"),
        ("a; b, c-d", "a; b, c-d"),
    ],
)
def test_a_separator_begins_no_formula(text: str, safe: str) -> None:
    assert safe_cell(text) == safe


TEXT = st.text("=+-@|%;,\t\r\n\"' a1\u200b\ufeff＝", max_size=20) | st.text(
    st.characters(codec="utf-8"), max_size=20
)
LOOKS_LIKE_A_FORMULA = re.compile(
    r"[\s\x00-\x1f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*[=+\-@|%＝＋－＠]"
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(TEXT, min_size=4, max_size=4), max_size=3), st.sampled_from(";,"))
@example([['a;"=1', 'a\t"=1', 'a\n"=1', ";+1 2"]], ",")
def test_no_cell_starts_a_formula_wherever_lines_are_split(rows: list[list[str]], ours: str) -> None:
    lines = downloads.Lines(ours)
    for row in rows:
        lines.write(["2026-11-23", *row, "+1 212 555 0158"])
    text = lines.take().decode("utf-8-sig")
    for delimiter in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            for cell in row:
                assert not LOOKS_LIKE_A_FORMULA.match(cell) or re.fullmatch(r"\+[0-9][0-9 ]*", cell), cell


@given(TEXT)
def test_a_safe_cell_says_what_the_text_says(text: str) -> None:
    assert safe_cell(text).replace("'", "") == text.replace("'", "")


def test_the_separator_is_that_of_the_language(
    person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any
) -> None:
    assert [separator(locale) for locale in ("en", "en-GB", "de", "de-AT", "de-CH", "fr")] == [*",,;;,;"]
    prefer(person, "core.locale", "de-AT")
    switch.accept(leg(person, **{"from": {"name": "Jürgen; =1+1"}}))
    text = portal(person).get("/calls.csv").body.decode("utf-8-sig")
    heading, row = csv.reader(io.StringIO(text, newline=""), delimiter=";")
    assert heading[:2] == ["Datum", "Uhrzeit"]
    assert "Jürgen;' =1+1" in row


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


def test_a_process_makes_few_files_at_a_time_and_an_account_two() -> None:
    for threads, most in ((1, 1), (2, 1), (4, 1), (5, 2), (8, 3), (16, 7)):
        running = Downloads(threads)
        places = [running.take(uuid4()) for _ in range(most)]
        with pytest.raises(TooManyDownloads) as refused:
            running.take(uuid4())
        assert not refused.value.is_own
        running.give_back(places.pop())
        running.take(uuid4())


def test_an_account_has_two_places() -> None:
    running, account = Downloads(16), uuid4()
    places = [running.take(account), running.take(account)]
    with pytest.raises(TooManyDownloads) as refused:
        running.take(account)
    assert refused.value.is_own
    # What is thrown away without being sent is given back too.
    del places[0]
    gc.collect()
    assert running.take(account)


def test_what_is_refused_says_why(person: Person, switch: Any, portal: Portal, leg: Make, wsgi: Any) -> None:
    switch.accept(leg(person))
    client = portal(person)
    client.get("/calls.csv")  # a small file has given its place back
    running = wsgi.registry["ringstead_calllogs.downloads"]
    for account, words in ((person.account.id, "still being sent"), (uuid4(), "Others are downloading")):
        place = running.take(account)
        page = client.get("/calls.csv", status=429)
        assert page.headers["Retry-After"] == "10"
        assert words in page.html.find("main").get_text()
        running.give_back(place)
    client.get("/calls.csv")


def test_too_many_calls_are_refused_and_their_place_given_back(
    person: Person, switch: Any, portal: Portal, leg: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch.accept(*(leg(person) for _ in range(3)))
    client = portal(person)
    monkeypatch.setattr(downloads, "MOST_CALLS", 3)
    assert len(rows_of(client.get("/calls.csv"))) == 3
    monkeypatch.setattr(downloads, "MOST_CALLS", 2)
    page = client.get("/calls.csv", status=422)
    assert "Choose fewer days" in page.html.find("main").get_text()
    client.get("/calls.csv", status=422)


READERS = 16


@pytest.mark.slow
def test_readers_that_do_not_read_stop_nobody(
    served: Callable[..., str], person: Person, tenants: Tenants, database: Database, switch: Any, leg: Make
) -> None:
    """One has the place and the others are told so; pages go on, and no transaction stays open."""
    switch.accept(leg(person))
    _copies(database, person, 80_000)
    assert person.organization is not None
    other = tenants.person(person.organization)
    address = served(web_threads=4)
    with ExitStack() as readers:
        answers = [readers.enter_context(_ask(address, person, tenants)) for _ in range(READERS)]
        heads = [_head(answer) for answer in answers]
        assert sorted({head.partition("\r\n")[0] for head in heads}) == [
            "HTTP/1.1 200 OK",
            "HTTP/1.1 429 Too Many Requests",
        ]
        assert sum(head.startswith("HTTP/1.1 200") for head in heads) == 1
        assert sum("retry-after: 10\r\n" in head.lower() for head in heads) == READERS - 1
        assert _get(address, other, tenants, "/calls").status_code == 200
        assert _get(address, other, tenants, "/calls.csv").status_code == 429
        with database.app_engine.connect() as connection:
            states = (
                "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND state IS NOT NULL"
            )
            assert not [state for state in connection.scalars(sql(states)) if "transaction" in state]
    # The reader is gone, so its place is free.
    deadline = time.monotonic() + 30
    while _get(address, other, tenants, "/calls.csv").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _get(address: str, person: Person, tenants: Tenants, path: str) -> httpx.Response:
    cookies = {"sid": tenants.session_token(person)}
    return httpx.get(
        f"{address}{path}", headers={"Host": f"{person.partner.slug}.test"}, cookies=cookies, timeout=30
    )


def _ask(address: str, person: Person, tenants: Tenants) -> socket.socket:
    """Ask for the download, with as little room as possible for what is sent and not read."""
    host, _, port = address.removeprefix("http://").partition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect((host, int(port)))
    cookie = f"sid={tenants.session_token(person)}"
    connection.sendall(
        f"GET /calls.csv HTTP/1.1\r\nHost: {person.partner.slug}.test\r\nCookie: {cookie}\r\n\r\n".encode()
    )
    return connection


def _head(connection: socket.socket) -> str:
    """The answer's head, and nothing after it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte
        head += byte
    return head.decode()


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
