"""Whether a drawing can be drawn in little time: tried in a process of its own, which the system ends.

A drawing of a few hundred bytes can keep a renderer busy for ever (an arc as wide as a number goes, layers within
layers), and nothing ends a thread from outside.
"""

import resource
import subprocess
import sys
from functools import lru_cache
from typing import Final

import resvg_py

TRIED_SIZE: Final = 512
"""The largest at which a logo is drawn, in pixels."""
_CPU_SECONDS: Final = 1
_PATIENCE: Final = 60.0


def in_square(svg: str, size: int) -> str:
    """A drawing inside a square: whatever its own proportions are, it takes no more memory than that."""
    inner = svg.replace("<svg ", f'<svg width="{size}" height="{size}" ', 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 {size} {size}">'
        f"{inner}</svg>"
    )


def draw(svg: str, size: int) -> bytes:
    """A cleaned drawing as a PNG, in this process."""
    return bytes(resvg_py.svg_to_bytes(svg_string=in_square(svg, size), skip_system_fonts=True))


@lru_cache(maxsize=64)
def can_be_drawn(svg: str) -> bool:
    """Whether a cleaned drawing is drawn within a second of a processor's time, the start of Python included."""
    command = [sys.executable, "-c", f"from {__name__} import draw_input; draw_input()"]
    try:
        done = subprocess.run(
            command, input=svg.encode(), capture_output=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def draw_input() -> None:
    """Draw the standard input; the system ends this process when that takes too long."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    draw(sys.stdin.read(), TRIED_SIZE)
