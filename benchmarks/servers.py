"""The real page under each server: throughput, a worker killed, slow clients."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.load import Load, Target, fetch, load
from benchmarks.measure import Section, Series, interleave
from benchmarks.site import Site

SERVERS = ("granian", "gunicorn", "waitress")
WORKERS, THREADS, CONNECTIONS = 2, 4, 16
SLOW = 24
"""Slow clients: more than all threads of all workers together."""


@dataclass(frozen=True, slots=True)
class Kill:
    """What happened when a worker was killed under load."""

    load: Load
    back_after: float


def measure(
    environment: dict[str, str], factory: str, probe: Target, targets: Path, rounds: int, seconds: float
) -> Section:
    """Run the page under all servers side by side, then disturb each."""
    with contextlib.ExitStack() as stack:
        sites = {
            name: stack.enter_context(Site(factory, probe, environment, name, WORKERS, THREADS))
            for name in SERVERS
        }
        for site in sites.values():
            load(site.port, targets, 1, CONNECTIONS)
        cases = {
            name: partial(load, site.port, targets, seconds, CONNECTIONS) for name, site in sites.items()
        }
        seen = interleave(rounds, cases)
        memory = {name: _weight(site) for name, site in sites.items()}
        kills = {name: _kill(site, targets, probe) for name, site in sites.items()}
        slow = {
            name: {kind: _worst_under_slow_clients(site, targets, probe, kind) for kind in ("head", "body")}
            for name, site in sites.items()
        }
    return _report(seen, memory, kills, slow)


def _report(
    seen: dict[str, list[Load]],
    memory: dict[str, float],
    kills: dict[str, Kill],
    slow: dict[str, dict[str, Load]],
) -> Section:
    section = Section("The WSGI server")
    rates = {name: Series(tuple(x.rate for x in loads)) for name, loads in seen.items()}
    fastest = max(rates.values(), key=lambda series: series.median)
    rows, disturbed = [], []
    for name, loads in seen.items():
        p50, p99 = (Series(tuple(getattr(x, f) for x in loads)).median for f in ("p50", "p99"))
        ratio = (rates[name] / fastest).median
        rate = rates[name]
        rows.append(
            [name, f"{rate.median:.0f}", f"{ratio:.2f}", f"{rate.spread:.2f}", f"{p50:.1f}", f"{p99:.1f}",
             f"{memory[name]:.0f}"]
        )  # fmt: skip
        kill, quiet = kills[name], rate.median
        heads, bodies = (slow[name][kind].rate / quiet for kind in ("head", "body"))
        disturbed.append(
            [name, str(kill.load.broken), str(kill.load.refused), f"{kill.load.rate / quiet:.2f}",
             f"{kill.back_after:.1f}", f"{heads:.2f}", f"{bodies:.2f}"]
        )  # fmt: skip
    section.table(["", "req/s", "ratio", "spread", "p50 ms", "p99 ms", "PSS, MB"], rows)
    section.text.append(
        f"The call-log page with {WORKERS} workers of {THREADS} threads, {CONNECTIONS} connections."
    )
    head = ["", "broken", "5xx", "rate, kill", "back after, s", "rate, slow heads", "rate, slow bodies"]
    section.table(head, disturbed)
    section.text.append(
        "*kill*: `kill -9` of one worker during a load: connections that broke, answers of 400 and above, the rate "
        "of that load against a quiet one, and the seconds until all workers stood again. *slow*: the rate against a "
        f"quiet one while {SLOW} clients send the head, or the body of a form, a byte at a time: the worst of three "
        "tries, as it depends on which worker accepts them."
    )
    return section


def _weight(site: Site) -> float:
    infos = (p.memory_full_info() for p in site.worker_processes())
    return sum(getattr(info, "pss", info.rss) for info in infos) / 1e6


def _kill(site: Site, targets: Path, probe: Target, seconds: float = 6) -> Kill:
    before = {p.pid for p in site.worker_processes()}
    back: list[float] = []

    def strike() -> None:
        time.sleep(1.5)
        struck = time.monotonic()
        site.worker_processes()[0].send_signal(signal.SIGKILL)
        while time.monotonic() - struck < 30:
            now = {p.pid for p in site.worker_processes()}
            if len(now) == WORKERS and now != before:
                back.append(time.monotonic() - struck)
                return
            time.sleep(0.05)
        back.append(float("inf"))

    thread = threading.Thread(target=strike)
    thread.start()
    seen = load(site.port, targets, seconds, CONNECTIONS)
    thread.join()
    site.wait()
    return Kill(seen, back[0])


def _worst_under_slow_clients(site: Site, targets: Path, probe: Target, kind: str, tries: int = 3) -> Load:
    """The worst of a few tries: whether slow clients hurt depends on which worker accepts them."""
    seen = [_under_slow_clients(site, targets, probe, kind) for _ in range(tries)]
    return min(seen, key=lambda load: load.rate)


def _under_slow_clients(site: Site, targets: Path, probe: Target, kind: str) -> Load:
    with _slow_clients(site.port, probe, kind):
        seen = load(site.port, targets, 2, CONNECTIONS)
    for _ in range(50):
        with contextlib.suppress(OSError):
            if fetch(site.port, probe)[0] == 200:
                return seen
        time.sleep(0.2)
    raise RuntimeError(f"{site.server} does not answer after slow clients left")


@contextlib.contextmanager
def _slow_clients(port: int, probe: Target, kind: str) -> Iterator[None]:
    head = (
        f"POST /sign-in HTTP/1.1\r\nHost: {probe.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )
    if kind == "body":
        head += "Content-Length: 1000\r\n\r\nemail="
    else:
        head += "X-Slow: "
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(SLOW)]
    stop = threading.Event()

    def dribble() -> None:
        while not stop.wait(0.5):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(b"x")

    for client in clients:
        client.sendall(head.encode())
    thread = threading.Thread(target=dribble)
    thread.start()
    time.sleep(0.5)
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for client in clients:
            client.close()
