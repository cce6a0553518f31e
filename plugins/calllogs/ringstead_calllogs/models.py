"""Legs as the switch reported them, and the conversations that they make: one row per person and call.

A *leg* connects the one who calls with one phone that rings or answers. Legs that belong to one call share its
`linked_id`. A *conversation* is that call as one person sees it; it is computed from the legs and nothing else, so it
can be computed again at any time. Times are UTC; durations are whole seconds; numbers are E.164, or as dialled where
they are no public number (an extension, a feature code). A withheld number is NULL.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import Computed, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api.models import Base, CreatedAt, OrgScoped

# Byte order, so that the index answers `^@` (starts with), which is leakproof: row-level security lets it use an index.
ByteText = Annotated[str, mapped_column(Text(collation="C"))]


class LegKey(OrgScoped, Base):
    """A leg's idempotency key, and where the leg is. One table for all months, so that a key is there once for ever."""

    __tablename__ = "calllogs_leg_key"

    id: Mapped[ByteText] = mapped_column(primary_key=True)
    linked_id: Mapped[ByteText]
    leg_id: Mapped[UUID]
    started_at: Mapped[datetime]
    revision: Mapped[int]


class Merge(OrgScoped, Base):
    """A call that another one took over (an attended transfer): `id` is its linked id, `into_id` that of the other."""

    __tablename__ = "calllogs_merge"

    id: Mapped[ByteText] = mapped_column(primary_key=True)
    into_id: Mapped[ByteText]


class Leg(OrgScoped, Base):
    """One leg. `direction` is the call's: incoming, outgoing or internal. `hangup_cause` is the switch's own number.

    Three parties are kept apart: `from` calls, `requested` is whom they asked for (a group, somebody who forwards),
    `to` is whose phone this leg tried. `device` is the phone that called when `direction` is outgoing, else the phone
    that was called. `trace_id` names the routing decision that led to the leg.
    """

    __tablename__ = "calllogs_leg"

    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[ByteText]
    linked_id: Mapped[ByteText]
    revision: Mapped[int]
    direction: Mapped[str]
    disposition: Mapped[str]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime]
    hangup_cause: Mapped[int | None]
    from_subscriber_id: Mapped[UUID | None]
    from_number: Mapped[str | None]
    from_name: Mapped[str | None]
    requested_subscriber_id: Mapped[UUID | None]
    requested_number: Mapped[str | None]
    requested_name: Mapped[str | None]
    to_subscriber_id: Mapped[UUID | None]
    to_number: Mapped[str | None]
    to_name: Mapped[str | None]
    device: Mapped[str | None]
    trace_id: Mapped[str | None]
    node_id: Mapped[UUID]
    received_at: Mapped[CreatedAt]


class Conversation(OrgScoped, Base):
    """A call as one person sees it. `id` comes from person and call, so it stays the same however often it is computed.

    `kind` is the list that it stands in (missed, received, dialled), `direction` the person's side of it (incoming,
    outgoing), `is_internal` whether it stayed within the organization, `disposition` how it ended for this person.
    `number`, `name`, `other_subscriber_id` are the other party; `requested_*` is whom the caller asked for, if known.
    Exactly one row of a call has `is_primary`: it stands for the call where the whole organization's are listed or
    counted. A call that reached nobody of the organization has one row without a subscriber.
    """

    __tablename__ = "calllogs_conversation"

    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    subscriber_id: Mapped[UUID | None]
    linked_id: Mapped[ByteText]
    is_primary: Mapped[bool]
    kind: Mapped[str]
    direction: Mapped[str]
    is_internal: Mapped[bool]
    disposition: Mapped[str]
    number: Mapped[ByteText | None]
    number_reversed: Mapped[ByteText | None] = mapped_column(Computed("reverse(number)", persisted=True))
    name: Mapped[str | None]
    name_folded: Mapped[str]
    other_subscriber_id: Mapped[UUID | None]
    requested_number: Mapped[str | None]
    requested_name: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime]
    ring_seconds: Mapped[int]
    talk_seconds: Mapped[int]
    devices: Mapped[list[str]]
    leg_count: Mapped[int]
    trace_id: Mapped[str | None]


class Annotation(OrgScoped, Base):
    """What a person wrote on a conversation of theirs: a note, and tags (lower case, in order).

    It hangs on the conversation's id, which stays the same however often the row is computed anew.
    """

    __tablename__ = "calllogs_annotation"

    subscriber_id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    note: Mapped[str] = mapped_column(default="")
    tags: Mapped[list[str]] = mapped_column(default=list)
    changed_at: Mapped[CreatedAt]


def table_of(model: type[Base]) -> Table:
    """A model's table, for what works on tables: bulk loading."""
    table: Any = model.__table__
    assert isinstance(table, Table)
    return table
