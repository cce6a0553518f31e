"""`ringstead privacy`: what is known about a person, taken out or erased, on their request."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringstead.cli.shared import actor, find_place, load_plugin_registry, open_database, print_table
from ringstead.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringstead.db.session import TenantSession
    from ringstead.plugins.registry import Registry
    from ringstead.privacy import Part
    from ringstead.tenancy.models import Subscriber

_organization = click.argument("organization", metavar="PARTNER/ORGANIZATION")
_extension = click.argument("extension")
_without = click.option(
    "--without", multiple=True, metavar="PLUGIN", help="Go on though this plugin does not work here."
)


@click.group()
def privacy() -> None:
    """Take out or erase what is known about a person of an organization.

    Core and every installed plugin are asked, whether it is on for the organization or off. If one fails, nothing is
    written and nothing erased.
    """


@privacy.command()
@_organization
@_extension
@click.option(
    "--to",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The zip file to write.",
)
@_without
def export(organization: str, extension: str, file: Path, without: tuple[str, ...]) -> None:
    """Write everything about the subscriber with an extension into a zip file, readable by its owner only."""
    from ringstead import audit
    from ringstead.privacy import PrivacyFailed, export_person

    if file.exists():
        raise click.ClickException(f"{file} is there already. Mend: move it away, or name another file.")
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600, exist_ok=False)  # nobody else's, and no link to elsewhere
        with _subscriber(organization, extension, "export", without) as (registry, session, subscriber):
            with part.open("wb") as out:
                parts = export_person(registry, session, subscriber.id, out, without)
            _record(session, audit.DATA_EXPORTED, subscriber, parts, without=without)
        part.replace(file)
    except PrivacyFailed as error:
        raise click.ClickException(f"Nothing was exported. {error}") from error
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    _tell(parts, "Rows")
    click.echo(f"Written to {file}.")


@privacy.command()
@_organization
@_extension
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--despite-hold", is_flag=True, help="Erase although a legal hold is on.")
@_without
def erase(organization: str, extension: str, yes: bool, despite_hold: bool, without: tuple[str, ...]) -> None:
    """Erase everything about the subscriber with an extension. The subscriber stays, and what is others' own."""
    from ringstead import audit
    from ringstead.privacy import PrivacyFailed, erase_person

    try:
        with _subscriber(organization, extension, "erase", without) as (registry, session, subscriber):
            if not yes:
                question = f"Erase the data of {subscriber.name} (extension {extension}) in {organization}? "
                click.confirm(f"{question}There is no way back", abort=True)
            parts = erase_person(registry, session, subscriber.id, despite_hold, without)
            exceptions = {"without": without, "despite_hold": despite_hold}
            _record(session, audit.DATA_ERASED, subscriber, parts, **exceptions)
    except PrivacyFailed as error:
        raise click.ClickException(f"Nothing was erased. {error}") from error
    _tell(parts, "Erased")


@contextmanager
def _subscriber(
    organization: str, extension: str, what: str, without: tuple[str, ...]
) -> Iterator[tuple[Registry, TenantSession, Subscriber]]:
    """One transaction in the organization, and the subscriber who has the extension there."""
    from sqlalchemy import select

    from ringstead.tenancy.models import Subscriber

    settings = load_settings()
    registry = load_plugin_registry(settings)
    if unknown := sorted(set(without) - set(registry.plugins)):
        known = ", ".join(sorted(registry.plugins))
        raise click.ClickException(
            f"--without {unknown[0]}: no such plugin is installed. There are: {known}."
        )
    with open_database(settings, "app", "operator") as database:
        place = find_place(database, organization, f"{what} the data of extension {extension}")
        with database.run_as(place.org_id) as session:
            query = select(Subscriber).where(Subscriber.extension == extension)
            subscriber = session.scalars(query).one_or_none()
            if subscriber is None:
                raise click.ClickException(f"{place} has no extension {extension!r}.")
            yield registry, session, subscriber


def _record(
    session: TenantSession, action: str, subscriber: Subscriber, parts: list[Part], **exceptions: Any
) -> None:
    """Put it on record: who, how much, and what they were told to pass over."""
    from ringstead import audit

    counts = {f"{part.plugin} {part.what}": part.count for part in parts}
    passed_over = {name: value for name, value in exceptions.items() if value}
    detail = {"by": actor(), **passed_over, **counts}
    audit.record(session, action, subject=subscriber.id, detail=detail)


def _tell(parts: list[Part], word: str) -> None:
    rows = [(part.plugin, part.what, str(part.count)) for part in parts]
    print_table(("Plugin", "What", word), rows, "No plugin knew anything.")
