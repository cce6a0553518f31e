"""`ringstead plugins`: what is installed, why something failed, and for whom it is on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ringstead.cli.shared import (
    actor,
    find_place,
    load_plugin_registry,
    open_database,
    partner_by_slug,
    places,
    screen,
)
from ringstead.settings import load_settings

if TYPE_CHECKING:
    from ringstead.plugins.registry import Registry


@click.group()
def plugins() -> None:
    """See the installed plugins, and switch them for organizations."""


@plugins.command(name="list")
def list_() -> None:
    """List the installed plugins; exits with 1 when one failed."""
    from rich.table import Column, Table
    from rich.text import Text

    registry = load_plugin_registry(load_settings())
    columns = ("Plugin", "State", "Title", "From", Column("Why", overflow="fold"))
    table = Table(*columns, box=None, pad_edge=False)
    for name, plugin in sorted(registry.plugins.items()):
        title = str(plugin.info.title) if plugin.info else ""
        style = {"active": "", "disabled": "dim", "failed": "red"}[plugin.state]
        # As text: a reason may hold square brackets, which would be taken for markup.
        cells = (name, plugin.state, title, plugin.distribution, plugin.why)
        table.add_row(*map(Text, cells), style=style)
    screen().print(table)
    sys.exit(any(plugin.state == "failed" for plugin in registry.plugins.values()))


@plugins.command()
@click.argument("name", required=False)
def state(name: str | None) -> None:
    """Say for each organization which plugins are on. With NAME, for that plugin only."""
    from rich.table import Table

    from ringstead.plugins.enablement import enabled_plugins

    settings = load_settings()
    registry = load_plugin_registry(settings)
    if name is not None:
        _check_name(registry, name)
    table = Table("Organization", "On", box=None, pad_edge=False)
    with open_database(settings, "app", "operator") as database:
        for place in places(database, "list plugins"):
            with database.run_as(place.org_id) as session:
                on = sorted(enabled_plugins(session) & registry.active)
            if name is None or name in on:
                table.add_row(str(place), ", ".join(on))
    screen().print(table)


@plugins.command()
@click.argument("name")
@click.argument("organization", metavar="PARTNER/ORGANIZATION")
def enable(name: str, organization: str) -> None:
    """Switch a plugin on for an organization."""
    _switch(name, organization, enabled=True)


@plugins.command()
@click.argument("name")
@click.argument("organization", metavar="PARTNER/ORGANIZATION")
def disable(name: str, organization: str) -> None:
    """Switch a plugin off for an organization; its rows are kept."""
    _switch(name, organization, enabled=False)


def _switch(name: str, organization: str, enabled: bool) -> None:
    from ringstead.plugins.enablement import enabled_plugins, set_features

    settings = load_settings()
    _check_name(load_plugin_registry(settings), name)
    with open_database(settings, "app", "operator") as database:
        word = "on" if enabled else "off"
        place = find_place(database, organization, f"switch {name} {word} for {organization}")
        with database.run_as(place.org_id) as session:
            set_features(session, [name], enabled)
            session.flush()
            refused = enabled and name not in enabled_plugins(session)
    note = ", but its partner does not allow it: nobody will see it" if refused else ""
    click.echo(f"{name} is {word} for {place}{note}.")


@plugins.command()
@click.argument("name")
@click.argument("partner", metavar="PARTNER")
def allow(name: str, partner: str) -> None:
    """Let the organizations of a partner have a plugin again (as they may unless it is forbidden)."""
    _allow(name, partner, allowed=True)


@plugins.command()
@click.argument("name")
@click.argument("partner", metavar="PARTNER")
def forbid(name: str, partner: str) -> None:
    """Take a plugin from all organizations of a partner; who has it on has it again once it is allowed."""
    _allow(name, partner, allowed=False)


def _allow(name: str, partner: str, allowed: bool) -> None:
    from ringstead.plugins.enablement import allow_plugin

    settings = load_settings()
    _check_name(load_plugin_registry(settings), name)
    with open_database(settings, "app", "operator") as database:
        word = "allowed to" if allowed else "forbidden to"
        with database.as_operator(actor(), f"{name} {word} {partner}") as operator:
            partner_id = partner_by_slug(operator, partner)
        with database.in_partner(partner_id) as session:
            allow_plugin(session, name, allowed)
    click.echo(f"{name} is {word} {partner}.")


def _check_name(registry: Registry, name: str) -> None:
    if name in registry.active:
        return
    if name in registry.plugins:
        plugin = registry.plugins[name]
        raise click.ClickException(f"The plugin {name} is {plugin.state}: {plugin.why}")
    raise click.ClickException(
        f"There is no plugin {name!r}. Installed: {', '.join(sorted(registry.active))}"
    )
