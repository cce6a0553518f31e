"""Keep child processes running, and end all of them together.

Every child runs in a process group of its own, so that Ctrl-C at the terminal reaches the supervisor only, which
then ends the children in order. A child that ends by itself is started again, later each time. If the supervisor
itself is killed, its children end too: each calls `die_with_parent`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

import structlog

EXIT_UNUSABLE: Final = 78  # EX_CONFIG of sysexits.h: starting again cannot help
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 10.0
_HEALTHY_SECONDS: Final = 5.0
_TICK: Final = 0.2
_PR_SET_PDEATHSIG: Final = 1
log = structlog.get_logger(__name__)


def die_with_parent(parent: int) -> None:
    """End this process when its parent, which has the process id `parent`, ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), name="parent-watch", daemon=True).start()
    if os.getppid() != parent:  # it ended before we could ask
        os._exit(1)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


@dataclass(slots=True)
class Child:
    """A process to keep running. `command` is what `subprocess.Popen` takes."""

    name: str
    command: Sequence[str]
    pass_fds: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    due_at: float = field(default=0.0, init=False)
    delay: float = field(default=_FIRST_DELAY, init=False)

    def start(self, environment: Mapping[str, str] | None) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command, env=environment, stdin=subprocess.DEVNULL, pass_fds=self.pass_fds, process_group=0
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child, and for SIGKILL to whatever it left behind."""
        if self.process is None:
            return
        try:
            if number is signal.SIGKILL:
                os.killpg(self.process.pid, number)
            elif self.process.poll() is None:
                self.process.send_signal(number)
        except ProcessLookupError:
            pass


class Supervisor:
    """Runs children until a signal says stop. Not for threads: it uses the main thread's signals."""

    def __init__(
        self,
        children: Sequence[Child],
        environment: Mapping[str, str] | None = None,
        each_tick: Callable[[], None] = lambda: None,
        grace: float = 15.0,
    ) -> None:
        self.children = list(children)
        self._environment = environment
        self._each_tick = each_tick
        self._grace = grace
        self._stopping = threading.Event()
        self.exit_code = 0

    def stop(self, exit_code: int = 0) -> None:
        """Ask for the end; `run` returns soon after."""
        self.exit_code = self.exit_code or exit_code
        self._stopping.set()

    def run(self, when_started: Callable[[], None] = lambda: None) -> int:
        """Start the children, keep them, and end them on SIGINT or SIGTERM. Returns the exit code."""
        previous = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            for child in self.children:
                child.start(self._environment)
            when_started()
            while not self._stopping.wait(_TICK):
                self._each_tick()
                for child in self.children:
                    self._look_after(child)
        finally:
            self._end_all()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self.exit_code

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.due_at:
                child.start(self._environment)
            return
        code = child.process.poll()
        if code is None:
            return
        child.signal(signal.SIGKILL)
        child.process = None
        if code == EXIT_UNUSABLE:
            self.stop(code)
            return
        child.delay = _FIRST_DELAY if now - child.started_at > _HEALTHY_SECONDS else child.delay
        log.warning("process.ended", process=child.name, exit_code=code, again_in_seconds=child.delay)
        child.due_at = now + child.delay
        child.delay = min(child.delay * 2, _LONGEST_DELAY)

    def _end_all(self) -> None:
        for child in self.children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        for child in self.children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("process.killed", process=child.name, why="it did not end in time")
            child.signal(signal.SIGKILL)
            child.process.wait()
            child.process = None
