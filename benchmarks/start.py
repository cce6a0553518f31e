"""How long a worker takes from nothing to its first page, and what it weighs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from wsgiref.types import WSGIApplication

from benchmarks.load import Target
from benchmarks.measure import Section, Series, interleave
from benchmarks.site import ROOT


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds until the first page was there, of which building the application, of CPU; megabytes."""

    seconds: float
    building: float
    computing: float
    resident: float
    proportional: float


def measure(
    with_plugins: Mapping[str, str], without: Mapping[str, str], page: Target, rounds: int
) -> Section:
    """Start workers by turns in the two environments, with ten plugins and with none."""
    cases = {
        "ten plugins": partial(start, with_plugins, page),
        "no plugin": partial(start, without, page),
    }
    start(with_plugins, page)  # fills the disk cache
    seen = interleave(rounds, cases)
    section = Section("Starting a worker")
    ten = seen["ten plugins"]
    section.at_most("first page with ten plugins", Series(tuple(s.seconds for s in ten)), 2, "s")
    section.at_most("memory with ten plugins (RSS)", Series(tuple(s.resident for s in ten)), 150, "MB", 0)
    rows = []
    for name, starts in seen.items():
        columns = [Series(tuple(getattr(s, f) for s in starts)).median for f in Start.__slots__]
        rows.append([name, *(f"{value:.2f}" for value in columns[:3]), *(f"{v:.0f}" for v in columns[3:])])
    section.table(["", "first page, s", "of which building, s", "CPU, s", "RSS, MB", "PSS, MB"], rows)
    section.text.append(
        "From the start of the Python process until its first landing page; *building* is `make_app`, *CPU* "
        "what the process itself computed. "
        "PSS counts a page of memory that processes share by its share."
    )
    return section


def start(environment: Mapping[str, str], page: Target) -> Start:
    """Start one worker process and wait for its first page."""
    command = [sys.executable, "-m", "benchmarks.start", page.path, page.host, page.cookie]
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=dict(environment), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"a worker ended with {process.returncode} before its first page")
    return Start(seconds=seconds, **json.loads(line))


def ask(app: WSGIApplication, path: str, host: str, cookie: str) -> None:
    """Ask for a page in this process; it must be there."""
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "",
        "SERVER_NAME": host, "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": host,
        "HTTP_COOKIE": cookie, "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": sys.stdin.buffer, "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    answered: list[str] = []
    b"".join(app(environ, lambda status, headers, *_: answered.append(status)))
    assert answered == ["200 OK"], answered


def _worker(path: str, host: str, cookie: str) -> None:
    from ringstead.serving import build_app

    started = time.perf_counter()
    app = build_app()
    building = time.perf_counter() - started
    ask(app, path, host, cookie)
    import psutil

    memory = psutil.Process().memory_full_info()
    weight = {"resident": memory.rss / 1e6, "proportional": getattr(memory, "pss", memory.rss) / 1e6}
    print(json.dumps({"building": building, "computing": time.process_time(), **weight}), flush=True)
    os._exit(0)  # its threads need not end in order


if __name__ == "__main__":
    _worker(*sys.argv[1:])
