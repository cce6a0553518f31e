"""`ringstead doctor`: what is wrong with an installation, and the mend for each thing."""

from __future__ import annotations

import sys
from typing import Final

import click

from ringstead.doctor import Finding, State, examine

_STYLES: Final[dict[State, str]] = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
def doctor() -> None:
    """Examine this installation. Exits with 1 when something fails."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    worst = 0
    for finding in examine():
        console.print(
            Text.assemble((f"{finding.state:4}", _STYLES[finding.state]), f"  {finding.what}: {finding.said}")
        )
        if finding.mend:
            console.print(f"      Mend: {finding.mend}", markup=False)
        worst = max(worst, _weight(finding))
    sys.exit(worst == 2)


def _weight(finding: Finding) -> int:
    return ("ok", "warn", "fail").index(finding.state)
