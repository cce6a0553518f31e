"""A switch's adapter for tests: a real HTTP server on loopback that remembers what it was told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


@dataclass
class FakeAdapter:
    """`told` are messages (name, body, idempotency key); `recordings` is what lies there; `status` answers messages."""

    url: str = ""
    key: str = "adapter-key"
    node_key: str = ""
    status: int = 200
    told: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    recordings: dict[str, bytes] = field(default_factory=dict)
    hang: Event = field(default_factory=Event)
    is_hanging: bool = False
    breaks_off_after: int | None = None
    """Recordings come without a length, and end after so many bytes."""


@contextmanager
def running_adapter() -> Iterator[FakeAdapter]:
    """An adapter while the block runs."""
    adapter = FakeAdapter()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if adapter.is_hanging:
                adapter.hang.wait(30)
            if self.headers["Authorization"] != f"Bearer {adapter.key}":
                self.answer(401)
                return
            if adapter.status < 300:
                adapter.told.append((self.path[1:], body, self.headers["Idempotency-Key"]))
            self.answer(adapter.status)

        def do_GET(self) -> None:
            found = adapter.recordings.get(self.path.removeprefix("/recordings/"))
            if found is not None and adapter.breaks_off_after is not None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(found[: adapter.breaks_off_after])
                self.close_connection = True
                return
            self.answer(404 if found is None else adapter.status, found or b"")

        def do_DELETE(self) -> None:
            gone = adapter.recordings.pop(self.path.removeprefix("/recordings/"), None)
            self.answer(404 if gone is None else 204)

        def answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{adapter.url}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    adapter.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield adapter
    finally:
        adapter.hang.set()
        server.shutdown()
        thread.join()
        server.server_close()
