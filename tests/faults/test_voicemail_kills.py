"""Web and worker are killed at random while a switch leaves 300 messages and somebody moves messages 300 times.

Every acknowledged message is there once, whole, and plays; every acknowledged move holds; and the counts are true.
"""

import hashlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy
import pytest
import soundfile
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parent))

from house import House, until
from writer import Writer

from ringstead.api.blobs import org_blobs
from ringstead.api.testing import Person, Tenants
from ringstead.blobs import BLOBS, open_blobs
from ringstead.db.engine import Database
from ringstead.switch.nodes import create_node
from ringstead.tenancy.models import WebSession
from ringstead_voicemail.models import Mailbox, Message, Recording
from ringstead_voicemail.recordings import blob_key

DEPOSITS = MOVES = 300
MOST_KILLS = 60
PARTS = ("web", "worker")
FOLDERS = ("inbox", "saved", "trash")
pytestmark = pytest.mark.faults


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()
    print(house.end_of_log())  # shown when the test fails


@pytest.fixture
def database(house: House) -> Iterator[Database]:
    database = Database(house.urls, info={BLOBS: open_blobs(house.settings)})
    yield database
    database.dispose()


class Caller:
    """Leaves messages by a switch, each again until it is acknowledged."""

    def __init__(self, house: House, key: str, person: Person) -> None:
        self._url = f"http://127.0.0.1:{house.port}/switch/v1/voicemail"
        assert person.organization is not None
        self._where = {"organization": str(person.organization.org_id), "mailbox": "214"}
        self._client = httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60)
        self.left: dict[str, str] = {}
        """The digest of what was sent, by the message that it became."""

    def write(self, _number: int) -> bool:
        number = len(self.left)
        if number == DEPOSITS:
            return False
        body = voice(number)
        headers = {"Idempotency-Key": f"message-{number}", "Content-Type": "audio/wav"}
        try:
            answer = self._client.post(self._url, params=self._where, content=body, headers=headers)
        except httpx.HTTPError:
            return False
        assert answer.status_code in (200, 201, 503), answer.text
        if answer.status_code == 503:
            return False
        self.left[answer.json()["message"]] = hashlib.sha256(body).hexdigest()
        return True


class Mover:
    """Moves messages on the page, each again until it is acknowledged."""

    def __init__(self, house: House, caller: Caller, host: str, token: str, csrf: str, seed: int) -> None:
        self._url = f"http://127.0.0.1:{house.port}/voicemail/messages"
        self._headers = {"Host": host, "Cookie": f"sid={token}", "Accept": "application/json"}
        self._csrf, self._caller, self._chance = csrf, caller, random.Random(seed)
        self._next: tuple[str, str] | None = None
        self._client = httpx.Client(timeout=60)
        self.folders: dict[str, str] = {}
        self.moves = 0

    def write(self, _number: int) -> bool:
        if self.moves == MOVES or not self._caller.left:
            return False
        self._next = self._next or (
            self._chance.choice(list(self._caller.left)),
            self._chance.choice(FOLDERS),
        )
        message, folder = self._next
        form = {"csrf_token": self._csrf, "id": message, "do": folder}
        try:
            answer = self._client.post(self._url, data=form, headers=self._headers)
        except httpx.HTTPError:
            return False
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            return False
        self.folders[message], self._next = folder, None
        self.moves += 1
        return True


def voice(number: int) -> bytes:
    """A second of a tone of its own."""
    at = numpy.arange(8000)
    file = BytesIO()
    samples = (numpy.sin(at * (300 + number) * 6.283 / 8000) * 9000).astype("int16")
    soundfile.write(file, samples, 8000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def test_no_acknowledged_message_is_lost_doubled_or_halved(house: House, database: Database) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")  # shown when the test fails
    chance, tenants = random.Random(seed), Tenants(database)
    person = tenants.person(tenants.organization(None, "voicemail"), extension="214")
    with database.as_operator("tests", "register a switch") as session:
        key = create_node(session, "edge-1")
    token = tenants.session_token(person)
    with database.in_partner(person.partner.id) as session:
        csrf = session.scalars(select(WebSession.csrf_token)).one()
    until(house.is_up, lambda: "the portal to come up")
    caller = Caller(house, key, person)
    host = f"{person.partner.slug}.test:{house.port}"
    mover = Mover(house, caller, host, token, csrf, chance.randint(0, 2**32))
    writers = [Writer(caller.write), Writer(mover.write)]
    kills = 0
    while len(caller.left) < DEPOSITS or mover.moves < MOVES:
        _wait_for_more(writers, lambda: (len(caller.left), mover.moves))
        if kills < MOST_KILLS:
            threading.Event().wait(chance.uniform(0, 0.4))  # so that it strikes anywhere
            house.kill(chance.choice(PARTS))
            house.revive()
            kills += 1
    for writer in writers:
        writer.stop()
    assert person.organization is not None
    org_id = person.organization.org_id
    until(lambda: _all_ready(database, org_id), lambda: "every message to be ready")
    _check(database, org_id, caller, mover)
    assert kills >= 10


def _wait_for_more(writers: list[Writer], progress: Callable[[], tuple[int, int]]) -> None:
    """Until more is acknowledged: every kill hits a house that works."""
    before = progress()

    def is_more() -> bool:
        for writer in writers:
            if writer.fault is not None:
                raise writer.fault
        return progress() != before

    until(is_more, lambda: f"anything more to be acknowledged than {before}")


def _all_ready(database: Database, org_id: UUID) -> bool:
    with database.run_as(org_id) as session:
        return set(session.scalars(select(Recording.state))) == {"ready"}


def _check(database: Database, org_id: UUID, caller: Caller, mover: Mover) -> None:
    with database.run_as(org_id) as session:
        found: dict[str, Any] = {str(row.id): row for row in session.scalars(select(Message))}
        recordings = {row.id: row for row in session.scalars(select(Recording))}
        (mailbox,) = session.scalars(select(Mailbox))
        blobs = org_blobs(session)
    assert set(found) == set(caller.left)
    for message, digest in caller.left.items():
        recording = recordings[found[message].recording_id]
        original = b"".join(blobs.read(blob_key(recording.id)))
        assert hashlib.sha256(original).hexdigest() == digest == recording.digest
        samples, rate = soundfile.read(BytesIO(b"".join(blobs.read(blob_key(recording.id, "mp3")))))
        assert len(samples) / rate == pytest.approx(1, abs=0.15)
        assert found[message].folder == mover.folders.get(message, "inbox")
    kept = [row for row in found.values() if row.folder != "trash"]
    assert (mailbox.new_count, mailbox.old_count) == (len(kept), 0)
