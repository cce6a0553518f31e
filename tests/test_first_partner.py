"""docs/first-partner.md, as it stands: its commands in its order, over an empty database, with real HTTP and SMTP."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

pytestmark = [pytest.mark.slow]

PAGE = (Path(__file__).parents[1] / "docs" / "first-partner.md").read_text(encoding="utf-8")
COMMANDS = [found[1].strip() for found in re.finditer(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
STEPS = re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)
PASSWORD = "heron lantern quarry"
_PATIENCE = 120.0


class Inbox:
    """A mail server that keeps what it takes."""

    def __init__(self) -> None:
        self.taken: dict[str, EmailMessage] = {}

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.taken[envelope.rcpt_tos[0]] = message
        return "250 OK"

    def text_to(self, email: str) -> str:
        """What the mail to somebody says."""
        body = self.taken[email].get_body(("plain",))
        assert body is not None
        return str(body.get_content())


class Desk:
    """A newcomer's shell in an empty folder."""

    def __init__(self, folder: Path, mail_url: str) -> None:
        self.folder, self.port = folder, free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RINGSTEAD_")}
        self.environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "RINGSTEAD_PORT": str(self.port),
            "RINGSTEAD_MAIL_URL": mail_url,
            "RINGSTEAD_WEB_WORKERS": "1",
        }
        self.log = folder / "shell.log"
        self._behind: list[subprocess.Popen[bytes]] = []

    def run(self, command: str) -> str:
        """What a command said; one that ends with `&` goes on until the end."""
        if command.endswith("&"):
            with self.log.open("ab") as log:
                shell = subprocess.Popen(
                    ["bash", "-c", f"exec {command.removesuffix('&')}"],
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._behind.append(shell)
            return ""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def end(self) -> None:
        """Stop what runs behind, gently first."""
        for shell in self._behind:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGTERM)
        for shell in self._behind:
            try:
                shell.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(shell.pid, signal.SIGKILL)
                shell.wait()

    def browser(self, host: str) -> httpx.Client:
        """Somebody who looks at a host on this machine."""
        headers = {"Host": f"{host}:{self.port}", "Origin": f"http://{host}:{self.port}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)

    def until(self, is_so: Callable[[], object]) -> None:
        """Wait for something that a process behind does."""
        deadline = time.monotonic() + _PATIENCE
        while not is_so():
            said = self.log.read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, f"it did not come about; the processes said:\n{said}"
            assert all(shell.poll() is None for shell in self._behind), said
            time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, str]]:
    inbox, port = Inbox(), free_port()
    server = Controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    yield inbox, f"smtp://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def desk(tmp_path: Path, inbox: tuple[Inbox, str]) -> Iterator[Desk]:
    desk = Desk(tmp_path, inbox[1])
    yield desk
    desk.end()


def test_ten_steps_at_most() -> None:
    assert [int(step) for step in STEPS] == list(range(1, len(STEPS) + 1))
    assert len(STEPS) <= 10
    assert len(COMMANDS) == 7


def test_the_page_leads_to_a_branded_sign_in_and_a_subscriber_who_is_in(
    desk: Desk, inbox: tuple[Inbox, str]
) -> None:
    said = [desk.run(command) for command in COMMANDS]
    (portal, path), *_more = re.findall(r"<http://([\w.]+):8080(/[\w-]+)>", PAGE)
    juno, ada = "juno@junipertea.example", "ada@acme.example"
    assert f"invitation to {juno}" in said[4]

    reader = desk.browser(portal)
    desk.until(lambda: answers(reader))
    page = reader.get(path)
    assert page.status_code == 200
    assert "Acme Voice" in page.text
    assert "ringstead" not in page.text.lower()
    (sheet,) = re.findall(r'href="(/brand/[0-9a-f]+\.css)"', page.text)
    assert "#7a2fb8" in reader.get(sheet).text

    desk.until(lambda: {juno, ada} <= set(inbox[0].taken))
    start = f"http://{portal}:{desk.port}/reset/"
    assert start in inbox[0].text_to(juno)
    choose_password(reader, link_in(inbox[0].text_to(juno)))
    sign_in(reader, juno)
    assert "Juno Kettering" in reader.get("/").text

    link = link_in(inbox[0].text_to(ada))
    assert link in said[1], "the command prints what the mail holds"
    admin = desk.browser("console.acme.localhost")
    choose_password(admin, link)
    sign_in(admin, ada)
    assert "Juniper Tea" in admin.get("/organizations").text


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/sign-in").status_code == 200
    except httpx.TransportError:
        return False


def link_in(mail: str) -> str:
    found = re.search(r"http://\S+(/reset/[\w-]{43})", mail)
    assert found, mail
    return found[1]


def token_of(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found, f"{path} has a form"
    return found[1]


def choose_password(client: httpx.Client, path: str) -> None:
    form = {"csrf_token": token_of(client, path), "password": PASSWORD, "again": PASSWORD}
    assert client.post(path, data=form).status_code == 303


def sign_in(client: httpx.Client, email: str) -> None:
    form = {"csrf_token": token_of(client, "/sign-in"), "email": email, "password": PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 303
