"""A site under measurement: an application served in processes of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks.load import Target, fetch

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Site:
    """An application (`factory`, as `module:function`) under a server. `probe` must answer 200 once it stands."""

    factory: str
    probe: Target
    environment: dict[str, str]
    server: str = "granian"
    workers: int = 1
    threads: int = 4
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environment = self.environment | {
            "RINGSTEAD_PORT": str(self.port),
            "RINGSTEAD_WEB_WORKERS": str(self.workers),
            "RINGSTEAD_WEB_THREADS": str(self.threads),
        }
        command = [sys.executable, "-m", "benchmarks.serve", self.server, self.factory, str(os.getpid())]
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT, process_group=0)
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server, kindly at first."""
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def wait(self, seconds: float = 60) -> None:
        """Wait until the probe answers 200."""
        deadline = time.monotonic() + seconds
        last = "no answer"
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.factory} under {self.server} ended with {self.process.returncode}")
            try:
                status, body = fetch(self.port, self.probe)
            except OSError:
                time.sleep(0.05)
                continue
            if status == 200:
                return
            last = f"{status} {body[:300]!r}"
            time.sleep(0.2)
        raise RuntimeError(f"{self.factory} under {self.server} does not stand: {last}")

    def worker_processes(self) -> list[psutil.Process]:
        """The processes that answer requests, oldest first."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        alive = [c for c in children if c.status() != psutil.STATUS_ZOMBIE and not _is_tracker(c)]
        return sorted(alive, key=lambda c: c.create_time())


def _is_tracker(process: psutil.Process) -> bool:
    # Python's own helper beside spawned processes.
    return any("resource_tracker" in word for word in process.cmdline())
