"""Raises when its card's query is built."""

from misfit_kit import card, fail, info

from ringstead.api import Card, PluginInfo, hookimpl

NAME = "misfit_query"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_cards() -> list[Card]:
    return [card(NAME, query=fail)]
