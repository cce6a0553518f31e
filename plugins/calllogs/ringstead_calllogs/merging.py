"""Calls that another one took over: after an attended transfer, two calls with linked ids of their own are one."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Text, any_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from ringstead.api.models import TenantSession
from ringstead_calllogs.joining import LegRow, conversation_id, people_of
from ringstead_calllogs.models import Merge
from ringstead_calllogs.storing import legs_of_calls, rejoin

_KNOWN = select(Merge.id, Merge.into_id).where(Merge.id == any_(bindparam("linked", type_=ARRAY(Text()))))
_MOVE_LEGS = text("""
    UPDATE calllogs_leg AS leg SET linked_id = :into
    FROM calllogs_leg_key AS known
    WHERE known.org_id = :org AND known.linked_id = :old
      AND leg.org_id = known.org_id AND leg.started_at = known.started_at AND leg.id = known.leg_id
""")
_MOVE_KEYS = text("UPDATE calllogs_leg_key SET linked_id = :into WHERE org_id = :org AND linked_id = :old")


# Whoever wrote on both of the two finds both notes on the one.
_MOVE_ANNOTATION = text("""
    WITH moved AS (
        DELETE FROM calllogs_annotation WHERE org_id = :org AND subscriber_id = :person AND conversation_id = :old
        RETURNING note, tags
    )
    INSERT INTO calllogs_annotation AS kept (org_id, subscriber_id, conversation_id, note, tags)
    SELECT :org, :person, :into, note, tags FROM moved
    ON CONFLICT (org_id, subscriber_id, conversation_id) DO UPDATE SET
        note = concat_ws(E'\\n', nullif(kept.note, ''), nullif(excluded.note, '')), tags = kept.tags || excluded.tags
""")


def _of(session: TenantSession, person: UUID) -> dict[str, UUID]:
    return {"org": session.org_id, "person": person}


class Calls:
    """Which call a linked id belongs to by now, for the ids of one batch."""

    def __init__(self, session: TenantSession, linked: Iterable[str]) -> None:
        self._session = session
        self._into: dict[str, str] = {
            row.id: row.into_id for row in session.execute(_KNOWN, {"linked": sorted(set(linked))})
        }

    def of(self, linked_id: str) -> str:
        """The call's linked id."""
        return self._into.get(linked_id, linked_id)

    def in_their_calls(self, legs: Sequence[LegRow]) -> Sequence[LegRow]:
        """The legs with the linked ids of the calls that they belong to by now."""
        if not self._into:
            return legs
        return [leg._replace(linked_id=self.of(leg.linked_id)) for leg in legs]

    def merge(self, taken_over: str, into: str) -> str:
        """Make two calls one; legs that come later for either are that one's. Returns its linked id."""
        old, new = self.of(taken_over), self.of(into)
        if old == new:
            return new
        session = self._session
        # Both: a call that reached nobody has a row of its own, which is not that of any person of the whole.
        legs = legs_of_calls(session, [old])
        rejoin(session, [*legs, *legs_of_calls(session, [new])], [])
        for person in people_of(legs):
            ids = (conversation_id(session.org_id, person, linked) for linked in (old, new))
            session.execute(
                _MOVE_ANNOTATION, dict(zip(("old", "into"), ids, strict=True)) | _of(session, person)
            )
        values = {"org": session.org_id, "old": old, "into": new}
        for statement in (_MOVE_LEGS, _MOVE_KEYS):
            session.execute(statement, values)
        session.execute(update(Merge).where(Merge.into_id == old).values(into_id=new))
        session.execute(insert(Merge).values(org_id=session.org_id, id=old, into_id=new))
        self._into |= {name: new for name, now in self._into.items() if now == old} | {old: new}
        return new
