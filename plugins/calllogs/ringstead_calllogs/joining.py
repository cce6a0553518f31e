"""Legs of one call, joined into one conversation for each person. Pure: legs in any order give the same rows."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha1
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from ringstead_calllogs.records import UNANSWERED

# Of legs that start in one moment, the one from outside is first: a forward goes out because a call came in.
_RANKS: Final = {"incoming": 0, "internal": 1, "outgoing": 2}
# How a call ended for who was called, if one of their legs says so: the first of these that does.
_CALLED: Final = ("answered", "voicemail", "forwarded", "blocked", "answered_elsewhere")
# Which person's row stands for an incoming call.
_TELLING: Final = ("answered", "voicemail", "forwarded", "missed", "blocked", "answered_elsewhere")
_MISSED: Final = UNANSWERED - {"answered_elsewhere"} | {"voicemail", "abandoned"}
_CONVERSATIONS: Final = uuid5(NAMESPACE_URL, "calllogs:conversation").bytes
_ZERO: Final = UUID(int=0)
ERASED: Final = UUID(int=2**128 - 1)
"""Stands in legs for whoever was erased: somebody of the organization, of whom nothing is known, and no row is made."""


class LegRow(NamedTuple):
    """A leg as it is stored: the fields are columns of `Leg`."""

    org_id: UUID
    id: UUID
    key: str
    linked_id: str
    revision: int
    direction: str
    disposition: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    hangup_cause: int | None
    from_subscriber_id: UUID | None
    from_number: str | None
    from_name: str | None
    requested_subscriber_id: UUID | None
    requested_number: str | None
    requested_name: str | None
    to_subscriber_id: UUID | None
    to_number: str | None
    to_name: str | None
    device: str | None
    trace_id: str | None
    node_id: UUID


class ConversationRow(NamedTuple):
    """A conversation as it is stored: the fields are columns of `Conversation`."""

    org_id: UUID
    id: UUID
    subscriber_id: UUID | None
    linked_id: str
    is_primary: bool
    kind: str
    direction: str
    is_internal: bool
    disposition: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    number: str | None
    name: str | None
    name_folded: str
    other_subscriber_id: UUID | None
    requested_number: str | None
    requested_name: str | None
    ring_seconds: int
    talk_seconds: int
    devices: list[str]
    leg_count: int
    trace_id: str | None


class Party(NamedTuple):
    """Who is at the other end."""

    number: str | None
    name: str | None
    subscriber_id: UUID | None


def conversation_id(org_id: UUID, subscriber_id: UUID | None, linked_id: str) -> UUID:
    """The id of a person's row for a call (RFC 9562, 5.5): the same however often, and from which legs."""
    name = org_id.bytes + (_ZERO if subscriber_id is None else subscriber_id).bytes + linked_id.encode()
    return UUID(bytes=sha1(_CONVERSATIONS + name, usedforsecurity=False).digest()[:16], version=5)


def by_call(legs: Iterable[LegRow]) -> list[list[LegRow]]:
    """The legs of each call."""
    calls: dict[str, list[LegRow]] = defaultdict(list)
    for leg in legs:
        calls[leg.linked_id].append(leg)
    return list(calls.values())


class Joined:
    """Conversations of calls, computed before anybody looked whether more of their legs are known.

    Most calls arrive whole, and only once; so they can be joined while the database is busy with others.
    """

    __slots__ = ("_calls",)

    def __init__(self, legs: Iterable[LegRow] = ()) -> None:
        self._calls = {call[0].linked_id: (call, conversations(call)) for call in by_call(legs)}

    def rows_of(self, call: list[LegRow]) -> list[ConversationRow]:
        """The conversations of a call with exactly these legs: as computed before, if from the same ones, else now."""
        known, rows = self._calls.get(call[0].linked_id, ((), []))
        return rows if known == call else conversations(call)


