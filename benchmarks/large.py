"""The same pages over twenty million calls and over one million: what grows with the number of calls, and what not."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import ingest
from benchmarks.crowd import VISITORS, Crowd, fill, visitors
from benchmarks.load import Target
from benchmarks.measure import Section, Series, interleave
from benchmarks.site import Site
from benchmarks.world import Visitor
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database
from ringstead.db.migrate import upgrade_all
from ringstead.plugins.loader import load_plugins
from ringstead.serving import APP_FACTORY, child_environment
from ringstead.settings import load_settings
from ringstead.switch.nodes import create_node

SMALL, LARGE = 1_000_000, 20_000_000
LEAST = 550_000
"""Fewer, and the reception has no hundredth page."""
PER_ORGANIZATION = 2000
HUNDREDTH = 100
ASKED = 12
"""How often each case asks in a round."""
RECORDS = 20_000
_MORE = re.compile(rb'href="(/calls[^"]*[?&;]before=[^"]+)"')


@dataclass(frozen=True, slots=True)
class Place:
    """A database with a site on it, people who read there, and others of the big organization who get records."""

    site: Site
    usual: Sequence[Visitor]
    big: Sequence[Visitor]
    callers: Sequence[Visitor]
    key: str

    @property
    def reception(self) -> Visitor:
        """Who has most calls of all."""
        return self.big[0]


def measure(folder: Path, rounds: int, large: int = LARGE) -> Section:
    """Fill what is missing in `folder` (it is kept for the next time), then ask both sites by turns."""
    small = max(LEAST, large // (LARGE // SMALL))
    with EmbeddedPostgres(folder / "postgres", durable=False) as server, ExitStack() as stack:
        crowds = [_crowd(server, name, calls) for name, calls in (("small", small), ("large", large))]
        places = [stack.enter_context(_place(server, crowd, folder)) for crowd in crowds]
        cases: dict[str, Callable[[], float]] = {}
        for crowd, place in zip(crowds, places, strict=True):
            cases |= {f"{crowd.name} {name}": case for name, case in _cases(place).items()}
        for case in cases.values():
            case()
        seen = {name: Series(tuple(values)) for name, values in interleave(rounds, cases).items()}
        rates = {crowd.name: _rates(place, rounds) for crowd, place in zip(crowds, places, strict=True)}
    return _report(crowds, seen, rates)


def _crowd(server: EmbeddedPostgres, name: str, calls: int) -> Crowd:
    """The database of that name: as it is when it was finished, else filled."""
    with server.connect("postgres") as connection:
        comment = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
    until, _, known = (comment[0] or "").partition(" ") if comment else ("", "", "")
    organizations = max(VISITORS + 1, calls // PER_ORGANIZATION)
    if known == str(calls):
        upgrade_all(server.urls(name).owner, [p.history for p in load_plugins(strict=True) if p.history])
        return Crowd(name, calls, organizations, datetime.fromisoformat(until))
    server.drop_database(name)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    crowd, started = Crowd(name, calls, organizations, now), time.monotonic()
    fill(server, crowd)
    with server.connect("postgres") as connection:
        connection.execute(f"COMMENT ON DATABASE {name} IS '{now.isoformat()} {calls}'")
    print(f"filled {name} with {calls:,} calls in {time.monotonic() - started:.0f} s", flush=True)
    return crowd


@contextmanager
def _place(server: EmbeddedPostgres, crowd: Crowd, folder: Path) -> Iterator[Place]:
    urls = server.urls(crowd.name)
    database = Database(urls)
    with database.as_operator("benchmark", "make a switch") as session:
        key = create_node(session, f"bench {datetime.now(UTC).isoformat()}")
    database.dispose()
    with server.connect(crowd.name) as connection:
        usual = visitors(connection, crowd, [(number, 3) for number in range(1, VISITORS + 1)])
        big = visitors(connection, crowd, [(0, number) for number in range(VISITORS)])
        callers = visitors(connection, crowd, [(0, 100 + number) for number in range(2 * VISITORS)])
    settings = load_settings({}, var_dir=folder / f"var-{crowd.name}", log_level="error")
    environment = child_environment(settings, urls)
    with Site(APP_FACTORY, Target("/healthz", "127.0.0.1"), environment) as site:
        yield Place(site, usual, big, callers, key)


def _cases(place: Place) -> dict[str, Callable[[], float]]:
    """What is asked: each case gives the median of its answers, in milliseconds."""
    hundredth = _page(place, place.reception, "/calls", HUNDREDTH)
    whole = "/calls/of/organization"
    hundredth_of_all = _page(place, place.reception, whole, HUNDREDTH)
    known = "5550123"
    asked = {
        "page": [v.target("/calls") for v in place.usual],
        "big page": [v.target("/calls") for v in place.big],
        "hundredth page": [place.reception.target(hundredth)],
        "search": [v.target(f"/calls?q={known}") for v in place.usual],
        "big search": [v.target(f"/calls?q={known}") for v in place.big],
        "whole": [place.reception.target(whole)],
        "whole hundredth": [place.reception.target(hundredth_of_all)],
        "whole search": [place.reception.target(f"{whole}?q={known}")],
        "report": [v.target("/calls/report") for v in place.usual],
        "big report": [place.reception.target("/calls/report")],
    }
    return {name: partial(_p50, place.site.port, targets) for name, targets in asked.items()}


def _page(place: Place, visitor: Visitor, path: str, number: int) -> str:
    """The address of a page of a list, found as a reader finds it: by asking for earlier calls."""
    for _ in range(number - 1):
        body = _ask(place.site.port, visitor.target(path))
        found = _MORE.search(body)
        if found is None:
            raise RuntimeError(f"{path} has no earlier calls")
        path = found[1].decode().replace("&amp;", "&")
    return path


def _ask(port: int, target: Target) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        return _answer(connection, target)
    finally:
        connection.close()


def _answer(connection: http.client.HTTPConnection, target: Target) -> bytes:
    connection.request("GET", target.path, headers={"Host": target.host, "Cookie": target.cookie})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{target.path} answered {response.status}")
    return body


def _p50(port: int, targets: Sequence[Target]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took = []
    for number in range(ASKED):
        started = time.perf_counter()
        _answer(connection, targets[number % len(targets)])
        took.append((time.perf_counter() - started) * 1000)
    connection.close()
    return median(took)


def _rates(place: Place, rounds: int) -> Series:
    """Records a second over HTTP, into the big organization."""
    return Series(
        tuple(
            ingest.rate(place.site, place.key, place.callers, f"{time.time_ns()}", RECORDS)
            for _ in range(rounds)
        )
    )


_COMPARED = {
    "search": "page",
    "big search": "big page",
    "whole search": "whole",
    "report": "page",
    "big report": "big page",
}
_WORDS = {
    "page": "the call log of a person in a usual organization",
    "big page": "the same in the big organization",
    "hundredth page": "the hundredth page of the big organization's reception",
    "search": "a search for digits of a number",
    "big search": "the same in the big organization",
    "whole": "the list of all calls of the big organization",
    "whole hundredth": "its hundredth page",
    "whole search": "a search for digits of a number in it",
    "report": "the report of a usual organization",
    "big report": "the report of the big organization",
}


def _report(crowds: Sequence[Crowd], seen: dict[str, Series], rates: dict[str, Series]) -> Section:
    small, large = crowds
    section = Section("Twenty million calls" if large.calls == LARGE else f"{large.calls:,} calls")
    growth = {name: seen[f"large {name}"] / seen[f"small {name}"] for name in _WORDS}
    for name in ("page", "big page", "hundredth page", "whole", "whole hundredth"):
        words = f"{_WORDS[name]}: p50 at {large.calls:,} calls against {small.calls:,}"
        section.at_most(words, growth[name], 1.2)
    for name, page in _COMPARED.items():
        base = seen[f"large {page}"]
        section.at_most(f"{_WORDS[name]}, against the page", seen[f"large {name}"] / base, 3)
    rows = []
    for name, words in _WORDS.items():
        a, b = seen[f"small {name}"], seen[f"large {name}"]
        rows.append(
            [words, f"{a.median:.1f}", f"{b.median:.1f}", f"{growth[name].median:.2f}", f"{b.spread:.2f}"]
        )
    section.table(["p50, ms", f"{small.calls:,}", f"{large.calls:,}", "ratio", "spread"], rows)
    a, b = rates["small"], rates["large"]
    section.table(
        ["", f"{small.calls:,}", f"{large.calls:,}", "ratio"],
        [
            [
                "records/s into the big organization",
                f"{a.median:,.0f}",
                f"{b.median:,.0f}",
                f"{(b / a).median:.2f}",
            ]
        ],
    )
    section.text.append(
        f"Two databases of one server: {large.calls:,} calls in {large.organizations:,} organizations, and "
        f"{small.calls:,} in {small.organizations:,} of the same size, over two years; in both, one organization of "
        "2,000 people holds a tenth of all calls. One web process each, one request at a time, the databases by "
        "turns. The calls are made by SQL (`benchmarks/crowd.py`); records come over HTTP."
    )
    return section
