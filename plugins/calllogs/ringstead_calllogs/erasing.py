"""A person forgotten: their calls, notes and counts go, and what others keep of calls with them stays as it was.

A call in which nobody else of the organization was goes with its legs. In a call with others the legs stay, because the
others' rows are computed from them, and `ERASED` stands for the person there: somebody was called, or took it, and
nobody knows who. The number by which another one reached them is that one's own record and stays; the name goes.

A switch may send a record again. Keys of erased legs therefore stay, with a revision that no correction can exceed,
and say nothing but that: those of legs that went no longer know their call, and only the day of it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, Uuid, any_, bindparam, delete, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.api import Erasure, ErasureRefused, translations
from ringstead.api.bulk import stage
from ringstead.api.directory import SubscriberInfo, find_subscribers
from ringstead.api.models import Base, OrgScoped, TenantSession
from ringstead_calllogs.background import remove_files_of
from ringstead_calllogs.joining import ERASED, LegRow, by_call, people_of
from ringstead_calllogs.keeping import read_rule
from ringstead_calllogs.models import Leg, table_of
from ringstead_calllogs.storing import legs_of_calls, lock, rejoin

_ = translations("ringstead_calllogs")
AT_ONCE: Final = 500
# No record has a revision as high: see `records.Record`.
NEVER_AGAIN: Final = 2_000_000_000
# Begins the linked id of erased keys: no record may hold a control character, so none belongs to a call.
TOMBSTONE: Final = "\x01erased "
_WORDS: Final = {
    "calllogs_annotation": _("notes"),
    "calllogs_download": _("downloads"),
    "calllogs_look": _("looks at their calls"),
    "calllogs_person_quarter": _("counts"),
}
_ENDS: Final = ("from", "requested", "to")
_IDS: Final = tuple(getattr(Leg, f"{end}_subscriber_id") for end in _ENDS)
_NUMBERS: Final = tuple(getattr(Leg, f"{end}_number") for end in _ENDS)
# Without an index, on purpose: one is asked for once in years, and would cost every record that is taken in.
_CALLS: Final = (
    select(Leg.linked_id)
    .where(
        or_(
            *(column == bindparam("person", type_=Uuid()) for column in _IDS),
            *(column == any_(bindparam("numbers", type_=ARRAY(Text()))) for column in _NUMBERS),
        )
    )
    .distinct()
    .order_by(Leg.linked_id)
    .execution_options(yield_per=AT_ONCE)
)
_REWRITE: Final = """
    UPDATE calllogs_leg AS leg SET ({columns}) = ({values}) FROM {staged} AS staged
    WHERE leg.org_id = staged.org_id AND leg.started_at = staged.started_at AND leg.id = staged.id
"""
_REMOVE: Final = delete(Leg).where(
    Leg.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
    Leg.started_at.between(bindparam("first"), bindparam("last")),
)
_BURY: Final = text("""
    UPDATE calllogs_leg_key SET revision = :revision, started_at = date_trunc('day', started_at, 'UTC'),
        linked_id = :tombstone || to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
    WHERE org_id = :org AND id = ANY (:keys)
""")
_FREEZE: Final = text("""
    UPDATE calllogs_leg_key SET revision = :revision WHERE org_id = :org AND id = ANY (:keys)