def people_of(legs: Iterable[LegRow]) -> set[UUID]:
    """The subscribers whose legs these are."""
    ends = {leg.from_subscriber_id for leg in legs} | {leg.to_subscriber_id for leg in legs}
    return {person for person in ends if person is not None and person != ERASED}


def conversations(legs: Sequence[LegRow]) -> list[ConversationRow]:
    """The rows of `Conversation` for the legs of one call: one for each subscriber in it, but at least one.

    A call in which everybody was erased has none.
    """
    ordered = sorted(legs, key=_order) if len(legs) > 1 else legs
    people = people_of(ordered)
    if not people:
        is_erased = any(ERASED in (leg.from_subscriber_id, leg.to_subscriber_id) for leg in ordered)
        return [] if is_erased else [_conversation(None, ordered, ordered)]
    if len(people) == 1:
        [person] = people
        mine = [leg for leg in ordered if person in (leg.from_subscriber_id, leg.to_subscriber_id)]
        return [_conversation(person, mine, ordered)]
    rows = []
    for person in sorted(people, key=lambda person: person.int):
        mine = [leg for leg in ordered if person in (leg.from_subscriber_id, leg.to_subscriber_id)]
        rows.append(_conversation(person, mine, ordered))
    telling = min(rows, key=lambda row: _telling(row, ordered[0]))
    return [row if row is telling else row._replace(is_primary=False) for row in rows]


def _order(leg: LegRow) -> tuple[datetime, int, str]:
    return leg.started_at, _RANKS[leg.direction], leg.key


def _telling(row: ConversationRow, first: LegRow) -> tuple[bool, int, datetime, UUID]:
    """The lowest is the row that stands for the call: the caller's if one of us called, else that of who took it."""
    person = row.subscriber_id or _ZERO
    calls = person == first.from_subscriber_id
    rank = _TELLING.index(row.disposition) if row.disposition in _TELLING else len(_TELLING)
    return not calls, rank, row.started_at, person


def _conversation(person: UUID | None, mine: Sequence[LegRow], legs: Sequence[LegRow]) -> ConversationRow:
    first = mine[0]
    # Who calls their own number dialled it.
    dialled = first.direction == "outgoing" if person is None else first.from_subscriber_id == person
    side = _side(person, mine, dialled)
    answered = [leg for leg in side if leg.disposition == "answered" and leg.answered_at is not None]
    answered_at = min([leg.answered_at for leg in answered if leg.answered_at], default=None)
    disposition = _of_caller(side) if dialled or person is None else _of_called(person, side, legs)
    telling = answered[0] if answered else side[0]
    other = _dialled_party(side, telling) if dialled else _calling_party(telling)
    rang_until = answered_at or max([_rang_until(leg) for leg in side])
    # By place, in the order of the fields: this is done for every row that is ever taken in.
    return ConversationRow(
        first.org_id,
        conversation_id(first.org_id, person, first.linked_id),
        person,
        first.linked_id,
        True,  # is_primary, until there are others
        "dialled" if dialled else "missed" if disposition in _MISSED else "received",
        "outgoing" if dialled else "incoming",
        telling.direction == "internal",
        disposition,
        first.started_at,
        answered_at,
        max([leg.ended_at for leg in mine]),
        other.number,
        other.name or None,
        folded(other.name or ""),
        other.subscriber_id,
        None if dialled else telling.requested_number,
        None if dialled else telling.requested_name,
        max(0, int((rang_until - first.started_at).total_seconds())),
        _talk_seconds(answered),
        _devices(answered or side, dialled),
        len(mine),
        next((leg.trace_id for leg in mine if leg.trace_id is not None), None),
    )


def _rang_until(leg: LegRow) -> datetime:
    """A mailbox that picks up ends the ringing; what is spoken on it is no ringing."""
    return leg.ended_at if leg.disposition != "voicemail" else leg.answered_at or leg.started_at


