"""Calls for tests, sent the way a switch sends them."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from ringstead.api.testing import Client, Person
from ringstead.db.engine import Database
from ringstead.switch.nodes import create_node
from ringstead_calllogs.background import Owner, my_files
from ringstead_calllogs.background import order_file as book_file
from ringstead_calllogs.columns import word_messages
from ringstead_calllogs.filters import Filter
from ringstead_calllogs.orders import Order


def node_key(app: Any) -> str:
    """The key of a new switch node."""
    with app.database.as_operator("tests", "register a switch") as session:
        return create_node(session, f"node-{secrets.token_hex(6)}")


def post_records(app: Any, records: list[dict[str, Any]], key: str | None = None) -> Any:
    """Send records as a switch does; returns the answer."""
    body = "\n".join(json.dumps(record) for record in records).encode()
    headers = {"Authorization": f"Bearer {key or node_key(app)}", "Content-Type": "application/x-ndjson"}
    return Client(app, "127.0.0.1").post("/switch/v1/cdr", body, headers=headers, status="*")


def record(
    person: Person, number: int = 0, name: str = "Otis Marlowe", disposition: str = "answered"
) -> dict[str, Any]:
    """A call to a person, `number` hours ago."""
    started = datetime.now(UTC) - timedelta(hours=number + 1)
    answered = started + timedelta(seconds=9) if disposition == "answered" else None
    return {
        "id": secrets.token_hex(12),
        "linked_id": secrets.token_hex(12),
        "organization": str(person.organization.org_id),
        "direction": "incoming",
        "from": {"number": f"+1212555{100 + number % 100:04}", "name": name},
        "to": {"subscriber": str(person.subscriber.id)},
        "device": "Desk phone",
        "started_at": started.isoformat(),
        "answered_at": answered and answered.isoformat(),
        "ended_at": (started + timedelta(seconds=75)).isoformat(),
        "disposition": disposition,
        "hangup_cause": 16,
    }


def record_calls(
    app: Any, person: Person, count: int, name: str = "Otis Marlowe", disposition: str = "answered"
) -> list[str]:
    """Send `count` calls to a person; returns the ids of all of the person's calls, as addresses name them."""
    answer = post_records(app, [record(person, n, name, disposition) for n in range(count)])
    assert answer.json["accepted"] == count, answer.text
    mine = text("SELECT id FROM calllogs_conversation WHERE subscriber_id = :person ORDER BY started_at DESC")
    with app.database.run_as(person.organization.org_id) as session:
        return [str(found) for found in session.execute(mine, {"person": person.subscriber.id}).scalars()]


def file_of(database: Database, person: Person) -> UUID:
    """The id of a file that a person has ordered; if there is none, it is now."""
    owner = Owner(person.account.id, person.subscriber.id, person.account.email)
    with database.run_as(person.organization.org_id) as session:
        for file in my_files(session, owner):
            return file.id
        words = {name: str(message) for name, message in word_messages().items()} | {"sought": "2026"}
        order = Order(owner.subscriber_id, Filter(), "csv", ("name",), "en", ZoneInfo("UTC"), "US", words)
        return book_file(session, owner, order, "calls.csv", 7).id


def order_file(client: Client) -> str:
    """Order a file of all calls in the background; returns its id. Jobs make it."""
    client.post_form("/calls/downloads", {"file": "csv"}, status=303)
    return str(client.get("/calls/downloads").html.select_one(".files > li")["id"]).removeprefix("file-")