""")
_UNSYNCHRONIZED: Final = {"synchronize_session": False}


def erase_person(session: TenantSession, subscriber_id: UUID, despite_hold: bool) -> list[Erasure]:
    """Erase a subscriber in the session's transaction, under the organization's lock."""
    lock(session)
    if read_rule(session).is_held and not despite_hold:
        raise ErasureRefused("a legal hold is on (calllogs.legal_hold), so no calls may be removed")
    found = find_subscribers(session, [subscriber_id])
    numbers = _numbers(found)
    removed = changed = 0
    # A cursor of the server, which sees what was there when it began: in memory is a piece at a time.
    calls = session.scalars(_CALLS, {"person": subscriber_id, "numbers": numbers})
    for some in calls.partitions():
        gone, kept = _erase_from_calls(session, some, subscriber_id, frozenset(numbers))
        removed, changed = removed + gone, changed + kept
    remove_files_of(session, subscriber_id)
    return [
        Erasure(what=_("calls that were nobody else’s"), count=removed),
        Erasure(what=_("calls with others, now without the person"), count=changed),
        *_delete_own_rows(session, subscriber_id),
    ]


def _numbers(found: Iterable[SubscriberInfo]) -> list[str]:
    """By which numbers a leg may know the person though it does not name them."""
    return [number for person in found for number in (person.extension, person.number) if number]


def _erase_from_calls(
    session: TenantSession, linked: Sequence[str], person: UUID, numbers: frozenset[str]
) -> tuple[int, int]:
    """Erase the person from these calls; how many went, and how many stay without them."""
    calls = by_call(legs_of_calls(session, linked))
    theirs = [call for call in calls if _is_theirs_alone(call, person)]
    shared = [call for call in calls if not _is_theirs_alone(call, person)]
    after = [[without(leg, person, numbers) for leg in call] for call in shared]
    pairs = (pair for old, new in zip(shared, after, strict=True) for pair in zip(old, new, strict=True))
    changed = [new for old, new in pairs if new != old]
    if changed:
        _rewrite(session, changed)
    gone = [leg for call in theirs for leg in call]
    if gone:
        _remove(session, gone)
    rejoin(
        session, [*(leg for call in shared for leg in call), *gone], [leg for call in after for leg in call]
    )
    return len(theirs), len(shared)


def _is_theirs_alone(call: Sequence[LegRow], person: UUID) -> bool:
    """Whether the person was in a call, and nobody else of the organization."""
    return people_of(call) == {person}


def without(leg: LegRow, person: UUID, numbers: frozenset[str]) -> LegRow:
    """A leg of a call that stays, when a person is erased who may also be known by `numbers`. Pure.

    In a leg with somebody else of the organization the person's number stays, as whom that one spoke to. A leg that was
    theirs alone says only that somebody was there, and not who was at its other end either.
    """
    ids = {end: getattr(leg, f"{end}_subscriber_id") for end in _ENDS}
    has_others = bool({ids["from"], ids["to"]} - {person, None, ERASED})
    values: dict[str, Any] = {}
    for end in _ENDS:
        if ids[end] == person or (ids[end] is None and getattr(leg, f"{end}_number") in numbers):
            values[f"{end}_name"] = None
            values |= {f"{end}_subscriber_id": ERASED} if ids[end] == person else {}
            values |= {} if has_others else {f"{end}_number": None}
    if person in (ids["from"], ids["to"]) and not has_others:
        values |= {f"{end}_{what}": None for end in _ENDS for what in ("number", "name")}
        values |= {"device": None, "trace_id": None}
    elif person == ids["from" if leg.direction == "outgoing" else "to"]:
        values["device"] = None
    return leg._replace(**values)


def _rewrite(session: TenantSession, legs: Sequence[LegRow]) -> None:
    """Put these legs in place of the stored ones, for good."""
    columns = [f"{end}_{what}" for end in _ENDS for what in ("subscriber_id", "number", "name")]
    columns += ["device", "trace_id"]
    staged = stage(session, table_of(Leg), LegRow._fields, legs)
    values = ", ".join(f"staged.{name}" for name in columns)
    session.execute(text(_REWRITE.format(columns=", ".join(columns), values=values, staged=staged)))
    session.execute(_FREEZE, _keyed(session, [leg.key for leg in legs]))


def _remove(session: TenantSession, legs: Sequence[LegRow]) -> None:
    """Delete legs; their keys stay, so that the same records are known again, and say nothing more."""
    starts: list[datetime] = [leg.started_at for leg in legs]
    values = {"ids": [leg.id for leg in legs], "first": min(starts), "last": max(starts)}
    session.execute(_REMOVE, values, execution_options=_UNSYNCHRONIZED)
    session.execute(_BURY, {**_keyed(session, [leg.key for leg in legs]), "tombstone": TOMBSTONE})


def _keyed(session: TenantSession, keys: Sequence[str]) -> dict[str, Any]:
    return {"org": session.org_id, "keys": list(keys), "revision": NEVER_AGAIN}


def _delete_own_rows(session: TenantSession, person: UUID) -> list[Erasure]:
    """Delete what is left of the person in every table of this plugin whose rows are a subscriber's."""
    deleted = []
    for mapper in sorted(Base.registry.mappers, key=lambda mapper: mapper.class_.__name__):
        model: Any = mapper.class_
        table = model.__tablename__
        if table.startswith("calllogs_") and issubclass(model, OrgScoped) and hasattr(model, "subscriber_id"):
            statement = delete(model).where(model.subscriber_id == person)
            result: Any = session.execute(statement, execution_options=_UNSYNCHRONIZED)
            deleted.append(Erasure(what=_WORDS.get(table, table), count=int(result.rowcount)))
    # Their conversations went with the calls.
    return [one for one in deleted if one.count or one.what in _WORDS.values()]
