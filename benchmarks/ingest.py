"""Taking in records over HTTP, committed, joined and counted, beside COPY of the finished rows into the same tables."""

from __future__ import annotations

import http.client
import io
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection, sql

from benchmarks.load import Target, write_targets
from benchmarks.measure import Section, Series
from benchmarks.readers import Readers
from benchmarks.site import Site
from benchmarks.world import DATABASE, TIME_ZONE, Visitor, World
from ringstead.db.engine import Database
from ringstead.demo.generator import Leg, Office, Person, legs_between
from ringstead.demo.records import to_record
from ringstead.serving import APP_FACTORY
from ringstead.switch.nodes import create_node

RECORDS = 50_000
SMALL = 5_000
READ_SECONDS = 8
TABLES = (
    "calllogs_leg_key",
    "calllogs_leg",
    "calllogs_conversation",
    "calllogs_person_quarter",
    "calllogs_office_quarter",
)


@dataclass(frozen=True, slots=True)
class Round:
    """Records a second: taken in, copied as finished rows, and copied as legs alone; the worker's memory; and the
    readers' p95 in ms: alone, and while records are taken in by another process, and by the one that they ask."""

    ingest: float
    copy: float
    legs: float
    small_rss: float
    large_rss: float
    quiet: float
    apart: float
    together: float


def measure(world: World, rounds: int) -> Section:
    """Each round takes in records of its own, copies them out, deletes them and copies them back."""
    database = Database(world.urls)
    with database.as_operator("benchmark", "make a switch") as session:
        key = create_node(session, "bench-ingest")
    database.dispose()
    probe = Target("/healthz", "127.0.0.1")
    seen = []
    with (
        Site(APP_FACTORY, probe, world.environment(), workers=1) as site,
        Site(APP_FACTORY, probe, world.environment(), workers=1) as pages,
    ):
        for number in range(rounds + 1):
            seen.append(_round(world, site, pages, key, number))
    return _report(seen[1:])


def _report(seen: Sequence[Round]) -> Section:
    section = Section("Taking in records")
    rates = {name: Series(tuple(getattr(r, name) for r in seen)) for name in ("ingest", "copy", "legs")}
    section.at_least(
        "records over HTTP against COPY of all finished rows", rates["ingest"] / rates["copy"], 0.5
    )
    growth = Series(tuple(r.large_rss / r.small_rss for r in seen))
    section.at_most(f"memory after {RECORDS:,} records in a request against {SMALL:,}", growth, 1.2)
    p95 = {name: Series(tuple(getattr(r, name) for r in seen)) for name in ("quiet", "apart", "together")}
    slower = "readers' p95 while another process takes in records, against alone"
    section.at_most(slower, p95["apart"] / p95["quiet"], 1.3)
    names = {"ingest": "over HTTP", "copy": "COPY of all finished rows", "legs": "COPY of the legs alone"}
    section.table(
        ["", "records/s", "spread"],
        [[names[name], f"{s.median:,.0f}", f"{s.spread:.2f}"] for name, s in rates.items()],
    )
    section.table(
        ["readers of the call log", "p95 ms", "spread"],
        [
            [words, f"{p95[name].median:.1f}", f"{p95[name].spread:.2f}"]
            for name, words in (
                ("quiet", "alone"),
                ("apart", "while another process takes in records"),
                ("together", "while the process that they ask takes in records"),
            )
        ],
    )
    section.text.append(
        f"{RECORDS:,} records of one organization in one request, to one web process: parsed, checked, numbers "
        "made E.164, each leg stored once, joined to a row for each person, counted by quarter of an hour, "
        "committed. *COPY*: the rows that this ends with, in the same five tables with their indexes, as a "
        "superuser; that is what storing them costs at the least. What is above that is mostly Python: reading, "
        "checking and joining a record takes about as long as storing it, and the two overlap only in part."
    )
    return section


