"""Answers a search with the wrong type."""

from misfit_kit import info

from ringstead.api import PluginInfo, hookimpl

NAME = "misfit_answer"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def search(query: str) -> str:
    return f"there is no {query}"
