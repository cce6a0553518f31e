"""What the tests of the call logs share: a switch that speaks, and people to telephone with."""

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import webtest
from sqlalchemy import select, text

from ringstead.api.models import TenantSession
from ringstead.api.testing import Person, Tenants
from ringstead.db.engine import Database
from ringstead.preferences.store import set_for_organization, set_for_subscriber
from ringstead.switch.nodes import create_node
from ringstead_calllogs.models import Conversation

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Switch:
    """A switch with its key: `post` sends records and returns the answer."""

    app: webtest.TestApp
    key: str

    def send(self, body: bytes, content_type: str, path: str = "cdr", **headers: str) -> Any:
        """Any body, for any message."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"Authorization": f"Bearer {self.key}", "Content-Type": content_type, **named}
        return self.app.post(f"/switch/v1/{path}", body, headers=named, status="*")

    def post(self, *records: Any, **headers: str) -> Any:
        """Records as JSON lines; bytes go as they are."""
        lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
        return self.send(b"\n".join(lines), "application/x-ndjson", **headers)

    def accept(self, *records: Any) -> None:
        """Records that must all be taken."""
        answer = self.post(*records)
        assert answer.status_int == 200, answer.text
        assert answer.json["rejected"] == []


@pytest.fixture
def make_switch(wsgi: Any, database: Database) -> Callable[..., Switch]:
    """`make_switch(partner=None)`: a switch of one partner, or of all."""

    def make(partner: Any = None, app: Any = None) -> Switch:
        with database.as_operator("tests", "make a switch") as session:
            key = create_node(session, f"node-{secrets.token_hex(6)}", partner.id if partner else None)
        return Switch(webtest.TestApp(app or wsgi, extra_environ={"HTTP_HOST": "127.0.0.1"}), key)

    return make


@pytest.fixture
def switch(make_switch: Callable[..., Switch]) -> Switch:
    """A switch that serves every partner."""
    return make_switch()


@pytest.fixture
def person(tenants: Tenants) -> Person:
    """Somebody with call logs, extension 214 and the number +1 212 555 0100."""
    organization = tenants.organization(None, "calllogs")
    return tenants.person(organization, "Juno Birdsong", extension="214", number="+12125550100")


@pytest.fixture
def now() -> datetime:
    """When the test run began, in UTC, without fractions of a second."""
    return NOW


@pytest.fixture(name="leg")
def leg_fixture() -> Callable[..., dict[str, Any]]:
    """`leg(person, **fields)`: a record."""
    return make_leg


def make_leg(person: Person, **fields: Any) -> dict[str, Any]:
    """A record: an incoming call that `person` answered, unless `fields` say otherwise.

    `at` is when it started, `ring` and `talk` are seconds, `direction` outgoing makes it a call of `person`.
    """
    at: datetime = fields.pop("at", NOW - timedelta(hours=1))
    disposition = fields.pop("disposition", "answered")
    ring, talk = fields.pop("ring", 5), fields.pop("talk", 60 if disposition == "answered" else 0)
    answered = at + timedelta(seconds=ring) if disposition in ("answered", "voicemail") else None
    assert person.organization is not None
    assert person.subscriber is not None
    me = {"subscriber": str(person.subscriber.id)}
    other = {"number": "+12125550158", "name": "Wren Halloway"}
    direction = fields.pop("direction", "incoming")
    ends = {"from": me, "to": other} if direction == "outgoing" else {"from": other, "to": me}
    return {
        "id": str(uuid4()),
        "organization": str(person.organization.org_id),
        "direction": direction,
        **ends,
        "device": "Desk phone",
        "started_at": at.isoformat(),
        "answered_at": answered.isoformat() if answered else None,
        "ended_at": (at + timedelta(seconds=ring + talk)).isoformat(),
        "disposition": disposition,
        **fields,
    }


@pytest.fixture
def calls_of(database: Database) -> Callable[[Person], list[Conversation]]:
    """`calls_of(person)`: a person's conversations in the database, newest first."""

    def read(person: Person) -> list[Conversation]:
        assert person.organization is not None
        assert person.subscriber is not None
        with database.run_as(person.organization.org_id) as session:
            return _mine(session, person.subscriber.id)

    return read


def _mine(session: TenantSession, subscriber_id: Any) -> list[Conversation]:
    newest = (Conversation.started_at.desc(), Conversation.id.desc())
    return list(
        session.scalars(
            select(Conversation).where(Conversation.subscriber_id == subscriber_id).order_by(*newest)
        )
    )


@pytest.fixture
def prefer(wsgi: Any, database: Database) -> Callable[..., None]:
    """`prefer(person, "core.time_zone", "Europe/Vienna")`: store a person's own preference."""

    def store(person: Person, name: str, value: Any) -> None:
        declared = wsgi.registry["ringstead.declared_settings"]
        assert person.organization is not None
        assert person.subscriber is not None
        with database.run_as(person.organization.org_id) as session:
            set_for_subscriber(session, declared, person.subscriber.id, name, value)

    return store


@pytest.fixture
def shown() -> Callable[[Any], list[str]]:
    """`shown(page)`: the ids of the calls on a page, in order."""

    def read(page: Any) -> list[str]:
        rows: Iterable[Any] = page.html.select(".calls > li a.t1")
        return [row["href"].rpartition("/")[2] for row in rows]

    return read


@pytest.fixture
def decide(wsgi: Any, database: Database) -> Callable[..., None]:
    """`decide(person, "calllogs.looks_visible", True)`: store a preference of a person's organization."""

    def store(person: Person, name: str, value: Any) -> None:
        declared = wsgi.registry["ringstead.declared_settings"]
        assert person.organization is not None
        with database.run_as(person.organization.org_id) as session:
            set_for_organization(session, declared, name, value)

    return store


@pytest.fixture
def allow(decide: Callable[..., None]) -> Callable[..., None]:
    """`allow(person, rows)`: the organization's limit for downloads that come at once."""
    return lambda person, rows: decide(person, "calllogs.download_rows", rows)


@pytest.fixture
def copies(database: Database) -> Callable[..., None]:
    """`copies(database, person, count)`: the person's newest call so many times more, each a second earlier."""
    columns = "subscriber_id, linked_id, is_primary, kind, direction, is_internal, disposition, number, name"
    columns += ", name_folded, other_subscriber_id, requested_number, answered_at, ended_at, ring_seconds, talk_seconds"
    columns += ", devices, leg_count"

    def copy(_database: Database, person: Person, count: int) -> None:
        assert person.organization is not None
        assert person.subscriber is not None
        with database.run_as(person.organization.org_id) as session:
            for month in ("started_at", "started_at - :count * interval '1 second'"):
                statement = (
                    f"SELECT calllogs_conversation_ensure_month({month}) FROM calllogs_conversation LIMIT 1"
                )
                session.execute(text(statement), {"count": count})
            session.execute(
                text(f"""
                    INSERT INTO calllogs_conversation (org_id, id, started_at, {columns})
                    SELECT org_id, gen_random_uuid(), started_at - n * interval '1 second', {columns} FROM
                    (SELECT * FROM calllogs_conversation WHERE subscriber_id = :person
                     ORDER BY started_at DESC LIMIT 1) one, generate_series(1, :count) n
                """),
                {"count": count, "person": person.subscriber.id},
            )

    return copy
