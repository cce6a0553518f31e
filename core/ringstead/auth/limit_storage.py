"""Counters for `limits` in PostgreSQL: one small unlogged table, written outside the request's transaction."""

import time
from typing import Any

from limits.storage import Storage
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

# `now()` is the statement's own time, because each runs in a transaction of its own.
_COUNT = text("""
    INSERT INTO rate_limit AS r (key, hits, expires_at)
    VALUES (:key, greatest(:amount, 0), now() + make_interval(secs => :expiry))
    ON CONFLICT (key) DO UPDATE SET
        hits = CASE WHEN r.expires_at <= now() THEN excluded.hits ELSE greatest(r.hits + :amount, 0) END,
        expires_at = CASE WHEN r.expires_at <= now() THEN excluded.expires_at ELSE r.expires_at END
    RETURNING hits
""")
_HITS = text("SELECT hits FROM rate_limit WHERE key = :key AND expires_at > now()")
_EXPIRY = text(
    "SELECT extract(epoch FROM expires_at) FROM rate_limit WHERE key = :key AND expires_at > now()"
)
_CLEAR = text("DELETE FROM rate_limit WHERE key = :key")
_RESET = text("DELETE FROM rate_limit")


class PostgresStorage(Storage):
    """Fixed-window counters, shared by all processes. `uri` is ignored: the application's own engine is used.

    Each call is a transaction of its own, so that a request that is rolled back has still been counted. The table is
    unlogged: after a crash of the server it is empty, which costs nothing but the current windows.
    """

    STORAGE_SCHEME = ["ringstead+postgresql"]

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions)
        self._engine: Engine = options["engine"]

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a database that is away raises."""
        return SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` (negative gives back) in the window of `expiry` seconds that the first hit opened."""
        return int(self._scalar(_COUNT, key=key, expiry=expiry, amount=amount))

    def get(self, key: str) -> int:
        """The count of the current window."""
        return int(self._scalar(_HITS, key=key) or 0)

    def get_expiry(self, key: str) -> float:
        """When the current window ends, in seconds since 1970; now, when there is none."""
        return float(self._scalar(_EXPIRY, key=key) or time.time())

    def clear(self, key: str) -> None:
        """Forget one counter."""
        self._run(_CLEAR, key=key)

    def reset(self) -> int:
        """Forget all counters; returns how many there were."""
        return self._run(_RESET)

    def check(self) -> bool:
        """Whether the counters can be reached."""
        try:
            self._scalar(_HITS, key="")
        except SQLAlchemyError:
            return False
        return True

    def _scalar(self, statement: Any, **values: Any) -> Any:
        with self._engine.begin() as connection:
            return connection.execute(statement, values).scalar_one_or_none()

    def _run(self, statement: Any, **values: Any) -> int:
        with self._engine.begin() as connection:
            return connection.execute(statement, values).rowcount
