"""Twenty times the database, the web or the worker is killed at random while all of them are busy.

Whatever was acknowledged exists once: every call, every effect of an event or a job, every mail. What was under way
when something died may exist or not, but not twice.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "core" / "tests" / "work"))
sys.path.insert(0, str(Path(__file__).parent))

from house import House, until
from writer import Writer
from writers import BATCH, calls, transactions

from ringstead.api.testing import Tenants
from ringstead.db.engine import Database
from ringstead.jobs import JobCounts, failed_jobs, job_counts
from ringstead.switch.nodes import create_node

ROUNDS = 20
PARTS = ("postgres", "web", "worker")
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


def test_what_was_acknowledged_exists_once(house: House, database: Database) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")  # shown when the test fails
    chance = random.Random(seed)
    tenants = Tenants(database)
    person = tenants.person(tenants.organization(None, "calllogs"))
    assert person.organization is not None
    assert person.subscriber is not None
    org_id = person.organization.org_id
    with database.as_operator("tests", "register a switch") as session:
        key = create_node(session, "edge-1")
    until(house.is_up, lambda: "the portal to come up")
    writers = [
        Writer(transactions(database, org_id)),
        Writer(calls(house.cdr_url, key, org_id, person.subscriber.id)),
    ]
    for _ in range(ROUNDS):
        _let_work(writers, database, chance)
        house.kill(chance.choice(PARTS))
        house.revive()
    _let_work(writers, database, chance)
    for writer in writers:
        writer.stop()
    until(house.is_up, lambda: "the portal to come back")
    until(lambda: _all_done(database), lambda: f"an empty queue: {job_counts(database)}")
    database.dispose()  # some pooled connections are of a database that was killed
    assert failed_jobs(database) == []
    _check_effects(database, writers[0])
    _check_mail(database, house, writers[0])
    _check_calls(database, writers[1])


def _let_work(writers: list[Writer], database: Database, chance: random.Random) -> None:
    """Wait until every writer and the worker got something done, so that each kill hits a busy house."""
    until(lambda: _effects(database) >= 0, lambda: "the database to come back")
    goals = [len(writer.acknowledged) + chance.randint(1, 12) for writer in writers]
    effects = _effects(database) + chance.randint(1, 12)

    def done() -> bool:
        for writer in writers:
            if writer.fault is not None:
                raise writer.fault
        busy = all(len(w.acknowledged) >= goal for w, goal in zip(writers, goals, strict=True))
        return busy and _effects(database) >= effects

    until(
        done, lambda: f"work to go on: {goals}, {effects} effects, {[len(w.acknowledged) for w in writers]}"
    )


def _effects(database: Database) -> int:
    """How many effects there are; -1 while the database is away."""
    try:
        with database.app_engine.connect() as connection:
            count: int = connection.execute(text("SELECT count(*) FROM effect")).scalar_one()
            return count
    except Exception:
        return -1


def _all_done(database: Database) -> bool:
    counts = job_counts(database)
    return counts == JobCounts(waiting=0, scheduled=0, running=0, failed=counts.failed)


def _check_effects(database: Database, writer: Writer) -> None:
    with database.app_engine.connect() as connection:
        found = Counter(connection.execute(text("SELECT what FROM effect")).scalars())
    for number in writer.acknowledged:
        for what in ("first", "second", "job"):
            assert found[f"{what} {number}"] == 1, f"{what} {number} exists {found[f'{what} {number}']} times"
    doubled = [what for what, count in found.items() if count > 1]
    assert doubled == []


def _check_mail(database: Database, house: House, writer: Writer) -> None:
    with database.as_operator("tests", "count mail") as session:
        rows = session.execute(text("SELECT id, recipient, state FROM mail_message")).all()
    assert {row.state for row in rows} == {"sent"}
    recipients = Counter(row.recipient for row in rows)
    assert all(recipients[f"n{number}@example.com"] == 1 for number in writer.acknowledged)
    assert set(recipients.values()) == {1}
    files = {path.stem for path in (house.settings.var_dir / "mail").glob("*.eml")}
    assert files == {str(row.id) for row in rows}


def _check_calls(database: Database, writer: Writer) -> None:
    with database.as_operator("tests", "count calls") as session:
        legs = Counter(session.execute(text("SELECT key FROM calllogs_leg")).scalars())
        conversations = session.execute(text("SELECT count(*) FROM calllogs_conversation")).scalar_one()
    acknowledged = {f"call-{n}" for n in range(len(writer.acknowledged) * BATCH)}
    assert acknowledged <= set(legs)
    assert set(legs.values()) == {1}
    assert conversations == len(legs)
