"""What several commands need."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ringstead.db.embedded import Role
    from ringstead.db.engine import Database
    from ringstead.plugins.registry import Registry
    from ringstead.settings import Settings


@contextmanager
def open_database(settings: Settings, *needed: Role) -> Iterator[Database]:
    """The engines of one command, for the roles that it needs; an embedded server runs meanwhile."""
    from ringstead.db.embedded import running_database
    from ringstead.db.engine import Database

    with running_database(settings, *needed) as urls:
        database = Database(urls, pool_size=1)
        try:
            yield database
        finally:
            database.dispose()


def load_plugin_registry(settings: Settings) -> Registry:
    """The installed plugins and what they contribute."""
    from ringstead.app import load_registry

    return load_registry(settings)


def actor() -> str:
    """Who runs the command, for the operator's audit trail."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"uid {os.getuid()} (command line)"


def screen() -> Console:
    """Where tables are printed. In a pipe or a file a line is as long as it needs to be."""
    from rich.console import Console

    return Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=1000)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], when_empty: str) -> None:
    """Print rows for people; nothing in them is taken for markup."""
    import click
    from rich.table import Table
    from rich.text import Text

    if not rows:
        click.echo(when_empty)
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    screen().print(table)
