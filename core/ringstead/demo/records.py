"""The demo's switch: legs as call detail records, sent to `POST /switch/v1/cdr` as any switch sends them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

from webob import Request

from ringstead.db.engine import DatabaseUrls
from ringstead.demo.generator import End, Leg
from ringstead.demo.messages import HEARD_AFTER, left_messages, voice_of, words_of
from ringstead.settings import Settings

# What a record says of how a leg ended, and the cause that goes with it (ITU-T Q.850).
_ENDS: Final[dict[End, tuple[str, int]]] = {
    "answered": ("answered", 16),
    "no_answer": ("missed", 19),
    "busy": ("busy", 17),
    "failed": ("failed", 38),
    "elsewhere": ("answered_elsewhere", 26),
    "voicemail": ("voicemail", 16),
}
_BATCH_LINES: Final = 2500
_BATCH_BYTES: Final = 1024 * 1024


class RecordsRefused(Exception):
    """The switch interface did not take records; the message is its answer."""


class NobodyListens(RecordsRefused):
    """No plugin takes call detail records here."""


class CallSender:
    """Sends records through an application in this process: the path of a switch, without a socket."""

    def __init__(self, settings: Settings, urls: DatabaseUrls, key: str) -> None:
        # Imported here: it brings the whole web application along.
        from ringstead.app import make_app

        self._app = make_app(settings, urls, listen=False)
        self._host, self._key = settings.platform_hosts[0], key
        self._batch_bytes = min(_BATCH_BYTES, settings.max_body_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._app.close()

    def send(self, domain: str, legs: Iterable[Leg]) -> int:
        """Send legs of the organization with this SIP domain; returns how many were new. Raises RecordsRefused."""
        lines = (json.dumps(to_record(leg, domain), ensure_ascii=False).encode() for leg in legs)
        return sum(self._post(batch) for batch in batches(lines, self._batch_bytes))

    def leave_messages(self, domain: str, legs: Iterable[Leg], until: datetime) -> int:
        """Leave the messages of legs that ended in a mailbox, and listen to the older ones on the phone; how many.

        None where no plugin takes messages. Raises RecordsRefused.
        """
        left = left_messages(legs, until)
        heard: dict[str, list[str]] = defaultdict(list)
        for leg in left:
            message = self._leave(domain, leg)
            if message is None:
                return 0
            if leg.ended < until - HEARD_AFTER:
                heard[leg.person.extension].append(message)
        for extension, ids in heard.items():
            self._tell(
                "voicemail/act", {"domain": domain, "mailbox": extension, "do": "heard", "messages": ids}
            )
        return len(left)

    def _leave(self, domain: str, leg: Leg) -> str | None:
        number = leg.other.number or "anonymous"
        data = {
            "domain": domain,
            "mailbox": leg.person.extension,
            "number": number,
            "name": leg.other.name or "",
            "started_at": (leg.answered or leg.started).isoformat(),
            "transcript": words_of(leg),
        }
        response = Request.blank(
            f"/switch/v1/voicemail?{urlencode(data)}",
            method="POST",
            body=voice_of(leg),
            content_type="audio/wav",
            headers=self._headers() | {"Idempotency-Key": leg.key},
        ).get_response(self._app)
        if response.status_int == 404 and "mailbox" not in response.text:
            return None
        if response.status_int not in (200, 201):
            raise RecordsRefused(f"{response.status}: {response.text[:1000]}")
        return str(response.json["message"])

    def _tell(self, path: str, body: dict[str, Any]) -> None:
        request = Request.blank(
            f"/switch/v1/{path}",
            method="POST",
            body=json.dumps(body).encode(),
            content_type="application/json",
            headers=self._headers(),
        )
        response = request.get_response(self._app)
        if response.status_int != 200:
            raise RecordsRefused(f"{response.status}: {response.text[:1000]}")

    def _headers(self) -> dict[str, str]:
        return {"Host": self._host, "Authorization": f"Bearer {self._key}"}

    def _post(self, body: bytes) -> int:
        request = Request.blank(
            "/switch/v1/cdr",
            method="POST",
            body=body,
            content_type="application/x-ndjson",
            headers=self._headers(),
        )
        response = request.get_response(self._app)
        if response.status_int == 404:
            raise NobodyListens(response.text)
        if response.status_int != 200 or response.json["rejected"]:
            raise RecordsRefused(f"{response.status}: {response.text[:1000]}")
        return int(response.json["accepted"])


def to_record(leg: Leg, domain: str) -> dict[str, Any]:
    """A leg as a call detail record; `docs/switch.md` describes its fields."""
    disposition, cause = _ENDS[leg.end]
    own = {"extension": leg.person.extension}
    if leg.way == "internal":
        other: dict[str, Any] = {"extension": leg.other.number}
    else:
        other = {"number": leg.other.number or None, "name": leg.other.name}
    is_outgoing = leg.way == "outgoing"
    return {
        "id": leg.key,
        "linked_id": leg.call,
        "domain": domain,
        "direction": leg.way,
        "from": own if is_outgoing else other,
        "to": other if is_outgoing else own,
        "requested": {"number": leg.dialled},
        "device": leg.phone or None,
        "started_at": leg.started.isoformat(),
        "answered_at": leg.answered.isoformat() if leg.answered else None,
        "ended_at": leg.ended.isoformat(),
        "disposition": disposition,
        "hangup_cause": cause,
    }


def batches(lines: Iterable[bytes], most_bytes: int, most_lines: int = _BATCH_LINES) -> Iterator[bytes]:
    """Lines joined into bodies of at most so many lines and, unless one line alone is larger, bytes."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == most_lines or size + len(line) + 1 > most_bytes):
            yield b"\n".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield b"\n".join(batch)
