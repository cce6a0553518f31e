"""The embedded PostgreSQL: first start, sharing, and what `kill -9` does not break."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from structlog.testing import capture_logs

from ringstead.db import osuser
from ringstead.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, database_urls, running_database
from ringstead.db.engine import DatabaseUrls
from ringstead.db.roles import APP, OPERATOR, OWNER, app_role_faults, ensure_roles, roles_sql
from ringstead.settings import SettingsError, load_settings, plain_database_url

pytestmark = pytest.mark.slow

# Starts a server on the folder given, says so, and holds it until its standard input closes.
HOLDER = """
import sys
from pathlib import Path
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.logs import configure_logging
configure_logging("error")
with EmbeddedPostgres(Path(sys.argv[1])) as server:
    print("up", flush=True)
    sys.stdin.read()
"""


def hold(home: Path) -> subprocess.Popen[str]:
    """Another process that uses the server in `home`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    process.communicate("")
    assert process.returncode == 0


def first_process(server: EmbeddedPostgres) -> psutil.Process:
    return psutil.Process(int((server.data / "postmaster.pid").read_text().splitlines()[0]))


def kill_all(*processes: psutil.Process) -> None:
    """Kill them; the postmaster's children may go by themselves while it falls."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def write_row(server: EmbeddedPostgres) -> None:
    with server.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n integer)")
        connection.execute("INSERT INTO kept VALUES (1)")


def rows(server: EmbeddedPostgres) -> int:
    with server.connect() as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "postgres") as running:
        yield running


def test_roles_may_what_they_should_and_no_more(server: EmbeddedPostgres) -> None:
    for role in (APP, OWNER, OPERATOR):
        with psycopg.connect(plain_database_url(server.url(role))) as connection:
            row = connection.execute(
                "SELECT current_user, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,"
                " has_schema_privilege('public', 'CREATE'),"
                " has_database_privilege(current_database(), 'TEMP')"
                " FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
        assert row == (role, False, False, False, False, role == OWNER, True)


def test_the_app_role_has_no_faults_and_others_are_told(server: EmbeddedPostgres) -> None:
    def faults(role: str) -> str:
        with psycopg.connect(plain_database_url(server.url(role))) as connection:
            return " ".join(fault.fault for fault in app_role_faults(connection))

    assert faults(APP) == ""
    assert "owns the database" in faults(OWNER)
    assert "superuser" in faults("postgres")


def test_roles_can_be_made_again(server: EmbeddedPostgres) -> None:
    with server.connect() as connection:
        ensure_roles(connection)
        connection.execute(roles_sql())


def test_only_folders_that_stop_the_servers_user_are_opened_and_each_is_said(tmp_path: Path) -> None:
    user, me = pwd.getpwnam("nobody"), pwd.getpwuid(os.getuid())
    tmp_path.chmod(0o755)
    closed, inside = tmp_path / "closed", tmp_path / "closed" / "inside"
    inside.mkdir(parents=True)
    closed.chmod(0o700)
    with capture_logs() as said:
        osuser._make_passable(inside, me)
    assert said == []
    assert closed.stat().st_mode & 0o777 == 0o700
    with capture_logs() as said:
        osuser._make_passable(inside, user)
        osuser._make_passable(inside, user)
    assert [(line["event"], line["folder"]) for line in said] == [("postgresql.folder_opened", str(closed))]
    assert closed.stat().st_mode & 0o777 == 0o701


def test_durable_unless_asked_otherwise(server: EmbeddedPostgres, tmp_path: Path) -> None:
    with server.connect() as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    with (
        EmbeddedPostgres(tmp_path / "quick", durable=False) as quick,
        quick.connect() as connection,
    ):
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


def test_the_server_listens_on_no_network_port_and_only_its_owner_reaches_the_socket(
    server: EmbeddedPostgres,
) -> None:
    assert [c for c in first_process(server).net_connections("tcp") if c.status == psutil.CONN_LISTEN] == []
    for folder in (server.home / "data", server.home / "run"):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_stopped_server_starts_again_with_its_rows_in_under_five_seconds(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        write_row(server)
    assert not server.is_running()
    began = time.monotonic()
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        assert time.monotonic() - began < 5
        assert rows(server) == 1


def test_a_second_process_joins_and_the_last_one_out_stops_the_server(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    first, second = hold(home), hold(home)
    server = EmbeddedPostgres(home)
    process = first_process(server)
    let_go(first)
    assert process.is_running()
    assert server.is_running()
    let_go(second)
    assert not server.is_running()


def test_many_processes_may_start_at_once(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    command = [sys.executable, "-c", HOLDER, str(home)]
    starting = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert [process.communicate("")[0] for process in starting] == ["up\n"] * 4
    assert not EmbeddedPostgres(home).is_running()


def test_an_orphan_is_joined_and_then_stopped(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    holder = hold(home)
    holder.kill()
    holder.wait()
    server = EmbeddedPostgres(home)
    orphan = first_process(server)
    assert server.is_running()
    with server:
        assert first_process(server) == orphan
    assert not server.is_running()


def test_kill_9_of_everything_leaves_what_was_committed(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    holder = hold(home)
    server = EmbeddedPostgres(home)
    write_row(server)
    parent = first_process(server)
    kill_all(psutil.Process(holder.pid), parent, *parent.children(recursive=True))
    holder.wait()
    with server:
        assert rows(server) == 1


def test_kill_9_of_the_first_process_is_mended_while_running(server: EmbeddedPostgres) -> None:
    write_row(server)
    assert not server.ensure_running()
    for expected in (2, 3):
        first_process(server).kill()
        while server.is_running():
            os.sched_yield()
        assert server.ensure_running()
        write_row(server)
        assert rows(server) == expected


def test_a_pid_file_that_names_another_program_is_no_obstacle(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        write_row(server)
        parent = first_process(server)
        kill_all(parent, *parent.children(recursive=True))
        pid_file = server.data / "postmaster.pid"
        _, rest = pid_file.read_text().split("\n", 1)
        pid_file.write_text(f"{os.getpid()}\n{rest}")
        assert not server.is_running()
        server.ensure_running()
        assert rows(server) == 1


def test_a_killed_first_start_leaves_nothing_half_made(tmp_path: Path) -> None:
    leftover = tmp_path / "postgres" / "data.new"
    leftover.mkdir(parents=True)
    (leftover / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        write_row(server)
    assert not leftover.exists()


def test_a_long_path_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 20) / "postgres with 'quotes' and spaces"
    home.parent.mkdir()
    with EmbeddedPostgres(home) as server:
        write_row(server)
        assert rows(server) == 1
        with psycopg.connect(plain_database_url(server.url())) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (APP,)


def test_databases_are_made_from_a_template_and_dropped(server: EmbeddedPostgres) -> None:
    write_row(server)
    urls = server.create_database("copy", template="ringstead")
    connection = psycopg.connect(plain_database_url(urls.owner))
    assert connection.execute("SELECT current_database()").fetchone() == ("copy",)
    server.drop_database("copy")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(plain_database_url(urls.app))


def test_another_version_of_postgresql_says_how_to_move(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        pass
    (server.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 12"):
        server.start()
    server.stop()


def test_a_broken_cluster_says_so_with_the_end_of_its_log(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        pass
    (server.data / "postgresql.conf").write_text("nonsense = yes\n")
    with pytest.raises(EmbeddedPostgresError, match='unrecognized configuration parameter "nonsense"'):
        server.start()
    server.stop()


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    holder = hold(home)
    server = EmbeddedPostgres(home)
    assert os.getpgid(first_process(server).pid) != os.getpgid(holder.pid)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with server:
        assert server.is_running()


def test_running_database_starts_and_stops_the_embedded_server(tmp_path: Path) -> None:
    settings = load_settings({}, "/dev/null", var_dir=tmp_path)
    with running_database(settings) as urls:
        assert urls == database_urls(settings)
        psycopg.connect(plain_database_url(urls.operator)).close()
    assert not EmbeddedPostgres(tmp_path / "postgres").is_running()


def test_a_database_of_ones_own_needs_the_addresses_that_are_used() -> None:
    settings = load_settings({}, "/dev/null", database_url="postgresql://role@db.example/ringstead")
    with running_database(settings, "app") as urls:
        assert urls == DatabaseUrls("postgresql+psycopg://role@db.example/ringstead", "", "")
    with pytest.raises(
        SettingsError, match="RINGSTEAD_DATABASE_OWNER_URL and RINGSTEAD_DATABASE_OPERATOR_URL"
    ):
        database_urls(settings, "owner", "operator")
