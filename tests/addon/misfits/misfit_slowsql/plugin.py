"""Keeps the database busy for three seconds."""

from typing import Any

from misfit_kit import card, info
from sqlalchemy import Select, func, select

from ringstead.api import Card, PluginInfo, hookimpl

NAME = "misfit_slowsql"


@hookimpl
def plugin_info() -> PluginInfo:
    return info(NAME)


def query(_ctx: object) -> Select[Any]:
    return select(func.pg_sleep(3).label("answer"))


@hookimpl
def declare_cards() -> list[Card]:
    return [card(NAME, query=query)]
