"""`ringstead demo`: the whole portal on one machine, with two fictional partners; Ctrl-C ends all of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ringstead.cli.db import migrate_all
from ringstead.cli.serve import supervise
from ringstead.logs import configure_logging
from ringstead.serving import check_port
from ringstead.settings import Settings, load_settings

if TYPE_CHECKING:
    from ringstead.db.engine import DatabaseUrls

_WAIT_SECONDS: Final = 60
_ROLE_NAMES: Final = {
    "subscriber": "Subscriber",
    "org_admin": "Organization admin",
    "partner_admin": "Partner admin",
    "partner_support": "Partner support",
}


@click.command()
def demo() -> None:
    """Start database, web and jobs with demonstration data. Ctrl-C stops everything it started."""
    quiet: dict[str, Any] = {"log_level": "warning"} if _log_level_is_default() else {}
    settings = load_settings(list_demo_sites=True, **quiet)
    configure_logging(settings.log_level, settings.log_format)
    with _only_one(settings):
        check_port(settings.host, settings.port)
        # From the second start on there is little to set up, and web and jobs start meanwhile. The first time they
        # wait: Ctrl-C is heard at once only before they run.
        is_first = not (settings.var_dir / "demo.json").exists()
        _say("Starting the database ...")
        code = supervise(
            settings,
            ["serve", "worker"],
            "owner",
            "operator",
            prepare=lambda urls: _prepare(settings, urls, is_first),
            when_started=lambda urls: _announce_when_up(settings, urls, is_first),
        )
    _say("Stopped.")
    sys.exit(code)


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold var/demo.lock: a second demo in the same folder would change the first one's addresses under it."""
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    with (settings.var_dir / "demo.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise click.ClickException(
                f"A demo runs already on port {lock.read().strip() or 'unknown'}, with its data in {settings.var_dir}. "
                "Mend: use that one, or stop it with Ctrl-C; or give this one a folder of its own, "
                f"RINGSTEAD_VAR_DIR=var2 make run PORT={settings.port}."
            ) from None
        lock.truncate(0)
        lock.write(str(settings.port))
        lock.flush()
        yield


def show_sign_ins(file: Path) -> None:
    """Print addresses and sign-ins from var/demo.json: a table per address, a line per role and organization."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    told = json.loads(file.read_text(encoding="utf-8"))
    names = {(o["partner"], o["slug"]): o["name"] for o in told.get("organizations", [])}
    # Without a terminal (a log, a pipe) nothing needs to fit a screen.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=120)
    for addresses, is_staff in ((told["portals"], False), (told["consoles"], True)):
        for partner, address in sorted(addresses.items()):
            table = Table("Who", title=address, title_justify="left", box=SIMPLE, pad_edge=False)
            table.add_column("Email", no_wrap=True)
            table.add_column("Password", no_wrap=True)
            for account in _one_of_each(told["accounts"]):
                if account["partner"] == partner and account["role"].startswith("partner_") == is_staff:
                    table.add_row(_who(account, names), account["login"], account["password"])
            console.print(table)
    console.print(f"All {len(told['accounts'])} sign-ins and the switch's key are in {file}.", soft_wrap=True)


def _who(account: dict[str, Any], names: dict[tuple[str, str], str]) -> str:
    role = _ROLE_NAMES.get(account["role"], account["role"])
    slug = account["organization"]
    return f"{role}, {names.get((account['partner'], slug), slug)}" if slug else role


def _one_of_each(accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    for account in accounts:
        first.setdefault((account["partner"], account["organization"] or "", account["role"]), account)
    return list(first.values())


def _prepare(settings: Settings, urls: DatabaseUrls, is_first: bool) -> None:
    _say("Bringing the tables up to date ...")
    migrate_all(settings, urls.owner)
    if is_first:
        _set_up(settings, urls)
    _say("Starting web and jobs ...")


def _set_up(settings: Settings, urls: DatabaseUrls) -> None:
    # Imported here, as below: what a start does not need yet costs it time.
    from ringstead.demo import DemoError, run_demo_setup
    from ringstead.tenancy.bundles import BundleError

    _say("Setting up the demonstration partners and their calls ...")
    try:
        run_demo_setup(settings, urls)
    except (DemoError, BundleError) as error:
        raise click.ClickException(str(error)) from error


def _announce_when_up(settings: Settings, urls: DatabaseUrls, is_first: bool) -> None:
    arguments = (settings, None if is_first else urls)
    threading.Thread(target=_announce, args=arguments, name="announce", daemon=True).start()


def _announce(settings: Settings, urls: DatabaseUrls | None) -> None:
    """Say that the portal stands; with `urls`, bring the demo up to date meanwhile and send new calls after that."""
    from ringstead.demo.catching_up import CatchingUp

    catching_up = CatchingUp(settings, urls) if urls is not None else None
    if catching_up is not None:
        catching_up.apply()
    deadline = time.monotonic() + _WAIT_SECONDS
    while not _is_up(settings):
        if time.monotonic() > deadline:
            _say(
                "The web server does not answer. The messages above say why; `ringstead doctor` may tell more."
            )
            return
        time.sleep(0.1)
    show_sign_ins(settings.var_dir / "demo.json")
    _say("Ready. Ctrl-C stops everything.")
    if catching_up is not None:
        catching_up.send_calls()


def _is_up(settings: Settings) -> bool:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    request = urllib.request.Request(
        f"http://{host}:{settings.port}/healthz", headers={"Host": settings.platform_hosts[0]}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _log_level_is_default() -> bool:
    return load_settings().source("log_level") == "default"


def _say(text: str) -> None:
    print(text, flush=True)
