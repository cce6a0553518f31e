"""A million calls as CSV in the background: beside COPY piped to a file, its memory, and other pages meanwhile.

`python -m benchmarks.export ORGANIZATION DOWNLOAD` is the process that makes one file, as a worker does.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import psutil
import psycopg

from benchmarks.load import Target
from benchmarks.measure import Section, Series
from benchmarks.site import ROOT, Site
from benchmarks.world import DATABASE, TIME_ZONE, Visitor, World
from ringstead.blobs import BLOBS, open_blobs
from ringstead.db.embedded import database_urls
from ringstead.db.engine import Database
from ringstead.serving import APP_FACTORY
from ringstead.settings import load_settings
from ringstead_calllogs.background import Owner, forget_file, order_file
from ringstead_calllogs.columns import USUAL, word_messages
from ringstead_calllogs.filters import Filter
from ringstead_calllogs.jobs import make_download
from ringstead_calllogs.orders import Order

ROWS = 1_000_000
PAGES_SECONDS = 4.0
_COLUMNS = "started_at, started_at, started_at, disposition, name, number, number, devices, ring_seconds, talk_seconds"
_FILL = f"""
    INSERT INTO calllogs_conversation (org_id, id, started_at, subscriber_id, linked_id, is_primary, kind, direction,
        is_internal, disposition, number, name, name_folded, ended_at, ring_seconds, talk_seconds, devices, leg_count)
    SELECT %(org)s, gen_random_uuid(), at, %(person)s, 'bench' || n, true,
        CASE n %% 3 WHEN 0 THEN 'missed' WHEN 1 THEN 'received' ELSE 'dialled' END,
        CASE n %% 3 WHEN 2 THEN 'outgoing' ELSE 'incoming' END, false,
        CASE n %% 3 WHEN 0 THEN 'missed' ELSE 'answered' END, '+1212555' || lpad((n %% 10000)::text, 4, '0'),
        CASE WHEN n %% 4 > 0 THEN 'Wren Halloway ' || n %% 100 END, ' wren halloway', at, n %% 30, n %% 600,
        '["Desk phone"]', 1
    FROM (SELECT n, now() - n * interval '63 seconds' AS at FROM generate_series(1, {ROWS}) n) calls ORDER BY at
"""


@dataclass(frozen=True, slots=True)
class Round:
    """Rows a second by COPY and by the job, megabytes that the job's process grew, and the 95th of other pages (ms)."""

    copy: float
    job: float
    grown: float
    quiet: float
    busy: float


def measure(world: World, rounds: int) -> Section:
    """Fill one person's log, then order, make and remove its file in each round."""
    person, other = world.visitors[0], world.visitors[-1]
    _fill(world, person)
    target = other.target("/calls")
    with Site(APP_FACTORY, target, world.environment(), workers=1) as site:
        seen = [_round(world, site, person, target) for _ in range(rounds + 1)]
    return _report(seen[1:])


def _report(seen: Sequence[Round]) -> Section:
    section = Section("Downloads in the background")
    series = {name: Series(tuple(getattr(r, name) for r in seen)) for name in Round.__slots__}
    section.at_least(
        "a million calls as CSV against COPY piped to a file", series["job"] / series["copy"], 0.4
    )
    section.at_most("memory that the job's process grows by", series["grown"], 60, "MB", 0)
    section.at_most("95th of another's calls page while the job runs", series["busy"] / series["quiet"], 1.3)
    section.table(
        ["", "seen", "spread"],
        [
            ["COPY, rows/s", f"{series['copy'].median:,.0f}", f"{series['copy'].spread:.2f}"],
            ["the job, rows/s", f"{series['job'].median:,.0f}", f"{series['job'].spread:.2f}"],
            ["95th of a page, nothing else running, ms", f"{series['quiet'].median:.1f}", ""],
            ["95th of a page, the job running, ms", f"{series['busy'].median:.1f}", ""],
        ],
    )
    section.text.append(
        f"{ROWS:,} calls of one person in the ten usual columns. *COPY*: the same columns as they are stored, by the "
        "application's role, newest first. *The job*: dates, times and words as the reader writes them, every cell "
        "safe in a spreadsheet, a digest of it all, kept in object storage in a folder, progress noted; in a "
        "process of its own that gives way to pages, as a worker beside the web does. The page is asked for over and "
        "over by one client while jobs follow one another."
    )
    return section


