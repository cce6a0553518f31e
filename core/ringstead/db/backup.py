"""Backups that are looked at before they count as one.

The role `ringstead_operator` reads every row through policies of its own, so no `BYPASSRLS` is needed, which managed
servers do not give. The owner would dump nothing: row-level security is forced on it. A dump that lost rows would look
like any other, so rows are counted in the database and in the file, at the same moment of the database.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from ringstead.db.embedded import wheel_binaries
from ringstead.settings import plain_database_url

Counts = dict[str, int]

# Tables and sequences that the role cannot read in full. A policy shows everything when its condition is `true`.
_HIDDEN = """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'S') AND NOT (
        has_table_privilege(c.oid, 'SELECT') AND (
            NOT c.relrowsecurity
            OR (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
            OR EXISTS (
                SELECT FROM pg_policy p, unnest(p.polroles) reader
                WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('*', 'r')
                  AND pg_get_expr(p.polqual, p.polrelid) = 'true'
                  AND CASE WHEN reader = 0 THEN true ELSE pg_has_role(reader, 'USAGE') END)))
    ORDER BY 1
"""
# Unlogged tables (the counters of throttling) are not worth keeping. Partitions hold the rows of what they are part of.
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relpersistence = 'p' ORDER BY 1
"""


class BackupFailed(Exception):
    """There is no backup, or nothing was restored; the message says why and the mend."""


def hidden_from(connection: psycopg.Connection[Any]) -> list[str]:
    """Tables and sequences that the role of `connection` cannot read in full, and so cannot back up."""
    return [row[0] for row in connection.execute(_HIDDEN)]


def back_up(operator_url: str, file: Path) -> Counts:
    """Write the whole database to `file` (pg_dump's custom format, readable by its owner only); rows by table."""
    if file.exists():
        raise BackupFailed(f"{file} is there already. Mend: move it away, or name another file.")
    part = file.with_name(f"{file.name}.part")
    with psycopg.connect(plain_database_url(operator_url)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        if hidden := hidden_from(connection):
            raise BackupFailed(
                f"The role for the backup cannot read all of {', '.join(hidden)}. Mend: `ringstead db migrate`; "
                "`ringstead doctor` says what is missing."
            )
        snapshot = _value(connection, "SELECT pg_export_snapshot()")
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        _run(
            _program("pg_dump", connection),
            operator_url,
            "--format=custom",
            "--enable-row-security",
            "--no-unlogged-table-data",
            f"--snapshot={snapshot}",
            f"--file={part}",
        )
        expected = _count(connection)
        _compare(expected, count_in(part, _program("pg_restore", connection)), f"{part} is no backup")
    part.replace(file)
    return expected


def restore(owner_url: str, operator_url: str, file: Path) -> Counts:
    """Put a backup into an empty database that has the roles already, all or nothing; gives rows by table."""
    with psycopg.connect(plain_database_url(owner_url)) as connection:
        if _value(connection, f"SELECT count(*) FROM ({_TABLES}) t"):
            raise BackupFailed(
                "The database is not empty. Mend: restore into a fresh one; `ringstead db roles` prepares it."
            )
        program = _program("pg_restore", connection)
    expected = count_in(file, program)
    # The owner of everything is whoever restores; who may do what is in the file. Policies come after the rows.
    _run(program, owner_url, "--single-transaction", "--exit-on-error", "--no-owner", str(file))
    with psycopg.connect(plain_database_url(operator_url)) as connection:
        _compare(expected, _count(connection), "The restored database lacks rows")
    return expected


def count_in(file: Path, pg_restore: Path) -> Counts:
    """The rows of each table in a backup, by reading all of it."""
    command = [str(pg_restore), "--data-only", "--file=-", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        counts = _count_lines(process.stdout)
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise BackupFailed(f"{file} cannot be read: {said}")
    return counts


def _count_lines(script: Iterable[bytes]) -> Counts:
    counts: Counts = {}
    table = ""
    for line in script:
        if table and line == b"\\.\n":
            table = ""
        elif table:
            counts[table] += 1
        elif line.startswith(b"COPY public."):
            table = line.split(b" ")[1].decode().removeprefix("public.")
            counts[table] = 0
    return counts


def _count(connection: psycopg.Connection[Any]) -> Counts:
    names = [row[0] for row in connection.execute(_TABLES)]
    count = psycopg.sql.SQL("SELECT count(*) FROM {}")
    return {name: _value(connection, count.format(psycopg.sql.Identifier(name))) for name in names}


def _compare(expected: Counts, found: Counts, fault: str) -> None:
    wrong = [
        f"{name} ({found.get(name, 'none')} of {rows})"
        for name, rows in expected.items()
        if found.get(name) != rows
    ]
    if wrong:
        raise BackupFailed(f"{fault}: {', '.join(wrong)}.")


def _value(connection: psycopg.Connection[Any], query: Any) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None, "these queries always give a row"
    return row[0]


def _program(name: str, connection: psycopg.Connection[Any]) -> Path:
    """The program whose version is nearest to the server's: an older one refuses, a newer one writes newer SQL."""
    server = connection.info.server_version // 10000
    here = [Path(found) for found in (shutil.which(name), wheel_binaries() / name) if found]
    fitting = {version: path for path in reversed(here) if (version := _version(path)) >= server}
    if not fitting:
        raise BackupFailed(
            f"No {name} here is as new as PostgreSQL {server}. Mend: install its client programs."
        )
    return fitting[min(fitting)]


def _version(program: Path) -> int:
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True).stdout
    return int(said.split(") ")[-1].split(" ")[0].split(".")[0] or 0)


def _run(program: Path, url: str, *arguments: str) -> None:
    """Run a PostgreSQL program on a database. Its password goes by the environment: anybody may read arguments."""
    parsed = make_url(url)
    environment = os.environ | ({} if parsed.password is None else {"PGPASSWORD": str(parsed.password)})
    address = plain_database_url(parsed._replace(password=None).render_as_string())
    command = [str(program), *arguments, f"--dbname={address}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise BackupFailed(f"{program.name} failed: {done.stderr.strip()}")
