"""Secrets that must be read again, such as the word by which the portal speaks to a switch: encrypted in the database.

Fernet (AES-128-CBC with HMAC-SHA256) of the library cryptography, under keys derived from the deployment's signing
keys (HKDF, RFC 5869). What an earlier key sealed is read while that key is known; `ringstead keys reseal` seals
it anew.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import TextClause, create_engine, text
from sqlalchemy.orm import Session

from ringstead.keys import KeyRing

_PREFIX: Final = "sealed:"
_BATCH: Final = 500


class CannotUnseal(ValueError):
    """A value was sealed with a key that is not known here."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of texts that are sealed, or NULL; `keys` is the table's primary key."""

    table: str
    column: str
    keys: tuple[str, ...] = ("id",)


_COLUMNS: Final[dict[tuple[str, str], SealedColumn]] = {}


def declare_sealed(table: str, column: str, keys: tuple[str, ...] = ("id",)) -> None:
    """Tell where sealed values are stored, at import: `ringstead keys` looks after all that are declared."""
    _COLUMNS[table, column] = SealedColumn(table, column, keys)


def sealed_columns() -> list[SealedColumn]:
    """All that were declared, by name."""
    return [_COLUMNS[name] for name in sorted(_COLUMNS)]


def seal(ring: KeyRing, value: str) -> str:
    """The text to store."""
    return _PREFIX + _fernet(ring.current).encrypt(value.encode()).decode()


def unseal(ring: KeyRing, stored: str) -> str:
    """What was sealed. A text that never was, from before there were seals, is itself. Raises CannotUnseal."""
    return _open(ring, stored)[0]


def sealed_by(ring: KeyRing, stored: str) -> str:
    """The name of the key that sealed a stored text; "" when it is in the clear. Raises CannotUnseal."""
    return _open(ring, stored)[1]


def _open(ring: KeyRing, stored: str) -> tuple[str, str]:
    """What was sealed, and the name of the key that did it."""
    if not stored.startswith(_PREFIX):
        return stored, ""
    token = stored.removeprefix(_PREFIX).encode()
    for key in ring.known():
        try:
            return _fernet(key.value).decrypt(token).decode(), key.name
        except InvalidToken:
            continue
    raise CannotUnseal("it was sealed with a key that is not known here")


def _fernet(key: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"ringstead sealing").derive(key.encode())
    return Fernet(urlsafe_b64encode(derived))


# --- all that is stored: an operator's work ------------------------------------------------------------------------

UNREADABLE: Final = "unreadable"
Place = tuple[Any, ...]


@dataclass(slots=True)
class Batch:
    """What one batch of a column came to. `last` is where the next begins; None: there is no next."""

    last: Place | None
    by_key: Counter[str]
    resealed: int = 0


def look_through(
    session: Session, ring: KeyRing, where: SealedColumn, after: Place | None, *, reseal: bool
) -> Batch:
    """Look at (or seal anew with the key in force) at most 500 values of a column that come after a primary key.

    `by_key` counts by the names of the keys that sealed them: "" for texts in the clear, `UNREADABLE` for others, which
    stay as they are. Needs the operator's session.
    """
    found = session.execute(_select(where, after, lock=reseal), _bound(where, after)).all()
    batch = Batch(tuple(found[-1][:-1]) if len(found) == _BATCH else None, Counter())
    current = ring.known()[0].name
    for *place, stored in found:
        try:
            value, name = _open(ring, stored)
        except CannotUnseal:
            batch.by_key[UNREADABLE] += 1
            continue
        if reseal and name != current:
            values = {"value": seal(ring, value), **_bound(where, tuple(place))}
            session.execute(_update(where), values)
            batch.resealed, name = batch.resealed + 1, current
        batch.by_key[name] += 1
    return batch


def _bound(where: SealedColumn, place: Place | None) -> dict[str, Any]:
    return {} if place is None else {f"k{n}": value for n, value in enumerate(place)}


def _row(names: list[str]) -> str:
    return f"({', '.join(names)})"


def _select(where: SealedColumn, after: Place | None, *, lock: bool) -> TextClause:
    """Names come from declarations in code, never from people."""
    keys = ", ".join(where.keys)
    bound = _row([f":k{n}" for n, _key in enumerate(where.keys)])
    later = "" if after is None else f"AND {_row(list(where.keys))} > {bound}"
    return text(
        f"SELECT {keys}, {where.column} FROM {where.table} WHERE {where.column} IS NOT NULL {later}"
        f" ORDER BY {keys} LIMIT {_BATCH} {'FOR UPDATE' if lock else ''}"
    )


def _update(where: SealedColumn) -> TextClause:
    same = " AND ".join(f"{key} = :k{n}" for n, key in enumerate(where.keys))
    return text(f"UPDATE {where.table} SET {where.column} = :value WHERE {same}")


def count_sealed(operator_url: str, ring: KeyRing) -> Counter[str]:
    """How many stored values each key has sealed; reads only."""
    counts: Counter[str] = Counter()
    engine = create_engine(operator_url)
    with Session(engine) as session:
        for where in sealed_columns():
            batch = look_through(session, ring, where, None, reseal=False)
            counts.update(batch.by_key)
            while batch.last is not None:
                batch = look_through(session, ring, where, batch.last, reseal=False)
                counts.update(batch.by_key)
    engine.dispose()
    return counts
