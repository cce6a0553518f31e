"""Serve a WSGI application with worker processes under granian, gunicorn or waitress.

Whatever the server, an application is named by the path of its factory, `module:function`, which each worker process
calls for itself with the settings and the database's addresses: so nothing that cannot be shared, such as a database
connection, ever crosses a fork. Settings travel to worker processes in the environment.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from ringstead.db.embedded import database_urls
from ringstead.db.engine import DatabaseUrls
from ringstead.logs import configure_logging
from ringstead.settings import Settings, load_settings, to_environment
from ringstead.supervisor import Child, Supervisor, die_with_parent

APP_FACTORY: Final = "ringstead.app:make_app"
_GRACE_SECONDS: Final = 10
_BACKLOG: Final = 1024
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class PortTaken(Exception):
    """Another program listens on the port; the message names the mend."""


def check_port(host: str, port: int) -> None:
    """Raise `PortTaken` when nobody else may listen on the port."""
    try:
        _listen(host, port).close()
    except OSError as error:
        raise PortTaken(_why_not(host, port, error)) from error


def child_environment(settings: Settings, urls: DatabaseUrls) -> dict[str, str]:
    """The environment for child processes: ours, with the settings in force and the database where it is."""
    return os.environ | to_environment(
        settings, database_url=urls.app, database_owner_url=urls.owner, database_operator_url=urls.operator
    )


def build_app(factory_path: str = APP_FACTORY) -> WsgiApp:
    """Make the application in this process from the settings in its environment."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        # A forked worker has its parent's handlers, which would swallow an end that comes while the application is
        # being made; the server sets its own afterwards.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(parent.pid)
    # Next to nothing that starting makes is garbage: neither looked through while it comes, nor ever again.
    gc.disable()
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    module, _, function = factory_path.partition(":")
    app: WsgiApp = getattr(importlib.import_module(module), function)(settings, database_urls(settings))
    gc.freeze()
    gc.enable()
    return app


def serve_forever(
    settings: Settings, urls: DatabaseUrls, factory_path: str = APP_FACTORY, server: str | None = None
) -> int:
    """Listen and serve until SIGINT or SIGTERM; returns the exit code. `server` overrides the setting's choice.

    Raises `PortTaken` before anything starts.
    """
    check_port(settings.host, settings.port)
    os.environ.update(child_environment(settings, urls))
    # Workers are forked, or start from scratch, after this: forked ones share what is imported here.
    importlib.import_module(factory_path.partition(":")[0])
    serve = {"granian": _serve_granian, "gunicorn": _serve_gunicorn, "waitress": _serve_waitress}
    return serve[server or settings.server](settings, factory_path)


def _serve_granian(settings: Settings, factory_path: str) -> int:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    server = Granian(
        factory_path,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_workers,
        blocking_threads=settings.web_threads,
        backlog=_BACKLOG,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=_GRACE_SECONDS,
    )
    server.serve(target_loader=build_app)
    return 0


def _serve_gunicorn(settings: Settings, factory_path: str) -> int:
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
        def load_config(self) -> None:
            for name, value in _gunicorn_options(settings).items():
                self.cfg.set(name, value)

        def load(self) -> WsgiApp:
            return build_app(factory_path)

    Application().run()
    return 0


def _gunicorn_options(settings: Settings) -> dict[str, Any]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        "bind": f"{host}:{settings.port}",
        "backlog": _BACKLOG,
        "worker_class": "gthread",
        "workers": settings.web_workers,
        "threads": settings.web_threads,
        "timeout": 60,
        "graceful_timeout": _GRACE_SECONDS,
        "loglevel": "warning",
        "control_socket_disable": True,
        # Who may set X-Forwarded-* is decided by the application, from trusted_proxy_hops.
        "secure_scheme_headers": {},
        "forwarder_headers": "",
    }


def _serve_waitress(settings: Settings, factory_path: str) -> int:
    """Waitress has threads only: each worker is a process of ours, all accepting from one listening socket."""
    with _listen(settings.host, settings.port) as listener:
        command = [sys.executable, "-m", "ringstead.serving", f"--parent={os.getpid()}"]
        command += [f"--socket={listener.fileno()}", f"--factory={factory_path}"]
        workers = range(1, settings.web_workers + 1)
        return Supervisor([Child(f"web-{n}", command, (listener.fileno(),)) for n in workers]).run()


def _waitress_worker(descriptor: int, factory_path: str) -> None:
    import waitress

    settings = load_settings()
    waitress.serve(
        build_app(factory_path),
        sockets=[socket.socket(fileno=descriptor)],
        threads=settings.web_threads,
        ident=None,
        max_request_body_size=settings.max_body_bytes + 1,
        # Who may set X-Forwarded-* is decided by the application, from trusted_proxy_hops.
        clear_untrusted_proxy_headers=False,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken by another program. "
            f"Mend: choose another port, make run PORT={port + 1} (or RINGSTEAD_PORT={port + 1})."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} may only be used by root. Mend: choose one above 1023, make run PORT=8080."
    return f"Nobody can listen on {host}:{port} here: {error.strerror}. Mend: set RINGSTEAD_HOST and RINGSTEAD_PORT."


def _main() -> None:
    """The command line of a waitress worker process; `_serve_waitress` is its only caller."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--factory", required=True)
    arguments = parser.parse_args()
    die_with_parent(arguments.parent)
    _waitress_worker(arguments.socket, arguments.factory)


if __name__ == "__main__":
    _main()
