"""`ringstead partners` and `ringstead hosts`: make a partner, and see which names lead to whom."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ringstead.cli.shared import actor, open_database, partner_by_slug, print_table
from ringstead.settings import Settings, load_settings

if TYPE_CHECKING:
    from ringstead.db.engine import Database
    from ringstead.tenancy.bundles import Bundle, Plan

_OPTIONS: Final = {
    ("partner", "slug"): "SLUG",
    ("partner", "name"): "--name",
    ("partner", "locale"): "--locale",
    ("partner", "time_zone"): "--time-zone",
    ("brand", "name"): "--name",
    ("brand", "color"): "--color",
    ("hosts", "portal"): "--host",
    ("hosts", "console"): "--console-host",
    ("staff", 0, "email"): "--admin-email",
    ("staff", 0, "name"): "--admin-name",
}


@click.group()
def partners() -> None:
    """Make partners."""


@partners.command()
@click.argument("slug")
@click.option("--name", required=True, help="The name that people read.")
@click.option("--host", "hosts", multiple=True, required=True, help="Host name of the subscriber portal.")
@click.option("--console-host", "consoles", multiple=True, required=True, help="Host name of the console.")
@click.option("--admin-email", required=True, help="Address of the first partner admin, who is invited.")
@click.option("--admin-name", required=True, help="The admin's name.")
@click.option("--color", metavar="#RRGGBB", help="The brand's colour.")
@click.option("--locale", help="Language, such as en or de-AT.")
@click.option("--time-zone", help="Zone of the IANA database.")
def create(slug: str, **options: Any) -> None:
    """Make the partner SLUG with its hosts and first admin, who is mailed a link; it is printed, too.

    Run again with the same words it adds what is missing, and gives an admin without a password a new link. It never
    changes what is there: that is what `ringstead tenants apply` is for.
    """
    from ringstead.tenancy.bundles import BundleError

    settings = load_settings()
    with open_database(settings, "app", "operator") as database:
        try:
            plan = _make(database, _bundle(slug, options))
        except BundleError as error:
            lines = "\n".join(f"  - {problem}" for problem in error.problems)
            raise click.ClickException(f"The partner {slug} cannot be made:\n{lines}") from error
        click.echo(str(plan))
        origin = settings.origin(plan.bundle.content.hosts.console[0])
        _invite(database, plan, origin)
    _tell_addresses(settings, plan)


def _bundle(slug: str, options: dict[str, Any]) -> Bundle:
    """The options as a bundle: it is checked, planned and applied like one. Raises BundleError."""
    from ringstead.tenancy.bundles import make_bundle

    def given(**values: Any) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value is not None}

    data = {
        "partner": given(
            slug=slug, name=options["name"], locale=options["locale"], time_zone=options["time_zone"]
        ),
        "brand": given(color=options["color"]),
        "hosts": {"portal": list(options["hosts"]), "console": list(options["consoles"])},
        "staff": [
            {"name": options["admin_name"], "email": options["admin_email"], "role": "partner_admin"},
        ],
    }
    return make_bundle(_command_line(), data, Path(slug))


def _command_line() -> Any:
    from ringstead.tenancy.bundle_source import Problem, Source

    class CommandLine(Source):
        """Where a bundle stands that no file holds: a fault names the option."""

        def describe_all(self, problems: Iterable[Problem]) -> list[str]:
            told = []
            for key, why in problems:
                known = (key[:length] for length in range(len(key), 0, -1))
                told.append(f"{next((_OPTIONS[part] for part in known if part in _OPTIONS), 'SLUG')}: {why}")
            return told

    return CommandLine(Path("the command line"), "")


def _make(database: Database, bundle: Bundle) -> Plan:
    """Apply what adds something; refuse what would change something. All in one transaction."""
    from ringstead.tenancy.bundles import apply_plan, plan_bundle

    admin = bundle.content.staff[0].email
    with database.as_operator(actor(), f"create the partner {bundle.slug} with its admin {admin}") as session:
        plan = plan_bundle(session, bundle)
        if plan.rows.partner is not None:
            changes = [str(change) for change in plan.changes if change.sign == "~"]
            if changes:
                lines = "\n".join(f"  {line}" for line in changes)
                raise click.ClickException(
                    f"There is a partner {bundle.slug} already, and this would change it:\n{lines}\n"
                    f"Mend: give what it has, or `ringstead tenants export {bundle.slug}`, edit and apply that."
                )
        apply_plan(session, plan)
    return plan


def _invite(database: Database, plan: Plan, origin: str) -> None:
    from ringstead.auth.invitations import INVITATION_LIFE, invite_staff
    from ringstead.tenancy.models import Account

    known = plan.rows.accounts[plan.bundle.content.staff[0].email]
    with database.in_partner(plan.rows.partner_id) as session:
        account = session.get_one(Account, (known.partner_id, known.id))
        link = invite_staff(session, account, origin, actor())
        state, email = account.status, account.email
    if link is not None:
        click.echo(
            f"An invitation to {email} is queued. It holds this link, for {INVITATION_LIFE.days} days:\n{link}"
        )
    else:
        said = "has a password already" if state == "active" else "is suspended"
        click.echo(f"{email} {said}: no invitation.")


def _tell_addresses(settings: Settings, plan: Plan) -> None:
    hosts = plan.bundle.content.hosts
    for kind, names in (("Portal", hosts.portal), ("Console", hosts.console)):
        click.echo(f"{kind}: {', '.join(settings.origin(name) for name in names)}")


@click.group()
def hosts() -> None:
    """See the host names: the exact name decides partner and site."""


@hosts.command(name="list")
@click.option("--partner", metavar="SLUG", help="Only this partner's.")
def list_(partner: str | None) -> None:
    """List every host name with its kind, partner and organization, and the address that browsers use."""
    from sqlalchemy import select

    from ringstead.tenancy.models import Host, Organization, Partner

    settings = load_settings()
    query = (
        select(Host.name, Host.kind, Partner.slug, Organization.slug.label("organization"))
        .join(Partner, Partner.id == Host.partner_id)
        .outerjoin(
            Organization, (Organization.org_id == Host.org_id) & (Organization.partner_id == Host.partner_id)
        )
        .order_by(Partner.slug, Host.kind, Host.name)
    )
    with (
        open_database(settings, "operator") as database,
        database.as_operator(actor(), "list host names") as session,
    ):
        if partner is not None:
            query = query.where(Host.partner_id == partner_by_slug(session, partner))
        rows = [
            (
                row.name,
                row.kind,
                row.slug,
                row.organization or "",
                "" if row.kind == "sip" else settings.origin(row.name),
            )
            for row in session.execute(query)
        ]
    none_yet = "There are no hosts yet: run `ringstead partners create`."
    print_table(("Host", "Kind", "Partner", "Organization", "Address"), rows, none_yet)
