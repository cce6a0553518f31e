"""Brings a message catalogue that is none."""

from misfit_kit import info

from ringstead.api import PluginInfo, hookimpl


@hookimpl
def plugin_info() -> PluginInfo:
    return info("misfit_locale")
