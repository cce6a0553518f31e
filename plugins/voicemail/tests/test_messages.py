"""The life of a message, and the counts that follow it."""

import itertools
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from ringstead.api.testing import Person, Tenants
from ringstead.db.engine import Database
from ringstead.events import EventOutbox
from ringstead_voicemail import messages
from ringstead_voicemail.listing import read_my_messages
from ringstead_voicemail.mailboxes import find_mailbox, lock_mailbox, own_mailbox
from ringstead_voicemail.models import Mailbox, MailboxMember, Message, Recording

MWI = "ringstead_voicemail.MwiChanged"


def change(database: Database, person: Person, do: Callable[..., Any], *arguments: Any) -> Any:
    """Do one of the functions of `messages` to a person's own mailbox."""
    assert person.organization is not None
    assert person.subscriber is not None
    with database.run_as(person.organization.org_id) as session:
        mailbox = lock_mailbox(session, own_mailbox(session, person.subscriber.id).id)
        return do(session, mailbox, *arguments)


def told(database: Database, person: Person) -> list[tuple[int, int]]:
    """What the lamp was told, in order."""
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        rows = session.scalars(select(EventOutbox).where(EventOutbox.name == MWI).order_by(EventOutbox.id))
        return [(row.payload["new"], row.payload["old"]) for row in rows]


def test_the_lamp_follows_every_change(
    database: Database, person: Person, leave: Callable[..., UUID], box_of: Callable[..., Mailbox]
) -> None:
    first, second = leave(person), leave(person)
    assert change(database, person, messages.mark_heard, [first]) == [first]
    assert change(database, person, messages.mark_heard, [first]) == []
    change(database, person, messages.move, [second], "trash")
    change(database, person, messages.restore, [second])
    change(database, person, messages.move, [first], "saved")
    change(database, person, messages.remove, [first])
    assert told(database, person) == [(1, 0), (2, 0), (1, 1), (0, 1), (1, 1), (1, 0)]
    assert (box_of(person).new_count, box_of(person).old_count, box_of(person).used_bytes) == (1, 0, 1000)


def test_a_mailbox_may_hold_more_than_two_gigabytes(
    database: Database, person: Person, leave: Callable[..., UUID], box_of: Callable[..., Mailbox]
) -> None:
    first = leave(person)
    assert person.organization is not None
    with database.run_as(person.organization.org_id) as session:
        session.execute(update(Message).where(Message.id == first).values(size=3_000_000_000))
    leave(person)
    assert box_of(person).used_bytes == 3_000_001_000


def test_a_message_comes_back_to_where_it_was(
    database: Database, person: Person, leave: Callable[..., UUID], message_of: Callable[..., Message]
) -> None:
    message = leave(person)
    change(database, person, messages.move, [message], "saved")
    change(database, person, messages.move, [message], "trash")
    assert change(database, person, messages.restore, [message]) == [message]
    assert message_of(person, message).folder == "saved"


def test_nobody_changes_a_message_of_another_mailbox(
    database: Database,
    tenants: Tenants,
    person: Person,
    leave: Callable[..., UUID],
    message_of: Callable[..., Message],
) -> None:
    colleague = tenants.person(person.organization)  # type: ignore[arg-type]
    theirs = leave(colleague)
    for do, arguments in (
        (messages.mark_heard, ()),
        (messages.move, ("trash",)),
        (messages.restore, ()),
        (messages.remove, ()),
    ):
        assert change(database, person, do, [theirs], *arguments) == []
    found = message_of(colleague, theirs)
    assert (found.folder, found.heard_at) == ("inbox", None)


def test_a_recording_stays_while_a_message_names_it(
    database: Database, person: Person, leave: Callable[..., UUID], message_of: Callable[..., Message]
) -> None:
    message = message_of(person, leave(person))
    recording_id, received_at = message.recording_id, message.received_at

    def copy(session: Any, mailbox: Mailbox) -> UUID:
        recording = session.get(Recording, (mailbox.org_id, recording_id))
        return messages.add_message(session, mailbox, recording, messages.Caller(), received_at).id

    twin = change(database, person, copy)
    count = select(func.count()).select_from(Recording).where(Recording.id == recording_id)
    for gone, left in ((message.id, 1), (twin, 0)):
        change(database, person, messages.remove, [gone])
        with database.run_as(message.org_id) as session:
            assert session.scalar(count) == left


def test_a_shared_mailbox_opens_for_its_members_only(
    database: Database, tenants: Tenants, person: Person, leave: Callable[..., UUID]
) -> None:
    organization = person.organization
    assert organization is not None
    stranger, foreigner = (
        tenants.person(organization),
        tenants.person(tenants.organization(None, "voicemail")),
    )
    with database.run_as(organization.org_id) as session:
        shared = Mailbox(name="Front desk", extension="200")
        session.add(shared)
        session.flush()
        session.add(MailboxMember(mailbox_id=shared.id, subscriber_id=person.subscriber.id))  # type: ignore[union-attr]
        shared_id = shared.id
    message = leave(person, shared_id)
    for who, opens in ((person, True), (stranger, False), (foreigner, False)):
        assert who.organization is not None
        assert who.subscriber is not None
        with database.run_as(who.organization.org_id) as session:
            assert (find_mailbox(session, who.subscriber.id, shared_id) is not None) is opens
            assert bool(read_my_messages(session, who.subscriber.id, [message])) is opens


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "hear", "unhear", "inbox", "saved", "trash", "restore", "remove"]),
        st.integers(0, 4),
    ),
    max_size=14,
)


@pytest.mark.slow
@given(steps=STEPS)
@settings(max_examples=25)
def test_counts_are_what_a_recount_gives(
    database: Database, tenants: Tenants, leave: Callable[..., UUID], steps: list[tuple[str, int]]
) -> None:
    person = tenants.person(tenants.organization(None, "voicemail"))
    ids: list[UUID] = []
    for what, which in steps:
        some = ids[which : which + 2]
        if what == "arrive":
            ids.append(leave(person))
        elif what in messages.FOLDERS:
            change(database, person, messages.move, some, what)
        elif what in ("hear", "unhear"):
            change(database, person, messages.mark_heard, some, what == "hear")
        else:
            change(database, person, getattr(messages, what), some)
    assert person.organization is not None
    assert person.subscriber is not None
    with database.run_as(person.organization.org_id) as session:
        mailbox = own_mailbox(session, person.subscriber.id)
        rows = session.scalars(select(Message).where(Message.folder != "trash")).all()
        assert mailbox.new_count == sum(row.heard_at is None for row in rows)
        assert mailbox.old_count == sum(row.heard_at is not None for row in rows)
        assert mailbox.used_bytes == sum(row.size for row in rows)
    lamp = told(database, person)
    assert not lamp or lamp[-1] == (mailbox.new_count, mailbox.old_count)
    assert all(one != following for one, following in itertools.pairwise(lamp))
