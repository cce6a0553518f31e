"""`ringstead settings`: what is in force, and the reference page."""

from __future__ import annotations

import click

from ringstead.settings import load_settings, settings_page, shown


@click.group()
def settings() -> None:
    """Show the settings in force, or the reference of all settings."""


@settings.command()
def show() -> None:
    """Print every setting, its value and where the value came from; secrets are hidden."""
    from rich.console import Console
    from rich.table import Table

    table = Table("Setting", "Value", "From", box=None, pad_edge=False)
    for name, value, source in shown(load_settings()):
        table.add_row(name, value, source, style="" if source == "default" else "bold")
    Console(soft_wrap=True).print(table)


@settings.command()
def docs() -> None:
    """Print the reference page in Markdown (docs/settings.md)."""
    click.echo(settings_page(), nl=False)
