"""`ringstead tenants`: partners and organizations as data, from bundles."""

from __future__ import annotations

from pathlib import Path

import click

from ringstead.cli.shared import actor, open_database
from ringstead.settings import load_settings

_folders = click.argument(
    "folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(exists=True, file_okay=False, path_type=Path)
)


@click.group()
def tenants() -> None:
    """Describe partners as data: show what would change, and apply it.

    A FOLDER holds one partner (partner.toml and its brand). Without one, all folders in `tenants_dir` are meant.
    Nothing is ever deleted: what a bundle does not name stays as it is.
    """


@tenants.command()
@_folders
def plan(folders: tuple[Path, ...]) -> None:
    """Show what applying would change; changes nothing."""
    _run(folders, dry_run=True)


@tenants.command()
@_folders
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
def apply(folders: tuple[Path, ...], dry_run: bool) -> None:
    """Bring partners to what their folders say; each in one transaction, any number of times."""
    _run(folders, dry_run)


def _run(folders: tuple[Path, ...], dry_run: bool) -> None:
    from ringstead.tenancy.bundles import BundleError, apply_bundle, bundle_folders

    settings = load_settings()
    chosen = folders or tuple(bundle_folders(settings.tenants_dir))
    if not chosen:
        raise click.ClickException(
            f"There is no bundle in {settings.tenants_dir}. Name a folder, or set RINGSTEAD_TENANTS_DIR."
        )
    with open_database(settings, "app", "operator") as database:
        for folder in chosen:
            try:
                made = apply_bundle(database, folder, actor=actor(), dry_run=dry_run)
            except BundleError as error:
                raise click.ClickException(str(error)) from error
            click.echo(str(made))
