"""`ringstead tenants`: partners and organizations from bundles."""

from __future__ import annotations

import click


@click.group()
def tenants() -> None:
    """Describe partners as data and apply the description."""
