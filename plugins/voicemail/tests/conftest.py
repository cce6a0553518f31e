"""Fixtures of the voicemail tests: people with mailboxes, and messages in them."""

import json
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from support.adapter import FakeAdapter, running_adapter
from support.calls import node_key
from support.voicemail import me, org_of

from ringstead.api.blobs import org_blobs
from ringstead.api.preferences import set_for_organization
from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.switch.nodes import create_node, set_adapter
from ringstead_voicemail.mailboxes import lock_mailbox, own_mailbox
from ringstead_voicemail.messages import Caller, add_message
from ringstead_voicemail.models import Mailbox, Message, Recording


@pytest.fixture
def person(tenants: Tenants) -> Person:
    """A subscriber whose organization has voicemail."""
    return tenants.person(tenants.organization(None, "voicemail"), extension="214")


@pytest.fixture
def leave(database: Database) -> Callable[..., UUID]:
    """`leave(person, mailbox=None, ago=0, **caller)`: a message (without sound), so many minutes old."""

    def put(person: Person, mailbox: UUID | None = None, ago: float = 0, **caller: Any) -> UUID:
        with database.run_as(org_of(person)) as session:
            recording = Recording(
                media_type="audio/wav", codec="wav/pcm16", size=1000, seconds=7, digest="0" * 64
            )
            session.add(recording)
            box = lock_mailbox(session, mailbox or own_mailbox(session, me(person)).id)
            at = datetime.now(UTC) - timedelta(minutes=ago)
            return add_message(session, box, recording, Caller(**caller), at).id

    return put


@pytest.fixture
def box_of(database: Database) -> Callable[[Person], Mailbox]:
    """`box_of(person)`: a person's own mailbox as it is now."""

    def read(person: Person) -> Mailbox:
        with database.run_as(org_of(person)) as session:
            return own_mailbox(session, me(person))

    return read


@pytest.fixture
def message_of(database: Database) -> Callable[[Person, UUID], Message | None]:
    """`message_of(person, id)`: a message of the person's organization, or None."""

    def read(person: Person, message_id: UUID) -> Message | None:
        with database.run_as(org_of(person)) as session:
            return session.get(Message, (org_of(person), message_id))

    return read


@pytest.fixture
def key(wsgi: Any) -> str:
    """The key of a switch that serves every partner."""
    return node_key(wsgi)


@pytest.fixture
def blobs_of(wsgi: Any) -> Callable[[Person], list[str]]:
    """`blobs_of(person)`: the keys of all recordings of a person's organization in object storage."""

    def read(person: Person) -> list[str]:
        with wsgi.database.run_as(org_of(person)) as session:
            return sorted(org_blobs(session).keys("voicemail/recordings"))

    return read


@pytest.fixture
def decide(wsgi: Any, database: Database) -> Callable[..., None]:
    """`decide(person, "voicemail.quota_mb", 1)`: store a preference of a person's organization."""

    def store(person: Person, name: str, value: Any) -> None:
        declared = wsgi.registry["ringstead.declared_settings"]
        with database.run_as(org_of(person)) as session:
            set_for_organization(session, declared, name, value)

    return store


@pytest.fixture
def adapter(database: Database, person: Person) -> Iterator[FakeAdapter]:
    """The adapter of a switch of the person's partner; its node's key is `adapter.node_key`."""
    with running_adapter() as running:
        name = f"node-{secrets.token_hex(6)}"
        with database.as_operator("tests", "a switch with an adapter") as session:
            running.node_key = create_node(session, name, person.partner.id)
            set_adapter(session, name, running.url, running.key)
        yield running
        # What still waits in the queue is told to nobody.
        with database.as_operator("tests", "the adapter is gone") as session:
            set_adapter(session, name, None, None)


@pytest.fixture
def tell(wsgi: Any) -> Callable[..., Any]:
    """`tell(key, path, **body)`: a JSON message of a switch; the answer."""

    def send(key: str, path: str, /, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        client = Client(wsgi, "127.0.0.1")
        return client.post(f"/switch/v1/{path}", json.dumps(body), headers=headers, status="*")

    return send
