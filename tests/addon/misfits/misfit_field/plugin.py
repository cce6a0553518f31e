"""Declares a route whose pattern is a number."""

from misfit_kit import info, view

from ringstead.api import SIGNED_IN, PluginInfo, Route, hookimpl

NAME = "misfit_field"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_routes() -> list[Route]:
    return [Route(name="misfit_field.page", pattern=7, view=view, permission=SIGNED_IN)]
