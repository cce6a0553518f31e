"""`ringstead run`: commands of plugins, each done for one organization after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ringstead.cli.shared import find_place, load_plugin_registry, open_database, places
from ringstead.settings import load_settings

if TYPE_CHECKING:
    from ringstead.api import Command


class _Commands(click.Group):
    """The commands of the installed plugins, which are looked up only when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(load_plugin_registry(load_settings()).commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        owned = load_plugin_registry(load_settings()).commands().get(cmd_name)
        return _made(owned.item) if owned is not None else None


@click.command(cls=_Commands)
def run() -> None:
    """Do what a plugin offers, for organizations: `ringstead run NAME PARTNER/ORGANIZATION`."""


def _made(command: Command) -> click.Command:
    """The command as click knows it: organizations, `--all`, and the plugin's own options."""

    def callback(organizations: tuple[str, ...], every: bool, **options: Any) -> None:
        if bool(organizations) == every:
            raise click.UsageError("Name the organizations, or give --all.")
        with open_database(load_settings(), "app", "operator") as database:
            why = f"run {command.name}"
            wanted = [find_place(database, name, why) for name in organizations]
            for place in wanted or places(database, why):
                click.echo(f"{place}: {command.run(database, place.org_id, **options)}")

    chosen: list[click.Parameter] = [
        click.Argument(["organizations"], nargs=-1, metavar="[PARTNER/ORGANIZATION]..."),
        click.Option(["--all", "every"], is_flag=True, help="Every organization."),
        *command.options,
    ]
    return click.Command(command.name, callback=callback, params=chosen, help=command.help)
