"""The files of a tutorial, taken from its page: a line `**`path`**`, then a fenced block with the contents."""

import re
from pathlib import Path

_FILE = re.compile(r"^\*\*`(?P<path>[^`]+)`\*\*\n\n```\w*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def tutorial_files(page: str) -> dict[str, str]:
    """Contents by path."""
    files = {found["path"]: found["text"] for found in _FILE.finditer(page)}
    announced = re.findall(r"^\*\*`([^`]+)`\*\*$", page, re.MULTILINE)
    assert list(files) == announced, "each announced file is followed by its contents, and none comes twice"
    return files


def write_files(files: dict[str, str], folder: Path) -> None:
    """Write the files into a folder."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
