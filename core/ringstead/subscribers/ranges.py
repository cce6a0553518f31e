"""Numbers (DIDs) and extensions that an organization has: ranges, what is free in them, and whose a number is.

An organization without ranges of a kind may use any. The same number is never two subscribers', wherever they are.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import func, select, text

from ringstead.db.base import new_id
from ringstead.db.session import TenantSession
from ringstead.tenancy.models import NumberRange, Organization, Subscriber

Kind = Literal["did", "extension"]
LONGEST: Final = 10_000
"""How many numbers a range has at most."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A range and how much of it is taken."""

    row: NumberRange
    size: int
    used: int


def ranges_of(session: TenantSession, kind: Kind) -> list[NumberRange]:
    """The ranges of the session's organization, in order."""
    wanted = select(NumberRange).where(NumberRange.kind == kind, NumberRange.org_id == session.org_id)
    return sorted(session.scalars(wanted), key=lambda row: (len(row.first), row.first))


def usage_of(session: TenantSession, kind: Kind) -> list[Usage]:
    """The ranges with how much of each is taken."""
    column: Any = Subscriber.number if kind == "did" else Subscriber.extension
    found = []
    for row in ranges_of(session, kind):
        taken = session.scalar(select(func.count()).select_from(Subscriber).where(*_within(column, row)))
        found.append(Usage(row, size_of(row.first, row.last), taken or 0))
    return found


def size_of(first: str, last: str) -> int:
    """How many numbers there are from one to the other."""
    return int(last) - int(first) + 1


def is_within(value: str, ranges: list[NumberRange]) -> bool:
    """Whether a number is in one of the ranges; yes where there are none."""
    return not ranges or any(
        len(value) == len(row.first) and row.first <= value <= row.last for row in ranges
    )


def free_numbers(session: TenantSession, kind: Kind, most: int) -> list[str]:
    """The first numbers of the organization's ranges that nobody has. Without ranges of extensions: those after the
    highest that is in use."""
    column: Any = Subscriber.number if kind == "did" else Subscriber.extension
    found: list[str] = []
    for row in ranges_of(session, kind):
        taken = set(session.scalars(select(column).where(*_within(column, row))))
        plus = "+" if row.first.startswith("+") else ""
        width = len(row.first) - len(plus)
        for value in range(int(row.first), int(row.last) + 1):
            number = f"{plus}{value:0{width}d}"
            if number not in taken:
                found.append(number)
            if len(found) == most:
                return found
    if kind == "extension" and not found and not ranges_of(session, kind):
        found = _after_the_highest(session, most)
    return found


def _after_the_highest(session: TenantSession, most: int) -> list[str]:
    width = func.length(Subscriber.extension)
    highest = session.scalar(
        select(Subscriber.extension).order_by(width.desc(), Subscriber.extension.desc()).limit(1)
    )
    start = int(highest) + 1 if highest else 100
    return [str(start + i) for i in range(most)]


def _within(column: Any, row: NumberRange) -> tuple[Any, ...]:
    text_of = column.collate("C")
    return func.length(column) == len(row.first), text_of >= row.first, text_of <= row.last


def hold_numbers(session: TenantSession) -> None:
    """Wait for whoever is about to take numbers anywhere, and let others wait until the end of this transaction.

    Between asking whether a number is free and taking it. Not in two transactions of one request: the second would wait
    for the first for ever.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtext('ringstead numbers'))"))


def number_is_taken(session: TenantSession, number: str, but: UUID | None = None) -> bool:
    """Whether any subscriber of this installation has a number (E.164), or a range of another organization holds it.

    It says nothing of whose it is. `but` is a subscriber who may have it.
    """
    return _are_taken(session, number, number, but)


def add_range(session: TenantSession, kind: Kind, first: str, last: str) -> NumberRange | None:
    """Give the session's organization a range; None when a part of it is taken: by another range, or, of numbers, by
    anybody of another organization."""
    session.execute(
        select(Organization.org_id).where(Organization.org_id == session.org_id).with_for_update()
    )
    if kind == "did":
        hold_numbers(session)
        if _are_taken(session, first, last):
            return None
    mine = ranges_of(session, kind)
    if any(len(row.first) == len(first) and row.first <= last and row.last >= first for row in mine):
        return None
    row = NumberRange(id=new_id(), partner_id=session.scope.partner_id, kind=kind, first=first, last=last)
    session.add(row)
    session.flush()
    return row


def range_is_taken(session: TenantSession, first: str, last: str) -> bool:
    """Whether any of these numbers is anybody's or in anybody's range: for an organization that is not there yet."""
    return _are_taken(session, first, last)


def _are_taken(session: TenantSession, first: str, last: str, but: UUID | None = None) -> bool:
    # An id that is nobody's, where there is no organization: everybody is another then.
    org_id = session.scope.org_id or new_id()
    asked = text("SELECT numbers_are_taken(:first, :last, :org, :but)")
    values = {"first": first, "last": last, "org": org_id, "but": but}
    return bool(session.scalar(asked, values))
