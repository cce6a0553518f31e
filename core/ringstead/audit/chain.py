"""Whether the audit trail is as it was written: every entry is linked to the one before it by a digest.

A link's digest is SHA-256 over the digest before it and the entry's content; the database makes it when the entry's
transaction commits. Whoever changes, removes or slips in a row breaks the chain from there on. Whoever can rewrite
all of a chain, its links too, leaves no trace in it: for that, keep the heads somewhere else, and compare.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_LINKS = text("""
    SELECT l.chain, l.seq, l.digest, e.id AS entry_id, audit_content(e) AS content
    FROM audit_link l LEFT JOIN audit_entry e ON e.partner_id = l.partner_id AND e.id = l.entry_id
    WHERE l.partner_id = :partner ORDER BY l.chain, l.seq
""")
_UNLINKED = text("""
    SELECT e.id FROM audit_entry e
    WHERE e.partner_id = :partner AND NOT EXISTS (
        SELECT FROM audit_link l WHERE l.partner_id = e.partner_id AND l.entry_id = e.id)
    ORDER BY e.id LIMIT 20
""")
_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: its last number, and the digest that stands for everything up to there."""

    chain: UUID
    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a chain is broken, and how."""

    chain: UUID | None
    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a partner's trail is like."""

    entries: int
    heads: tuple[Head, ...]
    faults: tuple[Fault, ...]


def verify(session: Session, partner_id: UUID, known: Mapping[UUID, Head] | None = None) -> Verdict:
    """Follow a partner's chains from end to end, in constant memory; `known` are heads that were kept elsewhere.

    The session must see all of the partner's rows. A chain is followed to its first fault.
    """
    known = dict(known or {})
    faults: list[Fault] = []
    heads: dict[UUID, Head] = {}
    broken: set[UUID] = set()
    entries = 0
    for row in session.execute(_LINKS, {"partner": partner_id}, execution_options={"yield_per": _AT_A_TIME}):
        entries += 1
        if row.chain in broken:
            continue
        last = heads.get(row.chain, Head(row.chain, 0, ""))
        what = _fault_of(row, last)
        if what:
            faults.append(Fault(row.chain, row.seq, what))
            broken.add(row.chain)
            continue
        head = heads[row.chain] = Head(row.chain, row.seq, row.digest.hex())
        kept = known.get(row.chain)
        if kept is not None and kept.seq == head.seq and kept.digest != head.digest:
            faults.append(
                Fault(row.chain, row.seq, "it is not the trail whose head was kept: it was written anew")
            )
            broken.add(row.chain)
    faults += _short(known, heads, broken)
    faults += [
        Fault(None, 0, f"entry {entry_id} is in no chain: it was put in past the portal")
        for entry_id in session.scalars(_UNLINKED, {"partner": partner_id})
    ]
    return Verdict(entries, tuple(heads.values()), tuple(faults))


def _fault_of(row: object, last: Head) -> str:
    """What is wrong with a link that follows `last`; empty when nothing is."""
    seq, digest, content = row.seq, row.digest, row.content  # type: ignore[attr-defined]
    if seq != last.seq + 1:
        return f"links {last.seq + 1} to {seq - 1} are missing"
    if row.entry_id is None:  # type: ignore[attr-defined]
        return "its entry is missing"
    if hashlib.sha256(bytes.fromhex(last.digest) + content).digest() != digest:
        return "its entry or its digest was changed"
    return ""


def _short(known: Mapping[UUID, Head], heads: Mapping[UUID, Head], broken: set[UUID]) -> Iterator[Fault]:
    """Chains that end before a head that was kept."""
    for chain, kept in known.items():
        seen = heads[chain].seq if chain in heads else 0
        if chain not in broken and seen < kept.seq:
            yield Fault(chain, seen, f"it ends here; the head that was kept is number {kept.seq}")
