"""Has a card's template that uses a name which nobody gave."""

from misfit_kit import card, info

from ringstead.api import Card, PluginInfo, hookimpl

NAME = "misfit_render"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_cards() -> list[Card]:
    return [card(NAME)]
