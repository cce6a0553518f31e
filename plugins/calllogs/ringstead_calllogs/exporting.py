"""A person's calls, legs and notes, for themselves to have: every row that is theirs, read as it is written out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select

from ringstead.api import PersonalData
from ringstead.api.models import TenantSession
from ringstead.api.preferences import load_preferences
from ringstead_calllogs.joining import LegRow
from ringstead_calllogs.looks import VISIBLE, Look, setting
from ringstead_calllogs.measures import MEASURES
from ringstead_calllogs.models import Annotation, Conversation
from ringstead_calllogs.rollups import PersonQuarter
from ringstead_calllogs.storing import legs_of_calls

AT_ONCE: Final = 500
_PERSON: Final = bindparam("person", type_=Uuid())
_CALL: Final = (
    "id",
    "linked_id",
    "kind",
    "direction",
    "is_internal",
    "disposition",
    "started_at",
    "answered_at",
    "ended_at",
    "number",
    "name",
    "requested_number",
    "requested_name",
    "ring_seconds",
    "talk_seconds",
    "devices",
    "trace_id",
)
_LEG: Final = (
    "key",
    "direction",
    "disposition",
    "started_at",
    "answered_at",
    "ended_at",
    "hangup_cause",
    "from_number",
    "from_name",
    "requested_number",
    "requested_name",
    "to_number",
    "to_name",
    "device",
    "trace_id",
)
_CALLS: Final = (
    select(*(getattr(Conversation, name) for name in _CALL), Annotation.note, Annotation.tags)
    .outerjoin(
        Annotation,
        (Annotation.org_id == Conversation.org_id)
        & (Annotation.subscriber_id == Conversation.subscriber_id)
        & (Annotation.conversation_id == Conversation.id),
    )
    .where(Conversation.subscriber_id == _PERSON)
    .order_by(Conversation.started_at, Conversation.id)
)
_COUNTS: Final = (
    select(PersonQuarter.at, *(getattr(PersonQuarter, name) for name in MEASURES))
    .where(PersonQuarter.subscriber_id == _PERSON)
    .order_by(PersonQuarter.at)
)
_LOOKS: Final = (
    select(Look.at, Look.account_name, Look.scope, Look.scope_name, Look.what)
    .where(Look.subscriber_id == _PERSON)
    .order_by(Look.at, Look.id)
)


def export_person(session: TenantSession, subscriber_id: UUID) -> list[PersonalData]:
    """The person's conversations, oldest first, each with its legs and what they wrote on it; their counts;
    and when others looked at them, with who it was where the organization tells that."""
    return [
        PersonalData(name="calls", rows=_calls(session, subscriber_id)),
        PersonalData(name="counts", rows=_counts(session, subscriber_id)),
        PersonalData(name="looks", rows=_looks(session, subscriber_id)),
    ]


def _calls(session: TenantSession, person: UUID) -> Iterator[Mapping[str, Any]]:
    options = {"yield_per": AT_ONCE}
    for rows in session.execute(_CALLS, {"person": person}, execution_options=options).partitions():
        legs = _legs(session, person, [row.linked_id for row in rows])
        for row in rows:
            call = dict(row._mapping)
            yield {
                **call,
                "tags": call["tags"] or [],
                "note": call["note"] or "",
                "legs": legs[row.linked_id],
            }


def _legs(session: TenantSession, person: UUID, linked: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The person's own legs of some calls: what others did in them is not theirs to have."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for leg in sorted(legs_of_calls(session, linked), key=lambda leg: (leg.started_at, leg.key)):
        if person in (leg.from_subscriber_id, leg.to_subscriber_id):
            found[leg.linked_id].append(_shown(leg))
    return found


def _shown(leg: LegRow) -> Mapping[str, Any]:
    return {name: getattr(leg, name) for name in _LEG}


def _counts(session: TenantSession, person: UUID) -> Iterator[Mapping[str, Any]]:
    for row in session.execute(_COUNTS, {"person": person}, execution_options={"yield_per": AT_ONCE}):
        yield dict(row._mapping)


def _looks(session: TenantSession, person: UUID) -> Iterator[Mapping[str, Any]]:
    is_visible = load_preferences(session, {VISIBLE: setting()})[VISIBLE]
    for row in session.execute(_LOOKS, {"person": person}, execution_options={"yield_per": AT_ONCE}):
        yield {**row._mapping, "account_name": row.account_name if is_visible else None}
