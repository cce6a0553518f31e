"""A clean environment with wheels of everything, and portals that run in it.

Clean means: its libraries are those that our distributions require at run time, and nothing else. They are linked
from this environment, so that no test downloads anything; whatever is used without being required is missing there.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import IO

import httpx
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ringstead.db.engine import DatabaseUrls

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("ringstead", "ringstead-calllogs", "ringstead-voicemail", "ringstead-portal")
# Beside the packages in a source folder: what is made there, and what is large and not packaged.
_NOT_SOURCE = {"benchmarks", "build", "dist", "docs", "node_modules", "tests", "var"}


@dataclass(frozen=True)
class Installation:
    """A virtual environment in `home` with the wheels of `wheels` installed."""

    home: Path
    wheels: Path

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    @property
    def ringstead(self) -> Path:
        return self.home / "bin" / "ringstead"

    def install(self, *names: str) -> None:
        """Install distributions from our wheels; fails when something that they require is missing."""
        _pip("--python", str(self.python), "install", "--find-links", str(self.wheels), *names)

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run `ringstead …` there and give what it said."""
        return subprocess.run(
            [str(self.ringstead), *arguments],
            env=_environment(env or {}),
            cwd=cwd or self.home,
            capture_output=True,
            text=True,
            timeout=120,
        )


def build_wheels(sources: Iterable[Path], folder: Path) -> None:
    """Build a wheel of each source folder, from copies: nothing that lay about in a `build/` gets in."""
    copies = []
    for number, source in enumerate(sources):
        copy = folder / "sources" / f"{number}-{source.name}"
        shutil.copytree(source, copy, ignore=_ignore(source))
        copies.append(str(copy))
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), *copies)


def _ignore(source: Path) -> Callable[[str, list[str]], set[str]]:
    def unwanted(folder: str, names: list[str]) -> set[str]:
        made = {name for name in names if name.startswith((".", "__pycache__")) or name.endswith(".egg-info")}
        return made | (_NOT_SOURCE if Path(folder) == source else set())

    return unwanted


def make_installation(home: Path, wheels: Path, extras: Iterable[str] = ()) -> Installation:
    """A fresh environment with the libraries that our distributions (and `extras` of the core) require."""
    _run([sys.executable, "-m", "venv", "--without-pip", str(home)])
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    target = home / "lib" / version / "site-packages"
    for installed in required_libraries(extras):
        _link(installed, target)
    return Installation(home, wheels)


def required_libraries(extras: Iterable[str] = ()) -> list[Distribution]:
    """The installed third-party distributions that ours require, directly and indirectly."""
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in OURS] + [("ringstead", extra) for extra in extras]
    while waiting:
        name, extra = waiting.pop()
        key = (canonicalize_name(name), extra)
        if key in done:
            continue
        done.add(key)
        found[key[0]] = distribution(name)
        for line in found[key[0]].requires or []:
            required = Requirement(line)
            if required.marker is None or required.marker.evaluate({"extra": extra}):
                waiting += [(required.name, wanted) for wanted in ("", *required.extras)]
    return [installed for name, installed in found.items() if name not in OURS]


def _link(installed: Distribution, target: Path) -> None:
    for file in installed.files or []:
        if ".." in file.parts or file.is_absolute():
            continue  # console scripts, which name this environment's Python
        source, place = Path(str(installed.locate_file(file))), target / file
        if source.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, place)
            except OSError:
                shutil.copy2(source, place)


@contextmanager
def once(folder: Path, name: str) -> Iterator[bool]:
    """True for the first of several test processes; the others wait until it is done and get False."""
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / f"{name}.done"
        first = not done.exists()
        yield first
        done.touch()


@dataclass
class Deployment:
    """A database and a folder that commands and portals of an installation use."""

    installation: Installation
    urls: DatabaseUrls
    var: Path
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self, **settings: str) -> dict[str, str]:
        """The settings as environment variables."""
        values = {
            "database_url": self.urls.app,
            "database_owner_url": self.urls.owner,
            "database_operator_url": self.urls.operator,
            "var_dir": str(self.var),
            "web_workers": "1",
            **self.settings,
            **settings,
        }
        return {f"RINGSTEAD_{name.upper()}": value for name, value in values.items()}

    def run(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a command with these settings."""
        return self.installation.run(*arguments, env=self.environment(**settings), cwd=self.var)

    @contextmanager
    def running(self, command: str, **settings: str) -> "Iterator[Running]":
        """A long-running command, ended when the block ends."""
        log = self.var / f"{command}.log"
        with log.open("a") as stream:
            process = self._start(command, stream, settings)
            try:
                yield Running(process, log)
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _start(self, command: str, log: IO[str], settings: dict[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [str(self.installation.ringstead), command],
            env=_environment(self.environment(**settings)),
            cwd=self.var,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    @contextmanager
    def serving(self, **settings: str) -> "Iterator[Portal]":
        """The web server on a free port, ready for requests."""
        port = free_port()
        with self.running("serve", port=str(port), **settings) as running:
            portal = Portal(port, running)
            wait_until(portal.is_ready, running)
            yield portal


@dataclass
class Running:
    """A process and where it says what."""

    process: "subprocess.Popen[bytes]"
    log_file: Path

    def log(self) -> str:
        """What it said so far."""
        return self.log_file.read_text()


@dataclass
class Portal:
    """A web server that runs."""

    port: int
    running: Running

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def browser(self, host: str, session: str | None = None) -> "Browser":
        """Somebody on a host, signed in if `session` is a token."""
        return Browser(self.port, host, session)


class Browser:
    """An HTTP client bound to one host name of a portal."""

    def __init__(self, port: int, host: str, session: str | None) -> None:
        self._host = host
        cookies = {"sid": session} if session else {}
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Host": host}, cookies=cookies, timeout=30
        )

    def get(self, path: str, status: int = 200, **headers: str) -> str:
        """The text of a page; its status must be `status`."""
        return self._checked(self._client.get(path, headers=headers), status)

    def post(self, path: str, status: int = 303, **values: str) -> str:
        """Send a form as a browser does, with the token of the account page."""
        page = self.get("/account")
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        assert token, "the account page has a form"
        form = {"csrf_token": token, **values}
        answer = self._client.post(path, data=form, headers={"Origin": f"http://{self._host}"})
        return self._checked(answer, status)

    def _checked(self, answer: httpx.Response, status: int) -> str:
        where = f"{answer.request.method} {answer.request.url.path}"
        assert answer.status_code == status, f"{where}: {answer.status_code}\n{answer.text[:3000]}"
        return answer.text


def wait_until(ready: Callable[[], bool], running: Running, seconds: float = 60) -> None:
    """Wait for another process's work; fails with its log when it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not ready():
        if running.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"it did not come about; the process said:\n{running.log()[-4000:]}")
        time.sleep(0.1)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would lead back to it, and with `settings`."""
    unwanted = ("RINGSTEAD_", "PYTHON", "VIRTUAL_ENV", "PYTEST_")
    return {k: v for k, v in os.environ.items() if not k.startswith(unwanted)} | dict(settings)


def _pip(*arguments: str) -> None:
    offline = {**os.environ, "PIP_NO_INDEX": "1", "PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    _run([sys.executable, "-m", "pip", *arguments], offline)


def _run(command: list[str], env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
