"""Writes `docs/benchmarks.md`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from benchmarks.load import generator_name
from benchmarks.measure import Section
from benchmarks.world import World

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
# `make bench` writes what stands above this line, `make bench-large` what stands below.
_LARGE = "<!-- below: make bench-large -->"

_HEAD = """\
# Benchmarks

Made by `make bench` on {day}; do not edit. {machine}. PostgreSQL {postgres}
on the same machine, load by {load}.

Only ratios are meant to be used, and only those taken side by side in one run: the cases of a table ran by
turns, {rounds} rounds each, and each figure is the median of the rounds. *Spread* is the largest round over the
smallest; where it is above 1.3, the machine was too restless for that figure to rank neighbours.

"""


def report(sections: list[Section], world: World, rounds: int, seconds: float, machine: str) -> str:
    """The page as text. `machine` is what `benchmarks.measure.machine` said before the first load."""
    with world.server.connect() as connection:
        postgres = connection.execute("SHOW server_version").fetchone()
    head = _HEAD.format(
        day=date.today().isoformat(),
        machine=machine,
        postgres=postgres[0] if postgres else "?",
        load=generator_name(),
        rounds=rounds,
    )
    parts = [head + _verdicts(sections)]
    for section in sections:
        parts += [f"## {section.title}", *section.text]
    parts.append(f"The whole run took {seconds / 60:.1f} minutes.")
    return "\n\n".join([*parts, _LARGE]) + (_kept()[1] or "\n")


def with_large(section: Section, machine: str, rounds: int, seconds: float) -> str:
    """The page as it is, with a new part about many calls."""
    made = f"Made by `make bench-large` on {date.today().isoformat()}, {rounds} rounds; {machine}."
    text = [f"## {section.title}", made, _verdicts([section]), *section.text]
    text.append(f"The run took {seconds / 60:.1f} minutes.")
    return "\n\n".join([_kept()[0].rstrip(), _LARGE, *text]) + "\n"


def _kept() -> tuple[str, str]:
    """The two parts of the page as they are."""
    above, _, below = PAGE.read_text(encoding="utf-8").partition(_LARGE)
    return above, below


def _verdicts(sections: list[Section]) -> str:
    lines = ["| What | Target | Seen | Spread | Met |", "| --- | ---: | ---: | ---: | --- |"]
    for section in sections:
        for v in section.verdicts:
            spread = "" if v.spread is None else f"{v.spread:.2f}"
            lines.append(f"| {v.what} | {v.target} | {v.seen} | {spread} | {'yes' if v.met else '**no**'} |")
    return "\n".join(lines)
