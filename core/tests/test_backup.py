"""Backups: whole, counted, and restored into a fresh database with every row, policy and right."""

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.calls import record_calls

from ringstead.api.testing import Person, Tenants
from ringstead.db import backup
from ringstead.db.backup import BackupFailed, back_up, hidden_from, restore
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.doctor import check_backup
from ringstead.settings import plain_database_url

pytestmark = pytest.mark.slow

# As a superuser, whom no policy holds: what is really there.
TABLES = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND relpersistence = 'p' AND relnamespace = 'public'::regnamespace
"""
RIGHTS = """
    SELECT relname, relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner),
           ARRAY(SELECT unnest(relacl)::text ORDER BY 1),
           ARRAY(SELECT concat_ws(' ', polname, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid))
                 FROM pg_policy WHERE polrelid = c.oid ORDER BY polname)
    FROM pg_class c WHERE relkind IN ('r', 'p', 'S') AND relnamespace = 'public'::regnamespace ORDER BY relname
"""


@pytest.fixture
def fresh(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseUrls]:
    """An empty database with the roles."""
    name = f"fresh_{secrets.token_hex(6)}"
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def person(tenants: Tenants, wsgi: Any) -> Person:
    """Somebody with calls, which lie in partitions."""
    made = tenants.person(tenants.organization(None, "calllogs"))
    record_calls(wsgi, made, 5)
    return made


def look(server: EmbeddedPostgres, urls: DatabaseUrls) -> tuple[dict[str, int], list[Any]]:
    """The rows of each table, and the rights on everything."""
    name = psycopg.conninfo.conninfo_to_dict(plain_database_url(urls.app))["dbname"]
    with server.connect(str(name)) as connection:
        tables = [row[0] for row in connection.execute(TABLES)]
        count = sql.SQL("SELECT count(*) FROM {}")
        counted = {
            table: connection.execute(count.format(sql.Identifier(table))).fetchone() for table in tables
        }
        return {table: row[0] for table, row in counted.items() if row}, connection.execute(RIGHTS).fetchall()


def test_a_backup_restores_every_row_and_right(
    person: Person,
    postgres_server: EmbeddedPostgres,
    database_urls: DatabaseUrls,
    fresh: DatabaseUrls,
    tmp_path: Path,
) -> None:
    file = tmp_path / "ringstead.dump"
    kept = back_up(database_urls.operator, file)
    before, rights = look(postgres_server, database_urls)
    assert kept == before
    assert sum(rows for table, rows in kept.items() if table.startswith("calllogs_leg_2")) >= 5
    assert kept["alembic_version"] == kept["alembic_version_calllogs"] == 1
    assert file.stat().st_mode & 0o077 == 0
    assert restore(fresh.owner, fresh.operator, file) == before
    assert look(postgres_server, fresh) == (before, rights)


def test_a_restored_database_takes_new_rows(
    person: Person,
    database_urls: DatabaseUrls,
    fresh: DatabaseUrls,
    tmp_path: Path,
) -> None:
    back_up(database_urls.operator, tmp_path / "a.dump")
    restore(fresh.owner, fresh.operator, tmp_path / "a.dump")
    restored = Database(fresh)
    with restored.run_as(person.organization.org_id) as session:  # type: ignore[union-attr]  # a subscriber has one
        connection = session.connection()
        assert connection.exec_driver_sql("SELECT count(*) FROM calllogs_leg").scalar_one() == 5
        connection.exec_driver_sql("SELECT calllogs_leg_ensure_month(now())")
    with restored.as_operator("tests", "see whether the sequence goes on") as operator:
        assert operator.connection().exec_driver_sql("SELECT count(*) FROM operator_audit").scalar_one() > 0
    restored.dispose()


def test_what_cannot_be_read_is_no_backup(database_urls: DatabaseUrls, tmp_path: Path) -> None:
    file = tmp_path / "a.dump"
    with psycopg.connect(plain_database_url(database_urls.owner), autocommit=True) as owner:
        owner.execute("CREATE TABLE hidden_rows (org_id uuid)")
        try:
            owner.execute("ALTER TABLE hidden_rows ENABLE ROW LEVEL SECURITY")
            with pytest.raises(BackupFailed, match="hidden_rows"):
                back_up(database_urls.operator, file)
            found = check_backup(database_urls.operator)
        finally:
            owner.execute("DROP TABLE hidden_rows")
    assert (found.state, "hidden_rows" in found.said) == ("fail", True)
    assert check_backup(database_urls.operator).state == "ok"
    assert not file.exists()


@pytest.mark.parametrize("role", ["owner", "app"])
def test_a_role_that_sees_too_little_makes_no_backup(
    role: str, database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    with psycopg.connect(plain_database_url(getattr(database_urls, role))) as connection:
        assert "organization" in hidden_from(connection)
    with pytest.raises(BackupFailed, match="organization"):
        back_up(getattr(database_urls, role), tmp_path / "a.dump")


def test_a_damaged_file_and_a_full_database_are_refused(
    database_urls: DatabaseUrls, fresh: DatabaseUrls, tmp_path: Path
) -> None:
    file = tmp_path / "a.dump"
    back_up(database_urls.operator, file)
    with pytest.raises(BackupFailed, match="already"):
        back_up(database_urls.operator, file)
    with pytest.raises(BackupFailed, match="not empty"):
        restore(database_urls.owner, database_urls.operator, file)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(BackupFailed):
        restore(fresh.owner, fresh.operator, file)
    with psycopg.connect(plain_database_url(fresh.owner)) as connection:
        assert connection.execute("SELECT to_regclass('partner')").fetchone() == (None,)


def test_a_password_is_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def run(command: list[str], env: dict[str, str], **_options: Any) -> subprocess.CompletedProcess[str]:
        calls.append((command, env["PGPASSWORD"]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    backup._run(Path("pg_dump"), "postgresql+psycopg://me:hunter2@db.example/ringstead", "--verbose")
    assert calls == [(["pg_dump", "--verbose", "--dbname=postgresql://me@db.example/ringstead"], "hunter2")]
