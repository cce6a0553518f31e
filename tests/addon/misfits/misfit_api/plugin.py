"""Is written for an API that does not exist yet."""

from ringstead.api import PluginInfo, hookimpl


@hookimpl
def plugin_info() -> PluginInfo:
    return PluginInfo(
        name="misfit_api", title="From the future", version="9", api=(9, 0), package="misfit_api"
    )
