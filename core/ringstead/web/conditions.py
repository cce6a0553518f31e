"""Headers that ask for a part of an answer, or for one only if it changed: what cannot be read is as if not sent.

WebOb acts on them after every exception view is over, so what it stumbles at would be a fault of ours.
"""

import re
from typing import Any, Final

from webob.datetime_utils import parse_date

# One range (RFC 9110, 14.2). Of several a server may send all instead, and so it may for what has no bytes.
_RANGE: Final = re.compile(
    r"bytes *= *([0-9]{1,18} *- *[0-9]{0,18}|- *0{0,17}[1-9][0-9]{0,17}) *", re.ASCII | re.I
)


def drop_unreadable(environ: dict[str, Any]) -> None:
    """Remove `Range`, `If-Range` and `If-Modified-Since` where they are ignored anyway, by RFC 9110."""
    if "HTTP_IF_MODIFIED_SINCE" in environ and not _is_date(environ["HTTP_IF_MODIFIED_SINCE"]):
        del environ["HTTP_IF_MODIFIED_SINCE"]
    if "HTTP_RANGE" not in environ:
        return
    condition = environ.get("HTTP_IF_RANGE", "").strip()
    is_met_by_nothing = condition.endswith("GMT") and not _is_date(condition)
    if is_met_by_nothing or _RANGE.fullmatch(environ["HTTP_RANGE"]) is None:
        del environ["HTTP_RANGE"]


def _is_date(text: str) -> bool:
    try:
        return parse_date(text) is not None
    except (ValueError, OverflowError):
        return False
