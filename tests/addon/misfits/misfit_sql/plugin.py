"""Asks the database for what it does not have."""

from typing import Any

from misfit_kit import card, info
from sqlalchemy import Select, select, text

from ringstead.api import Card, PluginInfo, hookimpl

NAME = "misfit_sql"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


def query(_ctx: object) -> Select[Any]:
    return select(text("no_such_column"))


@hookimpl
def declare_cards() -> list[Card]:
    return [card(NAME, query=query)]
