"""`ringstead nodes`: the softswitches that may speak on the switch interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ringstead.cli.shared import actor, open_database, partner_by_slug, partner_slugs, print_table
from ringstead.settings import load_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@click.group()
def nodes() -> None:
    """Register switches and give them keys."""


@nodes.command(name="list")
def list_() -> None:
    """List the registered switches."""
    from ringstead.switch.nodes import list_nodes

    with _operator("list the switches") as session:
        found, slugs = list_nodes(session), partner_slugs(session)
    rows = [
        (
            node.name,
            slugs.get(node.partner_id, "?") if node.partner_id else "all",
            f"{node.created_at:%Y-%m-%d}",
            f"{node.last_seen_at:%Y-%m-%d %H:%M}" if node.last_seen_at else "never",
        )
        for node in found
    ]
    print_table(("Switch", "Partners", "Since", "Last seen (UTC)"), rows, "No switch is registered.")


@nodes.command()
@click.argument("name")
@click.option("--partner", metavar="PARTNER", help="The only partner whose calls it carries. Default: all.")
def create(name: str, partner: str | None) -> None:
    """Register a switch and print its key, this once."""
    from ringstead.switch.nodes import NodeNameTaken, create_node

    with _operator(f"register the switch {name}") as session:
        try:
            key = create_node(session, name, None if partner is None else partner_by_slug(session, partner))
        except NodeNameTaken as error:
            raise click.ClickException(f"{error}: `ringstead nodes rekey {name}`.") from error
    click.echo(key)


@nodes.command()
@click.argument("name")
def rekey(name: str) -> None:
    """Give a switch a new key and print it, this once; the old one is worth nothing at once."""
    from ringstead.switch.nodes import rekey_node

    with _operator(f"give the switch {name} a new key") as session:
        try:
            key = rekey_node(session, name)
        except LookupError as error:
            raise click.ClickException(str(error)) from error
    click.echo(key)


@nodes.command()
@click.argument("name")
@click.argument("url", required=False)
@click.option("--key", help="What the portal presents there, as `Authorization: Bearer`.")
def adapter(name: str, url: str | None, key: str | None) -> None:
    """Say where the portal reaches a switch's adapter, for lamps, calls and recordings. Without URL: nowhere."""
    from ringstead.sealing import seal
    from ringstead.switch.nodes import set_adapter
    from ringstead.switch.telling import check_adapter_url

    try:
        checked = None if url is None else check_adapter_url(url)
        with _operator(f"say where the adapter of the switch {name} is") as session:
            set_adapter(session, name, checked, seal(load_settings().keys(), key) if key else None)
    except (LookupError, ValueError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _operator(reason: str) -> Iterator[Session]:
    settings = load_settings()
    with open_database(settings, "operator") as database, database.as_operator(actor(), reason) as session:
        yield session
