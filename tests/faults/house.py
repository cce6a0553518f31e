"""A whole portal as processes that may be killed: PostgreSQL, web, worker. Dead ones are brought back on request."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import psutil
from sqlalchemy import create_engine, text

from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.migrate import upgrade_all
from ringstead.plugins.loader import load_plugins
from ringstead.serving import child_environment
from ringstead.settings import load_settings

PATIENCE = 120.0
WORKER = Path(__file__).parent / "counting_worker.py"


class House:
    """Its three parts are «postgres», «web» and «worker»."""

    def __init__(self, home: Path) -> None:
        self.server = EmbeddedPostgres(home / "postgres")
        self.server.start()
        self.urls = self.server.urls()
        upgrade_all(self.urls.owner, [p.history for p in load_plugins(strict=True) if p.history])
        engine = create_engine(self.urls.owner)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE effect (org_id uuid, what text)"))
            connection.execute(text("GRANT SELECT, INSERT ON effect TO ringstead_app"))
        engine.dispose()
        self.port = _free_port()
        self.settings = load_settings(
            env={}, var_dir=home / "var", port=self.port, web_workers=2, secret_key="t" * 40
        )
        self._environment = child_environment(self.settings, self.urls)
        self._commands: Mapping[str, list[str]] = {
            "web": [sys.executable, "-m", "ringstead.cli", "serve"],
            "worker": [sys.executable, str(WORKER)],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log_file = home / "log"
        self._log = self._log_file.open("ab")
        self.revive()

    @property
    def cdr_url(self) -> str:
        """Where a switch sends its records."""
        return f"http://127.0.0.1:{self.port}/switch/v1/cdr"

    def kill(self, part: str) -> None:
        """End a part as a power cut would, with all its processes."""
        if part == "postgres":
            pid_file = self.server.data / "postmaster.pid"
            postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            postmaster.kill()
            psutil.wait_procs([postmaster], timeout=10)
        else:
            os.killpg(self._processes[part].pid, signal.SIGKILL)
            self._processes[part].wait()

    def revive(self) -> None:
        """Start what does not run, as a supervisor would."""
        self.server.ensure_running()
        for part, command in self._commands.items():
            process = self._processes.get(part)
            if process is None or process.poll() is not None:
                self._processes[part] = subprocess.Popen(
                    command,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    process_group=0,
                )

    def is_up(self) -> bool:
        """Whether the web answers and has its database."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def process(self, part: str) -> "subprocess.Popen[bytes]":
        """The process of «web» or «worker»."""
        return self._processes[part]

    def end_of_log(self) -> str:
        """What web and worker said last."""
        return self._log_file.read_text(errors="replace")[-8000:]

    def close(self) -> None:
        """End everything."""
        for part in self._processes:
            if self._processes[part].poll() is None:
                self.kill(part)
        self.server.stop()
        self._log.close()


def until(condition: Callable[[], object], what: Callable[[], str]) -> None:
    """Wait for something that other processes do."""
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain for {what()}"
        pause.wait(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
