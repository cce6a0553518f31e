"""The guarded loader: whatever an installed distribution does, the others load, and it is said who failed and why."""

import types
from collections.abc import Callable
from typing import Any

import pytest

from ringstead.api import API_VERSION, PluginInfo, hookimpl
from ringstead.plugins.faults import PluginFault
from ringstead.plugins.loader import LoadedPlugin, hook_functions, load_module, load_plugins
from ringstead.plugins.mapping import forget_package

GOOD = """
    from ringstead.api import API_VERSION, PluginInfo, hookimpl

    @hookimpl
    def plugin_info():
        return PluginInfo(name="{name}", title="T", version="1", api=API_VERSION, package="package_{package}")
"""


def good(name: str, package: str | None = None) -> str:
    return GOOD.format(name=name, package=package or name)


def by_name(**kwargs: Any) -> dict[str, LoadedPlugin]:
    return {plugin.name: plugin for plugin in load_plugins(**kwargs)}


def test_a_plugin_is_found_by_its_entry_point(distribution: Callable[..., None]) -> None:
    distribution("tidy", good("tidy"))
    plugin = by_name()["tidy"]
    assert (plugin.state, plugin.distribution, plugin.why) == ("active", "tidy 1.0", "")
    assert plugin.folder is not None
    assert plugin.folder.name == "package_tidy"
    assert plugin.history is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no luck')", "import: raised RuntimeError: no luck"),
        ("import a_library_that_nobody_has", "import: raised ModuleNotFoundError"),
        ("def f(:", "import: raised SyntaxError"),
        ("raise SystemExit(3)", "import: raised SystemExit: 3"),
        ("", "plugin_info: must return a PluginInfo"),
        (good("other", "bad"), "plugin_info.name: says 'other', but the entry point is 'bad'"),
        (good("bad", "elsewhere"), "plugin_info.package: package_bad.plugin is not in 'package_elsewhere'"),
        (good("bad").replace("=API_VERSION", "=(0, 9)"), "plugin_info.api: is written for API 0.9"),
        (good("bad").replace("=API_VERSION", "=(1, 999)"), "plugin_info.api: is written for API 1.999"),
        (good("bad").replace("=API_VERSION", "='1.0'"), "plugin_info.api: must be tuple[int, int], not str"),
        (good("bad").replace('version="1"', "version=1"), "plugin_info.version: must be str, not int 1"),
        (good("bad").replace('title="T", ', ""), "plugin_info: raised TypeError"),
        (good("bad").replace("def plugin_info", "async def plugin_info"), "plugin_info: must not be async"),
    ],
)
def test_a_broken_plugin_fails_alone_and_says_why(
    distribution: Callable[..., None], source: str, said: str
) -> None:
    distribution("bad", source)
    distribution("tidy", good("tidy"))
    found = by_name()
    assert found["tidy"].state == "active"
    assert found["bad"].state == "failed"
    assert found["bad"].why.startswith(f"plugin bad: {said}")


def test_with_strict_the_fault_is_raised(distribution: Callable[..., None]) -> None:
    distribution("bad", "raise RuntimeError('no luck')")
    with pytest.raises(PluginFault, match="plugin bad: import: raised RuntimeError: no luck"):
        load_plugins(strict=True)


def test_a_disabled_plugin_is_not_imported(distribution: Callable[..., None]) -> None:
    distribution("bad", "raise RuntimeError('no luck')")
    plugin = by_name(disabled=("bad",))["bad"]
    assert (plugin.state, plugin.module) == ("disabled", None)


@pytest.mark.parametrize("name", ["core", "static", "Big", "two.words", "1st"])
def test_some_names_are_not_free(distribution: Callable[..., None], name: str) -> None:
    distribution("taker", good(name, "taker"), entry=name)
    assert by_name()[name].why.startswith(f"plugin {name}: entry point.name")


def test_a_name_belongs_to_one_distribution(distribution: Callable[..., None]) -> None:
    distribution("first", good("shared", "first"), entry="shared")
    distribution("second", good("shared", "second"), entry="shared")
    found = by_name()
    assert found["shared"].distribution == "first 1.0"
    refused = found["shared (second 1.0)"]
    assert refused.state == "failed"
    assert "the name is taken by first 1.0" in refused.why


def test_the_same_distribution_twice_is_one_plugin(
    distribution: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ringstead.plugins import loader

    distribution("tidy", good("tidy"))
    twice = [e for e in loader.entry_points(group=loader.GROUP) if e.name == "tidy"] * 2
    monkeypatch.setattr(loader, "entry_points", lambda group: twice)
    assert [plugin.name for plugin in load_plugins()] == ["tidy"]


def test_an_unknown_hook_is_refused(module: Callable[..., types.ModuleType]) -> None:
    with pytest.raises(PluginFault, match="unknown hook 'declare_wonders'"):
        load_module("sample", module(declare_wonders=[]))


def test_an_argument_that_the_hook_does_not_have_is_refused(
    module: Callable[..., types.ModuleType],
) -> None:
    with pytest.raises(PluginFault, match=r"hooks: .*'planet'"):
        load_module("sample", module(search=lambda planet: []))


def test_wrapping_other_plugins_is_refused(module: Callable[..., types.ModuleType]) -> None:
    made = module()

    def search(query: str) -> Any:
        yield

    made.search = hookimpl(wrapper=True)(search)  # type: ignore[attr-defined]
    with pytest.raises(PluginFault, match="search: must not wrap"):
        load_module("sample", made)


def test_a_hook_is_called_with_the_arguments_that_it_names(loaded: Callable[..., LoadedPlugin]) -> None:
    plugin = loaded(search=lambda query: [query])
    functions = dict(hook_functions(plugin))
    assert functions["search"](ctx=None, session=None, query="box", limit=3, added_later=True) == ["box"]


def test_who_a_plugin_is(loaded: Callable[..., LoadedPlugin]) -> None:
    info = loaded("sample").info
    assert info == PluginInfo(name="sample", title="Sample", version="1.0", api=API_VERSION, package="sample")


MODELS = """
    from ringstead.api.models import Base, OrgScoped
    from sqlalchemy.orm import Mapped, mapped_column, relationship

    class Thing(OrgScoped, Base):
        __tablename__ = "{table}"
        id: Mapped[int] = mapped_column(primary_key=True)
        {more}
"""


@pytest.mark.parametrize(
    ("table", "more", "said"),
    [
        ("bad_thing", 'owner: Mapped["Nobody"] = relationship("Nobody")', "models: When initializing mapper"),
        ("bad_thing", 'raise RuntimeError("halfway")', "import: raised RuntimeError: halfway"),
        ("subscriber", "", "import: raised InvalidRequestError: Table 'subscriber' is already defined"),
    ],
)
def test_models_that_cannot_be_set_up_harm_nobody_else(
    distribution: Callable[..., None], table: str, more: str, said: str
) -> None:
    from sqlalchemy import select

    from ringstead.db.base import Base
    from ringstead.tenancy.models import Subscriber

    distribution("bad", MODELS.format(table=table, more=more) + good("bad"))
    distribution("tidy", MODELS.format(table="tidy_thing", more="") + good("tidy"))
    try:
        found = by_name()
        assert found["tidy"].state == "active"
        assert said in found["bad"].why
        assert said in by_name()["bad"].why, "and the second time too"
        assert "bad_thing" not in Base.metadata.tables
        Base.registry.configure()
        assert "subscriber" in str(select(Subscriber))
    finally:
        forget_package("package_tidy")
        forget_package("package_bad")
