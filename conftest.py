"""Fixtures for every room: the testing kit that plugin writers use too, and the portal under its real server."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings

from ringstead.db.engine import DatabaseUrls
from ringstead.serving import child_environment
from ringstead.settings import load_settings

pytest_plugins = ("ringstead.api.testing",)
# A test says what is so, never how soon on this machine: neither an example nor the drawing of one has a time. Fixtures
# of a function are shared by its examples on purpose: making a partner for each would be most of the work.
settings.register_profile(
    "ringstead",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("ringstead")

SERVE = """
import sys
from ringstead.db.embedded import database_urls
from ringstead.serving import serve_forever
from ringstead.settings import load_settings
settings = load_settings()
sys.exit(serve_forever(settings, database_urls(settings), sys.argv[1]))
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder outside pytest's own, whose parent any other test run locks against the server's system user."""
    with tempfile.TemporaryDirectory(prefix="ringstead-") as folder:
        yield Path(folder)


@pytest.fixture
def served(tmp_path: Path, database_urls: DatabaseUrls) -> Iterator[Callable[..., str]]:
    """`served(factory=…, **settings)`: one web process on the test database, under the server of a deployment.

    Gives its address; modules in `tmp_path` can be imported there.
    """
    with ExitStack() as processes:

        def serve(factory: str = "ringstead.app:make_app", **settings: object) -> str:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            chosen = load_settings(
                env={}, var_dir=tmp_path, port=port, web_workers=1, secret_key="t" * 40, **settings
            )
            environment = child_environment(chosen, database_urls) | {"PYTHONPATH": str(tmp_path)}
            command = [sys.executable, "-c", SERVE, factory]
            process = subprocess.Popen(command, env=os.environ | environment, process_group=0)
            processes.callback(process.wait)
            processes.callback(process.terminate)
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process)
            return address

        yield serve


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{address}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the portal does not answer")
