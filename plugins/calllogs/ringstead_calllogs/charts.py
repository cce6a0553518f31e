"""The chart above the list: a person's calls by hour of the day or by day, added up from the counted quarters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from babel import dates
from sqlalchemy import Date, DateTime, Integer, Select, Uuid, bindparam, cast, func, select

from ringstead.api import translations
from ringstead.api.formatting import Formats, format_short_day, parse_locale
from ringstead.api.models import TenantSession
from ringstead_calllogs.filters import Filter, day_start
from ringstead_calllogs.rollups import PersonQuarter

_ = translations("ringstead_calllogs")
USUAL_DAYS: Final = 7
# More bars than this cannot be told apart: longer spans are shown by month.
MOST_DAYS: Final = 92
WIDTH: Final = 480
HEIGHT: Final = 84
_HOUR: Final = timedelta(hours=1)


class Span(NamedTuple):
    """Days of the reader's zone, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many they are."""
        return (self.last - self.first).days + 1


class Sum(NamedTuple):
    """What a bar stands for; `place` is an hour (0 to 23), a day, or the first day of a month."""

    place: Any
    missed: int
    others: int
    talks: int
    talk_seconds: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its name, its counts, and its two rectangles in the picture's units (`y` from above)."""

    title: str
    others: int
    missed: int
    x: float
    width: float
    others_height: float
    missed_height: float

    @property
    def others_y(self) -> float:
        """Where the lower rectangle begins."""
        return HEIGHT - self.others_height

    @property
    def missed_y(self) -> float:
        """Where the upper rectangle begins: a gap above the lower one, if there is one."""
        return HEIGHT - self.others_height - self.missed_height - (2 if self.others_height else 0)


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the chart shows. `average` is of the calls that were talked in, in seconds; None without any."""

    by: str
    span: Span
    bars: Sequence[Bar]
    axis: Sequence[str]
    calls: int
    missed: int
    average: int | None
    summary: Any


def chart_span(wanted: Filter, today: date) -> Span:
    """The days of the filter; without any, the last seven."""
    last = min(wanted.last or today, today)
    first = wanted.first or last - timedelta(days=USUAL_DAYS - 1)
    return Span(min(first, last), last)


def read_chart(session: TenantSession, person: UUID, span: Span, by: str, fmt: Formats) -> Chart:
    """Add up the person's quarters of the days; `by` is hour or day."""
    sums = _sums(session, person, span, by, fmt.zone)
    return _chart(sums, span, by, fmt)


def hour_chart(sums: Sequence[Sum], span: Span, fmt: Formats) -> Chart:
    """A chart of the hours 0 to 23, however many days they are of."""
    return _chart(sums, span, "hours", fmt)


def sums_chart(sums: Sequence[Sum], span: Span, by: str, fmt: Formats) -> Chart:
    """A chart of sums by hour of the day, or of at most `MOST_DAYS` days by day."""
    return _chart(sums, span, "hours" if by == "hour" else by, fmt)


def _chart(sums: Sequence[Sum], span: Span, by: str, fmt: Formats) -> Chart:
    places = _places(span, by, fmt.zone)
    by_place = {one.place: one for one in sums}
    titles = [_title(place, by, span, fmt) for place in places]
    bars = _bars(titles, [by_place.get(place) for place in places])
    talks = sum(one.talks for one in sums)
    return Chart(
        by=by,
        span=span,
        bars=bars,
        axis=_axis(titles, by, span, fmt),
        calls=sum(one.missed + one.others for one in sums),
        missed=sum(one.missed for one in sums),
        average=sum(one.talk_seconds for one in sums) // talks if talks else None,
        summary=_summary(bars, by),
    )


def _selected(place: Any) -> Select[Any]:
    """Quarters of a person between two moments, added up by `place`."""
    quarter = PersonQuarter
    others = quarter.answered + quarter.elsewhere + quarter.dialled
    return (
        select(
            place,
            cast(func.sum(quarter.missed), Integer),
            cast(func.sum(others), Integer),
            cast(func.sum(quarter.answered + quarter.reached), Integer),
            cast(func.sum(quarter.talk_seconds), Integer),
        )
        .where(
            quarter.subscriber_id == bindparam("person", type_=Uuid()),
            quarter.at >= bindparam("since", type_=DateTime(timezone=True)),
            quarter.at < bindparam("until", type_=DateTime(timezone=True)),
        )
        .group_by(place)
    )


def hour_of(moment: Any) -> Any:
    """The hour (0 to 23) of a column's moment in the zone of the parameter `zone`."""
    return cast(func.date_part("hour", func.timezone(bindparam("zone"), moment)), Integer)


def day_of(moment: Any) -> Any:
    """The day of a column's moment in the zone of the parameter `zone`."""
    return cast(func.timezone(bindparam("zone"), moment), Date)


