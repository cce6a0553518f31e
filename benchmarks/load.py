"""Load a site with wrk (a Debian package), or with our own small client where there is none."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Target:
    """One request of the load: an address, its host, and a cookie (`name=value`, or nothing)."""

    path: str
    host: str
    cookie: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load saw: requests a second, milliseconds, answers of 400 and above, broken or late connections."""

    rate: float
    p50: float
    p99: float
    refused: int
    broken: int


def find_wrk() -> str | None:
    """The path of wrk; on Debian, as root, it is installed when missing."""
    if not shutil.which("wrk") and shutil.which("apt-get") and os.geteuid() == 0:
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "wrk"]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return shutil.which("wrk")


def generator_name() -> str:
    """The load generator in words, for the report."""
    return "wrk" if find_wrk() else "the harness's own client (benchmarks/client.py)"


def write_targets(targets: Sequence[Target]) -> Path:
    """A file of targets for the load generators, in the folder for temporary files."""
    lines = (f"{t.path}\t{t.host}\t{t.cookie}\n" for t in targets)
    with tempfile.NamedTemporaryFile("w", suffix=".targets", delete=False) as stream:
        stream.writelines(lines)
    return Path(stream.name)


def load(port: int, targets: Path, seconds: float, connections: int = 4) -> Load:
    """Load a port of this machine with keep-alive connections that go round through `targets`."""
    wrk = find_wrk()
    if wrk:
        script = ["-s", str(HERE / "rotate.lua"), f"http://127.0.0.1:{port}", "--", str(targets)]
        command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", *script]
    else:
        command = [sys.executable, "-m", "benchmarks.client", str(port), str(seconds), str(connections)]
        command.append(str(targets))
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE.parent)
    seen = json.loads(done.stdout.partition("RESULT ")[2])
    return Load(
        rate=seen["requests"] / seen["microseconds"] * 1e6,
        p50=seen["p50"] / 1000,
        p99=seen["p99"] / 1000,
        refused=seen["refused"],
        broken=seen["broken"],
    )


def fetch(port: int, target: Target) -> tuple[int, bytes]:
    """One request by hand: status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Host": target.host} | ({"Cookie": target.cookie} if target.cookie else {})
    connection.request("GET", target.path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body
