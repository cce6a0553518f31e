"""What voicemail does for those who look after a subscriber."""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead_voicemail.mailboxes import own_mailbox
from ringstead_voicemail.models import Mailbox, Message


@pytest.fixture
def desk(tenants: Tenants, person: Person, portal: Callable[..., Client]) -> tuple[Client, str]:
    """The organization's admin, and the profile of `person`."""
    assert person.organization is not None
    assert person.subscriber is not None
    admin = tenants.person(person.organization, role="org_admin")
    return portal(admin), f"/organization/subscribers/{person.subscriber.id}"


def test_messages_go_to_the_colleague_who_goes_on(
    desk: tuple[Client, str],
    tenants: Tenants,
    person: Person,
    leave: Callable[..., UUID],
    database: Database,
    portal: Callable[..., Client],
) -> None:
    assert person.organization is not None
    heir = tenants.person(person.organization)
    assert heir.subscriber is not None
    leave(person, name="Wren Halloway")
    leave(person, ago=5)
    client, path = desk
    client.post_form(f"{path}/hand-over", {"to": heir.subscriber.extension}, status=303)
    assert "Wren Halloway" in portal(heir).get("/voicemail").text
    assert portal(heir).get("/counts").json == {"voicemail.list": 2}
    assert portal(person).get("/counts").json == {}
    with database.run_as(person.organization.org_id) as session:
        boxes = {box.subscriber_id: box.new_count for box in session.scalars(select(Mailbox))}
        assert len(session.scalars(select(Message)).all()) == 2
    assert boxes == {person.subscriber.id: 0, heir.subscriber.id: 2}  # type: ignore[union-attr]


def test_a_forgotten_pin_is_taken_away_with_a_button(
    desk: tuple[Client, str], person: Person, database: Database
) -> None:
    assert person.organization is not None
    assert person.subscriber is not None
    with database.run_as(person.organization.org_id) as session:
        box = own_mailbox(session, person.subscriber.id)
        box.pin_hash, box.pin_failures = "some hash", 3
    client, path = desk
    assert "Take away the voicemail PIN" in client.get(path).text
    client.post_form(path, {"do": "voicemail.clear_pin"}, status=303)
    with database.run_as(person.organization.org_id) as session:
        box = own_mailbox(session, person.subscriber.id)
        assert (box.pin_hash, box.pin_failures) == (None, 0)
    client.post_form(path, {"do": "voicemail.nothing"}, status=400)


def test_the_profile_says_why_the_lamp_is_wrong(
    desk: tuple[Client, str], person: Person, database: Database
) -> None:
    assert person.organization is not None
    assert person.subscriber is not None
    with database.run_as(person.organization.org_id) as session:
        own_mailbox(session, person.subscriber.id).lamp_error = "the switch said 503"
    client, path = desk
    page = client.get(path)
    assert "The message lamp could not be set" in page.text
    assert "the switch said 503" in page.text
