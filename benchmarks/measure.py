"""Rounds, medians, spreads, and the verdicts that the report is made of."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Series:
    """One figure, once per round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """Largest over smallest; 1.0 when they agree."""
        return max(self.values) / min(self.values) if min(self.values) > 0 else float("inf")

    def __truediv__(self, other: Series) -> Series:
        """The ratio round by round, so that what disturbs a whole round cancels out."""
        return Series(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure beside its target. `target` is shown as written, for example `≥ 0.5`."""

    what: str
    target: str
    seen: str
    spread: float | None
    met: bool


@dataclass(slots=True)
class Section:
    """A part of the report: verdicts, and a text of Markdown paragraphs and tables."""

    title: str
    verdicts: list[Verdict] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def at_least(self, what: str, ratio: Series, least: float) -> None:
        """Record a ratio that should not fall below `least`."""
        seen = ratio.median
        self.verdicts.append(Verdict(what, f"≥ {least:g}", f"{seen:.2f}", ratio.spread, seen >= least))

    def at_most(self, what: str, ratio: Series, most: float, unit: str = "", digits: int = 2) -> None:
        """Record a figure that should not rise above `most`."""
        seen = ratio.median
        shown, bound = f"{seen:.{digits}f} {unit}".strip(), f"≤ {most:g} {unit}".strip()
        self.verdicts.append(Verdict(what, bound, shown, ratio.spread, seen <= most))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table; the first column is text, the others are figures."""
        lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
        self.text.append("\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]))


def interleave(rounds: int, cases: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Run every case once per round, each second round backwards; answers by case."""
    seen: dict[str, list[T]] = {name: [] for name in cases}
    for number in range(rounds):
        names = list(cases)
        for name in reversed(names) if number % 2 else names:
            seen[name].append(cases[name]())
    return seen


def machine() -> str:
    """What the figures were seen on, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, load average {busy:.1f} at the start"
    )
