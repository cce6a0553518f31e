"""Find or bring a Chromium for the browser tests and write its path to var/chromium-path.

Tried in this order: the CHROMIUM variable, a Chromium on this machine, Debian's package (as root),
Playwright's own download.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import debian

ROOT = Path(__file__).resolve().parent.parent
PATH_FILE = ROOT / "var" / "chromium-path"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MEND = """No Chromium could be found or installed, and the browser tests need one.
Mend, any one of:
  - install it:            apt-get install chromium
  - name one you have:     CHROMIUM=/path/to/chromium make test
  - fetch Playwright's:    .venv/bin/playwright install chromium"""


def works(path: str) -> bool:
    """Say whether the program at this path starts and calls itself a version."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() != ""


def installed() -> Iterator[str]:
    """Chromiums that are already here, the asked-for one first."""
    if asked := os.environ.get("CHROMIUM"):
        yield asked
    for name in NAMES:
        if found := shutil.which(name):
            yield found


def from_debian() -> Iterator[str]:
    """Install Debian's package, when this user may."""
    debian.install("chromium")
    if found := shutil.which("chromium"):
        yield found


def from_playwright() -> Iterator[str]:
    """Let Playwright fetch the Chromium that it knows best."""
    print("Fetching Playwright's Chromium ...", flush=True)
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.executable_path


def main() -> int:
    """Write the path of the first Chromium that works; explain the mend when none does."""
    for source in (installed, from_debian, from_playwright):
        for path in source():
            if works(path):
                PATH_FILE.parent.mkdir(exist_ok=True)
                PATH_FILE.write_text(path + "\n")
                return 0
    print(MEND, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
