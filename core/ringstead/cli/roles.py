"""`ringstead roles`: an organization's exceptions to what its roles may do."""

from __future__ import annotations

import click

from ringstead.cli.shared import find_place, load_plugin_registry, open_database, print_table
from ringstead.settings import load_settings

_organization = click.argument("organization", metavar="PARTNER/ORGANIZATION")
_role = click.argument("role", type=click.Choice(("subscriber", "org_admin")))


@click.group()
def roles() -> None:
    """Give a role of an organization a permission, or take one from it.

    Each permission has roles that have it by default; what is set here is an exception for one organization.
    """


@roles.command(name="list")
@_organization
def list_(organization: str) -> None:
    """List the exceptions of an organization."""
    from sqlalchemy import select

    from ringstead.tenancy.models import RolePermission

    with open_database(load_settings(), "app", "operator") as database:
        place = find_place(database, organization, f"list the roles of {organization}")
        with database.run_as(place.org_id) as session:
            found = session.scalars(
                select(RolePermission).order_by(RolePermission.role, RolePermission.permission)
            ).all()
    rows = [(row.role, row.permission, "granted" if row.granted else "revoked") for row in found]
    print_table(("Role", "Permission", "Is"), rows, f"{place} has no exceptions: the defaults hold.")


@roles.command()
@_organization
@_role
@click.argument("permission")
def grant(organization: str, role: str, permission: str) -> None:
    """Give a role a permission in one organization."""
    _set(organization, role, permission, granted=True)


@roles.command()
@_organization
@_role
@click.argument("permission")
def revoke(organization: str, role: str, permission: str) -> None:
    """Take a permission from a role in one organization."""
    _set(organization, role, permission, granted=False)


def _set(organization: str, role: str, permission: str, granted: bool) -> None:
    from sqlalchemy.dialects.postgresql import insert

    from ringstead.tenancy.models import RolePermission

    settings = load_settings()
    known = load_plugin_registry(settings).permissions()
    if permission not in known:
        raise click.ClickException(
            f"There is no permission {permission!r}. Choose one of: {', '.join(sorted(known))}"
        )
    word = "granted to" if granted else "revoked from"
    with open_database(settings, "app", "operator") as database:
        place = find_place(database, organization, f"{permission} {word} {role} of {organization}")
        with database.run_as(place.org_id) as session:
            row = {"org_id": place.org_id, "role": role, "permission": permission, "granted": granted}
            session.execute(
                insert(RolePermission)
                .values(row)
                .on_conflict_do_update(
                    index_elements=["org_id", "role", "permission"], set_={"granted": granted}
                )
            )
    click.echo(f"{permission} is {word} {role} in {place}.")
