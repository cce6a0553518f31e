"""What comes in from the sign-in pages' forms, made safe to use."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote, urlsplit

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request

NEXT_MAX: Final = 2000
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,190}")
_UNSAFE_IN_PATH: Final = re.compile(r"[\x00-\x20\x7f\\]")
# Pages that make no sense as the place to go on to.
_NOT_NEXT: Final = ("/sign-in", "/sign-out", "/choose", "/forgot", "/reset")


def posted(request: Request, name: str) -> str:
    """A field of the form as text; empty when it is missing or was sent as a file."""
    try:
        value = request.POST.get(name, "")
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPBadRequest(
            f"The form's field {name!r} cannot be read as UTF-8. Send it from the page."
        ) from error
    return value if isinstance(value, str) else ""


def queried(request: Request, name: str) -> str:
    """A field of the address's query; empty when it is missing."""
    try:
        value: str = request.GET.get(name, "")
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPBadRequest(
            f"The address's {name!r} cannot be read as UTF-8. Follow the page's own link."
        ) from error
    return value


def email_address(typed: str) -> str | None:
    """An e-mail address as accounts store it, or None when it cannot be one."""
    email = unicodedata.normalize("NFKC", typed).strip().lower()
    return email if _EMAIL.fullmatch(email) and _is_text(email) else None


def safe_next(wanted: str) -> str:
    """Where to go on after signing in: a path of this very host, else the start page.

    What browsers would read as another host is refused: `//host`, `/\\host`, and either with the control characters
    that they drop while reading.
    """
    if not wanted.startswith("/") or wanted.startswith("//") or len(wanted) > NEXT_MAX:
        return "/"
    if _UNSAFE_IN_PATH.search(wanted) or not _is_text(wanted):
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path.rstrip("/").startswith(_NOT_NEXT):
        return "/"
    return quote(wanted, safe="/?&=%#:;,+@!$'()*~[]-._")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
