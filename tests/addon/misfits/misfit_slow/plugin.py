"""Needs three seconds for its card."""

import time

from misfit_kit import card, info

from ringstead.api import Card, PluginInfo, hookimpl

NAME = "misfit_slow"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


def present(_ctx: object, _rows: object) -> dict[str, str]:
    time.sleep(3)
    return {"answer": "at last"}


@hookimpl
def declare_cards() -> list[Card]:
    return [card(NAME, present=present)]
