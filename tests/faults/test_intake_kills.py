"""Thirty times the database, the web or the worker is killed at random while switches send large batches.

Every acknowledged leg exists once, and whatever was under way is there as a whole chunk or not at all: conversations
and counts are those that a rebuild from the legs gives.
"""

import json
import random
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parent))

from house import House, until
from writer import Writer

from ringstead.api.testing import Tenants
from ringstead.db.engine import Database
from ringstead.switch.nodes import create_node
from ringstead_calllogs.rebuilding import rebuild
from ringstead_calllogs.rollups import MEASURES

ROUNDS = 30
PARTS = ("postgres", "web", "worker")
SIZES = (1, 200, 1000, 6000)
pytestmark = pytest.mark.faults


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()
    print(house.end_of_log())  # shown when the test fails


@pytest.fixture
def database(house: House) -> Iterator[Database]:
    database = Database(house.urls)
    yield database
    database.dispose()


class Switch:
    """Sends the calls of an organization in batches; the same batch again until it is taken."""

    def __init__(self, house: House, key: str, org_id: UUID, people: list[UUID], seed: int) -> None:
        self._house, self._org_id, self._people = house, org_id, people
        self._client = httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60)
        self._chance = random.Random(seed)
        self._calls = 0
        self._late: list[dict[str, Any]] = []
        self._batch: list[dict[str, Any]] = []
        self.taken: set[str] = set()
        self.tried: set[str] = set()

    def write(self, _number: int) -> bool:
        """Send a batch; whether it was taken."""
        self._batch = self._batch or self._next_batch()
        self.tried |= {record["id"] for record in self._batch}
        body = "\n".join(json.dumps(record) for record in self._batch).encode()
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        if self._chance.random() < 0.5:
            headers["Prefer"] = "handling=strict"
        packer = zlib.compressobj(1, wbits=31)
        try:
            packed = packer.compress(body) + packer.flush()
            answer = self._client.post(self._house.cdr_url, content=packed, headers=headers)
        except httpx.HTTPError:
            return False
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            return False
        told = answer.json()
        assert told["rejected"] == [], told
        self.taken |= {record["id"] for record in self._batch}
        self._batch = []
        return True

    def _next_batch(self) -> list[dict[str, Any]]:
        """Legs of new calls in any order, some held back for later, some of earlier ones again or corrected."""
        size, batch = self._chance.choice(SIZES), self._late
        self._late = []
        while len(batch) < size:
            self._calls += 1
            for leg in self._legs(self._calls):
                (self._late if self._chance.random() < 0.05 else batch).append(leg)
                if self._chance.random() < 0.05:
                    self._late.append({**leg, "revision": 1, "device": "Corrected phone"})
        self._chance.shuffle(batch)
        return batch

    def _legs(self, number: int) -> Iterator[dict[str, Any]]:
        began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=self._chance.randint(1, 40 * 24))
        for order in range(self._chance.choice((1, 1, 2, 4))):
            at = began + timedelta(seconds=5 * order)
            answered = self._chance.random() < 0.5
            yield {
                "id": f"leg-{number}-{order}",
                "linked_id": f"call-{number}",
                "organization": str(self._org_id),
                "direction": "incoming",
                "from": {"number": f"+1212555{100 + number % 100:04}", "name": "Otis Marlowe"},
                "to": {"subscriber": str(self._chance.choice(self._people))},
                "device": "Desk phone",
                "started_at": at.isoformat(),
                "answered_at": (at + timedelta(seconds=4)).isoformat() if answered else None,
                "ended_at": (at + timedelta(seconds=4 + number % 300)).isoformat(),
                "disposition": "answered" if answered else "missed",
            }


def test_acknowledged_records_exist_once_and_calls_equal_a_rebuild(house: House, database: Database) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")  # shown when the test fails
    chance = random.Random(seed)
    with database.as_operator("tests", "register a switch") as session:
        key = create_node(session, "edge-1")
    tenants, switches = Tenants(database), dict[UUID, Switch]()
    for _ in range(2):
        organization = tenants.organization(None, "calllogs")
        people = [tenants.person(organization, extension=f"{200 + n}").subscriber for n in range(3)]
        ids = [person.id for person in people if person is not None]
        switches[organization.org_id] = Switch(house, key, organization.org_id, ids, chance.randint(0, 2**32))
    until(house.is_up, lambda: "the portal to come up")
    writers = [Writer(switch.write) for switch in switches.values()]
    for _ in range(ROUNDS):
        _wait_for_batch(writers)
        threading.Event().wait(chance.uniform(0, 0.5))  # so that it strikes anywhere in the next batch
        house.kill(chance.choice(PARTS))
        house.revive()
    _wait_for_batch(writers)
    for writer in writers:
        writer.stop()
    until(house.is_up, lambda: "the portal to come back")
    database.dispose()  # some pooled connections are of a database that was killed
    for org_id, switch in switches.items():
        _check_legs(database, org_id, switch)
        _check_rebuild(database, org_id)


def _wait_for_batch(writers: list[Writer]) -> None:
    """Until a batch more is taken: every kill hits a house that works."""
    before = [len(writer.acknowledged) for writer in writers]

    def done() -> bool:
        for writer in writers:
            if writer.fault is not None:
                raise writer.fault
        return [len(writer.acknowledged) for writer in writers] != before

    until(done, lambda: f"a batch to be taken, beside {before}")


def _check_legs(database: Database, org_id: UUID, switch: Switch) -> None:
    with database.run_as(org_id) as session:
        found = Counter(
            session.execute(
                text("SELECT key FROM calllogs_leg WHERE org_id = :org"), {"org": org_id}
            ).scalars()
        )
        keys = set(
            session.execute(
                text("SELECT id FROM calllogs_leg_key WHERE org_id = :org"), {"org": org_id}
            ).scalars()
        )
    assert set(found.values()) == {1}
    assert switch.taken <= set(found) <= switch.tried
    assert keys == set(found)


def _check_rebuild(database: Database, org_id: UUID) -> None:
    before = _everything(database, org_id)
    now = datetime.now(UTC)
    done = rebuild(database, org_id, now - timedelta(days=60), now + timedelta(days=1))
    assert done.removed == 0
    assert _everything(database, org_id) == before


def _everything(database: Database, org_id: UUID) -> dict[str, list[str]]:
    """What is computed of an organization's legs; quarters in which nothing is left count as none."""
    counted = f"WHERE org_id = :org AND {' + '.join(MEASURES)} > 0"
    statements = {
        "conversations": "SELECT * FROM calllogs_conversation WHERE org_id = :org ORDER BY id",
        "people": f"SELECT * FROM calllogs_person_quarter {counted} ORDER BY subscriber_id, at",
        "office": f"SELECT * FROM calllogs_office_quarter {counted} ORDER BY at",
    }
    with database.run_as(org_id) as session:
        return {
            name: [repr(row) for row in session.execute(text(statement), {"org": org_id})]
            for name, statement in statements.items()
        }
