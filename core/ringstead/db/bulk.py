"""Many rows into the database at once: binary COPY into a temporary table, and from there by ordinary statements.

`COPY … FROM` is refused on a table under row-level security. A temporary table has none; what is then inserted from it
passes the policies of the table that it goes into.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any
from zlib import crc32

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session


def stage(session: Session, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Put rows (values in the order of `columns`) into a temporary table shaped like those columns of `table`.

    Returns its name; it holds nothing but these rows, and nothing once the transaction is over. JSON values must be
    `psycopg.types.json.Jsonb`.
    """
    kinds = _kinds(table, tuple(columns))
    shape = ", ".join(f"{column} {kind}" for column, kind in zip(columns, kinds, strict=True))
    # A pooler may hand us a connection from before an upgrade, so another shape has another name.
    name = f"stage_{table.name}_{crc32(shape.encode()):08x}"
    # Kept by the connection for the next time: making a table is a dozen rows of the system's catalogue.
    session.execute(text(f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({shape}) ON COMMIT DELETE ROWS"))
    session.execute(text(f"DELETE FROM {name}"))
    driver: Any = session.connection().connection.driver_connection
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(kinds)
        for row in rows:
            copy.write_row(row)
    return name


def insert_rows(session: Session, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Insert rows (values in the order of `columns`) into a table, which may be under row-level security.

    Returns the name of the temporary table, as `stage` does.
    """
    source, named = stage(session, table, columns, rows), ", ".join(columns)
    session.execute(text(f"INSERT INTO {table.name} ({named}) SELECT {named} FROM {source}"))
    return source


@cache
def _kinds(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return tuple(
        table.c[column].type.compile(dialect).lower().partition(" collate")[0].strip() for column in columns
    )