def _round(world: World, site: Site, pages: Site, key: str, number: int) -> Round:
    people = [v for v in world.visitors if v.org_id == world.visitors[0].org_id]
    rate(site, key, people, f"{number} few", SMALL)
    small_rss = _rss(site)
    taken = rate(site, key, people, f"{number} many", RECORDS)
    large_rss = _rss(site)
    with world.server.connect(DATABASE) as connection:
        copied, legs = _copy_again(connection, people[0].org_id)
    body = _body(people, "MARK", RECORDS)
    apart, together = (partial(_post_for_a_while, taking, key, body) for taking in (site, pages))
    readers = (_readers(world, pages, doing) for doing in (_rest, apart, together))
    return Round(taken, copied, legs, small_rss, large_rss, *readers)


def _readers(world: World, site: Site, meanwhile: Callable[[], None]) -> float:
    """The p95 in milliseconds of readers of the call log while something is done."""
    pages = write_targets([visitor.target("/calls") for visitor in world.visitors[-20:]])
    with Readers(site.port, pages) as readers:
        meanwhile()
    return readers.p95


def _rest() -> None:
    time.sleep(READ_SECONDS)


def _post_for_a_while(site: Site, key: str, body: bytes) -> None:
    """One body of new records after another, made of one by other ids."""
    until = time.monotonic() + READ_SECONDS
    while time.monotonic() < until:
        _post(site, key, body.replace(b"MARK", secrets.token_hex(4).encode()))


def rate(site: Site, key: str, people: Sequence[Visitor], prefix: str, records: int) -> float:
    """Take in that many records of an organization in one request; returns how many a second."""
    body = _body(people, prefix, records)
    started = time.monotonic()
    _post(site, key, body)
    return records / (time.monotonic() - started)


def _rss(site: Site) -> float:
    return max(process.memory_info().rss for process in site.worker_processes()) / 1e6


def _body(people: Sequence[Visitor], prefix: str, size: int) -> bytes:
    until = datetime.now(UTC) - timedelta(days=120)
    office = Office("ingest", ZoneInfo(TIME_ZONE), [Person(v.extension, v.name, v.number) for v in people])
    days, legs = 1, list[Leg]()
    while len(legs) < size:
        days *= 2
        legs = legs_between(office, until - timedelta(days=days), until)
    records = [to_record(leg, people[0].domain) for leg in legs[-size:]]
    for record in records:
        record["id"], record["linked_id"] = f"{prefix} {record['id']}", f"{prefix} {record['linked_id']}"
    return "\n".join(json.dumps(record) for record in records).encode()


def _post(site: Site, key: str, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=300)
    headers = {"Host": "127.0.0.1", "Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    connection.request("POST", "/switch/v1/cdr", body=body, headers=headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status != 200 or json.loads(answer)["rejected"]:
        raise RuntimeError(f"records were not taken: {response.status} {answer[:300]!r}")


def _copy_again(connection: Connection[Any], org_id: Any) -> tuple[float, float]:
    """Take an organization's rows out and COPY them back; records a second for all tables, and for the legs alone."""
    seconds: dict[str, float] = {}
    (count,) = connection.execute(
        "SELECT count(*) FROM calllogs_leg WHERE org_id = %s", [org_id]
    ).fetchone() or (0,)
    for table in TABLES:
        data, columns = _taken_out(connection, table, org_id)
        into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        started = time.monotonic()
        with connection.cursor() as cursor, cursor.copy(into) as copy:
            copy.write(data)
        connection.commit()
        seconds[table] = time.monotonic() - started
    return count / sum(seconds.values()), count / seconds["calllogs_leg"]


def _taken_out(connection: Connection[Any], table: str, org_id: Any) -> tuple[bytes, list[str]]:
    columns = [
        str(name)
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = '' ORDER BY attnum",
            [table],
        )
    ]
    named = sql.SQL(", ").join(map(sql.Identifier, columns))
    out = sql.SQL("COPY (SELECT {} FROM {} WHERE org_id = {}) TO STDOUT (FORMAT BINARY)").format(
        named, sql.Identifier(table), sql.Literal(org_id)
    )
    data = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(out) as copy:
        for piece in copy:
            data.write(piece)
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE org_id = {}").format(sql.Identifier(table), sql.Literal(org_id))
    )
    connection.commit()
    connection.execute(sql.SQL("VACUUM {}").format(sql.Identifier(table)))
    return data.getvalue(), columns
