"""A hook is finished when it has a section on docs/hooks.md, and a real plugin that uses it."""

import dataclasses
import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.installation import ROOT

from ringstead.api import (
    CallAction,
    CallerName,
    Erasure,
    HandedOver,
    NavCount,
    PersonalData,
    PluginInfo,
    SearchHit,
    Situation,
    StepUp,
    SubscriberState,
    contributions,
    hookspecs,
)
from ringstead.plugins.loader import load_plugins

PAGE = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
HOOKS = {
    name: function
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
    if hasattr(function, f"{hookspecs.PROJECT}_spec")
}
RETURNED: dict[str, type] = {
    **hookspecs.DECLARE_HOOKS,
    "plugin_info": PluginInfo,
    "search": SearchHit,
    "call_actions": CallAction,
    "name_callers": CallerName,
    "nav_counts": NavCount,
    "situations": Situation,
    "subscriber_state": SubscriberState,
    "hand_over": HandedOver,
    "step_ups": StepUp,
    "export_person": PersonalData,
    "erase_person": Erasure,
}


def heading(name: str) -> str:
    return f"{name}({', '.join(inspect.signature(HOOKS[name]).parameters)})"


def rows(section: str) -> set[str]:
    """What the first column of the section's tables names."""
    return {
        name
        for line in re.findall(r"^\| ([^|]+)\|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", line)
    }


def test_every_kind_of_hook_is_known() -> None:
    assert set(HOOKS) == {
        "plugin_info",
        *hookspecs.DECLARE_HOOKS,
        *hookspecs.ASK_HOOKS,
        *hookspecs.PRIVACY_HOOKS,
    }


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_hook_has_a_section(name: str) -> None:
    assert heading(name) in SECTIONS


def test_every_section_of_a_hook_has_a_hook() -> None:
    documented = {title for title in SECTIONS if title.endswith(")")}
    assert documented == {heading(name) for name in HOOKS}


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_section_explains_what_is_returned_and_shows_it(name: str) -> None:
    section, kind = SECTIONS[heading(name)], RETURNED[name]
    assert f"`{kind.__name__}`" in section
    assert f"{kind.__name__}(" in section, "an example"
    arguments = set(inspect.signature(HOOKS[name]).parameters)
    assert rows(section) == {field.name for field in dataclasses.fields(kind)} | arguments


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_hook_says_what_it_is_for(name: str) -> None:
    assert inspect.getdoc(HOOKS[name])


def test_everything_in_the_api_is_documented() -> None:
    modules = sorted(path.stem for path in (ROOT / "core" / "ringstead" / "api").glob("*.py"))
    public = {
        f"ringstead.api.{name}"
        for name in modules
        if name not in ("__init__", "answers", "contributions", "hookspecs")
    }
    assert set(re.findall(r"^\| `(ringstead\.api\.\w+)`", PAGE, re.MULTILINE)) == public


@pytest.mark.parametrize("name", ["TenantContext"])
def test_the_context_has_what_the_page_says(name: str) -> None:
    context = getattr(import_module("ringstead.api"), name)
    documented = re.findall(r"^\| ((?:`[^|]+`,? ?)+) \|", SECTIONS["The context"], re.MULTILINE)
    for attribute in re.findall(r"`(\w+)", " ".join(documented)):
        assert hasattr(context, attribute), attribute


def plugin_modules() -> dict[str, ModuleType | Path]:
    """Real plugins: the core, ours, and the add-on of others."""
    found: dict[str, ModuleType | Path] = {"core": import_module("ringstead.web.plugin")}
    found |= {plugin.name: plugin.module for plugin in load_plugins(strict=True) if plugin.module}
    found["noticeboard"] = ROOT / "tests/addon/noticeboard/ringstead_noticeboard/plugin.py"
    return found


def implements(plugin: ModuleType | Path, hook: str) -> bool:
    if isinstance(plugin, Path):
        return f"@hookimpl\ndef {hook}(" in plugin.read_text(encoding="utf-8")
    function: Any = getattr(plugin, hook, None)
    return hasattr(function, f"{hookspecs.PROJECT}_impl")


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_real_plugin_uses_it(name: str) -> None:
    assert any(implements(plugin, name) for plugin in plugin_modules().values())


def test_declarations_are_frozen_and_by_keyword() -> None:
    for kind in {*RETURNED.values(), contributions.Contributions}:
        assert kind.__dataclass_params__.frozen, kind  # type: ignore[attr-defined]  # every dataclass has it
        assert all(field.kw_only for field in dataclasses.fields(kind)), kind
