"""`ringstead db`: roles, migrations, backups, and a prompt."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from ringstead.cli.shared import actor, open_database
from ringstead.settings import Settings, load_settings, plain_database_url

if TYPE_CHECKING:
    from ringstead.db.history import History

Role = Literal["app", "owner", "operator"]
_ROLES: Final = ("app", "owner", "operator")


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
def migrate() -> None:
    """Bring core and plugins to their newest tables; safe to run at any time, by several machines at once."""
    from ringstead.db.embedded import running_database

    settings = load_settings()
    with running_database(settings, "owner") as urls:
        for name, revision in migrate_all(settings, urls.owner):
            click.echo(f"{name}: {revision}")


@db.command()
def status() -> None:
    """Say which migrations are applied; exits with 1 when some are not."""
    from sqlalchemy import create_engine

    from ringstead.db.embedded import running_database
    from ringstead.db.history import CORE
    from ringstead.db.migrate import state

    settings = load_settings()
    with running_database(settings, "owner") as urls:
        engine = create_engine(urls.owner)
        with engine.connect() as connection:
            states = [state(connection, history) for history in (CORE, *plugin_histories(settings))]
        engine.dispose()
    for found in states:
        end = "" if found.is_current else f", newest {found.head or 'none'}: run `ringstead db migrate`"
        click.echo(f"{found.name}: {found.current or 'none'}{end}")
    sys.exit(0 if all(found.is_current for found in states) else 1)


@db.command()
@click.option("--print", "print_only", is_flag=True, help="Print the SQL instead of running it.")
@click.option(
    "--admin-url", help="PostgreSQL address of an administrator, in the database that Ringstead shall use."
)
def roles(print_only: bool, admin_url: str | None) -> None:
    """Make the three roles and their grants in a database of your own.

    The embedded database makes them by itself.
    """
    from ringstead.db.roles import ROLES, ensure_roles, roles_sql

    if print_only:
        click.echo(
            "-- Run this as an administrator, in the database that Ringstead shall use. Then give each role"
        )
        click.echo(f"-- a password ({', '.join(ROLES)}): ALTER ROLE ... PASSWORD '...'")
        click.echo(roles_sql(), nl=False)
        return
    if not admin_url:
        raise click.UsageError("Give --admin-url, or --print to see the SQL.")
    import psycopg

    with psycopg.connect(plain_database_url(admin_url), autocommit=True) as connection:
        ensure_roles(connection)
    click.echo(
        f"Roles are ready: {', '.join(ROLES)}. Give each a password, unless the server signs in otherwise."
    )


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Write the whole database to FILE, and count its rows there.

    The file is in pg_dump's custom format. Keep it like the database itself: it holds every tenant's rows.
    """
    from ringstead.db.backup import BackupFailed, back_up

    with open_database(load_settings(), "operator") as database:
        with database.as_operator(actor(), f"back up into {file}"):
            pass  # on record before anything is read
        try:
            _say_counts(f"{file} holds", back_up(database.urls.operator, file))
        except BackupFailed as error:
            raise click.ClickException(str(error)) from error


@db.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Put the backup in FILE into an empty database, all of it or nothing, and count its rows there."""
    from ringstead.db.backup import BackupFailed, restore

    with open_database(load_settings(), "owner", "operator") as database:
        try:
            counts = restore(database.urls.owner, database.urls.operator, file)
        except BackupFailed as error:
            raise click.ClickException(str(error)) from error
        with database.as_operator(actor(), f"restore from {file}"):
            pass
    _say_counts("The database holds", counts)


@db.command(context_settings={"ignore_unknown_options": True})
@click.option("--role", type=click.Choice(_ROLES), default="app", help="Which role to be. Default: app.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(role: Role, arguments: tuple[str, ...]) -> None:
    """Open psql on the database. ARGUMENTS go to psql (`ringstead db psql -- -c 'SELECT 1'`)."""
    from ringstead.db.embedded import find_program

    with open_database(load_settings(), role) as database:
        if role == "operator":
            with database.as_operator(actor(), " ".join(("psql", *arguments))[:1000]):
                pass  # what is done there is not on record, but that somebody was there is
        urls = database.urls
        # Ctrl-C is for psql: it cancels a statement there.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        command = [str(find_program("psql")), plain_database_url(getattr(urls, role)), *arguments]
        done = subprocess.run(command, preexec_fn=_mind_ctrl_c)
        signal.signal(signal.SIGINT, previous)
    sys.exit(done.returncode)


def migrate_all(settings: Settings, owner_url: str) -> list[tuple[str, str]]:
    """Migrate core and plugins; gives the name and newest revision of each."""
    from ringstead.db.migrate import upgrade_all

    return [
        (state.name, state.head or "none") for state in upgrade_all(owner_url, plugin_histories(settings))
    ]


def plugin_histories(settings: Settings) -> list[History]:
    """The migrations of the installed plugins that work."""
    from ringstead.plugins.loader import load_plugins

    return [plugin.history for plugin in load_plugins(settings.disabled_plugins) if plugin.history]


def _say_counts(what: str, counts: dict[str, int]) -> None:
    click.echo(f"{what} {sum(counts.values())} rows of {len(counts)} tables.")


def _mind_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
