"""The download: exactly the filter's calls, safe in a spreadsheet, spooled, few at a time."""

import csv
import gc
import io
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
from sqlalchemy import text as sql

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import RolePermission
from ringstead_calllogs.downloads import Downloads, TooManyDownloads
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
            "Number": "+12125550158",
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


def test_the_separator_is_that_of_the_language(
    person: Person, switch: Any, portal: Portal, leg: Make, prefer: Any
) -> None:
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
    assert client.get("/calls").html.select_one(".filemenu") is None
    for path in (
        "/calls.csv",
        "/calls.xlsx",
        "/calls.pdf",
        "/calls/downloads",
        "/calls/downloads/new?file=csv",
    ):
        client.get(path, status=403)
    client.post_form("/calls/downloads", {"file": "csv"}, status=403)


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


def test_many_calls_are_offered_in_the_background(
    person: Person, switch: Any, portal: Portal, leg: Make, allow: Callable[..., None]
) -> None:
    switch.accept(*(leg(person) for _ in range(3)))
    client = portal(person)
    allow(person, 3)
    assert len(rows_of(client.get("/calls.csv?columns=name,date"))) == 3
    allow(person, 2)
    answer = client.get("/calls.csv?columns=name,date&kind=received")
    assert answer.status_int == 303
    page = answer.follow()
    form = page.html.select_one("form[action='/calls/downloads']")
    fields = {field["name"]: field["value"] for field in form.select("input")}
    del fields["csrf_token"]
    assert fields == {"kind": "received", "file": "csv", "columns": "name,date"}
    # A filter that leaves few is answered at once.
    assert rows_of(client.get("/calls.csv?kind=missed")) == []


def test_columns_are_those_of_the_address_in_their_order(
    person: Person, switch: Any, portal: Portal, leg: Make
) -> None:
    switch.accept(leg(person, direction="outgoing"))
    client = portal(person)
    rows = rows_of(client.get("/calls.csv?columns=talk,name,direction"))
    assert rows == [{"Talking (seconds)": "60", "Name": "Wren Halloway", "Direction": "Outgoing"}]
    assert list(rows[0]) == ["Talking (seconds)", "Name", "Direction"]
    rows = rows_of(client.get("/calls.csv?columns=name&columns=date&columns=name"))
    assert list(rows[0]) == ["Name", "Date"]
    for kind in ("csv", "xlsx", "pdf"):
        page = client.get(f"/calls.{kind}?columns=name,nonsense", status=422)
        assert "nonsense" in page.html.find("main").get_text()


def test_notes_and_tags_are_ones_own(
    person: Person, switch: Any, portal: Portal, leg: Make, calls_of: Read
) -> None:
    switch.accept(leg(person))
    client = portal(person)
    client.post_form(f"/calls/{calls_of(person)[0].id}", {"note": "Ring back\n=1", "tags": "vip, bill"})
    (row,) = rows_of(client.get("/calls.csv?columns=note,tags&tag=vip"))
    assert row == {"Note": "Ring back\n'=1", "Tags": "bill, vip"}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "pdf"])
def test_a_filter_that_is_none_is_refused(kind: str, person: Person, portal: Portal) -> None:
    page = portal(person).get(f"/calls.{kind}?from=yesterday", status=422)
    assert "this is not a day" in page.html.find("main").get_text()


def test_the_menu_offers_files_of_the_filter(person: Person, switch: Any, portal: Portal, leg: Make) -> None:
    switch.accept(leg(person))
    form = portal(person).get("/calls?kind=received&q=wren").html.select_one("form.filemenu")
    hidden = {field["name"]: field["value"] for field in form.select("input[type=hidden]")}
    assert hidden == {"kind": "received", "q": "wren"}
    assert [button["formaction"] for button in form.select("button")] == [
        "/calls.csv",
        "/calls.xlsx",
        "/calls.pdf",
    ]
    chosen = [box["value"] for box in form.select("input[type=checkbox]") if box.has_attr("checked")]
    assert chosen == ["date", "time", "utc", "result", "name", "number", "e164", "phone", "ring", "talk"]


READERS = 16


@pytest.mark.slow
def test_readers_that_do_not_read_stop_nobody(
    served: Callable[..., str],
    person: Person,
    tenants: Tenants,
    database: Database,
    switch: Any,
    leg: Make,
    allow: Callable[..., None],
    copies: Callable[..., None],
) -> None:
    """One has the place and the others are told so; pages go on, and no transaction stays open."""
    switch.accept(leg(person))
    copies(database, person, 80_000)
    allow(person, 100_000)
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
    person: Person,
    portal: Portal,
    database: Database,
    leg: Make,
    switch: Any,
    allow: Callable[..., None],
    copies: Callable[..., None],
) -> None:
    """The same download of 20 and of 40 thousand rows takes as much memory, as only one piece is held at a time."""
    assert person.organization is not None
    switch.accept(leg(person))
    copies(database, person, 20_000)
    allow(person, 100_000)
    client = portal(person)
    sizes = [_peak(client), _peak(client)]
    copies(database, person, 20_000)
    sizes.append(_peak(client))
    assert sizes[2] < sizes[1] * 1.3


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
