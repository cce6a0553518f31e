"""What comes in from the sign-in pages' forms, made safe to use."""

import unicodedata
from typing import Final

from ringstead.tenancy import fields
from ringstead.web.addresses import local

NEXT_MAX: Final = 2000
# Pages that make no sense as the place to go on to.
_NOT_NEXT: Final = ("/sign-in", "/sign-out", "/choose", "/forgot", "/reset")


def email_address(typed: str) -> str | None:
    """An e-mail address as accounts store it, or None when it cannot be one."""
    try:
        return fields.email(unicodedata.normalize("NFKC", typed))
    except ValueError:
        return None


def safe_next(wanted: str) -> str:
    """Where to go on after signing in: a path of this very host, else the start page."""
    return "/" if len(wanted) > NEXT_MAX or wanted.startswith(_NOT_NEXT) else local(wanted)
