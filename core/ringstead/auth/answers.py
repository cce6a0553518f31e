"""Answers that several of the sign-in pages give."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pyramid.request import Request

from ringstead.api import translations
from ringstead.web.i18n import plurals

_, ngettext = translations("ringstead"), plurals("ringstead")


@dataclass(frozen=True, slots=True)
class Banner:
    """A sentence above a form that belongs to no single field."""

    text: str
    kind: Literal["warn", "danger", "info"] = "danger"


def refused(request: Request, values: Mapping[str, Any], status: int = 422) -> dict[str, Any]:
    """Show the form again under a status that says it was not accepted. Returning keeps what was counted and noted."""
    request.response.status_int = status
    return dict(values)


def too_many(request: Request, values: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    """429 (RFC 6585) with the time to wait, for programs in `Retry-After` and for people in words."""
    request.response.headers["Retry-After"] = str(seconds)
    minutes = -(-seconds // 60)
    hours = -(-minutes // 60)
    text = (
        ngettext("Too many tries. Wait ${n} minute.", "Too many tries. Wait ${n} minutes.", minutes)
        if minutes < 90
        else ngettext("Too many tries. Wait ${n} hour.", "Too many tries. Wait ${n} hours.", hours)
    )
    return refused(request, {**values, "banner": Banner(text, "warn")}, 429)


def busy(request: Request, values: Mapping[str, Any]) -> dict[str, Any]:
    """429 because everybody signs in at once; nothing is wrong with the form."""
    request.response.headers["Retry-After"] = "2"
    text = _("Many people are signing in right now. Nothing is wrong: try again in a moment.")
    return refused(request, {**values, "banner": Banner(text, "info")}, 429)