_LOCAL: Final = func.timezone(bindparam("zone"), PersonQuarter.at)
_STATEMENTS: Final = {
    "moment": _selected(PersonQuarter.at),
    "hour": _selected(hour_of(PersonQuarter.at)),
    "day": _selected(day_of(PersonQuarter.at)),
    "month": _selected(cast(func.date_trunc("month", _LOCAL), Date)),
}


def _sums(session: TenantSession, person: UUID, span: Span, by: str, zone: ZoneInfo) -> list[Sum]:
    since, until = day_start(span.first, zone), day_start(span.last + timedelta(days=1), zone)
    values = {"person": person, "since": since, "until": until, "zone": zone.key}
    # A single day may have 23 or 25 hours, of which two have the same name: they are told apart by their moments.
    kind = "moment" if by == "hour" and span.days == 1 else "month" if _by_month(by, span) else by
    sums = [Sum(*row) for row in session.execute(_STATEMENTS[kind], values)]
    return _hours_of_day(sums, since) if kind == "moment" else sums


def _hours_of_day(quarters: Iterable[Sum], since: datetime) -> list[Sum]:
    """Quarters added up by the hours that passed since the day began."""
    hours: dict[datetime, Sum] = {}
    for one in quarters:
        place = since + (one.place - since) // _HOUR * _HOUR
        known = hours.get(place, Sum(place, 0, 0, 0, 0))
        hours[place] = Sum(place, *(a + b for a, b in zip(known[1:], one[1:], strict=True)))
    return list(hours.values())


def _by_month(by: str, span: Span) -> bool:
    return by == "day" and span.days > MOST_DAYS


def _places(span: Span, by: str, zone: ZoneInfo) -> list[Any]:
    """Every bar's place, in order: the hours of a day as moments, hours of all days by number, days, months."""
    if by == "hour" and span.days == 1:
        since, until = day_start(span.first, zone), day_start(span.last + timedelta(days=1), zone)
        return [since + n * _HOUR for n in range(-(-(until - since) // _HOUR))]
    if by in ("hour", "hours"):
        return list(range(24))
    days = [span.first + timedelta(days=n) for n in range(span.days)]
    return list(dict.fromkeys(day.replace(day=1) for day in days)) if _by_month(by, span) else days


def _title(place: Any, by: str, span: Span, fmt: Formats) -> str:
    if isinstance(place, datetime):
        local = fmt.local(place)
        return hour_name(fmt.locale, local.hour, local.minute)
    if by in ("hour", "hours"):
        return hour_name(fmt.locale, place)
    if _by_month(by, span):
        return str(
            dates.format_skeleton("yMMM", place, locale=parse_locale(fmt.locale) or parse_locale("en"))
        )
    return format_short_day(fmt.locale, place)


def hour_name(locale: str, hour: int, minute: int = 0) -> str:
    """`09:00`, or `9 AM` where clocks have twelve hours."""
    babel = parse_locale(locale) or parse_locale("en")
    has_halves = "a" in dates.get_time_format("short", locale=babel).pattern
    pattern = ("h:mm a" if minute else "h a") if has_halves else "HH:mm"
    return str(dates.format_time(time(hour, minute), pattern, locale=babel)).replace("\u202f", "\u00a0")


def _axis(titles: Sequence[str], by: str, span: Span, fmt: Formats) -> list[str]:
    if by == "hours" or (by == "hour" and span.days > 1):
        return [hour_name(fmt.locale, hour % 24) for hour in (0, 6, 12, 18, 24)]
    return [titles[0], titles[len(titles) // 2], titles[-1]] if len(titles) > 2 else list(titles)


def _bars(titles: Sequence[str], sums: Sequence[Sum | None]) -> list[Bar]:
    most = max((one.missed + one.others for one in sums if one is not None), default=0)
    # Two units are the gap between the two rectangles.
    unit = (HEIGHT - 2) / most if most else 0
    slot = WIDTH / len(titles)
    width = round(slot * 0.7, 2)
    bars = []
    for number, (title, one) in enumerate(zip(titles, sums, strict=True)):
        missed, others = (one.missed, one.others) if one is not None else (0, 0)
        x = round(number * slot + (slot - width) / 2, 2)
        bars.append(Bar(title, others, missed, x, width, round(others * unit, 2), round(missed * unit, 2)))
    return bars


def _summary(bars: Sequence[Bar], by: str) -> Any:
    busiest = max(bars, key=lambda bar: bar.others + bar.missed)
    count = busiest.others + busiest.missed
    if not count:
        return _("No calls in this time")
    values = {"when": busiest.title, "count": count}
    if by in ("hour", "hours"):
        return _("Calls by hour: most at ${when}, with ${count}", mapping=values)
    return _("Calls by day: most on ${when}, with ${count}", mapping=values)
