"""Who writes down what was said: transcribers that plugins declare, for jobs that have a recording."""

from typing import Final

from sqlalchemy.orm import Session

from ringstead.api.contributions import Transcriber

TRANSCRIBERS: Final = "ringstead.transcribers"
"""Where a session's `info` holds them."""
NOBODY: Final = "core.none"


def transcribers(session: Session) -> dict[str, Transcriber]:
    """All transcribers of this installation by name; `core.none` writes nothing."""
    found: dict[str, Transcriber] = session.info.get(TRANSCRIBERS, {})
    return found
