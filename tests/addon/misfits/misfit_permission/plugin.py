"""Declares a permission with a name of its own kind."""

from misfit_kit import info

from ringstead.api import Permission, PluginInfo, hookimpl

NAME = "misfit_permission"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_permissions() -> list[Permission]:
    return [Permission(name="everything", title="Everything", default_roles=frozenset({"subscriber"}))]
