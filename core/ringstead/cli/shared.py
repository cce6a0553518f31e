"""What several commands need."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringstead.db.engine import Database
    from ringstead.plugins.registry import Registry
    from ringstead.settings import Settings


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The engines of one command; an embedded server runs meanwhile."""
    from ringstead.db.embedded import running_database
    from ringstead.db.engine import Database

    with running_database(settings, "app", "operator") as urls:
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
