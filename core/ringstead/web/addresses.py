"""Addresses of this very host, told from those that lead elsewhere."""

import re
from typing import Final
from urllib.parse import quote

# Browsers drop tabs and line ends while reading an address, and take a backslash for a slash; a surrogate is no text.
_LOCAL: Final = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\\ud800-\udfff]*")


def is_local(url: str) -> bool:
    """Whether an address stays on this host: a path, and not what a browser reads as `//host`."""
    return _LOCAL.fullmatch(url) is not None


def local(url: str) -> str:
    """The address as a header may hold it, if it stays on this host, else the landing page."""
    return quote(url, safe="/?&=%#:;,+@!$'()*~[]-._") if is_local(url) else "/"
