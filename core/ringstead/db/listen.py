"""LISTEN: news from other processes (`NOTIFY`), on a connection and a thread of their own."""

import threading
from collections.abc import Callable, Mapping

import psycopg
import structlog
from sqlalchemy.engine import make_url

log = structlog.get_logger(__name__)
Handler = Callable[[str], None]


class Listener:
    """Calls a channel's handler with the payload of each notification.

    News may be missed while the connection is away, so `on_reconnect` is called each time it is made anew: caches that
    live by the news must be dropped there.
    """

    def __init__(self, url: str, handlers: Mapping[str, Handler], on_reconnect: Callable[[], None]) -> None:
        parsed = make_url(url).set(drivername="postgresql")
        self._conninfo = parsed.render_as_string(hide_password=False)
        self._handlers, self._on_reconnect = dict(handlers), on_reconnect
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self.connected = threading.Event()

    def start(self) -> "Listener":
        """Begin to listen in the background."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and wait for the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                self.connected.clear()
                log.warning("listener.away", why=str(error).strip())
                self._stop.wait(1.0)

    def _listen(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            for channel in self._handlers:
                connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
            self._on_reconnect()
            self.connected.set()
            while not self._stop.is_set():
                for news in connection.notifies(timeout=0.5):
                    self._handle(news.channel, news.payload)

    def _handle(self, channel: str, payload: str) -> None:
        try:
            self._handlers[channel](payload)
        except Exception as error:
            log.error("listener.handler_failed", channel=channel, exc_info=error)
