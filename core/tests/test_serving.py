"""The three servers and the supervisor: what is served, and what ends with what."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ringstead.serving import PortTaken, check_port
from ringstead.supervisor import EXIT_UNUSABLE, Child, Supervisor

pytestmark = pytest.mark.slow

PAUSE = threading.Event()  # never set: lets the processes under test have the machine
SERVERS = ("granian", "gunicorn", "waitress")
APPLICATION = """
import os

def make(settings, urls):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        body = environ["wsgi.input"].read()
        told = [os.getpid(), urls.operator, len(body), environ.get("HTTP_X_FORWARDED_PROTO", "")]
        return [" ".join(map(str, told)).encode()]
    return app
"""
SERVE = """
import sys
from ringstead.db.embedded import database_urls
from ringstead.serving import serve_forever
from ringstead.settings import load_settings
settings = load_settings()
sys.exit(serve_forever(settings, database_urls(settings), "served:make"))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, body: bytes | None = None) -> list[str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, {"X-Forwarded-Proto": "https"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode()).split(" ")


def eventually(condition: Callable[[], object], what: str) -> None:
    """Ask again until it is so; the machine may be busy, so the deadline is generous."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"not within 30 seconds: {what}"
        PAUSE.wait(0.02)


@contextmanager
def served(server: str, folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A small application under this server with two workers; gives its port and the first process."""
    (folder / "served.py").write_text(APPLICATION)
    port = free_port()
    address = "postgresql://nobody@127.0.0.1/nothing"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder),
        "RINGSTEAD_SERVER": server,
        "RINGSTEAD_PORT": str(port),
        **{f"RINGSTEAD_DATABASE{role}_URL": address for role in ("", "_OWNER", "_OPERATOR")},
    }
    process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, cwd=folder)
    try:
        eventually(lambda: answered_by(port, set()), f"{server} listens")
        yield port, process
    finally:
        process.kill()
        process.wait()


def answered_by(port: int, workers: set[str]) -> bool:
    """Whether a worker answered; its process id joins `workers`."""
    try:
        workers.add(ask(port)[0])
    except OSError:
        return False
    return True


@pytest.mark.parametrize("server", SERVERS)
def test_two_processes_serve_requests_and_bodies(server: str, tmp_path: Path) -> None:
    with served(server, tmp_path) as (port, process):
        workers: set[str] = set()
        eventually(lambda: answered_by(port, workers) and len(workers) == 2, "both workers answer")
        told = ask(port, b"x" * 100_000)
        assert told[1:] == ["postgresql+psycopg://nobody@127.0.0.1/nothing", "100000", "https"]
        assert str(process.pid) not in workers


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_server_however_it_ends(
    server: str, end: signal.Signals, tmp_path: Path
) -> None:
    with served(server, tmp_path) as (port, process):
        workers: set[str] = set()
        eventually(lambda: answered_by(port, workers) and len(workers) == 2, "both workers answer")
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(end)
        process.wait(30)
        _, alive = psutil.wait_procs(family, timeout=30)
        assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
        check_port("127.0.0.1", port)


@pytest.mark.parametrize("server", SERVERS)
def test_a_killed_worker_is_replaced(server: str, tmp_path: Path) -> None:
    with served(server, tmp_path) as (port, _):
        victim = ask(port)[0]
        os.kill(int(victim), signal.SIGKILL)
        workers: set[str] = set()
        eventually(
            lambda: answered_by(port, workers) and len(workers - {victim}) == 2, "two other workers answer"
        )


def test_a_taken_port_is_said_with_the_mend() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} on 127.0.0.1 is taken .*make run PORT={port + 1}"):
            check_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_said() -> None:
    with pytest.raises(PortTaken, match="RINGSTEAD_HOST"):
        check_port("192.0.2.1", 8080)


def supervised(folder: Path, commands: dict[str, str], **options: str) -> subprocess.Popen[bytes]:
    """A supervisor in a process of its own, over children that are small Python programs."""
    children = [f"Child({name!r}, [sys.executable, '-c', {code!r}])" for name, code in commands.items()]
    program = f"""
import sys
from ringstead.supervisor import Child, Supervisor
sys.exit(Supervisor([{", ".join(children)}], grace={options.get("grace", "15")}).run())
"""
    return subprocess.Popen([sys.executable, "-c", program], cwd=folder)


COUNTING = textwrap.dedent("""
    import os
    from ringstead.supervisor import die_with_parent
    die_with_parent(os.getppid())
    with open("starts", "a") as stream:
        stream.write(f"{os.getpid()}\\n")
    %s
""")


def started(folder: Path) -> list[int]:
    file = folder / "starts"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    process = supervised(tmp_path, {"crasher": COUNTING % "raise SystemExit(3)"})
    eventually(lambda: len(started(tmp_path)) >= 3, "three starts")
    process.terminate()
    assert process.wait(30) == 0


def test_a_child_that_cannot_be_helped_ends_everything(tmp_path: Path) -> None:
    forever = COUNTING % "import signal; signal.pause()"
    process = supervised(tmp_path, {"other": forever, "broken": f"raise SystemExit({EXIT_UNUSABLE})"})
    assert process.wait(30) == EXIT_UNUSABLE
    assert not any(psutil.pid_exists(pid) for pid in started(tmp_path))


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    process = supervised(tmp_path, {"other": COUNTING % "import signal; signal.pause()"})
    eventually(lambda: started(tmp_path), "a start")
    process.kill()
    process.wait()
    child = started(tmp_path)[0]
    eventually(lambda: not _is_alive(child), "the child ends")


def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    stubborn = (
        COUNTING % "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
    )
    process = supervised(tmp_path, {"stubborn": stubborn}, grace="0.5")
    eventually(lambda: started(tmp_path), "a start")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert not psutil.pid_exists(started(tmp_path)[0])


def test_each_tick_is_called_until_the_end() -> None:
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            supervisor.stop(5)

    supervisor = Supervisor([Child("true", ["true"])], each_tick=tick)
    assert supervisor.run() == 5
    assert len(ticks) == 3


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
