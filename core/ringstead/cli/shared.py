"""What several commands need."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import click

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy.orm import Session

    from ringstead.db.embedded import Role
    from ringstead.db.engine import Database
    from ringstead.plugins.registry import Registry
    from ringstead.settings import Settings


class Place(NamedTuple):
    """An organization as the command line names it."""

    partner: str
    organization: str
    org_id: UUID

    def __str__(self) -> str:
        return f"{self.partner}/{self.organization}"


@contextmanager
def open_database(settings: Settings, *needed: Role) -> Iterator[Database]:
    """The engines of one command, for the roles that it needs; an embedded server runs meanwhile."""
    from ringstead.db.embedded import running_database
    from ringstead.db.engine import Database
    from ringstead.resources import session_info

    with running_database(settings, *needed) as urls:
        database = Database(urls, pool_size=1, info=session_info(settings))
        try:
            yield database
        finally:
            database.dispose()


def load_plugin_registry(settings: Settings) -> Registry:
    """The installed plugins and what they contribute."""
    from ringstead.app import load_registry

    return load_registry(settings)


def actor() -> str:
    """Who runs the command, for the operator's audit trail."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"uid {os.getuid()} (command line)"


def screen() -> Console:
    """Where tables are printed. In a pipe or a file a line is as long as it needs to be."""
    from rich.console import Console

    return Console(soft_wrap=True) if sys.stdout.isatty() else Console(soft_wrap=True, width=1000)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], when_empty: str) -> None:
    """Print rows for people; nothing in them is taken for markup."""
    from rich.table import Table
    from rich.text import Text

    if not rows:
        click.echo(when_empty)
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    screen().print(table)


def places(database: Database, reason: str) -> list[Place]:
    """All organizations, by partner and name."""
    from sqlalchemy import select

    from ringstead.tenancy.models import Organization, Partner

    query = (
        select(Partner.slug, Organization.slug, Organization.org_id)
        .join(Organization, Organization.partner_id == Partner.id)
        .order_by(Partner.slug, Organization.slug)
    )
    with database.as_operator(actor(), reason) as session:
        return [Place(*row) for row in session.execute(query)]


def find_place(database: Database, wanted: str, reason: str) -> Place:
    """The organization that `PARTNER/ORGANIZATION`, or its own name alone if no other has it, means."""
    every = places(database, reason)
    found = [place for place in every if wanted in (str(place), place.organization)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(map(str, found or every)) or "none yet: run `ringstead tenants apply`"
    fault = "is the name of several organizations" if found else "is not an organization"
    raise click.ClickException(f"{wanted!r} {fault}. Choose one of: {names}")


def partner_slugs(session: Session) -> dict[UUID, str]:
    """The partners' short names, in an operator's session."""
    from sqlalchemy import select

    from ringstead.tenancy.models import Partner

    return {row.id: row.slug for row in session.execute(select(Partner.id, Partner.slug))}


def partner_by_slug(session: Session, slug: str) -> UUID:
    """The partner of a short name, in an operator's session; who mistypes it is told the known ones."""
    known = {name: id_ for id_, name in partner_slugs(session).items()}
    if slug not in known:
        names = ", ".join(sorted(known)) or "none yet: run `ringstead partners create`"
        raise click.ClickException(f"There is no partner {slug!r}. Choose one of: {names}")
    return known[slug]
