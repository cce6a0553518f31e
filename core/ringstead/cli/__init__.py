"""The command `ringstead`: serve, work, migrate, look after tenants and plugins, find out what is wrong."""

from __future__ import annotations

import sys

import click

from ringstead import __version__
from ringstead.cli.audit import audit
from ringstead.cli.db import db
from ringstead.cli.demo import demo
from ringstead.cli.doctor import doctor
from ringstead.cli.keys import keys
from ringstead.cli.nodes import nodes
from ringstead.cli.partners import hosts, partners
from ringstead.cli.plugins import plugins
from ringstead.cli.privacy import privacy
from ringstead.cli.roles import roles
from ringstead.cli.run import run
from ringstead.cli.serve import serve, worker
from ringstead.cli.settings import settings
from ringstead.cli.tenants import tenants
from ringstead.cli.work import jobs, mail
from ringstead.logs import configure_logging
from ringstead.supervisor import EXIT_UNUSABLE


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ringstead")
def cli() -> None:
    """Ringstead, a self-care portal for hosted telephony.

    Settings come from the environment (RINGSTEAD_...) and ringstead.toml; see `ringstead settings`.
    """
    # Commands say themselves what went wrong; those that run for long set up logging by the settings.
    configure_logging("critical")


for command in (
    audit,
    serve,
    worker,
    demo,
    doctor,
    db,
    hosts,
    jobs,
    keys,
    mail,
    nodes,
    partners,
    plugins,
    privacy,
    roles,
    run,
    settings,
    tenants,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; what an administrator can mend is one message, not a traceback."""
    from sqlalchemy.exc import OperationalError

    from ringstead.db.embedded import EmbeddedPostgresError
    from ringstead.db.migrate import MigrationFailed
    from ringstead.keys import KeysUnusable
    from ringstead.serving import PortTaken
    from ringstead.settings import SettingsError

    try:
        cli(prog_name="ringstead")
    except (
        SettingsError,
        EmbeddedPostgresError,
        MigrationFailed,
        PortTaken,
        KeysUnusable,
        PermissionError,
    ) as error:
        click.echo(f"ringstead: {error}", err=True)
        sys.exit(EXIT_UNUSABLE)
    except OperationalError as error:
        click.echo(f"ringstead: the database cannot be reached: {error.orig}", err=True)
        click.echo(
            "Mend: start it, or check RINGSTEAD_DATABASE_URL; `ringstead doctor` tells more.", err=True
        )
        sys.exit(1)
