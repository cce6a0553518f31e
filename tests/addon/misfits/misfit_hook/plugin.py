"""Implements a hook that there is not."""

from misfit_kit import info

from ringstead.api import PluginInfo, hookimpl

NAME = "misfit_hook"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_wonders() -> list[str]:
    return ["wonder"]
