"""Dates, times, durations and telephone numbers as the reader writes them; templates have `fmt` and `num`."""

from pyramid.request import Request

from ringstead.web.formats import (
    Formats,
    format_date,
    format_duration,
    format_number_e164,
    format_short_day,
    format_time,
    number_tag,
)
from ringstead.web.i18n import parse_locale
from ringstead.web.stencils import ListRow

__all__ = [
    "Formats",
    "ListRow",
    "format_date",
    "format_duration",
    "format_number_e164",
    "format_short_day",
    "format_time",
    "formats_of",
    "number_tag",
    "parse_locale",
]


def formats_of(request: Request) -> Formats:
    """The formats of whoever made the request: their locale and time zone."""
    context = request.tenant
    translate = request.registry["ringstead.translations"].translate
    return Formats(context.locale, context.time_zone, translate)
