"""Files that are made in the background: ordered, watched, fetched whole or in part, kept for a while, one's own."""

import csv
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, text, update

from ringstead.api.testing import Client, Person, Tenants
from ringstead.api.work import defer
from ringstead.blobs import Blobs
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.serving import child_environment
from ringstead.settings import load_settings
from ringstead.tenancy.models import RolePermission
from ringstead_calllogs import background, jobs
from ringstead_calllogs.background import EXPIRE, Download
from ringstead_calllogs.erasing import erase_person

Portal = Callable[..., Client]
Make = Callable[..., dict[str, Any]]
PAGE = "/calls/downloads"
PATIENCE = 60.0


@pytest.fixture
def order(portal: Portal) -> Callable[..., tuple[Client, str]]:
    """`order(person, **fields)`: orders a file; the client, and the file's address."""

    def place(person: Person, client: Client | None = None, **fields: str) -> tuple[Client, str]:
        client = client or portal(person)
        assert client.post_form(PAGE, {"file": "csv", **fields}).status_int == 303
        row = client.get(PAGE).html.select_one(".files > li")
        return client, f"{PAGE}/{row['id'].removeprefix('file-')}"

    return place


@pytest.fixture
def row_of(database: Database) -> Callable[[Person], Any]:
    """`row_of(person)`: the person's only file in the database."""

    def read(person: Person) -> Any:
        assert person.organization is not None
        with database.run_as(person.organization.org_id) as session:
            return session.scalars(select(Download)).one_or_none()

    return read


@pytest.fixture
def set_row(database: Database) -> Callable[..., None]:
    """`set_row(person, **values)`: change all files of the person's organization."""

    def change(person: Person, **values: Any) -> None:
        assert person.organization is not None
        with database.run_as(person.organization.org_id) as session:
            session.execute(update(Download).values(**values).execution_options(synchronize_session=False))

    return change


def blobs_of(app: Any, person: Person) -> list[str]:
    assert person.organization is not None
    return list(
        Blobs("file:", app.settings.var_dir).of(person.organization.org_id).keys("calllogs/downloads")
    )


def files_text(client: Client) -> str:
    return " ".join(client.get(PAGE).html.find(id="files").get_text(" ").split())


