"""Find or bring a redis-server for the tests of throttling. They start their own; nothing else uses it."""

from __future__ import annotations

import shutil
import sys

import debian

MEND = """No redis-server could be found or installed, and the tests of throttling in Redis need one.
Mend: apt-get install redis-server"""


def main() -> int:
    """Bring the program when it is missing; explain the mend when that does not help."""
    if not shutil.which("redis-server"):
        debian.install("redis-server")
    if shutil.which("redis-server"):
        return 0
    print(MEND, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
