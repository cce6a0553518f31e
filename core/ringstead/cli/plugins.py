"""`ringstead plugins`: what is installed, why something failed, and for whom it is on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import click

from ringstead.cli.shared import actor, load_plugin_registry, open_database, screen
from ringstead.settings import load_settings

if TYPE_CHECKING:
    from ringstead.db.engine import Database
    from ringstead.plugins.registry import Registry


class Place(NamedTuple):
    """An organization as the command line names it."""

    partner: str
    organization: str
    org_id: UUID

    def __str__(self) -> str:
        return f"{self.partner}/{self.organization}"


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
        for place in _places(database, "list plugins"):
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
        place = _place(database, organization, f"switch {name} {word} for {organization}")
        with database.run_as(place.org_id) as session:
            set_features(session, [name], enabled)
            session.flush()
            refused = enabled and name not in enabled_plugins(session)
    note = ", but its partner does not allow it: nobody will see it" if refused else ""
    click.echo(f"{name} is {word} for {place}{note}.")


def _places(database: Database, reason: str) -> list[Place]:
    from sqlalchemy import select

    from ringstead.tenancy.models import Organization, Partner

    query = (
        select(Partner.slug, Organization.slug, Organization.org_id)
        .join(Organization, Organization.partner_id == Partner.id)
        .order_by(Partner.slug, Organization.slug)
    )
    with database.as_operator(actor(), reason) as session:
        return [Place(*row) for row in session.execute(query)]


def _place(database: Database, wanted: str, reason: str) -> Place:
    places = _places(database, reason)
    found = [place for place in places if wanted in (str(place), place.organization)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(map(str, found or places)) or "none yet: run `ringstead tenants apply`"
    fault = "is the name of several organizations" if found else "is not an organization"
    raise click.ClickException(f"{wanted!r} {fault}. Choose one of: {names}")


def _check_name(registry: Registry, name: str) -> None:
    if name in registry.active:
        return
    if name in registry.plugins:
        plugin = registry.plugins[name]
        raise click.ClickException(f"The plugin {name} is {plugin.state}: {plugin.why}")
    raise click.ClickException(
        f"There is no plugin {name!r}. Installed: {', '.join(sorted(registry.active))}"
    )
