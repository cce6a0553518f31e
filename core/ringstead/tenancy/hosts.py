"""Host names: the exact `Host` of a request decides partner and site. Nothing else does."""

import time
from collections.abc import Callable, Mapping
from threading import Lock

from cachetools import LRUCache
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from ringstead.tenancy.context import PartnerInfo, SiteInfo

HOSTS_CHANNEL = "ringstead_hosts"
_FRESH_SECONDS = 30.0
_REMEMBERED_BYTES = 16_000_000
Entry = tuple[float, SiteInfo | None]


class HostDirectory:
    """Sites by host name, cached per process within `size` bytes; unknown names are remembered too, but not for long.

    A change is announced on `HOSTS_CHANNEL` (payload: the partner's id) and is seen after `_FRESH_SECONDS` at
    the latest.
    """

    def __init__(
        self, engine: Engine, size: int = _REMEMBERED_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._clock = engine, clock
        self._sites: LRUCache[str, Entry] = LRUCache(size, _weight)
        self._lock = Lock()

    def resolve(self, host: str) -> SiteInfo | None:
        """The site of `host` (lower case, without a port), or None when it is not ours.

        While the database is away, a host that was known keeps its site; for others the error is the caller's.
        """
        with self._lock:
            known = self._sites.get(host)
        if known is not None and self._clock() - known[0] < _FRESH_SECONDS:
            return known[1]
        try:
            site = self._read(host)
        except SQLAlchemyError:
            # Better a host as it was half a minute ago than a partner's pages without name and colours.
            if known is None or known[1] is None:
                raise
            return known[1]
        with self._lock:
            self._sites[host] = (self._clock(), site)
        return site

    def forget(self, partner_id: str) -> None:
        """Drop a partner's hosts, and the unknown ones: one of them may be new."""
        with self._lock:
            stale = [h for h, (_, s) in self._sites.items() if s is None or str(s.partner.id) == partner_id]
            for host in stale:
                del self._sites[host]

    def forget_all(self) -> None:
        """Drop everything."""
        with self._lock:
            self._sites.clear()

    def _read(self, host: str) -> SiteInfo | None:
        with self._engine.begin() as connection:
            row = connection.execute(text("SELECT * FROM resolve_host(:host)"), {"host": host}).one_or_none()
        if row is None or row.status != "active":
            return None
        partner = PartnerInfo(row.partner_id, row.slug, row.name, row.brand)
        return SiteInfo(host, row.kind, partner, row.org_id)


def _weight(entry: Entry) -> int:
    """How many bytes an entry keeps, roughly: a brand weighs as much as its pictures."""
    site = entry[1]
    if site is None:
        return 500
    pictures = (value for value in site.partner.brand.values() if isinstance(value, Mapping))
    return 4000 + sum(len(str(text)) for picture in pictures for text in picture.values())


def normal_host(header: str) -> str:
    """A `Host` header as the directory knows it: lower case, no port, no trailing dot."""
    host = header.strip().lower()
    name, _, port = host.rpartition(":")
    if name and port.isdigit() and not name.endswith(":"):
        host = name
    return host.rstrip(".")
