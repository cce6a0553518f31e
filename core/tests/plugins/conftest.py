"""Plugins made in memory or on disk, and contexts to ask them in."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
import structlog

from ringstead.api import API_VERSION, PluginInfo, hookimpl
from ringstead.plugins.loader import LoadedPlugin, load_module
from ringstead.plugins.registry import FeatureSet, Registry
from ringstead.preferences.cascade import Preferences
from ringstead.tenancy.context import OrganizationInfo, PartnerInfo, SiteInfo, TenantContext
from ringstead.tenancy.models import Organization

MakeModule = Callable[..., ModuleType]


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Tracebacks of contained faults as plain text: structlog's own way takes seconds for each."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])
    yield
    structlog.configure(**before)


@pytest.fixture
def module() -> MakeModule:
    """`module(name, hook=answer_or_function, …)`: a plugin module. `info` overrides fields of its PluginInfo."""

    def make(name: str = "sample", info: dict[str, Any] | None = None, **hooks: Any) -> ModuleType:
        made = ModuleType(f"{name}.plugin")
        said = {"name": name, "title": name.title(), "version": "1.0", "api": API_VERSION, "package": name}
        hooks.setdefault("plugin_info", lambda: PluginInfo(**{**said, **(info or {})}))
        for hook, answer in hooks.items():
            setattr(made, hook, hookimpl(answer if callable(answer) else _returning(answer)))
        return made

    return make


def _returning(answer: object) -> Callable[[], object]:
    return lambda: answer


@pytest.fixture
def loaded(module: MakeModule) -> Callable[..., LoadedPlugin]:
    """`loaded(name, **hooks)`: a plugin as the loader gives it."""

    def make(name: str = "sample", **hooks: Any) -> LoadedPlugin:
        return load_module(name, module(name, **hooks), f"{name}-dist 1.0")

    return make


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`distribution(name, source, entry=…)`: an installed distribution whose plugin module holds `source`."""
    before = set(sys.modules)

    def install(name: str, source: str, entry: str | None = None, version: str = "1.0") -> None:
        root = tmp_path / f"{name}-{version}"
        package = root / f"package_{name.replace('-', '_')}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "plugin.py").write_text(dedent(source))
        metadata = root / f"{name.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (metadata / "entry_points.txt").write_text(
            f"[ringstead.plugins]\n{entry or name} = {package.name}.plugin\n"
        )
        monkeypatch.syspath_prepend(str(root))

    yield install
    for name in {n for n in set(sys.modules) - before if n.startswith("package_")}:
        del sys.modules[name]


@pytest.fixture
def context() -> Callable[..., TenantContext]:
    """`context(organization, registry, *plugins)`: the context of somebody with every right of these plugins."""

    def make(organization: Organization, registry: Registry, plugins: Iterable[str]) -> TenantContext:
        features: FeatureSet = registry.feature_set(frozenset(plugins))
        return TenantContext(
            site=SiteInfo("x.test", "portal", PartnerInfo(organization.partner_id, "x", "X", {})),
            preferences=Preferences(registry.settings(), None),
            features=features,
            organization=OrganizationInfo(organization.org_id, organization.slug, organization.name),
            permissions=features.role_permissions("subscriber"),
        )

    return make
