"""Readers at their own pace, as people are: a page now and then, whatever else the site does.

`Readers` runs them in a process of its own, so that measuring takes nothing from what is measured.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from types import TracebackType
from typing import Self

from benchmarks.load import Target, fetch

ROOT = Path(__file__).parent.parent


@dataclass(slots=True)
class Readers:
    """Ask for pages by turns, `rate` a second, each over a connection of its own, until the block is left."""

    port: int
    targets: Path
    rate: float = 15
    p50: float = 0
    p95: float = 0
    count: int = 0
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [
            sys.executable,
            "-m",
            "benchmarks.readers",
            str(self.port),
            str(self.rate),
            str(self.targets),
        ]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        said, _ = self._process.communicate()
        if kind is None:
            seen = json.loads(said)
            self.p50, self.p95, self.count = seen["p50"], seen["p95"], seen["count"]


def main() -> None:
    """Read until standard input ends; print milliseconds as JSON. A late page counts from when it was due."""
    port, rate, file = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    targets = [Target(*line.split("\t")) for line in file.read_text(encoding="utf-8").splitlines()]
    took: list[float] = []
    started = time.perf_counter()
    while not _ended(started + len(took) / rate - time.perf_counter()):
        due = started + len(took) / rate
        status, _ = fetch(port, targets[len(took) % len(targets)])
        if status != 200:
            raise RuntimeError(f"a page answered {status}")
        took.append((time.perf_counter() - due) * 1000)
    cuts = quantiles(took, n=20)
    print(json.dumps({"p50": cuts[9], "p95": cuts[18], "count": len(took)}))


def _ended(within: float) -> bool:
    """Whether standard input has ended, which says that it is enough; waits for that, and for the next page's time."""
    ready, _, _ = select.select([sys.stdin], [], [], max(0.0, within))
    return bool(ready)


if __name__ == "__main__":
    main()