def _fill(world: World, person: Visitor) -> None:
    with world.server.connect(DATABASE) as connection:
        connection.execute(
            "SELECT calllogs_conversation_ensure_month(now() - n * interval '15 days') FROM generate_series(0, 52) n"
        )
        connection.execute(_FILL, {"org": person.org_id, "person": person.subscriber_id})
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE calllogs_conversation")


def _round(world: World, site: Site, person: Visitor, target: Target) -> Round:
    copy = _copied(world, person)
    job, grown = _finished(_started(world, person))
    quiet = _ninety_fifth(site, target, None)
    busy = _ninety_fifth(site, target, lambda: _started(world, person))
    return Round(copy, job, grown, quiet, busy)


def _copied(world: World, person: Visitor) -> float:
    statement = f"""
        COPY (SELECT {_COLUMNS} FROM calllogs_conversation
              WHERE org_id = '{person.org_id}' AND subscriber_id = '{person.subscriber_id}'
              ORDER BY started_at DESC, id DESC) TO STDOUT (FORMAT csv)
    """
    address = world.urls.app.replace("+psycopg", "")
    with psycopg.connect(address) as connection, tempfile.TemporaryFile() as file:
        connection.execute("SELECT enter_organization(%s)", [person.org_id])
        started = time.monotonic()
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for piece in copy:
                file.write(piece)
        return ROWS / (time.monotonic() - started)


def _started(world: World, person: Visitor) -> subprocess.Popen[str]:
    environment = world.environment()
    command = [sys.executable, "-m", "benchmarks.export", str(person.org_id), str(person.subscriber_id)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _finished(process: subprocess.Popen[str]) -> tuple[float, float]:
    said, _nothing = process.communicate()
    if process.returncode:
        raise RuntimeError("the file was not made")
    seconds, grown = json.loads(said.splitlines()[-1])
    return ROWS / seconds, grown


def _ninety_fifth(site: Site, target: Target, start: object) -> float:
    """Milliseconds within which 95 of 100 pages came, while `start()` begins one job after another."""
    job = start() if callable(start) else None
    if job is not None:
        time.sleep(1.5)  # it imports what it needs
    connection, took = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60), []
    until = time.monotonic() + PAGES_SECONDS
    while time.monotonic() < until:
        if job is not None and job.poll() is not None:
            break
        started = time.perf_counter()
        connection.request("GET", target.path, headers={"Host": target.host, "Cookie": target.cookie})
        connection.getresponse().read()
        took.append((time.perf_counter() - started) * 1000)
    connection.close()
    if job is not None:
        _finished(job)
    return sorted(took)[int(len(took) * 0.95)]


def _order(person: UUID) -> Order:
    words = {name: str(text) for name, text in word_messages().items()} | {"sought": "All calls"}
    return Order(person, Filter(), "csv", USUAL, "en-GB", ZoneInfo(TIME_ZONE), "US", words)


def main() -> None:
    """Order a file, make it, remove it; prints the seconds and by how many megabytes the process grew."""
    os.nice(10)
    org_id, person = (UUID(text) for text in sys.argv[1:])
    settings = load_settings()
    database = Database(database_urls(settings), info={BLOBS: open_blobs(settings)})
    owner, process = Owner(person, person, "bench@example.com"), psutil.Process()
    with database.run_as(org_id) as session:
        ordered = order_file(session, owner, _order(person), "calls.csv", 1).id
    before, started = process.memory_info().rss, time.monotonic()
    make_download(database, org_id=org_id, download_id=ordered)
    seconds = time.monotonic() - started
    peak = int(_status("VmHWM").split()[0]) * 1024
    with database.run_as(org_id) as session:
        forget_file(session, owner, ordered)
    print(json.dumps([seconds, (peak - before) / 1e6]))


def _status(name: str) -> str:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(line.partition(":")[2] for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
