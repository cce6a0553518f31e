"""Connections that notice a server which stopped answering without closing anything.

A frozen server (SIGSTOP, a hung disk, a lost virtual machine) keeps its sockets open. On a socket of this machine the
kernel goes on acknowledging what is sent, so neither keepalives nor `tcp_user_timeout` ever end the wait, and a timeout
for each statement could not tell a frozen server from a long statement. So whoever has waited for a while knocks: while
a new connection is answered, the wait goes on; when not even that is, the connection is given up.
"""

import time
from collections.abc import Generator
from typing import Any, Final

import psycopg
from sqlalchemy import Engine, event

# Together with connecting anew, which the next try of a request does, a page is told in about twelve seconds.
PATIENCE_SECONDS: Final = 4.0
CONNECT_SECONDS: Final = 4


class WatchfulConnection(psycopg.Connection[Any]):
    """A connection whose waits end when the server is frozen, with an OperationalError and the connection closed."""

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Consume a generator that operates on the connection, as psycopg does."""
        return super().wait(self._watched(gen), *args, **kwargs)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            since = time.monotonic()
            while True:
                ready = yield wanted
                # Nothing is ready each time that psycopg wakes up in between, ten times a second.
                if not ready and time.monotonic() - since > PATIENCE_SECONDS:
                    self._knock(time.monotonic() - since)
                    since = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _knock(self, waited: float) -> None:
        parameters: dict[str, Any] = {**self.info.get_parameters(), "connect_timeout": CONNECT_SECONDS}
        if self.info.password:
            parameters["password"] = self.info.password
        try:
            psycopg.connect(**parameters).close()
        except psycopg.errors.ConnectionTimeout:
            self.close()
            raise psycopg.OperationalError(
                f"PostgreSQL has not answered for {waited:.0f} seconds, nor does it answer a new connection"
            ) from None
        except psycopg.OperationalError:
            # It refuses, so it is not frozen; what became of this connection, its own socket tells.
            return


def watch(engine: Engine) -> None:
    """Let the engine make such connections, and give up connecting in time."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, cargs: Any, cparams: dict[str, Any]) -> WatchfulConnection:
        cparams.setdefault("connect_timeout", CONNECT_SECONDS)
        return WatchfulConnection.connect(*cargs, **cparams)
