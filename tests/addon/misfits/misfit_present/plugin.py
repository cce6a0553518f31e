"""Raises when it presents its card."""

from misfit_kit import card, fail, info

from ringstead.api import Card, PluginInfo, hookimpl

NAME = "misfit_present"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


@hookimpl
def declare_cards() -> list[Card]:
    return [card(NAME, present=fail)]
