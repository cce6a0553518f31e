"""Says that it is somebody else."""

from misfit_kit import info

from ringstead.api import PluginInfo, hookimpl


@hookimpl
def plugin_info() -> PluginInfo:
    return info("calllogs")
