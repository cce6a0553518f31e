"""`ringstead audit`: whether the audit trail is as it was written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from ringstead.cli.shared import actor, open_database
from ringstead.settings import load_settings

if TYPE_CHECKING:
    from ringstead.audit.chain import Head, Verdict


@click.group()
def audit() -> None:
    """Look after the audit trail."""


@audit.command()
@click.option("--partner", metavar="SLUG", help="Only this partner's trail.")
@click.option(
    "--heads",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Heads that were kept: compare, then write today's there. Keep the file on another machine.",
)
def verify(partner: str | None, file: Path | None) -> None:
    """Follow every chain of the trail to its end; exits with 1 when something was changed, removed or slipped in."""
    from sqlalchemy import select

    from ringstead.audit.chain import verify as follow
    from ringstead.tenancy.models import Partner

    known = _read_heads(file)
    verdicts: dict[str, Verdict] = {}
    with (
        open_database(load_settings(), "operator") as database,
        database.as_operator(actor(), "verify the audit trail") as session,
    ):
        found = select(Partner.id, Partner.slug).order_by(Partner.slug)
        partners = session.execute(found if partner is None else found.where(Partner.slug == partner)).all()
        if partner is not None and not partners:
            raise click.ClickException(f"There is no partner {partner}. Mend: check how its slug is written.")
        for partner_id, slug in partners:
            verdicts[slug] = follow(session, partner_id, known.get(slug))
    for slug, verdict in verdicts.items():
        state = f"{len(verdict.faults)} faults" if verdict.faults else "whole"
        click.echo(f"{slug}: {verdict.entries} entries in {len(verdict.heads)} chains, {state}")
        for fault in verdict.faults:
            where = f"chain {fault.chain}, number {fault.seq}: " if fault.chain else ""
            click.echo(f"  {where}{fault.what}", err=True)
    if any(verdict.faults for verdict in verdicts.values()):
        sys.exit(1)
    if file is not None:
        _write_heads(file, verdicts, known)
        click.echo(f"Heads written to {file}.")


def _read_heads(file: Path | None) -> dict[str, dict[UUID, Head]]:
    from ringstead.audit.chain import Head

    if file is None or not file.exists():
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {
            str(slug): {
                UUID(chain): Head(UUID(chain), int(seq), str(digest))
                for chain, (seq, digest) in heads.items()
            }
            for slug, heads in kept.items()
        }
    except (ValueError, TypeError, AttributeError, OSError) as error:
        why = "It is no file of heads that this command wrote"
        raise click.ClickException(f"{file} cannot be read: {error}. {why}; name another one.") from error


def _write_heads(file: Path, verdicts: dict[str, Verdict], known: dict[str, dict[UUID, Head]]) -> None:
    heads = known | {slug: {head.chain: head for head in verdict.heads} for slug, verdict in verdicts.items()}
    kept = {slug: {str(h.chain): [h.seq, h.digest] for h in some.values()} for slug, some in heads.items()}
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(file)
