"""Legs of one call, joined into one conversation for each person. Pure: legs in any order give the same rows."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from ringstead_calllogs.records import UNANSWERED

# Of legs that start in one moment, the one from outside is first: a forward goes out because a call came in.
_RANKS: Final = {"incoming": 0, "internal": 1, "outgoing": 2}
_CONVERSATIONS: Final = uuid5(NAMESPACE_URL, "calllogs:conversation")


class LegFacts(NamedTuple):
    """What joining needs to know of a leg; the fields are columns of `Leg`."""

    key: str
    linked_id: str
    direction: str
    disposition: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    from_subscriber_id: UUID | None
    from_number: str | None
    from_name: str | None
    to_subscriber_id: UUID | None
    to_number: str | None
    to_name: str | None
    dialled: str | None
    device: str | None


def conversation_id(org_id: UUID, subscriber_id: UUID, linked_id: str) -> UUID:
    """The id of a person's row for a call; the same however often, and from which legs, it is computed."""
    return uuid5(_CONVERSATIONS, f"{org_id} {subscriber_id} {linked_id}")


def people_of(legs: Sequence[LegFacts]) -> set[UUID]:
    """The subscribers whose legs these are."""
    ends = {leg.from_subscriber_id for leg in legs} | {leg.to_subscriber_id for leg in legs}
    return {person for person in ends if person is not None}


def conversations(org_id: UUID, legs: Sequence[LegFacts]) -> list[dict[str, Any]]:
    """The rows of `Conversation` for the legs of one call, one for each subscriber who has a leg in it."""
    ordered = sorted(legs, key=lambda leg: (leg.started_at, _RANKS[leg.direction], leg.key))
    return [_conversation(org_id, person, ordered) for person in sorted(people_of(legs))]


def _conversation(org_id: UUID, person: UUID, legs: Sequence[LegFacts]) -> dict[str, Any]:
    mine = [leg for leg in legs if person in (leg.from_subscriber_id, leg.to_subscriber_id)]
    # Who calls their own number dialled it.
    dialled = mine[0].from_subscriber_id == person
    side = [leg for leg in mine if (leg.from_subscriber_id if dialled else leg.to_subscriber_id) == person]
    disposition = _of_caller(side) if dialled else _of_called(person, side, legs)
    answered = [leg for leg in side if leg.disposition == "answered" and leg.answered_at is not None]
    answered_at = min((leg.answered_at for leg in answered if leg.answered_at), default=None)
    first = answered[0] if answered else side[0]
    return {
        "org_id": org_id,
        "id": conversation_id(org_id, person, first.linked_id),
        "subscriber_id": person,
        "linked_id": first.linked_id,
        "started_at": mine[0].started_at,
        "kind": _kind(dialled, disposition),
        "direction": "outgoing" if dialled else "incoming",
        "disposition": disposition,
        **(_dialled_party(side, first) if dialled else _calling_party(first)),
        "answered_at": answered_at,
        "ended_at": max(leg.ended_at for leg in mine),
        "ring_seconds": _seconds(mine[0].started_at, answered_at or max(leg.ended_at for leg in side)),
        "talk_seconds": _talk_seconds(answered),
        "devices": _devices(answered or side, dialled),
        "leg_count": len(mine),
    }


def _of_called(person: UUID, side: Sequence[LegFacts], legs: Sequence[LegFacts]) -> str:
    """How a call ended for somebody who was called. If nobody took it, busy and unreachable are missed too."""
    seen = {leg.disposition for leg in side}
    for disposition in ("answered", "voicemail", "forwarded", "blocked", "answered_elsewhere"):
        if disposition in seen:
            return disposition
    since = side[0].started_at
    return "answered_elsewhere" if any(_took_it(leg, person, since) for leg in legs) else "missed"


def _took_it(leg: LegFacts, person: UUID, since: datetime) -> bool:
    """Whether a leg shows that somebody else answered while or after `person` was rung (and not before, who then
    handed the call over to them). An end without a subscriber may be a prompt, unless it is outside."""
    if leg.disposition != "answered" or leg.answered_at is None or leg.answered_at < since:
        return False
    return leg.to_subscriber_id not in (None, person) or leg.direction == "outgoing"


def _of_caller(side: Sequence[LegFacts]) -> str:
    """How a call ended for who made it: with the best of the phones that rang, else with the last."""
    seen = {leg.disposition for leg in side}
    if seen & {"answered", "answered_elsewhere"}:
        return "answered"
    if "voicemail" in seen:
        return "voicemail"
    tried = [leg for leg in side if leg.disposition != "forwarded"] or side
    return max(tried, key=lambda leg: (leg.ended_at, leg.key)).disposition


def _kind(dialled: bool, disposition: str) -> str:
    if dialled:
        return "dialled"
    return "missed" if disposition in UNANSWERED - {"answered_elsewhere"} | {"voicemail"} else "received"


def _calling_party(leg: LegFacts) -> dict[str, Any]:
    """Who called, and what they dialled to do so."""
    return _party(leg.from_number, leg.from_name, leg.from_subscriber_id) | {"dialled": leg.dialled}


def _dialled_party(side: Sequence[LegFacts], first: LegFacts) -> dict[str, Any]:
    """Whom somebody called: who has the number they dialled, else that number if it rang several (a group)."""
    dialled = side[0].dialled
    reached = next((leg for leg in side if dialled is not None and leg.to_number == dialled), None)
    if reached is None and dialled is not None and len({leg.to_number for leg in side}) > 1:
        party = _party(dialled, None, None)
    else:
        leg = reached or first
        party = _party(leg.to_number, leg.to_name, leg.to_subscriber_id)
    return party | {"dialled": None}


def _party(number: str | None, name: str | None, subscriber_id: UUID | None) -> dict[str, Any]:
    return {
        "number": number,
        "name": name or None,
        "name_folded": folded(name or ""),
        "other_subscriber_id": subscriber_id,
    }


def folded(text: str) -> str:
    """Words for searching: lower case, without accents, a space before each."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    words = "".join(char for char in plain if not unicodedata.combining(char)).split()
    return "".join(f" {word}" for word in words)


def _devices(legs: Sequence[LegFacts], dialled: bool) -> list[str]:
    """The person's own phones: a leg names the caller's only when the call goes out."""
    devices = (leg.device for leg in legs if (leg.direction == "outgoing") == dialled)
    return list(dict.fromkeys(device for device in devices if device))


def _talk_seconds(answered: Sequence[LegFacts]) -> int:
    """Seconds during which at least one leg was talking: legs of a transfer overlap."""
    total, until = 0.0, None
    for leg in sorted(answered, key=lambda leg: (leg.answered_at, leg.ended_at)):
        assert leg.answered_at is not None, "only answered legs are given"
        begin = leg.answered_at if until is None else max(until, leg.answered_at)
        if leg.ended_at > begin:
            total += (leg.ended_at - begin).total_seconds()
            until = leg.ended_at
    return int(total)


def _seconds(begin: datetime, end: datetime) -> int:
    return max(0, int((end - begin).total_seconds()))
