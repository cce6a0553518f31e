"""The migrations runner: one history and one version table per distribution, core first, then plugins by name.

It drives Alembic's `MigrationContext` itself, so a plugin's `migrations/` folder holds nothing but `versions/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from ringstead.db.history import CORE, History

# One migration at a time over the whole cluster of processes that start together.
_LOCK = 7_214_553_101


@dataclass(frozen=True, slots=True)
class HistoryState:
    """Where a history stands: `current` and `head` are revision ids, None for «nothing»."""

    name: str
    current: str | None
    head: str | None

    @property
    def is_current(self) -> bool:
        return self.current == self.head


class MigrationFailed(Exception):
    """A migration raised; the message names its history. Nothing has changed: all run in one transaction."""


def upgrade_all(owner_url: str, plugins: Sequence[History] = ()) -> list[HistoryState]:
    """Bring the core and then every plugin to its newest revision; safe to run from several processes at once."""
    engine = create_engine(owner_url)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            return [
                _upgrade_or_say(connection, history)
                for history in (CORE, *sorted(plugins, key=lambda h: h.name))
            ]
    finally:
        engine.dispose()


def _upgrade_or_say(connection: Connection, history: History) -> HistoryState:
    try:
        return upgrade(connection, history)
    except Exception as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        said = str(error).partition("\n")[0]
        raise MigrationFailed(
            f"The migrations of {history.name} failed, and nothing was changed: {type(error).__name__}: {said}. "
            f"Mend: ask whoever wrote it; RINGSTEAD_DISABLED_PLUGINS={history.name} leaves a plugin out."
        ) from error


def upgrade(connection: Connection, history: History) -> HistoryState:
    """Bring one history to its newest revision on an open owner's connection, in the caller's transaction."""
    scripts = ScriptDirectory(str(history.folder))
    head = scripts.get_current_head()

    def steps(revision: Any, _context: MigrationContext) -> list[Any]:
        # Alembic has no public name for «the steps to head» outside its command line, which needs an env.py.
        return scripts._upgrade_revs("head", revision)

    context = _context(connection, history, fn=steps)
    with Operations.context(context):
        context.run_migrations()
    return HistoryState(history.name, head, head)


def state(connection: Connection, history: History) -> HistoryState:
    """Where `history` stands in the database of `connection`."""
    head = ScriptDirectory(str(history.folder)).get_current_head()
    return HistoryState(history.name, _context(connection, history).get_current_revision(), head)


def _context(connection: Connection, history: History, **opts: Any) -> MigrationContext:
    options = {"version_table": history.version_table, "transaction_per_migration": False, **opts}
    return MigrationContext.configure(connection, opts=options)
