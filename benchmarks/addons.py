"""Tiny but real plugins: each has a page, an entry in the navigation, a card, a permission and a search hook.

They are written as distributions into a folder; put on the import path, that folder is as good as `pip install`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

_PLUGIN = """\
from sqlalchemy import literal, select
from ringstead.api import Card, NavItem, Permission, PluginInfo, Route, SearchHit, hookimpl, translations

_ = translations("{package}")
READ = Permission(
    name="{name}:thing:read", title=_("Read things"), default_roles=frozenset({{"subscriber", "org_admin"}})
)


def page(context, request):
    return {{"title": _("Things {number}"), "count": 3}}


@hookimpl
def plugin_info():
    return PluginInfo(name="{name}", title="Things {number}", version="1.0", api=(1, 0), package="{package}")


@hookimpl
def declare_permissions():
    return [READ]


@hookimpl
def declare_routes():
    return [Route(
        name="{name}.list", pattern="/{name}", view=page, permission=READ.name, renderer="{name}/list.pt"
    )]


@hookimpl
def declare_navigation():
    return [NavItem(
        id="{name}.list", title=_("Things {number}"), route="{name}.list", permission=READ.name,
        section="addons",
    )]


@hookimpl
def declare_cards():
    return [Card(
        id="{name}.latest", title=_("Things {number}"), permission=READ.name, template="{name}/card.pt",
        query=lambda ctx: select(literal({number}).label("things")),
        present=lambda ctx, rows: {{"count": rows[0]["things"]}},
    )]


@hookimpl
def search(ctx, session, query, limit):
    return [SearchHit(title="Thing {number}", url="/{name}")] if query == "thing" else []
"""

_PAGE = """\
<metal:page xmlns:metal="http://xml.zope.org/namespaces/metal" use-macro="shell">
<metal:main fill-slot="main"><h1>${title}</h1><p>${count}</p></metal:main>
</metal:page>
"""


def write_addons(folder: Path, count: int, kind: str = "thing") -> list[str]:
    """Write `count` plugins and the metadata that makes them installed; returns their names."""
    names = [f"{kind}{number:03}" for number in range(count)]
    for number, name in enumerate(names):
        package = folder / f"bench_{name}"
        templates = package / "templates" / name
        templates.mkdir(parents=True)
        (package / "__init__.py").touch()
        source = _PLUGIN.format(name=name, package=package.name, number=number)
        (package / "plugin.py").write_text(source)
        (templates / "list.pt").write_text(_PAGE)
        (templates / "card.pt").write_text("<p>${count}</p>\n")
    metadata = folder / f"bench_{kind}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: bench-{kind}\nVersion: 1.0\n")
    lines = [f"{name} = bench_{name}.plugin\n" for name in names]
    (metadata / "entry_points.txt").write_text("[ringstead.plugins]\n" + "".join(lines))
    return names


def import_addons(folder: Path, names: list[str]) -> list[tuple[str, ModuleType]]:
    """Import written plugins into this process."""
    sys.path.insert(0, str(folder))
    try:
        return [(name, importlib.import_module(f"bench_{name}.plugin")) for name in names]
    finally:
        sys.path.remove(str(folder))
