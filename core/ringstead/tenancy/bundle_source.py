"""Where things stand in a `partner.toml`: every fault names file, line and key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

_MAX_SHOWN: Final = 20
_MARK: Final = "@@here {}@@"
_FOUND: Final = re.compile(r"@@here (\d{1,9})@@")
_NOTHING: Final = "@@nothing@@"  # the key that an empty table gets, to see where it stands
Key = tuple[str | int, ...]
"""Where a value stands: `("organizations", 0, "slug")`."""
Problem = tuple[Key, str]


class BundleError(Exception):
    """A bundle cannot be used. `problems` holds one line for each fault: file, line, key, and what would do."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = len(problems) - _MAX_SHOWN
        lines = problems[:_MAX_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        super().__init__("The partner bundle cannot be used:\n" + "\n".join(f"  - {line}" for line in lines))


@dataclass(frozen=True)
class Source:
    """The file's text, kept so that a fault found later can still name its line."""

    path: Path
    text: str = field(repr=False)

    def describe(self, key: Key, message: str) -> str:
        """`tenants/x/partner.toml, line 12, organizations[0].slug: message`."""
        return self.describe_all([(key, message)])[0]

    def describe_all(self, problems: Iterable[Problem]) -> list[str]:
        """The same for many, of which the lines are looked up at once. In the order of the file."""
        found = list(problems)
        lines = self._lines([key for key, _why in found])
        told = sorted(zip(lines, found, strict=True), key=lambda one: one[0])
        return [f"{self.path}, line {line}, {spell(key)}: {why}" for line, (key, why) in told]

    def _lines(self, keys: Sequence[Key]) -> list[int]:
        """The line of each key; of the nearest table around it when the key itself is missing.

        A mark is put in the place of the value, to see where it comes out: tomlkit keeps every line, but moves together
        tables of one array that others stand between.
        """
        document = self._document()
        moved = _moved(tomlkit.dumps(document), self.text)
        places = [_place(document, key) for key in keys]
        marked: list[Key] = []
        for place in filter(None, dict.fromkeys(places)):
            holder, last = _holder(document, place), place[-1]
            marked.append(place)
            holder[last] = _mark(len(marked), None if last == _NOTHING else holder[last])
        written = tomlkit.dumps(document) if marked else ""
        lines = _marked_lines(written)
        numbers = {place: lines.get(number, 1) for number, place in enumerate(marked, 1)}
        return [moved.get(numbers.get(place, 1), 1) for place in places]

    def _document(self) -> Any:
        try:
            return tomlkit.parse(self.text)
        except TOMLKitError:  # tomllib has read it; where the two differ, the first line must do
            return tomlkit.document()


def _holder(document: Any, place: Key) -> Any:
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    return holder


def _place(document: Any, key: Key) -> Key:
    """The value that shows where a key stands: its own, or the first one in it, or around it."""
    for length in range(len(key), 0, -1):
        place = key[:length]
        try:
            value = _holder(document, place)[place[-1]]
        except (LookupError, TypeError):
            continue
        while isinstance(value, dict | list) and len(value):
            step: Any = next(iter(value)) if isinstance(value, dict) else 0
            place, value = (*place, step), value[step]
        return (*place, _NOTHING) if isinstance(value, dict) else place
    return ()


def _moved(written: str, original: str) -> dict[int, int]:
    """The original number of each line; lines that read alike are taken in their order."""
    places: dict[str, list[int]] = {}
    for number, text in enumerate(original.split("\n"), 1):
        places.setdefault(text, []).append(number)
    waiting = {text: iter(numbers) for text, numbers in places.items()}
    return {
        number: next(waiting.get(text, iter(())), 1) for number, text in enumerate(written.split("\n"), 1)
    }


def _marked_lines(written: str) -> dict[int, int]:
    """The line of each mark. A line that was added to an empty table is none: its mark stands in the one before."""
    found: dict[int, int] = {}
    line = 0
    for text in written.split("\n"):
        line += not text.startswith(f'"{_NOTHING}"')
        for mark in _FOUND.finditer(text):
            found[int(mark[1])] = line
    return found


def _mark(number: int, value: Any) -> Any:
    """A mark of as many lines as the value has, so that what comes after it stays where it is."""
    lines = str(value.as_string()).count("\n") if hasattr(value, "as_string") else 0
    return tomlkit.string(_MARK.format(number) + "\n" * lines, multiline=lines > 0)


def spell(key: Key) -> str:
    """`organizations[0].slug`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")
