"""Brands that a process has read, so that a page costs no parsing."""

from collections.abc import Mapping
from threading import Lock
from typing import Any, Final

from cachetools import LRUCache

from ringstead.theming.brand import LOGOS, NEUTRAL, Brand
from ringstead.theming.values import InvalidBrand

_REMEMBERED_BYTES: Final = 64_000_000
# A brand's style sheet, mark and drawn icons, when its pictures are drawings.
_LEAST: Final = 100_000
# A picture is kept as it is stored, as its bytes, and in icons of several sizes.
_TIMES: Final = 4
Entry = tuple[Mapping[str, Any], Brand]


class BrandCache:
    """Brands by partner, kept within `size` bytes while the database says the same. Safe for threads."""

    def __init__(self, size: int = _REMEMBERED_BYTES) -> None:
        self._known: LRUCache[str, Entry] = LRUCache(size, _weight)
        self._lock = Lock()

    def get(self, partner: str, stored: Mapping[str, Any]) -> Brand:
        """The brand of `partner` as stored. A damaged one gets the neutral looks under its own name."""
        with self._lock:
            found = self._known.get(partner)
        if found is not None and (found[0] is stored or found[0] == stored):
            return found[1]
        try:
            brand = Brand.from_mapping(stored)
        except InvalidBrand:
            brand = _nameplate(stored.get("name"))
        entry = (stored, brand)
        with self._lock:
            if _weight(entry) <= self._known.maxsize:
                self._known[partner] = entry
        return brand


def _weight(entry: Entry) -> int:
    """How many bytes an entry keeps, roughly."""
    pictures = (stored for name in LOGOS if isinstance(stored := entry[0].get(name), Mapping))
    return _LEAST + _TIMES * sum(len(str(text)) for picture in pictures for text in picture.values())


def _nameplate(name: object) -> Brand:
    try:
        return Brand(name=str(name)[:60]) if name else NEUTRAL
    except InvalidBrand:
        return NEUTRAL
