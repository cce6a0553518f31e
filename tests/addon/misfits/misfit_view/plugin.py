"""Raises on its own page."""

from misfit_kit import fail, info

from ringstead.api import SIGNED_IN, PluginInfo, Route, hookimpl

NAME = "misfit_view"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_routes() -> list[Route]:
    return [Route(name="misfit_view.page", pattern="/misfit", view=fail, permission=SIGNED_IN)]