def _side(person: UUID | None, mine: Sequence[LegRow], dialled: bool) -> Sequence[LegRow]:
    """Those of a person's legs in which they are what they are in the whole: the caller, or the one who was called."""
    if person is None or len(mine) == 1:
        return mine
    return [leg for leg in mine if (leg.from_subscriber_id if dialled else leg.to_subscriber_id) == person]


def _of_called(person: UUID, side: Sequence[LegRow], legs: Sequence[LegRow]) -> str:
    """How a call ended for somebody who was called. If nobody took it, busy and unreachable are missed too."""
    seen = {leg.disposition for leg in side}
    for disposition in _CALLED:
        if disposition in seen:
            return disposition
    if len(legs) == 1:
        return "missed"
    since = side[0].started_at
    return "answered_elsewhere" if any(_took_it(leg, person, since) for leg in legs) else "missed"


def _took_it(leg: LegRow, person: UUID, since: datetime) -> bool:
    """Whether a leg shows that somebody else answered while or after `person` was rung (and not before, who then
    handed the call over to them). An end without a subscriber may be a prompt, unless it is outside."""
    if leg.disposition != "answered" or leg.answered_at is None or leg.answered_at < since:
        return False
    return leg.to_subscriber_id not in (None, person) or leg.direction == "outgoing"


def _of_caller(side: Sequence[LegRow]) -> str:
    """How a call ended for who made it: with the best of the phones that rang, else with the last."""
    seen = {leg.disposition for leg in side}
    if seen & {"answered", "answered_elsewhere"}:
        return "answered"
    if "voicemail" in seen:
        return "voicemail"
    tried = [leg for leg in side if leg.disposition != "forwarded"] or side
    last = max(tried, key=lambda leg: (leg.ended_at, leg.key)).disposition
    return "abandoned" if last == "cancelled" else last


def _calling_party(leg: LegRow) -> Party:
    """Who called."""
    return Party(leg.from_number, leg.from_name, _known(leg.from_subscriber_id))


def _dialled_party(side: Sequence[LegRow], telling: LegRow) -> Party:
    """Whom somebody called: who has the number they asked for, else that number if it rang several (a group)."""
    wanted = side[0].requested_number
    reached = next((leg for leg in side if wanted is not None and leg.to_number == wanted), None)
    if reached is None and wanted is not None and len({leg.to_number for leg in side}) > 1:
        return Party(wanted, side[0].requested_name, _known(side[0].requested_subscriber_id))
    leg = reached or telling
    return Party(leg.to_number, leg.to_name, _known(leg.to_subscriber_id))


def _known(person: UUID | None) -> UUID | None:
    return None if person == ERASED else person


@lru_cache(maxsize=20_000)
def folded(text: str) -> str:
    """Words for searching: lower case, without accents, a space before each."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    words = "".join(char for char in plain if not unicodedata.combining(char)).split()
    return "".join(f" {word}" for word in words)


def _devices(legs: Sequence[LegRow], dialled: bool) -> list[str]:
    """The person's own phones: a leg names the caller's only when the call goes out."""
    devices = (leg.device for leg in legs if (leg.direction == "outgoing") == dialled)
    return list(dict.fromkeys(device for device in devices if device))


def _talk_seconds(answered: Sequence[LegRow]) -> int:
    """Seconds during which at least one leg was talking: legs of a transfer overlap."""
    if len(answered) == 1 and answered[0].answered_at is not None:
        return int((answered[0].ended_at - answered[0].answered_at).total_seconds())
    total, until = 0.0, None
    for leg in sorted(answered, key=lambda leg: (leg.answered_at, leg.ended_at)):
        assert leg.answered_at is not None, "only answered legs are given"
        begin = leg.answered_at if until is None else max(until, leg.answered_at)
        if leg.ended_at > begin:
            total += (leg.ended_at - begin).total_seconds()
            until = leg.ended_at
    return int(total)
