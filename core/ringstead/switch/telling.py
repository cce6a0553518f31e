"""What the portal tells switches: lamps, calls to place. Said by jobs, to the adapter beside each switch.

An adapter is an HTTP server. `POST {adapter_url}/MESSAGE` brings it a JSON document with the adapter's key as
`Authorization: Bearer` and an `Idempotency-Key`; recordings are fetched and deleted below `{adapter_url}/recordings/`.
Redirects are not followed, and nothing that a message says decides which host is asked.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit
from uuid import UUID

from sqlalchemy import select

from ringstead.db.engine import Database
from ringstead.sealing import CannotUnseal, unseal
from ringstead.signing import SECRET
from ringstead.switch.nodes import SwitchNodeRow

if TYPE_CHECKING:
    import httpx

TIMEOUT: Final = 5.0
_PIECE: Final = 256 * 1024


class NoAdapter(LookupError):
    """No switch with an adapter serves the organization."""


class SwitchAway(Exception):
    """An adapter does not answer, or answers that it cannot now; worth another try."""


class SwitchRefused(Exception):
    """An adapter does not take a message (4xx, `status`), and will not the next time."""

    def __init__(self, node: str, status: int) -> None:
        self.status = status
        super().__init__(f"{node} answers {status}")


@dataclass(frozen=True, slots=True)
class Adapter:
    """The adapter of a switch node. `key` is None when it was sealed with a key that is not known here."""

    node: str
    url: str
    key: str | None

    def tell(self, message: str, body: Mapping[str, Any], key: str) -> None:
        """Send a message. Raises `SwitchAway` or `SwitchRefused`."""
        with (
            self._client() as client,
            self._answer(client, "POST", message, json=dict(body), headers={"Idempotency-Key": key}),
        ):
            pass

    @contextmanager
    def fetch(self, *path: str) -> Iterator[tuple[Iterator[bytes], bool]]:
        """The bytes of what lies at a path, piece by piece, and whether the switch says how many they are: what does
        not say so, and breaks off, looks as if it had ended. Raises `SwitchAway` or `SwitchRefused`."""
        plain = {"Accept-Encoding": "identity"}
        with self._client() as client, self._answer(client, "GET", *path, headers=plain) as answer:
            yield self._pieces(answer), "content-length" in answer.headers

    def delete(self, *path: str) -> None:
        """Delete it there; no harm when it is gone. Raises `SwitchAway` or `SwitchRefused`."""
        with self._client() as client, self._answer(client, "DELETE", *path, gone=True):
            pass

    def _client(self) -> "httpx.Client":
        import httpx

        if self.key is None:
            raise SwitchAway(f"the key of {self.node}'s adapter cannot be read; see `ringstead keys list`")
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.Client(timeout=TIMEOUT, headers=headers, follow_redirects=False, trust_env=False)

    @contextmanager
    def _answer(
        self, client: "httpx.Client", method: str, *path: str, gone: bool = False, **more: Any
    ) -> Iterator["httpx.Response"]:
        import httpx

        address = "/".join([self.url.rstrip("/"), *(quote(part, safe="") for part in path)])
        try:
            with client.stream(method, address, **more) as answer:
                self._check(answer.status_code, gone)
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SwitchAway(f"{self.node}: {type(error).__name__}") from error

    def _check(self, status: int, gone: bool) -> None:
        if 200 <= status < 300 or (gone and status in (404, 410)):
            return
        # 408, 425 and 429 ask for another try; a redirect is no answer at all.
        final = 400 <= status < 500 and status not in (408, 425, 429)
        if final:
            raise SwitchRefused(self.node, status)
        raise SwitchAway(f"{self.node} answers {status}")

    def _pieces(self, answer: "httpx.Response") -> Iterator[bytes]:
        import httpx

        try:
            yield from answer.iter_raw(_PIECE)
        except httpx.HTTPError as error:
            raise SwitchAway(f"{self.node}: {type(error).__name__}") from error


def adapters_for(database: Database, partner_id: UUID) -> list[Adapter]:
    """The adapters of the switches that serve a partner, by the names of their nodes."""
    served = SwitchNodeRow.partner_id.is_(None) | (SwitchNodeRow.partner_id == partner_id)
    return _read(database, served)


def adapter_of(database: Database, node_id: UUID) -> Adapter | None:
    """The adapter of one node, if it has one."""
    return next(iter(_read(database, SwitchNodeRow.id == node_id)), None)


def tell_switches(database: Database, org_id: UUID, message: str, body: Mapping[str, Any], key: str) -> None:
    """Send a message to every switch that serves an organization; only in jobs. All are told before any failure is
    raised: `NoAdapter`, `SwitchRefused`, `SwitchAway` (worth another try under the same `key`)."""
    with database.run_as(org_id) as session:
        partner_id = session.scope.partner_id
    assert partner_id is not None
    adapters = adapters_for(database, partner_id)
    if not adapters:
        raise NoAdapter("no switch with an adapter serves this organization")
    failed: list[Exception] = []
    for adapter in adapters:
        try:
            adapter.tell(message, body, key)
        except (SwitchAway, SwitchRefused) as error:
            failed.append(error)
    if failed:
        raise next((why for why in failed if isinstance(why, SwitchAway)), failed[0])


def check_adapter_url(url: str) -> str:
    """An address of an adapter; raises ValueError that says what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            f"{url!r} is no adapter's address; it looks like https://switch.example:8443/adapter"
        )
    if parts.username or parts.password:
        raise ValueError("an adapter's address holds no password; give its key by --key")
    return url.rstrip("/")


def _read(database: Database, which: Any) -> list[Adapter]:
    rows = (
        select(SwitchNodeRow.name, SwitchNodeRow.adapter_url, SwitchNodeRow.adapter_key)
        .where(SwitchNodeRow.adapter_url.is_not(None), which)
        .order_by(SwitchNodeRow.name)
    )
    ring: Any = database.info.get(SECRET)
    with database.app_engine.connect() as connection:
        return [Adapter(name, url or "", _key(ring, key)) for name, url, key in connection.execute(rows)]


def _key(ring: Any, stored: str | None) -> str | None:
    try:
        return unseal(ring, stored) if stored else ""
    except CannotUnseal:  # this switch waits until an operator has mended it; the others are told
        return None
