"""What the writers of the tests of kills write."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy.exc import DBAPIError
from work_effects import Counted

from ringstead.db.engine import Database
from ringstead.events import emit
from ringstead.jobs import defer, job_counts
from ringstead.mail import queue_mail

BATCH = 5
MOST_WAITING = 100


def transactions(database: Database, org_id: UUID) -> Callable[[int], bool]:
    """Each writes an event, a job and a mail in one transaction, as a page does; not many more than a worker does."""

    def write(number: int) -> bool:
        try:
            if job_counts(database).waiting > MOST_WAITING:
                return False
            with database.run_as(org_id) as session:
                emit(session, Counted(org_id=org_id, number=number))
                defer(session, "core.effect", org_id=org_id, what=f"job {number}")
                values = {"name": f"Number {number}", "url": "http://portal.example/reset/x"}
                queue_mail(session, to=f"n{number}@example.com", template="core/mail/reset", values=values)
        except DBAPIError:
            return False
        return True

    return write


def calls(url: str, key: str, org_id: UUID, subscriber_id: UUID) -> Callable[[int], bool]:
    """Each sends a batch of records as a switch does: the same one again until it is taken."""
    client = httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=10)
    taken, body = 0, ""

    def write(_number: int) -> bool:
        nonlocal taken, body
        if not body:
            records = [call(n, org_id, subscriber_id) for n in range(taken * BATCH, (taken + 1) * BATCH)]
            body = "\n".join(json.dumps(record) for record in records)
        try:
            answer = client.post(url, content=body, headers={"Content-Type": "application/x-ndjson"})
        except httpx.HTTPError:
            return False
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            return False
        told = answer.json()
        assert told["rejected"] == [], told
        assert told["accepted"] + told["duplicates"] == BATCH
        taken, body = taken + 1, ""
        return True

    return write


def call(number: int, org_id: UUID, subscriber_id: UUID) -> dict[str, Any]:
    """The record of call `number`."""
    started = datetime.now(UTC) - timedelta(minutes=1)
    return {
        "id": f"call-{number}",
        "linked_id": f"call-{number}",
        "organization": str(org_id),
        "direction": "incoming",
        "from": {"number": "+12125550100", "name": "Otis Marlowe"},
        "to": {"subscriber": str(subscriber_id)},
        "device": "Desk phone",
        "started_at": started.isoformat(),
        "answered_at": started.isoformat(),
        "ended_at": (started + timedelta(seconds=30)).isoformat(),
        "disposition": "answered",
        "hangup_cause": 16,
    }
