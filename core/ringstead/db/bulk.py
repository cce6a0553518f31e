"""Many rows at once, by COPY: into the database, and out of it.

Rows go in by binary COPY into a temporary table, and from there by ordinary statements.

`COPY … FROM` is refused on a table under row-level security. A temporary table has none; what is then inserted from it
passes the policies of the table that it goes into. `COPY (SELECT …) TO` is allowed, and bound by them; it also carries
the conditions of the session, as every statement does.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple
from zlib import crc32

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.waiting import Ready, Wait
from sqlalchemy import Select, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ringstead.db.session import TenantSession, scoped_select

_PIECE: Final = 64 * 1024


class Lines(NamedTuple):
    """Some rows as CSV (RFC 4180, lines end with LF), in UTF-8."""

    rows: int
    csv: bytes


Copier = Callable[[Mapping[str, Any] | None], Generator[Lines, None, None]]


def copy_out(
    session: TenantSession,
    statement: Select[Any],
    values: Mapping[str, Any] | None = None,
    *,
    delimiter: str = ",",
) -> Generator[Lines, None, None]:
    """The rows of a SELECT as CSV made by the server, some 64 KiB at a time; NULL is an empty cell.

    `statement` is a SELECT of ORM columns or of subqueries of such; it gets the session's conditions like any other.
    `values` are its parameters. The transaction must stay open until the end; who stops earlier (close the iterator
    then) has canceled the statement, and the transaction with it.
    """
    yield from copier(session, statement, delimiter=delimiter)(values)


def copier(session: TenantSession, statement: Select[Any], *, delimiter: str = ",") -> Copier:
    """`copy_out` of a statement that is run many times with other values: what it costs to write it is paid once."""
    scoped, ids = scoped_select(session, statement)
    compiled = scoped.compile(dialect=session.connection().dialect)
    options = f"(FORMAT csv, DELIMITER '{_delimiter(delimiter)}')"

    def copy(values: Mapping[str, Any] | None = None) -> Generator[Lines, None, None]:
        # A COPY takes no parameters on the wire: the driver writes them into the statement, as literals of their types.
        expanded = compiled.construct_expanded_state({**(values or {}), **ids})
        query = f"COPY ({expanded.statement}) TO STDOUT {options}"
        return _copied(session, query, expanded.parameters)

    return copy


def _copied(session: TenantSession, query: str, parameters: Any) -> Generator[Lines, None, None]:
    driver: Any = session.connection().connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(query, parameters):
            is_over = False
            while not is_over:
                lines, is_over = driver.wait(_some_lines(driver.pgconn))
                if lines:
                    yield Lines(len(lines), b"".join(lines))
    except psycopg.OperationalError as error:
        # As SQLAlchemy does with its own statements, so that a lost database is known by whoever answers for it.
        raise OperationalError("COPY", None, error, hide_parameters=True) from error


def _some_lines(server: Any) -> Generator[Wait, Ready, tuple[list[bytes], bool]]:
    """What the server sends, some `_PIECE` bytes of it, and whether that was the end. It sends each row by itself.

    The driver's own reading waits for each row by itself, which costs more than the server needs to make one.
    """
    lines: list[bytes] = []
    size = 0
    while size < _PIECE:
        length, line = server.get_copy_data(1)
        if length > 0:
            lines.append(bytes(line))
            size += length
        elif length == 0:
            while not (yield Wait.R):
                continue
            server.consume_input()
        else:
            _end_copy(server)
            return lines, True
    return lines, False


def _end_copy(server: Any) -> None:
    """Take the result of a COPY that has ended, and raise what ended it too early."""
    results = []
    while (result := server.get_result()) is not None:
        results.append(result)
    for result in results:
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)


def _delimiter(wanted: str) -> str:
    if wanted not in (",", ";", "\t"):
        raise ValueError(f"{wanted!r} is no delimiter; use a comma, a semicolon or a tabulator")
    return wanted


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
