"""Guards a page with a permission that it does not declare."""

from misfit_kit import info, view

from ringstead.api import PluginInfo, Route, hookimpl

NAME = "misfit_undeclared"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_routes() -> list[Route]:
    permission = "misfit_undeclared:page:read"
    return [Route(name="misfit_undeclared.page", pattern="/undeclared", view=view, permission=permission)]
