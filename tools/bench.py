"""Measure everything that has a target and write docs/benchmarks.md; `--only page,hosts` measures parts and prints."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import directory, dispatch, export, hosts, ingest, page, servers, start, voicemail, walls  # noqa: E402
from benchmarks.load import write_targets  # noqa: E402
from benchmarks.measure import Section, machine  # noqa: E402
from benchmarks.report import PAGE, report  # noqa: E402
from benchmarks.world import World, make_world  # noqa: E402
from ringstead.serving import APP_FACTORY  # noqa: E402
from ringstead.settings import load_settings  # noqa: E402


def sections(world: World, rounds: int, seconds: float) -> dict[str, Callable[[], Section]]:
    """Every part of the report by name, in its order there."""
    calls = [visitor.target(page.PAGE) for visitor in world.visitors]
    first = world.visitors[0].target(page.HOME)
    default = load_settings({}).server
    ten, none = world.environment(), world.environment(addons=False)
    return {
        "page": lambda: page.measure(world, rounds, seconds, default),
        "start": lambda: start.measure(ten, none, first, rounds),
        "dispatch": lambda: dispatch.measure(world.folder / "many", rounds),
        "hosts": lambda: hosts.measure(world.server, rounds),
        "directory": lambda: directory.measure(world, rounds),
        "servers": lambda: servers.measure(ten, APP_FACTORY, calls[0], write_targets(calls), rounds, seconds),
        "ingest": lambda: ingest.measure(world, rounds),
        "export": lambda: export.measure(world, rounds),
        "voicemail": lambda: voicemail.measure(world, rounds, seconds, default),
        "walls": lambda: walls.measure(world, page.PAGE, rounds, seconds),
    }


def main() -> int:
    """Run; exit with 1 when a target was missed in a full run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        default="",
        help="parts with commas between: page,start,dispatch,hosts,directory,servers,ingest,export,voicemail,walls",
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each case (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="length of one load (default 3)")
    arguments = parser.parse_args()
    started, before = time.monotonic(), machine()
    done: list[Section] = []
    with make_world() as world:
        parts = sections(world, arguments.rounds, arguments.seconds)
        wanted = [name for name in arguments.only.split(",") if name] or list(parts)
        for name in wanted:
            print(f"{time.monotonic() - started:5.0f} s  {name} ...", flush=True)
            done.append(parts[name]())
        text = report(done, world, arguments.rounds, time.monotonic() - started, before)
    if arguments.only:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    missed = [v for section in done for v in section.verdicts if not v.met]
    for verdict in missed:
        print(f"missed: {verdict.what}: {verdict.seen}, target {verdict.target}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
