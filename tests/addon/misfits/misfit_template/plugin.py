"""Names a template that it does not bring."""

from misfit_kit import card, info

from ringstead.api import Card, PluginInfo, hookimpl

NAME = "misfit_template"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_cards() -> list[Card]:
    return [card(NAME)]
