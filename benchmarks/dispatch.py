"""Whether asking an organization's plugins takes longer when more are installed than it has."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from benchmarks.addons import import_addons, write_addons
from benchmarks.measure import Section, Series, interleave
from ringstead.api import SearchHit
from ringstead.plugins.gate import Gate
from ringstead.plugins.loader import LoadedPlugin, load_module, new_manager
from ringstead.plugins.registry import CORE, Registry
from ringstead.web import plugin as core_plugin

INSTALLED = (5, 50, 500)
ENABLED = 5
_PAGES = 2_000


class _NoDatabase:
    """A session and connection without a database: what is measured is the dispatch, not the savepoints around it."""

    driver_connection = None

    def begin_nested(self) -> nullcontext[None]:
        return nullcontext()

    def connection(self) -> SimpleNamespace:
        return SimpleNamespace(exec_driver_sql=lambda statement: None, connection=self)

    def flush(self) -> None:
        """Nothing to write."""


def measure(folder: Path, rounds: int) -> Section:
    """Ask for navigation, cards, permissions and search hits, with few and many plugins installed."""
    names = write_addons(folder, max(INSTALLED), kind="many")
    modules = import_addons(folder, names)
    core = load_module(CORE, core_plugin, "ringstead")
    cases: dict[str, Callable[[], float]] = {}
    for count in INSTALLED:
        loaded = [load_module(name, module) for name, module in modules[:count]]
        registry = Registry([core, *loaded], strict=True)
        enabled = frozenset(names[:ENABLED])
        cases[f"gate {count}"] = partial(_pages, registry, enabled)
        cases[f"pluggy {count}"] = partial(_plain, _manager(loaded), registry)
    seen = {name: Series(tuple(values)) for name, values in interleave(rounds, cases).items()}
    section = Section("Asking an organization's plugins")
    for count in INSTALLED[1:]:
        ratio = seen[f"gate {count}"] / seen[f"gate {INSTALLED[0]}"]
        section.at_most(f"{ENABLED} plugins on of {count} installed, against {INSTALLED[0]}", ratio, 1.2)
    section.table(
        ["µs a page", *(f"{count} installed" for count in INSTALLED)],
        [
            ["registry and gate", *(f"{seen[f'gate {n}'].median:.1f}" for n in INSTALLED)],
            [
                "the search hook alone, by plain pluggy",
                *(f"{seen[f'pluggy {n}'].median:.1f}" for n in INSTALLED),
            ],
        ],
    )
    section.text.append(
        f"A page asks for the navigation, the cards, the permissions of a role and one ask hook of {ENABLED} plugins "
        "and the core. No database: the savepoint around each answer is not counted."
    )
    return section


def _manager(loaded: list[LoadedPlugin]) -> Any:
    manager = new_manager()
    for plugin in loaded:
        manager.register(plugin.module, plugin.name)
    return manager


def _context(features: Any, permissions: frozenset[str]) -> Any:
    # The core's own search would look for colleagues, in a database that is not there.
    permissions -= {"core:colleague:read"}
    return SimpleNamespace(
        features=features,
        permissions=permissions,
        organization=SimpleNamespace(id=uuid4()),
        can=permissions.__contains__,
        account=None,
    )


def _pages(registry: Registry, enabled: frozenset[str]) -> float:
    gate, session = Gate(registry), _NoDatabase()
    started = time.perf_counter()
    for _ in range(_PAGES):
        features = registry.feature_set(enabled)
        context = _context(features, features.role_permissions("subscriber"))
        links = [o for o in features.navigation if context.can(o.item.permission)]
        cards = [o for o in features.cards if context.can(o.item.permission)]
        hits = gate.ask("search", context, session, SearchHit, query="thing", limit=5)  # type: ignore[arg-type]
        assert len(links) >= ENABLED
        assert len(cards) >= ENABLED
        assert len(hits) >= ENABLED
    return (time.perf_counter() - started) / _PAGES * 1e6


def _plain(manager: Any, registry: Registry) -> float:
    context = _context(registry.feature_set(frozenset()), frozenset())
    pages = _PAGES // 10
    started = time.perf_counter()
    for _ in range(pages):
        manager.hook.search(ctx=context, session=None, query="thing", limit=5)
    return (time.perf_counter() - started) / pages * 1e6
