"""Raises when it is searched."""

from misfit_kit import info

from ringstead.api import PluginInfo, hookimpl

NAME = "misfit_search"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def search(query: str) -> list[object]:
    raise LookupError(f"no index for {query}")
