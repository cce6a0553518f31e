"""Part of `make check`: links, anchors and images of the documentation lead somewhere, and its Python compiles.

Every page under docs/ must be reachable from README.md or docs/README.md, so that nothing is written for nobody.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

ROOT: Final = Path(__file__).resolve().parent.parent
STARTS: Final = ("README.md", "docs/README.md")
FENCE: Final = re.compile(r"^(?P<indent> *)(?P<fence>```+|~~~+) *(?P<tag>\S*)")
LINK: Final = re.compile(
    r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?(?P<target>[^()\s>]+(?:\([^()\s]*\))?)>?(?:\s+[\"'][^)]*)?\)"
)
REFERENCE: Final = re.compile(r"^ {0,3}\[[^\]^]+\]:\s*<?(?P<target>\S+?)>?\s*$", re.MULTILINE)
HEADING: Final = re.compile(r"^ {0,3}(?P<level>#{1,6})\s+(?P<text>.+?)\s*#*\s*$")
HTML_TARGET: Final = re.compile(r"<(?:img|a)\b[^>]*?\b(?:src|href)=[\"'](?P<target>[^\"']+)[\"']")
HTML_ID: Final = re.compile(r"<[a-z][^>]*?\b(?:id|name)=[\"'](?P<id>[^\"']+)[\"']")
INLINE_CODE: Final = re.compile(r"(`+)(?:(?!\1).)+\1")
OUTSIDE: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)")


@dataclass(frozen=True)
class Finding:
    """Something to mend. `line` counts from 1."""

    page: str
    line: int
    said: str


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    line: int
    tag: str
    text: str


class Page:
    """A Markdown file: its links, its anchors, its code."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.blocks: list[Block] = []
        self.links: list[tuple[int, str]] = []
        self.anchors: set[str] = set()
        self._read(text)

    def _read(self, text: str) -> None:
        block: list[str] | None = None
        fence, opened, tag, indent = "", 0, "", 0
        prose: list[str] = []
        for number, line in enumerate(text.splitlines(), 1):
            found = FENCE.match(line)
            prose.append("")
            if block is None and found:
                block, fence, opened, tag = [], found["fence"], number, found["tag"]
                indent = len(found["indent"])
            elif block is not None and found and found["fence"].startswith(fence) and not found["tag"]:
                self.blocks.append(Block(opened, tag, "\n".join(block)))
                block = None
            elif block is not None:
                block.append(line[indent:] if not line[:indent].strip() else line)
            else:
                prose[-1] = line
        for line in prose:
            heading = HEADING.match(line)
            if heading:
                self._anchor(heading["text"])
        self._prose("\n".join(prose))

    def _prose(self, text: str) -> None:
        """Links may be wrapped, so they are looked for in all lines at once; code is blanked out before."""
        self.anchors |= {found["id"] for found in HTML_ID.finditer(text)}
        plain = INLINE_CODE.sub(lambda found: re.sub(r"\S", "x", found[0]), text)
        for pattern in (LINK, REFERENCE, HTML_TARGET):
            for found in pattern.finditer(plain):
                self.links.append((plain.count("\n", 0, found.start()) + 1, found["target"]))

    def _anchor(self, text: str) -> None:
        """A heading's anchor, as the usual Markdown hosts make it; the second of its kind gets `-1`."""
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain, flags=re.UNICODE).strip().replace(" ", "-")
        number, wanted = 0, anchor
        while wanted in self.anchors:
            number += 1
            wanted = f"{anchor}-{number}"
        self.anchors.add(wanted)


class Docs:
    """All pages of a tree. `files` are paths relative to `root`."""

    def __init__(self, root: Path, files: list[str]) -> None:
        self._root = root
        self._pages = {
            name: Page(root / name, (root / name).read_text(encoding="utf-8"))
            for name in files
            if name.endswith(".md") and (root / name).is_file()
        }

    def findings(self) -> Iterator[Finding]:
        """Everything to mend."""
        for name, page in self._pages.items():
            for line, target in page.links:
                said = self._broken(name, target)
                if said:
                    yield Finding(name, line, said)
            for block in page.blocks:
                if block.tag in ("python", "py"):
                    yield from self._compile(name, block)
        yield from self._unreachable()

    def _broken(self, name: str, target: str) -> str:
        if OUTSIDE.match(target):
            return ""
        place, _, anchor = target.partition("#")
        path = self._resolve(name, place)
        if path is None:
            return f"the link {target!r} leaves the repository"
        if not path.exists():
            return f"the link {target!r} leads nowhere: there is no {path.relative_to(self._root)}"
        page = self._pages.get(str(path.relative_to(self._root)))
        if anchor and page is not None and unquote(anchor) not in page.anchors:
            return f"the link {target!r} leads nowhere: no heading there makes that anchor"
        return ""

    def _resolve(self, name: str, place: str) -> Path | None:
        here = self._root / name
        place = unquote(place)
        if not place:
            return here
        path = (self._root / place.lstrip("/")) if place.startswith("/") else (here.parent / place)
        resolved = path.resolve()
        return resolved if resolved.is_relative_to(self._root.resolve()) else None

    def _compile(self, name: str, block: Block) -> Iterator[Finding]:
        try:
            with warnings.catch_warnings(action="ignore"):
                compile(textwrap.dedent(block.text), name, "exec", dont_inherit=True)
        except SyntaxError as error:
            line = block.line + (error.lineno or 1)
            yield Finding(name, line, f"the Python here does not compile: {error.msg}")

    def _unreachable(self) -> Iterator[Finding]:
        reached, waiting = set[str](), [start for start in STARTS if start in self._pages]
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            for _line, target in self._pages[name].links:
                path = None if OUTSIDE.match(target) else self._resolve(name, target.partition("#")[0])
                linked = str(path.relative_to(self._root)) if path is not None else ""
                if linked in self._pages:
                    waiting.append(linked)
        for name in sorted(self._pages):
            if name.startswith("docs/") and name not in reached:
                yield Finding(name, 1, f"no page that {' or '.join(STARTS)} leads to links here: link it")


def files_of(root: Path) -> list[str]:
    """Files that belong to the repository, tracked or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return sorted(set(done.stdout.splitlines()))


def main() -> int:
    """Check the documentation; prints what is wrong."""
    files = files_of(ROOT)
    found = list(Docs(ROOT, files).findings())
    for finding in found:
        print(f"{finding.page}:{finding.line}: {finding.said}", file=sys.stderr)
    if not found:
        print(f"{len(files)} pages are sound.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
