"""A real browser on a really listening portal, with people of its own."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import waitress
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from ringstead.api.testing import PASSWORD, Person, Tenants
from ringstead.auth.passwords import Passwords
from ringstead.db.engine import Database
from ringstead.tenancy.models import Account

CHROMIUM_PATH_FILE = Path(__file__).parents[2] / "var" / "chromium-path"
MEND = "run `make test`, which finds or installs Chromium, or `python tools/ensure_chromium.py`"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass(frozen=True)
class LiveServer:
    """The portal, listening on a port of this machine."""

    port: int
    app: Any

    def url(self, person: Person, path: str = "/", site: str = "portal") -> str:
        """An address of the person's partner."""
        prefix = "console." if site == "console" else ""
        return f"http://{prefix}{person.partner.slug}.test:{self.port}{path}"


@pytest.fixture(scope="session")
def live_server(app_with: Callable[..., Any]) -> Iterator[LiveServer]:
    """The application under waitress in a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = app_with(port=port)
    server = waitress.create_server(app, sockets=[listener], threads=4, clear_untrusted_proxy_headers=True)
    thread = threading.Thread(target=server.run, name="live-server", daemon=True)
    thread.start()
    yield LiveServer(port, app)
    server.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as `make test` found it."""
    if not CHROMIUM_PATH_FILE.exists():
        pytest.fail(f"no Chromium is known; {MEND}")
    executable = CHROMIUM_PATH_FILE.read_text().strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_browser(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """`open_browser(phone=False, dark=False, javascript=True)`: a fresh page that fails the test on a script error."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(phone: bool = False, dark: bool = False, javascript: bool = True) -> Page:
        context = browser.new_context(
            viewport=PHONE if phone else DESKTOP,
            has_touch=phone,
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        page.on("console", lambda message: problems.append(message.text) if _is_problem(message) else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


def _is_problem(message: Any) -> bool:
    # A page that says 404 or 422 on purpose is logged as an error too; broken policy or script is what we look for.
    return message.type == "error" and "Failed to load resource" not in message.text


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of `PASSWORD`, made once."""
    return Passwords().hash(PASSWORD)


@pytest.fixture
def with_password(database: Database, password_hash: str) -> Callable[[Person], Person]:
    """Give a person the password `PASSWORD`."""

    def give(person: Person) -> Person:
        with database.in_partner(person.partner.id) as session:
            session.get_one(Account, (person.partner.id, person.account.id)).password_hash = password_hash
        return person

    return give


@pytest.fixture
def sign_in_cookie(live_server: LiveServer, tenants: Tenants) -> Callable[..., None]:
    """`sign_in_cookie(page, person)`: sign the browser in without the sign-in page."""

    def sign_in(page: Page, person: Person, site: str = "portal") -> None:
        token = tenants.session_token(person, site)
        page.context.add_cookies([{"name": "sid", "value": token, "url": live_server.url(person, site=site)}])

    return sign_in
