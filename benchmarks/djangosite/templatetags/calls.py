"""Telephone numbers and durations as people read them."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from django import template

register = template.Library()


@register.filter
@lru_cache(maxsize=10_000)
def international(number: str | None) -> str:
    """`+1 212 555 0158`; an extension as it is."""
    if not number or not number.startswith("+"):
        return number or ""
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


@register.filter
def duration(seconds: int | None) -> str:
    """`4:12`, `1:02:03`."""
    if not seconds:
        return "–"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
