"""Measure twenty million calls beside one million, and write that part of docs/benchmarks.md.

The databases are made on the first run (some 26 GB, a quarter of an hour) and kept in var/bench-large.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import large  # noqa: E402
from benchmarks.measure import machine  # noqa: E402
from benchmarks.report import PAGE, with_large  # noqa: E402


def main() -> int:
    """Run; exit with 1 when a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=large.LARGE, help="of the larger database")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each case (default 5)")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "var" / "bench-large", help="where they are kept"
    )
    arguments = parser.parse_args()
    started, before = time.monotonic(), machine()
    section = large.measure(arguments.folder, arguments.rounds, arguments.calls)
    text = with_large(section, before, arguments.rounds, time.monotonic() - started)
    if arguments.calls == large.LARGE:
        PAGE.write_text(text, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    else:
        print(text.partition("## ")[0], *section.text, sep="\n\n")
    missed = [verdict for verdict in section.verdicts if not verdict.met]
    for verdict in section.verdicts:
        print(f"{'' if verdict.met else 'missed: '}{verdict.what}: {verdict.seen}, target {verdict.target}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
