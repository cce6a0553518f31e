"""Whether finding a site by its host takes longer when there are many."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine, create_engine

from benchmarks.measure import Section, Series, interleave
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.migrate import upgrade_all
from ringstead.tenancy.hosts import HostDirectory

FEW, MANY = 10, 100_000
_COLD, _WARM = 400, 20_000

# A thousand hosts to a partner at most, as many partners as that takes.
_FILL = """
INSERT INTO partner (id, slug, name, brand)
    SELECT gen_random_uuid(), 'p' || n, 'Partner ' || n, '{"name": "Partner"}'
    FROM generate_series(0, (%(hosts)s - 1) / 1000) n;
INSERT INTO host (name, partner_id, kind)
    SELECT 'voice.h' || n || '.test', p.id, 'portal'
    FROM generate_series(0, %(hosts)s - 1) n JOIN partner p ON p.slug = 'p' || (n / 1000);
ANALYZE host; ANALYZE partner;
"""


def measure(server: EmbeddedPostgres, rounds: int) -> Section:
    """Resolve among few and many hosts, with empty and with filled caches."""
    engines = {count: _database(server, count) for count in (FEW, MANY)}
    directories = {count: HostDirectory(engine) for count, engine in engines.items()}
    cases: dict[str, Callable[[], float]] = {}
    for count, directory in directories.items():
        cases[f"cold {count}"] = partial(_cold, directory, count)
        cases[f"warm {count}"] = partial(_warm, directory)
        cases[f"unknown {count}"] = partial(_unknown, directory)
    seen = {name: Series(tuple(values)) for name, values in interleave(rounds, cases).items()}
    for engine in engines.values():
        engine.dispose()
    section = Section("Finding a site by its host")
    for kind, words in (
        ("cold", "read from the database"),
        ("warm", "known to the process"),
        ("unknown", "an unknown host"),
    ):
        ratio = seen[f"{kind} {MANY}"] / seen[f"{kind} {FEW}"]
        section.at_most(f"{words}: among {MANY:,} hosts against {FEW}", ratio, 1.2)
    section.table(
        ["µs a host", f"{FEW} hosts", f"{MANY:,} hosts"],
        [
            [kind, f"{seen[f'{kind} {FEW}'].median:.1f}", f"{seen[f'{kind} {MANY}'].median:.1f}"]
            for kind in ("cold", "warm", "unknown")
        ],
    )
    section.text.append(
        "*cold*: nothing remembered, one statement under row-level security; *warm*: ten hosts asked for again and "
        "again; *unknown*: nobody's host, read anew each time. A process remembers 10,000 hosts for 30 seconds."
    )
    return section


def _database(server: EmbeddedPostgres, count: int) -> Engine:
    urls = server.create_database(f"hosts_{count}")
    upgrade_all(urls.owner)
    with server.connect(f"hosts_{count}") as connection:
        # The superuser fills the tables: the owner obeys row-level security like everybody else.
        for statement in _FILL.split(";\n"):
            if statement.strip():
                connection.execute(statement.replace("%(hosts)s", str(count)))
    return create_engine(urls.app, pool_size=1)


def _names(count: int, wanted: int) -> list[str]:
    return [f"voice.h{random.randrange(count)}.test" for _ in range(wanted)]


def _cold(directory: HostDirectory, count: int) -> float:
    names = _names(count, _COLD)
    started = time.perf_counter()
    for name in names:
        directory.forget_all()
        assert directory.resolve(name) is not None
    return (time.perf_counter() - started) / _COLD * 1e6


def _warm(directory: HostDirectory) -> float:
    names = _names(FEW, _WARM)
    for name in set(names):
        directory.resolve(name)
    started = time.perf_counter()
    for name in names:
        directory.resolve(name)
    return (time.perf_counter() - started) / _WARM * 1e6


def _unknown(directory: HostDirectory) -> float:
    started = time.perf_counter()
    for number in range(_COLD):
        directory.forget_all()
        assert directory.resolve(f"stranger{number}.test") is None
    return (time.perf_counter() - started) / _COLD * 1e6
