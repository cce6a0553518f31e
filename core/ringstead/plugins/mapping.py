"""Plugins' tables share one registry of ORM classes: one that cannot be set up would take all the others with it."""

import sys

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.schema import Table

from ringstead.db.base import Base


def mapping_fault() -> str:
    """Why the ORM classes that exist now cannot be set up; nothing when they can."""
    try:
        Base.registry.configure()
    except SQLAlchemyError as error:
        return str(error).partition("\n")[0]
    return ""


def forget_package(package: str) -> None:
    """Take an import package out again, so that it leaves nothing behind and fails the same way the next time."""
    _forget_models(package)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def _forget_models(package: str) -> None:
    """Take out a package's ORM classes, those that were only half made too.

    SQLAlchemy offers this for a whole registry only (`registry.dispose`); this does the same for some of its classes.
    """
    registry = Base.registry
    for manager in list(registry._managers):
        if manager.class_.__module__.partition(".")[0] != package:
            continue
        table = manager.mapper.local_table if manager.is_mapped else None
        registry._dispose_manager_and_mapper(manager)
        registry._managers.pop(manager, None)
        if isinstance(table, Table):
            Base.metadata.remove(table)
