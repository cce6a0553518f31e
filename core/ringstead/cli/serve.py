"""`ringstead serve` and `ringstead worker`, and the supervision that both share with the demo."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import click
import structlog

from ringstead.db.embedded import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    Role,
    database_urls,
    embedded_server,
)
from ringstead.db.engine import DatabaseUrls
from ringstead.logs import configure_logging
from ringstead.serving import child_environment, serve_forever
from ringstead.settings import Settings, load_settings
from ringstead.supervisor import Child, Supervisor, die_with_parent

log = structlog.get_logger(__name__)
_BEHIND_PAGES: Final = 10  # of nineteen degrees of giving way
_parent = click.option(
    "--parent", type=int, hidden=True, help="Process id to end with; set by the supervisor."
)


@click.command()
@_parent
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on, instead of the setting's.")
def serve(parent: int | None, port: int | None) -> None:
    """Serve the web pages and the switch interface (no jobs: see `ringstead worker`)."""
    overrides: dict[str, Any] = {"port": port} if port else {}
    settings = load_settings(**overrides)
    _begin(settings, parent)
    if settings.uses_embedded_database:
        sys.exit(supervise(settings, ["serve"]))
    sys.exit(serve_forever(settings, database_urls(settings)))


@click.command()
@_parent
def worker(parent: int | None) -> None:
    """Run background jobs: mail, events, partitions, exports."""
    if parent is not None:
        # Beside the web on one machine: whoever waits for a page comes first.
        os.nice(_BEHIND_PAGES)
    settings = load_settings()
    _begin(settings, parent)
    if settings.uses_embedded_database:
        sys.exit(supervise(settings, ["worker"]))
    from ringstead.worker import run_worker

    run_worker(settings, database_urls(settings))


def supervise(
    settings: Settings,
    commands: Sequence[str],
    *needed: Role,
    prepare: Callable[[DatabaseUrls], None] = lambda urls: None,
    when_started: Callable[[DatabaseUrls], None] = lambda urls: None,
) -> int:
    """Run `ringstead COMMAND` for each command as child processes, over the database that the settings name.

    An embedded server is started, kept running and stopped with them. `prepare` runs once it is up, before the
    children start; it may need other addresses than the app's. Returns the exit code.
    """
    with contextlib.ExitStack() as stack:
        server: EmbeddedPostgres | None = None
        if settings.uses_embedded_database:
            server = stack.enter_context(embedded_server(settings))
        urls = server.urls() if server else database_urls(settings, *needed)
        prepare(urls)
        children = [
            Child(name, [sys.executable, "-m", "ringstead.cli", name, f"--parent={os.getpid()}"])
            for name in commands
        ]
        supervisor = Supervisor(
            children, child_environment(settings, urls), each_tick=lambda: _keep_running(server)
        )
        return supervisor.run(lambda: when_started(urls))


def _begin(settings: Settings, parent: int | None) -> None:
    configure_logging(settings.log_level, settings.log_format)
    if parent is not None:
        die_with_parent(parent)


def _keep_running(server: EmbeddedPostgres | None) -> None:
    if server is None:
        return
    try:
        if server.ensure_running():
            log.warning("postgresql.restarted", why="its first process had ended")
    except EmbeddedPostgresError as error:
        log.error("postgresql.away", why=str(error))