def test_from_the_order_to_the_file(
    person: Person, switch: Any, leg: Make, order: Any, run_jobs: Any, wsgi: Any, row_of: Any
) -> None:
    switch.accept(*(leg(person) for _ in range(4)), leg(person, disposition="missed"))
    client, address = order(person, kind="received", columns="name,number,talk")
    assert "Waiting for its turn" in files_text(client)
    assert client.get(address).location.endswith(PAGE)
    run_jobs()
    assert "4 calls" in files_text(client)
    answer = client.get(address)
    rows = list(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"), newline="")))
    assert rows == [["Name", "Number", "Talking (seconds)"], *[["Wren Halloway", "+12125550158", "60"]] * 4]
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="calls_')
    row = row_of(person)
    assert (row.rows, row.done, row.size) == (4, 0, len(answer.body)) or row.rows == 4
    assert blobs_of(wsgi, person) == [background.blob_key(row.id, row.attempt)]
    # It is what comes at once.
    assert client.get("/calls.csv?kind=received&columns=name,number,talk").body == answer.body


@pytest.mark.parametrize("kind", ["xlsx", "pdf"])
def test_other_formats_are_made_too(
    kind: str, person: Person, switch: Any, leg: Make, order: Any, run_jobs: Any
) -> None:
    switch.accept(leg(person))
    client, address = order(person, file=kind)
    run_jobs()
    answer = client.get(address)
    assert answer.body.startswith({"xlsx": b"PK", "pdf": b"%PDF"}[kind])
    assert answer.headers["Content-Disposition"].endswith(f'.{kind}"')


def test_a_mail_says_that_it_is_ready(
    person: Person, switch: Any, leg: Make, order: Any, run_jobs: Any, wsgi: Any, prefer: Any
) -> None:
    prefer(person, "core.locale", "de-AT")
    switch.accept(leg(person))
    order(person)
    run_jobs()
    mails = [path.read_text() for path in (Path(wsgi.settings.var_dir) / "mail").glob("*.eml")]
    (mine,) = (mail for mail in mails if person.account.email in mail)
    message = message_from_string(mine, policy=policy.default)
    body = message.get_body(("plain",)).get_content()
    assert f"//{person.partner.slug}.test" in body
    assert PAGE in body
    assert "7 Tage" in body
    assert "Partner" in message["From"]


def test_ranges_let_a_download_go_on(
    person: Person, switch: Any, leg: Make, order: Any, run_jobs: Any
) -> None:
    switch.accept(*(leg(person) for _ in range(20)))
    client, address = order(person)
    run_jobs()
    whole = client.get(address)
    etag, size = whole.headers["ETag"], len(whole.body)
    assert not etag.startswith("W/")
    assert whole.headers["Accept-Ranges"] == "bytes"

    def ask(status: int, **headers: str) -> Any:
        return client.get(
            address, headers={k.replace("_", "-"): v for k, v in headers.items()}, status=status
        )

    part = ask(206, Range="bytes=100-")
    assert part.body == whole.body[100:]
    assert part.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert ask(206, Range="bytes=0-0").body == whole.body[:1]
    assert ask(206, Range="bytes=-5").body == whole.body[-5:]
    assert ask(206, Range="bytes=100-", If_Range=etag).body == whole.body[100:]
    assert ask(200, Range="bytes=100-", If_Range='"another"').body == whole.body
    beyond = ask(416, Range=f"bytes={size}-")
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    for nonsense in ("bytes=9-1", "lines=1-2", "bytes=x"):
        assert ask(200, Range=nonsense).body == whole.body
    assert ask(304, If_None_Match=etag).body == b""
    head = client.head(address)
    assert (head.headers["Content-Length"], head.body) == (str(size), b"")


def test_it_is_only_ones_own(
    person: Person,
    switch: Any,
    leg: Make,
    order: Any,
    run_jobs: Any,
    portal: Portal,
    tenants: Tenants,
    database: Database,
) -> None:
    switch.accept(leg(person))
    client, address = order(person)
    run_jobs()
    assert person.organization is not None
    colleague = portal(tenants.person(person.organization, role="org_admin"))
    stranger = portal(tenants.person(tenants.organization(person.partner, "calllogs")))
    for other in (colleague, stranger):
        other.get(address, status=404)
        other.post_form(address, status=404)
        assert "calls_" not in files_text(other)
    for nothing in (uuid4(), "new.csv", "0"):
        client.get(f"{PAGE}/{nothing}", status=404)
    client.get(address)
    with database.run_as(person.organization.org_id) as session:
        session.add(RolePermission(role="subscriber", permission="calllogs:call:export", granted=False))
    client.get(address, status=403)
    tenants.switch(person.organization, "calllogs", enabled=False)
    client.get(address, status=404)


def test_its_time_ends(
    person: Person,
    switch: Any,
    leg: Make,
    order: Any,
    run_jobs: Any,
    wsgi: Any,
    database: Database,
    row_of: Any,
    set_row: Any,
) -> None:
    switch.accept(leg(person))
    client, address = order(person)
    run_jobs()
    assert person.organization is not None
    kept = row_of(person).expires_at - row_of(person).ready_at
    assert kept == timedelta(days=7)
    past = datetime.now(UTC) - timedelta(minutes=1)
    set_row(person, expires_at=past)
    # At once, whether or not the job has been there.
    for _ in range(2):
        page = client.get(address, status=410)
        assert "until its time was over" in page.html.find("main").get_text()
        assert "calls_" not in files_text(client)
        names = {"org_id": person.organization.org_id, "download_id": row_of(person).id}
        with database.run_as(person.organization.org_id) as session:
            defer(session, EXPIRE, **names)
        run_jobs()
        assert blobs_of(wsgi, person) == []
    assert row_of(person).state == "expired"
    set_row(person, expires_at=past - timedelta(days=31))
    with database.run_as(person.organization.org_id) as session:
        defer(session, EXPIRE, **names)
    run_jobs()
    assert row_of(person) is None
    client.get(address, status=404)


def test_an_early_end_of_time_is_no_end(
    person: Person, switch: Any, leg: Make, order: Any, run_jobs: Any, database: Database, row_of: Any
) -> None:
    """The job that was queued with the order comes before a file that was made late is over."""
    switch.accept(leg(person))
    client, address = order(person)
    run_jobs()
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        defer(session, EXPIRE, org_id=person.organization.org_id, download_id=row_of(person).id)
    run_jobs()
    client.get(address)


def test_cancel_and_delete(
    person: Person, switch: Any, leg: Make, order: Any, run_jobs: Any, wsgi: Any, row_of: Any
) -> None:
    switch.accept(leg(person))
    client, address = order(person)
    client.post_form(address, status=303)
    run_jobs()
    assert "calls_" not in files_text(client)
    client.get(address, status=404)
    assert blobs_of(wsgi, person) == []
    client, address = order(person)
    run_jobs()
    assert len(blobs_of(wsgi, person)) == 1
    client.post_form(address, status=303)
    run_jobs()
    assert blobs_of(wsgi, person) == []
    assert row_of(person) is None


def test_cancelling_stops_the_one_who_makes_it(
    person: Person,
    switch: Any,
    leg: Make,
    order: Any,
    run_jobs: Any,
    wsgi: Any,
    copies: Any,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    switch.accept(leg(person))
    copies(database, person, 5_000)
    client, address = order(person)
    monkeypatch.setattr(jobs, "BETWEEN_NOTES", 0.0)
    real, seen = jobs.note_progress, []

    def note(session: Any, made: Any, **values: Any) -> bool:
        seen.append(values.get("rows"))
        if len(seen) == 3:
            client.post_form(address, status=303)
        return real(session, made, **values)

    monkeypatch.setattr(jobs, "note_progress", note)
    run_jobs()
    assert len(seen) == 3
    assert blobs_of(wsgi, person) == []
    assert not list((Path(wsgi.settings.var_dir) / "blobs").rglob("*#*"))
    client.get(address, status=404)


def test_progress_is_what_was_looked_through(
    person: Person,
    switch: Any,
    leg: Make,
    order: Any,
    run_jobs: Any,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    days = [now - timedelta(days=40 * n + 1) for n in range(6)]
    switch.accept(*(leg(person, at=day) for day in days for _ in range(4)))
    monkeypatch.setattr("ringstead_calllogs.orders.CALLS_A_SPAN", 4)
    monkeypatch.setattr(jobs, "BETWEEN_NOTES", 0.0)
    real, seen = jobs.note_progress, []

    def note(session: Any, made: Any, **values: Any) -> bool:
        seen.append((values.get("done"), values.get("expected"), values["rows"]))
        return real(session, made, **values)

    monkeypatch.setattr(jobs, "note_progress", note)
    client, address = order(person, q="nobody")
    run_jobs()
    done = [values[0] for values in seen[:-1]]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == 24
    assert {values[1] for values in seen[:-1]} == {24}
    assert {values[2] for values in seen} == {0}
    assert len(client.get(address).body.decode().splitlines()) == 1
    seen.clear()
    client, address = order(person, client)
    run_jobs()
    assert [values[2] for values in seen[:-1]][-1] == 24
    assert len(client.get(address).body.decode().splitlines()) == 25


def test_the_list_shows_progress_and_says_when_nothing_changed(
    person: Person, order: Any, set_row: Any, portal: Portal
) -> None:
    client, _address = order(person)
    set_row(person, state="making", rows=1234, done=2500, expected=10_000)
    page = client.get(PAGE)
    assert page.html.select_one("progress")["value"] == "25"
    assert "1,234 calls so far" in files_text(client)
    assert page.html.select_one("a[href='/calls/downloads'].btn") is not None
    part = client.get(PAGE, headers={"HX-Request": "true"})
    assert part.html.find("h1") is None
    assert part.html.select_one("[hx-trigger]")["hx-trigger"] == "every 2s"
    again = {"HX-Request": "true", "If-None-Match": part.headers["ETag"]}
    client.get(PAGE, headers=again, status=304)
    set_row(person, done=5000)
    assert client.get(PAGE, headers=again).html.select_one("progress")["value"] == "50"
    set_row(person, state="failed", reason="no_room")
    page = client.get(PAGE)
    assert page.html.select_one("[hx-trigger]") is None
    assert "no room left" in files_text(client)
    again_url = page.html.select_one(".files a.btn")["href"]
    assert again_url.startswith("/calls/downloads/new?file=csv&columns=")
    client.get(again_url)


def test_a_few_at_a_time(person: Person, order: Any, run_jobs: Any) -> None:
    client = None
    for _ in range(background.MOST_UNFINISHED):
        client, address = order(person, client)
    page = client.post_form(PAGE, {"file": "csv"}, status=429)
    assert "being made" in page.html.find("main").get_text()
    assert page.headers["Retry-After"] == "30"
    client.post_form(address, status=303)
    client.post_form(PAGE, {"file": "csv"}, status=303)
    run_jobs()
    client.post_form(PAGE, {"file": "csv"}, status=303)


def test_only_so_many_are_kept(
    person: Person, order: Any, run_jobs: Any, set_row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "MOST_KEPT", 2)
    client, first = order(person)
    order(person, client)
    run_jobs()
    assert "Delete those" in client.post_form(PAGE, {"file": "csv"}, status=429).html.find("main").get_text()
    client.post_form(first, status=303)
    client.post_form(PAGE, {"file": "csv"}, status=303)
    set_row(person, state="expired")
    client.post_form(PAGE, {"file": "csv"}, status=303)


@pytest.mark.parametrize(
    "fields", [{"file": "doc"}, {"file": ""}, {"from": "x"}, {"columns": "name,secret"}, {"least": "-1"}]
)
def test_an_order_that_is_none_is_refused(
    fields: dict[str, str], person: Person, portal: Portal, row_of: Any
) -> None:
    portal(person).post_form(PAGE, {"file": "csv", **fields}, status=422)
    assert row_of(person) is None


def test_a_form_without_its_token_orders_nothing(person: Person, portal: Portal, row_of: Any) -> None:
    portal(person).post(PAGE, {"file": "csv"}, status=400)
    assert row_of(person) is None


def test_a_full_store_is_told_after_the_last_try(
    person: Person,
    switch: Any,
    leg: Make,
    order: Any,
    database: Database,
    row_of: Any,
    wsgi: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ringstead.api.blobs import BlobsFull, OrgBlobs

    switch.accept(leg(person))
    client, _address = order(person)

    def full(self: Any, key: str, pieces: Any) -> int:
        next(iter(pieces))
        raise BlobsFull(key)

    monkeypatch.setattr(OrgBlobs, "put", full)
    row = row_of(person)
    for attempt in range(1, jobs.MOST_ATTEMPTS + 1):
        try:
            jobs.make_download(wsgi.database, org_id=row.org_id, download_id=row.id)
        except BlobsFull:
            assert attempt < jobs.MOST_ATTEMPTS
        assert row_of(person).state == ("making" if attempt < jobs.MOST_ATTEMPTS else "failed")
    assert "no room left" in files_text(client)


def test_a_file_whose_workers_are_killed_is_given_up(
    person: Person, order: Any, database: Database, row_of: Any, wsgi: Any
) -> None:
    client, address = order(person)
    row = row_of(person)
    for _ in range(jobs.MOST_ATTEMPTS):
        with database.run_as(row.org_id) as session:
            assert background.begin_attempt(session, row.id) is not None
    with pytest.raises(jobs.GivenUp):
        jobs.make_download(wsgi.database, org_id=row.org_id, download_id=row.id)
    assert "Could not be made" in files_text(client)
    assert client.get(PAGE).html.select_one("progress") is None
    # Its job is still queued, and would fail once more.
    client.post_form(address, status=303)


def test_an_overtaken_attempt_leaves_nothing(
    person: Person,
    switch: Any,
    leg: Make,
    order: Any,
    row_of: Any,
    wsgi: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that was thought dead comes to the end after another one has begun anew."""
    switch.accept(leg(person))
    order(person)
    row, real = row_of(person), jobs.note_progress

    def slow(session: Any, made: Any, **values: Any) -> bool:
        if values.get("state") == "ready":
            monkeypatch.setattr(jobs, "note_progress", real)
            jobs.make_download(wsgi.database, org_id=row.org_id, download_id=row.id)
        return real(session, made, **values)

    monkeypatch.setattr(jobs, "note_progress", slow)
    jobs.make_download(wsgi.database, org_id=row.org_id, download_id=row.id)
    row = row_of(person)
    assert row.state == "ready"
    assert blobs_of(wsgi, person) == [background.blob_key(row.id, row.attempt)]


WORKER = """
import sys
from ringstead.db.embedded import database_urls
from ringstead.jobs.runner import Timing
from ringstead.settings import load_settings
from ringstead.worker import run_worker
from ringstead_calllogs import jobs
jobs.BETWEEN_NOTES = 0.01
settings = load_settings()
run_worker(settings, database_urls(settings), Timing(heartbeat=0.3, stalled=1.5, poll=0.3, grace=1, restart=0.3))
"""


@pytest.mark.faults
@pytest.mark.slow
def test_a_worker_killed_in_the_middle_leaves_one_whole_file(
    person: Person,
    switch: Any,
    leg: Make,
    order: Any,
    wsgi: Any,
    copies: Any,
    database: Database,
    database_urls: DatabaseUrls,
    row_of: Any,
    tmp_path: Path,
) -> None:
    switch.accept(leg(person))
    copies(database, person, 150_000)
    client, address = order(person)
    chosen = load_settings(env={}, var_dir=wsgi.settings.var_dir, secret_key="t" * 40)
    environment = os.environ | child_environment(chosen, database_urls)

    def worker() -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", WORKER], env=environment)

    for _ in range(2):
        process = worker()
        until(lambda: (row := row_of(person)).state == "making" and row.rows > 0)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert row_of(person).state == "making"
        assert blobs_of(wsgi, person) == []
        assert client.get(address).status_int == 303
    process = worker()
    try:
        until(lambda: row_of(person).state == "ready")
    finally:
        process.terminate()
        process.wait()
    row = row_of(person)
    assert row.rows == 150_001
    assert blobs_of(wsgi, person) == [background.blob_key(row.id, row.attempt)]
    answer = client.get(address)
    assert answer.body.count(b"\n") == 150_002


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def cut_after(address: str, count: int) -> Iterator[str]:
    """A line to a server that breaks once so many bytes came back; its address."""
    host, _, port = address.removeprefix("http://").partition(":")

    def carry(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client, socket.create_connection((host, int(port)), timeout=PATIENCE) as server:
            server.sendall(client.recv(65_536))
            left = count
            while left and (part := server.recv(min(left, 65_536))):
                client.sendall(part)
                left -= len(part)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        carrier = threading.Thread(target=carry, args=[listener], daemon=True)
        carrier.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        carrier.join(PATIENCE)


@pytest.mark.slow
def test_curl_goes_on_after_a_cut(
    served: Callable[..., str],
    person: Person,
    tenants: Tenants,
    switch: Any,
    leg: Make,
    copies: Any,
    database: Database,
    database_urls: DatabaseUrls,
    order: Any,
    tmp_path: Path,
) -> None:
    """A real client on a real server: the connection is cut in the middle, `curl -C -` fetches the rest."""
    from ringstead.worker import run_due_jobs

    switch.accept(leg(person))
    copies(database, person, 60_000)
    _client, path = order(person)
    address = served(web_threads=4)
    run_due_jobs(load_settings(env={}, var_dir=tmp_path, secret_key="t" * 40), database_urls)
    cookie, host = f"sid={tenants.session_token(person)}", f"{person.partner.slug}.test"
    whole = httpx.get(f"{address}{path}", headers={"Host": host, "Cookie": cookie}, timeout=60)
    assert whole.status_code == 200
    target = tmp_path / "calls.csv"
    command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "-H", f"Host: {host}"]
    command += ["-b", cookie, "-C", "-", "-o", str(target)]
    with cut_after(address, len(whole.content) // 3) as line:
        assert subprocess.run([*command, f"{line}{path}"], capture_output=True).returncode != 0
    assert 0 < target.stat().st_size < len(whole.content)

    def went_on() -> bool:
        # The place of the one that was cut is free once the server has noticed.
        return subprocess.run([*command, f"{address}{path}"], capture_output=True).returncode == 0

    until(went_on)
    assert target.read_bytes() == whole.content


def test_who_is_erased_leaves_no_file(
    person: Person,
    switch: Any,
    leg: Make,
    order: Any,
    run_jobs: Any,
    wsgi: Any,
    database: Database,
    row_of: Any,
) -> None:
    switch.accept(leg(person))
    order(person)
    run_jobs()
    assert len(blobs_of(wsgi, person)) == 1
    assert person.organization is not None
    assert person.subscriber is not None
    with database.run_as(person.organization.org_id) as session:
        erase_person(session, person.subscriber.id, despite_hold=False)
    run_jobs()
    assert row_of(person) is None
    assert blobs_of(wsgi, person) == []


def test_ids_are_of_rows(person: Person, order: Any, database: Database) -> None:
    _client, address = order(person)
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        found = session.scalar(text("SELECT id FROM calllogs_download"))
    assert UUID(address.rpartition("/")[2]) == found
