"""Links that prove themselves: a payload, signed with the deployment's secret for one purpose and one partner."""

from collections.abc import Mapping
from typing import Final

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from ringstead.db.session import Scope
from ringstead.keys import KeyRing

SECRET: Final = "ringstead.secret"
"""Where a session's `info` holds the deployment's `KeyRing`."""


def sign(session: Session, purpose: str, payload: Mapping[str, str]) -> str:
    """A token that `unsign` reads again, in sessions of the same partner; safe in addresses."""
    return str(_serializer(session, purpose).dumps(dict(payload)))


def unsign(session: Session, purpose: str, token: str, max_age: int) -> dict[str, str] | None:
    """What was signed at most `max_age` seconds ago; None for anything else."""
    try:
        payload = _serializer(session, purpose).loads(token, max_age=max_age)
    except (BadData, UnicodeError):
        return None
    return payload if isinstance(payload, dict) else None


def _serializer(session: Session, purpose: str) -> URLSafeTimedSerializer:
    scope: Scope = session.scope  # type: ignore[attr-defined]
    ring: KeyRing = session.info[SECRET]
    return URLSafeTimedSerializer(ring.oldest_first(), salt=f"{purpose}:{scope.partner_id}")
