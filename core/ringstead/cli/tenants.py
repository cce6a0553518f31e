"""`ringstead tenants`: partners and organizations as data, from bundles and into them."""

from __future__ import annotations

from pathlib import Path

import click

from ringstead.cli.shared import actor, open_database, partner_by_slug
from ringstead.settings import load_settings

_folders = click.argument(
    "folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(exists=True, file_okay=False, path_type=Path)
)


@click.group()
def tenants() -> None:
    """Describe partners as data: show what would change, apply it, and write a live partner down.

    A FOLDER holds one partner (partner.toml and its brand), or folders of partners. Without one, all folders in
    `tenants_dir` are meant.
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
@click.option("--invite", is_flag=True, help="Mail everybody who gets an account or a portal by this.")
def apply(folders: tuple[Path, ...], dry_run: bool, invite: bool) -> None:
    """Bring partners to what their folders say; each in one transaction, any number of times."""
    _run(folders, dry_run, invite)


@tenants.command()
@click.argument("slug")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIRECTORY",
    help="Where SLUG's folder is or shall be; or that folder itself. Default: `tenants_dir`.",
)
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
def export(slug: str, folder: Path | None, force: bool) -> None:
    """Write the partner SLUG as it is into partner.toml and its logo, for `plan` and `apply` to read.

    No password, key or other secret is written. Files that are there already and differ stay, without --force.
    """
    from ringstead.tenancy.bundles import (
        FILE_NAME,
        MAX_BYTES,
        ExportRefused,
        FilesDiffer,
        export_partner,
        write_bundle,
    )

    settings = load_settings()
    place = folder or settings.tenants_dir
    place = place if place.absolute().name == slug else place / slug
    try:
        with (
            open_database(settings, "operator") as database,
            database.as_operator(actor(), f"export the partner {slug}", one_moment=True) as session,
        ):
            exported = export_partner(session, partner_by_slug(session, slug))
            changed = write_bundle(exported, place, force=force)
    except ExportRefused as error:
        raise click.ClickException(str(error)) from error
    except FilesDiffer as error:
        raise click.ClickException(
            f"There is something else already: {error}. Mend: look at the differences and give --force, or name "
            "another place with --to."
        ) from error
    except OSError as error:
        raise click.ClickException(f"{place} cannot be written: {error.strerror or error}.") from error
    for left_out in exported.left_out:
        click.echo(f"! left out: {left_out}", err=True)
    if (place / FILE_NAME).stat().st_size > MAX_BYTES:
        click.echo(
            f"! {place / FILE_NAME} is too large to be applied: at most {MAX_BYTES} bytes are read.", err=True
        )
    click.echo("\n".join(f"wrote {path}" for path in changed) or f"{place} is up to date.")


def _run(folders: tuple[Path, ...], dry_run: bool, invite: bool = False) -> None:
    from ringstead.tenancy.bundles import BundleError, apply_bundle, bundle_folders

    settings = load_settings()
    chosen = [one for folder in folders for one in _bundles(folder)] or bundle_folders(settings.tenants_dir)
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
            if invite and not dry_run:
                from ringstead.subscribers.newcomers import invite_newcomers

                for email in invite_newcomers(database, settings, made, actor()):
                    click.echo(f"invitation to {email}")


def _bundles(folder: Path) -> list[Path]:
    """The bundle in a folder, or those in the folders below."""
    from ringstead.tenancy.bundles import FILE_NAME, bundle_folders

    return [folder] if (folder / FILE_NAME).exists() else bundle_folders(folder) or [folder]
