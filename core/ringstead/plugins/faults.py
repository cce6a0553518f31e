"""What goes wrong with plugins: faults of their declarations, and which errors are theirs at all."""

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# query_canceled (its statement took too long) and lock_not_available: the database is well, the statement was not.
_STATEMENTS_FAULT = {"57014", "55P03"}
_LONGEST = 200


class PluginFault(Exception):
    """A plugin cannot be used. `where` names the hook, `field` what in its answer is wrong."""

    def __init__(self, plugin: str, where: str, message: str, field: str = "") -> None:
        self.plugin, self.where, self.field, self.message = plugin, where, field, message
        super().__init__(f"plugin {plugin}: {where}{'.' + field if field else ''}: {message}")


def is_portals(error: BaseException) -> bool:
    """Whether an error that came out of a plugin says something about the portal: its database is away, or this
    transaction collided with another and must be tried again. Such errors are never contained."""
    if isinstance(error, PoolTimeout):
        return True
    if isinstance(error, OperationalError):
        return getattr(error.orig, "sqlstate", None) not in _STATEMENTS_FAULT
    return isinstance(error, DBAPIError) and error.connection_invalidated


def said(error: BaseException) -> str:
    """An error in one line that may be shown to a reader for support: a statement's text and values stay in the log."""
    if isinstance(error, DBAPIError):
        return type(error.orig).__name__
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
