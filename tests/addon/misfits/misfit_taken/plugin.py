"""Wants an address that another plugin has."""

from misfit_kit import info, view

from ringstead.api import SIGNED_IN, PluginInfo, Route, hookimpl

NAME = "misfit_taken"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_routes() -> list[Route]:
    return [Route(name="misfit_taken.page", pattern="/search", view=view, permission=SIGNED_IN)]
