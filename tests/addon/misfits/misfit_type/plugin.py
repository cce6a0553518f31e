"""Declares something else than the hook wants."""

from misfit_kit import info

from ringstead.api import PluginInfo, hookimpl

NAME = "misfit_type"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_routes() -> dict[str, str]:
    return {"/misfit": "a page"}
