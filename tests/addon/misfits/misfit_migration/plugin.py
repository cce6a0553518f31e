"""Has a migration that fails."""

from misfit_kit import info

from ringstead.api import PluginInfo, hookimpl


@hookimpl
def plugin_info() -> PluginInfo:
    return info("misfit_migration")
