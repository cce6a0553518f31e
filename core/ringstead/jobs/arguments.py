"""Arguments of jobs and fields of events as JSON, and back with their types.

Beside JSON's own types, UUIDs and times survive the journey: `{"$uuid": "…"}`, `{"$time": "…"}` (ISO 8601 with offset).
Rows and other objects are refused, because a row is stale by the time a job runs: pass its id.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID


class NotPlain(TypeError):
    """A value that cannot travel: not text, number, bool, None, UUID, time, or a list of these."""


def encode(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as JSON. Raises `NotPlain` naming the one that cannot be sent."""
    return {name: _encode(name, value) for name, value in values.items()}


def decode(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What `encode` was given."""
    return {name: _decode(value) for name, value in stored.items()}


def _encode(name: str, value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case UUID():
            return {"$uuid": str(value)}
        case datetime() if value.tzinfo is not None:
            return {"$time": value.isoformat()}
        case list() | tuple():
            return [_encode(name, item) for item in value]
    what = "a time without a zone" if isinstance(value, datetime) else type(value).__name__
    raise NotPlain(f"{name} is {what}; pass ids, texts, numbers or times with a zone, never rows")


def _decode(value: Any) -> Any:
    match value:
        case {"$uuid": str(text)}:
            return UUID(text)
        case {"$time": str(text)}:
            return datetime.fromisoformat(text)
        case list():
            return [_decode(item) for item in value]
    return value
