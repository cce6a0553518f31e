"""Partitions of months that no organization has a call in any more are given back, by a nightly job."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text

from ringstead.api.switch import Database
from ringstead_calllogs.models import Conversation, Leg
from ringstead_calllogs.rollups import PersonQuarter

TABLES: Final = (Leg.__tablename__, Conversation.__tablename__, PersonQuarter.__tablename__)
_PARTITIONS: Final = text("""
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass(:table) ORDER BY c.relname
""")
_REPORT: Final = text("INSERT INTO calllogs_dropped_month (name) VALUES (:name)")


def drop_months(database: Database) -> None:
    """Ask of every month whether it may go. One after another: each asks for a lock that stops everybody else."""
    for table in TABLES:
        with database.app_engine.connect() as connection:
            names = list(connection.execute(_PARTITIONS, {"table": table}).scalars())
        for name in names:
            drop_month(database, table, name)


def drop_month(database: Database, table: str, name: str) -> bool:
    """Drop one partition if it is empty and has been for a while; then that it went is on record."""
    month = datetime.strptime(name.removeprefix(f"{table}_"), "%Y%m").replace(tzinfo=UTC)
    with database.app_engine.begin() as connection:
        dropped = bool(connection.execute(text(f"SELECT {table}_drop_month(:at)"), {"at": month}).scalar())
        if dropped:
            connection.execute(_REPORT, {"name": name})
    return dropped
