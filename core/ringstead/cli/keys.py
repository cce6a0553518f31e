"""`ringstead keys`: the keys that sign links and seal stored secrets, and changing them without breaking either."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from ringstead.cli.shared import actor, open_database, print_table
from ringstead.settings import PREFIX, Settings, load_settings

if TYPE_CHECKING:
    from ringstead.db.engine import Database
    from ringstead.keys import Key, KeyRing

_BY_HAND: Final = """\
secret_key is set ({source}), so it is changed there; nothing was changed here. On every machine:

  1. Set {old} to the present value of {key}
     (and, after a comma, to the values that are in it already).
  2. Set {key} to a new value, such as
     {fresh}
  3. Restart web and jobs, all within a minute: those that are left cannot read what the new ones sign.
  4. Run: ringstead keys reseal
  5. After {days} days, take the earlier values away: no link that they signed is alive."""


@click.group()
def keys() -> None:
    """See, change and forget the keys that sign links and seal stored secrets."""


@keys.command(name="list")
def list_() -> None:
    """List the keys by name (a digest), with how many stored secrets each has sealed."""
    settings = load_settings()
    ring = settings.keys()
    with open_database(settings, "operator") as database:
        counts = _look_through(database, settings, ring, "count what the keys have sealed", reseal=False)[0]
    rows = [
        (key.name, *_state(key, number), str(counts.pop(key.name, 0)))
        for number, key in enumerate(ring.known())
    ]
    print_table(("Key", "State", "Retired", "Sealed"), rows, "There is no key.")
    _tell_rest(counts)


@keys.command()
@click.option(
    "--leaked", is_flag=True, help="Somebody has the key: forget it at once, and every link that it signed."
)
def rotate(leaked: bool) -> None:
    """Let a new key sign from now on, and seal stored secrets anew with it.

    What the earlier key signed is read until `keys forget`, so links in mails go on working. Processes on this machine
    learn of the new key by themselves. A key that the settings give is not changed; the command says what to do.
    """
    settings = load_settings()
    ring = settings.keys()
    with open_database(settings, "operator") as database:
        before = ring.known()[0]
        if not ring.is_kept:
            with database.as_operator(
                actor(), f"say how to rotate the key {before.name}, which the settings give"
            ):
                pass
            click.echo(_by_hand(settings))
            return
        # On record first: a key that changed without a word would be worse than a word without a change.
        with database.as_operator(
            actor(), f"rotate the key {before.name}{', which leaked' if leaked else ''}"
        ):
            fresh = ring.rotate()
        click.echo(f"{fresh.name} signs from now on; {before.name} is read until it is forgotten.")
        counts, resealed = _reseal(database, settings, ring)
        if leaked and not counts[before.name]:
            ring.forget([before.name])
            click.echo(
                f"{before.name} is forgotten: links that it signed are worth nothing, open forms must be loaded anew."
            )
    _tell_resealed(counts, resealed)


@keys.command()
def reseal() -> None:
    """Seal stored secrets anew with the key in force, 500 at a time; safe to run at any time, and again."""
    settings = load_settings()
    with open_database(settings, "operator") as database:
        counts, resealed = _reseal(database, settings, settings.keys())
    _tell_resealed(counts, resealed)


@keys.command()
@click.option(
    "--all", "every", is_flag=True, help="Also those that are not old enough; links that they signed end."
)
def forget(every: bool) -> None:
    """Forget earlier keys, 91 days after they were retired: no link that they signed is alive by then."""
    from ringstead.keys import GRACE

    settings = load_settings()
    ring = settings.keys()
    with open_database(settings, "operator") as database:
        counts = _look_through(database, settings, ring, "look what the keys have sealed", reseal=False)[0]
        over = datetime.now(UTC) - GRACE
        earlier = [key for key in ring.known()[1:] if key.retired_at is not None]
        old = [key for key in earlier if every or (key.retired_at is not None and key.retired_at < over)]
        if needed := [key.name for key in old if counts[key.name]]:
            raise click.ClickException(
                f"Stored secrets are sealed with {', '.join(needed)}. Mend: ringstead keys reseal"
            )
        names = ", ".join(key.name for key in old)
        if old:
            with database.as_operator(actor(), f"forget the keys {names}"):
                ring.forget([key.name for key in old])
    click.echo(f"Forgotten: {names}." if old else "No earlier key that is kept here is old enough.")
    if settings.old_secret_keys:
        click.echo("Earlier keys in the setting old_secret_keys are taken away there.")


def _by_hand(settings: Settings) -> str:
    from ringstead.keys import GRACE

    source = settings.source("secret_key")
    key, old = "secret_key", "old_secret_keys"
    if source == "environment":
        key, old = f"{PREFIX}{key.upper()}", f"{PREFIX}{old.upper()}"
    return _BY_HAND.format(source=source, key=key, old=old, fresh=secrets.token_hex(32), days=GRACE.days)


def _reseal(database: Database, settings: Settings, ring: KeyRing) -> tuple[Counter[str], int]:
    return _look_through(
        database, settings, ring, f"seal anew with the key {ring.known()[0].name}", reseal=True
    )


def _look_through(
    database: Database, settings: Settings, ring: KeyRing, reason: str, *, reseal: bool
) -> tuple[Counter[str], int]:
    """All sealed columns, a batch in each transaction; counts by key, and how many were sealed anew."""
    from ringstead.cli.shared import load_plugin_registry
    from ringstead.sealing import look_through, sealed_columns

    load_plugin_registry(settings)  # core and plugins declare their columns where they are imported
    counts: Counter[str] = Counter()
    resealed = 0
    for where in sealed_columns():
        after = None
        while True:
            with database.as_operator(actor(), f"{reason}: {where.table}.{where.column}") as session:
                batch = look_through(session, ring, where, after, reseal=reseal)
            counts += batch.by_key
            resealed += batch.resealed
            after = batch.last
            if after is None:
                break
    return counts, resealed


def _state(key: Key, number: int) -> tuple[str, str]:
    if number == 0:
        return "signs", ""
    return "is read", f"{key.retired_at:%Y-%m-%d}" if key.retired_at else "by the settings"


def _tell_resealed(counts: Counter[str], resealed: int) -> None:
    from ringstead.sealing import UNREADABLE

    click.echo(f"{resealed} of {sum(counts.values())} stored secrets were sealed anew.")
    if counts[UNREADABLE]:
        _tell_rest(counts)
        raise SystemExit(1)


def _tell_rest(counts: Counter[str]) -> None:
    """What no known key has sealed."""
    from ringstead.sealing import UNREADABLE

    if counts[""]:
        click.echo(f"{counts['']} stored secrets are in the clear. Mend: ringstead keys reseal")
    if counts[UNREADABLE]:
        click.echo(
            f"{counts[UNREADABLE]} stored secrets were sealed with a key that is not known here. Mend: give the "
            "earlier key in old_secret_keys, or set those secrets again.",
            err=True,
        )
