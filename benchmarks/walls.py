"""What row-level security costs the page, and how many statements the page makes."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

from sqlalchemy import event

from benchmarks.load import Load, Target, load, write_targets
from benchmarks.measure import Section, Series, interleave
from benchmarks.site import Site
from benchmarks.world import World
from ringstead.serving import APP_FACTORY, build_app

_PAGES = 150


def measure(world: World, page: str, rounds: int, seconds: float) -> Section:
    """The page as the application's role and as one that row-level security does not hold, by load and in process."""
    targets = [visitor.target(page) for visitor in world.visitors]
    with_, without = world.environment(), world.environment(world.bypass_urls)
    file = write_targets(targets)
    with contextlib.ExitStack() as stack:
        sites = {
            "with": stack.enter_context(Site(APP_FACTORY, targets[0], with_)),
            "without": stack.enter_context(Site(APP_FACTORY, targets[0], without)),
        }
        for site in sites.values():
            load(site.port, file, 1)
        cases: dict[str, Callable[[], Load]] = {
            name: partial(load, site.port, file, seconds) for name, site in sites.items()
        }
        loads = interleave(rounds, cases)
    file.unlink()
    alone = _in_process(world, targets, rounds, (with_, without))
    rates = {name: Series(tuple(x.rate for x in seen)) for name, seen in loads.items()}
    section = Section("The second wall")
    section.at_most(
        "page time with row-level security against without", alone["with"] / alone["without"], 1.12
    )
    section.table(
        ["", "with", "without", "ratio"],
        [
            ["µs a page, in process", *_row(alone, 0, invert=False)],
            ["req/s under load", *_row(rates, 0, invert=False)],
        ],
    )
    section.text.append(
        "*without*: the same application as a role with BYPASSRLS, which exists for this comparison only; the session "
        "makes the same calls, the policies are not applied."
    )
    _statements(section, world, targets[0])
    return section


def _row(seen: dict[str, Series], digits: int, invert: bool) -> list[str]:
    with_, without = seen["with"], seen["without"]
    ratio = (without / with_ if invert else with_ / without).median
    return [f"{with_.median:.{digits}f}", f"{without.median:.{digits}f}", f"{ratio:.2f}"]


@contextlib.contextmanager
def application(environment: dict[str, str]) -> Any:
    """The application in this very process, with the plugins of `environment` on the import path."""
    path = [p for p in environment["PYTHONPATH"].split(os.pathsep) if p not in sys.path]
    sys.path[:0] = path
    try:
        with mock.patch.dict(os.environ, environment, clear=True):
            app: Any = build_app()
    finally:
        del sys.path[: len(path)]
    try:
        yield app
    finally:
        app.close()


def ask(app: Any, target: Target) -> bytes:
    """One page from an application in this process; anything but 200 is an error."""
    path, _, query = target.path.partition("?")
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": query,
        "SERVER_NAME": target.host, "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": target.host, "HTTP_COOKIE": target.cookie, "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": sys.stdin, "wsgi.errors": sys.stderr,
        "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    answered: list[str] = []
    body = b"".join(app(environ, lambda status, headers, *_: answered.append(status)))
    if answered != ["200 OK"]:
        raise RuntimeError(f"{target.path} answered {answered}: {body[:500]!r}")
    return body


def _in_process(
    world: World, targets: list[Target], rounds: int, environments: tuple[dict[str, str], dict[str, str]]
) -> dict[str, Series]:
    with application(environments[0]) as held, application(environments[1]) as free:
        cases = {"with": partial(_timed, held, targets), "without": partial(_timed, free, targets)}
        for case in cases.values():
            case()
        return {name: Series(tuple(values)) for name, values in interleave(rounds, cases).items()}


def _timed(app: Any, targets: list[Target]) -> float:
    started = time.perf_counter()
    for number in range(_PAGES):
        ask(app, targets[number % len(targets)])
    return (time.perf_counter() - started) / _PAGES * 1e6


def _statements(section: Section, world: World, target: Target) -> None:
    """Count what one page, whose caches are filled, sends to the database."""
    seen: list[str] = []
    with application(world.environment()) as app:
        ask(app, target)
        ask(app, target)
        engine = app.database.app_engine
        event.listen(engine, "before_cursor_execute", lambda *a: seen.append(" ".join(a[2].split())))
        ask(app, target)
    section.at_most("statements of the call-log page", Series((float(len(seen)),)), 4, digits=0)
    shown = [
        f"{number}. `{text[:100]}{' …' if len(text) > 100 else ''}`" for number, text in enumerate(seen, 1)
    ]
    section.text.append("The statements of a call-log page, beside BEGIN and COMMIT:\n\n" + "\n".join(shown))
