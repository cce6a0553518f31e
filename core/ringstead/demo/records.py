"""The demo's switch: legs as call detail records, sent to `POST /switch/v1/cdr` as any switch sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Self

from webob import Request

from ringstead.db.engine import DatabaseUrls
from ringstead.demo.generator import End, Leg
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

    def _post(self, body: bytes) -> int:
        request = Request.blank(
            "/switch/v1/cdr",
            method="POST",
            body=body,
            content_type="application/x-ndjson",
            headers={"Host": self._host, "Authorization": f"Bearer {self._key}"},
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
