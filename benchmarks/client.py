"""A small load generator for machines without wrk: keep-alive connections in a process of its own.

`python -m benchmarks.client PORT SECONDS CONNECTIONS FILE`, with a file as for rotate.lua; prints the same line.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path


class Tally:
    """What all connections saw."""

    def __init__(self) -> None:
        self.took: list[int] = []
        self.bytes = self.refused = self.broken = 0


async def answer(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Read one response; returns its status and size in bytes."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, lines = int(head[9:12]), head.lower().split(b"\r\n")
    length = next((int(x[15:]) for x in lines if x.startswith(b"content-length:")), None)
    if length is not None:
        return status, len(head) + len(await reader.readexactly(length))
    size = len(head)
    while True:
        line = await reader.readuntil(b"\r\n")
        chunk = int(line.partition(b";")[0], 16)
        size += len(line) + len(await reader.readexactly(chunk + 2))
        if chunk == 0:
            return status, size


async def connection(port: int, until: float, requests: Iterator[bytes], tally: Tally) -> None:
    """Ask and wait, ask and wait, until the time is over."""
    writer = None
    while time.perf_counter() < until:
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            started = time.perf_counter_ns()
            writer.write(next(requests))
            status, size = await asyncio.wait_for(answer(reader), 2)
        except (OSError, EOFError, TimeoutError):
            tally.broken += 1
            if writer is not None:
                writer.close()
            writer = None
            continue
        tally.took.append(time.perf_counter_ns() - started)
        tally.bytes += size
        tally.refused += status >= 400
    if writer is not None:
        writer.close()


async def run(port: int, seconds: float, connections: int, lines: list[str]) -> Tally:
    """Load the server and count."""
    prepared = []
    for line in lines:
        path, host, cookie = line.split("\t")
        extra = f"Cookie: {cookie}\r\n" if cookie else ""
        prepared.append(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n".encode())
    tally, requests = Tally(), itertools.cycle(prepared)
    until = time.perf_counter() + seconds
    await asyncio.gather(*(connection(port, until, requests, tally) for _ in range(connections)))
    return tally


def main() -> None:
    """Print the tally as rotate.lua does."""
    port, seconds, connections, file = sys.argv[1:]
    started = time.perf_counter()
    lines = Path(file).read_text().splitlines()
    tally = asyncio.run(run(int(port), float(seconds), int(connections), lines))
    took = sorted(tally.took) or [0]
    seen = {
        "requests": len(tally.took),
        "microseconds": int((time.perf_counter() - started) * 1e6),
        "bytes": tally.bytes,
        "p50": took[len(took) // 2] // 1000,
        "p99": took[len(took) * 99 // 100] // 1000,
        "refused": tally.refused,
        "broken": tally.broken,
    }
    print("RESULT", json.dumps(seen))


if __name__ == "__main__":
    main()
