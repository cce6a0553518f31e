"""Records of one organization made ready to be stored: whose ends they are, numbers as they are kept, times in UTC."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from ringstead.api.directory import SubscriberInfo, find_subscribers
from ringstead.api.models import TenantSession, new_id
from ringstead.api.numbers import bare_number, stored_number
from ringstead.api.preferences import Preferences, load_preferences
from ringstead_calllogs.joining import LegRow
from ringstead_calllogs.keeping import kept_since
from ringstead_calllogs.records import MENDS, PARTIES, Guess, Party, Record, Rejection, utc

_LONGEST_EXTENSION: Final = 32
End = tuple[UUID | None, str | None, str | None]
NOBODY: Final[End] = (None, None, None)
Terms = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """A record and the line that it came on. `terms` are the fields' names and mends where a switch has its own."""

    line: int
    record: Record
    terms: Terms | None = None

    def refused(self, field: str, what: str, mend: str = "") -> Rejection:
        """Why the row is not taken; without a `mend`, the field's own."""
        name, usual = (self.terms or {}).get(field, (field, MENDS[field]))
        return Rejection(self.line, self.record.id, name, what, mend or usual)


def prepare(
    session: TenantSession, declared: Mapping[str, Any], node_id: UUID, rows: Sequence[Row]
) -> tuple[list[LegRow], list[Rejection]]:
    """The rows as legs, and why some are none: they name people whom the session's organization does not have, or are
    older than it keeps calls."""
    preferences = load_preferences(session, declared)
    rows, rejected = _young_enough(session, preferences, rows)
    parties = {party for row in rows for party in row.record.parties}
    ends = People.named_in(session, str(preferences["core.region"]), parties).ends(parties)
    legs: list[LegRow] = []
    for row in rows:
        record = row.record
        caller, called = ends[record.caller], ends[record.called]
        requested = NOBODY if record.requested is None else ends[record.requested]
        if caller is None or called is None or requested is None:
            rejected.append(_unknown(row, ends))
        else:
            legs.append(_leg(session.org_id, node_id, record, caller, requested, called))
    return legs, rejected


def _young_enough(
    session: TenantSession, preferences: Preferences, rows: Sequence[Row]
) -> tuple[Sequence[Row], list[Rejection]]:
    oldest = min(row.record.started_at for row in rows)
    since = kept_since(session, preferences, oldest, datetime.now(UTC))
    if since is None or oldest >= since:
        return rows, []
    refused = [too_old(row, since) for row in rows if row.record.started_at < since]
    return [row for row in rows if row.record.started_at >= since], refused


def too_old(row: Row, since: datetime) -> Rejection:
    """Why a row is not taken whose leg began before the time for which the organization keeps calls."""
    what = f"The organization keeps calls since {since:%Y-%m-%d} only."
    mend = "Send calls while they are kept, or let the organization keep them longer (calllogs.keep_days)."
    return row.refused("started_at", what, mend)


def _unknown(row: Row, ends: Mapping[Party, End | None]) -> Rejection:
    """Names the first field that names a subscriber who is not there."""
    for name, attribute in PARTIES:
        party = getattr(row.record, attribute)
        if party is not None and ends[party] is None:
            what = "extension" if party.subscriber is None else "subscriber"
            return row.refused(f"{name}.{what}", f"The organization has no such {what}.")
    raise AssertionError("only for rows that name somebody unknown")


@dataclass(frozen=True, slots=True)
class People:
    """The subscribers that a batch names, and the country whose national numbers it holds."""

    region: str
    by_id: Mapping[UUID, SubscriberInfo]
    by_extension: Mapping[str, SubscriberInfo]
    by_number: Mapping[str, SubscriberInfo]

    @classmethod
    def named_in(cls, session: TenantSession, region: str, parties: Collection[Party]) -> "People":
        """Read everybody at once: by id, by extension, and by what may be an extension or somebody's number."""
        numbers = {party.number for party in parties if party.number}
        extensions = {party.extension for party in parties if party.extension is not None}
        bare = {bare_number(number) for number in numbers}
        extensions |= {number for number in bare if number and len(number) <= _LONGEST_EXTENSION}
        public = {stored_number(number, region) for number in numbers}
        ids = {party.subscriber for party in parties if party.subscriber is not None}
        found = find_subscribers(session, ids, extensions, [number for number in public if number])
        return cls(
            region,
            {person.id: person for person in found},
            {person.extension: person for person in found},
            {person.number: person for person in found if person.number},
        )

    def ends(self, parties: Iterable[Party]) -> dict[Party, End | None]:
        """What is stored of each party; None for one that names a subscriber who is not there."""
        return {party: self._end(party) for party in parties}

    def _end(self, party: Party) -> End | None:
        """Whose end it is, the number as it is stored, and the name: as sent, else that of who has the number."""
        owner = self._owner(party)
        named = party.subscriber or party.extension
        if owner is None and named is not None and not isinstance(party, Guess):
            return None
        told = party.number if party.number or owner else party.extension
        number = stored_number(told, self.region, self.by_extension)
        known = owner or self.by_extension.get(number or "") or self.by_number.get(number or "")
        return (
            owner.id if owner else None,
            number or (owner.extension if owner else None),
            (party.name or "").strip() or (known.name if known else None),
        )

    def _owner(self, party: Party) -> SubscriberInfo | None:
        if party.subscriber is not None:
            return self.by_id.get(party.subscriber)
        return self.by_extension.get(party.extension) if party.extension is not None else None


def _leg(org_id: UUID, node_id: UUID, record: Record, caller: End, requested: End, called: End) -> LegRow:
    return LegRow(
        org_id,
        new_id(),
        record.id,
        record.linked_id or record.id,
        record.revision,
        record.direction,
        record.disposition,
        utc(record.started_at),
        utc(record.answered_at) if record.answered_at is not None else None,
        utc(record.ended_at),
        record.hangup_cause,
        *caller,
        *requested,
        *called,
        (record.device.strip() or None) if record.device else None,
        record.trace_id,
        node_id,
    )
