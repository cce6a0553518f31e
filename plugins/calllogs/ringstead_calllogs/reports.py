"""Calls of the organization or of people in numbers, added up from quarters: now and before, by hour, by person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Executable, Integer, Uuid, all_, any_, bindparam, cast, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.api.directory import SubscriberInfo, find_subscribers
from ringstead.api.models import TenantSession
from ringstead_calllogs.charts import Span, Sum
from ringstead_calllogs.filters import day_start
from ringstead_calllogs.rollups import MEASURES, OfficeQuarter, PersonQuarter
from ringstead_calllogs.whose import Whose

MOST_WAITS: Final = 10
_CALLS: Final = ("answered", "missed", "elsewhere", "dialled")


class Counts(NamedTuple):
    """Sums of `rollups.Measures`; `longest_wait` is the longest of all."""

    answered: int = 0
    missed: int = 0
    elsewhere: int = 0
    dialled: int = 0
    reached: int = 0
    internal: int = 0
    talk_seconds: int = 0
    wait_seconds: int = 0
    longest_wait: int = 0

    @property
    def incoming(self) -> int:
        """Calls that came in."""
        return self.answered + self.missed + self.elsewhere

    @property
    def calls(self) -> int:
        """All calls."""
        return self.incoming + self.dialled

    @property
    def missed_rate(self) -> float | None:
        """The share of incoming calls that were missed; None without any."""
        return self.missed / self.incoming if self.incoming else None

    @property
    def average_wait(self) -> int | None:
        """Seconds that an incoming call rang; None without any."""
        return self.wait_seconds // self.incoming if self.incoming else None

    @property
    def average_talk(self) -> int | None:
        """Seconds of a call that was talked in; None without any."""
        talks = self.answered + self.reached
        return self.talk_seconds // talks if talks else None


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person's calls in the time of the report."""

    person: SubscriberInfo
    counts: Counts


@dataclass(frozen=True, slots=True)
class Wait:
    """A person's longest wait in one quarter of an hour, which began at `at`."""

    person: SubscriberInfo
    at: datetime
    seconds: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the report page shows. `hours` are the sums of the hours 0 to 23 that had a call.

    `people` are those who missed most; as many as `more_people` had calls too.
    """

    span: Span
    now: Counts
    before: Counts
    hours: Sequence[Sum]
    people: Sequence[PersonLine]
    more_people: int
    waits: Sequence[Wait]


def read_report(
    session: TenantSession, span: Span, zone: ZoneInfo, whose: Whose, most_people: int | None = None
) -> Report:
    """Add up the quarters of the span and of as many days before it; `most_people` get a line, or all of them.

    Of the organization each call counts once, and `whose.excluded` are people who are not named: their calls count
    and stand in no line. Of people each one's calls count, so a call of two of them counts for both.
    """
    since, until = moments_of(span, zone)
    earlier, _ = moments_of(Span(span.first - timedelta(days=span.days), span.last), zone)
    sums, values = _SUMS[whose.ids is None], whose.values
    now, before = {"since": since, "until": until, **values}, {"since": earlier, "until": since, **values}
    hours = session.execute(sums.hours, {**now, "zone": zone.key})
    people, more = _people(session, now, whose, most_people)
    return Report(
        span=span,
        now=Counts(*session.execute(sums.all, now).one()),
        before=Counts(*session.execute(sums.all, before).one()),
        hours=[Sum(*row) for row in hours],
        people=people,
        more_people=more,
        waits=_waits(session, now, whose),
    )


def moments_of(span: Span, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the first day begins, and when the last one is over."""
    return day_start(span.first, zone), day_start(span.last + timedelta(days=1), zone)


_SINCE, _UNTIL = (bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "until"))
_WANTED: Final = PersonQuarter.subscriber_id == any_(bindparam("people", type_=ARRAY(Uuid())))


class _Sums(NamedTuple):
    """The statements of a report: of the organization, or of the people in the parameter `people`."""

    all: Executable
    hours: Executable
    people: Executable
    waits: Executable


def _sums(model: Any) -> list[Any]:
    """The columns of `Counts`."""
    sums = [func.sum(getattr(model, name)) for name in MEASURES if name != "longest_wait"]
    return [cast(func.coalesce(one, 0), Integer) for one in [*sums, func.max(model.longest_wait)]]


def _statements(model: Any, *wanted: Any) -> _Sums:
    when = (model.at >= _SINCE, model.at < _UNTIL, *wanted)
    person = (PersonQuarter.at >= _SINCE, PersonQuarter.at < _UNTIL, *wanted)
    hour = cast(func.date_part("hour", func.timezone(bindparam("zone"), model.at)), Integer)
    counts = (model.missed, model.answered + model.elsewhere + model.dialled, model.answered + model.reached)
    sums = [cast(func.sum(one), Integer) for one in (*counts, model.talk_seconds)]
    who = PersonQuarter.subscriber_id
    named = (*person, who != all_(bindparam("excluded", type_=ARRAY(Uuid()))))
    calls = sum((func.sum(getattr(PersonQuarter, name)) for name in _CALLS), literal(0))
    return _Sums(
        all=select(*_sums(model)).where(*when),
        hours=select(hour, *sums).where(*when).group_by(hour),
        people=select(who, func.count().over(), *_sums(PersonQuarter))
        .where(*named)
        .group_by(who)
        .having(calls > 0)
        .order_by(func.sum(PersonQuarter.missed).desc(), calls.desc(), who)
        .limit(bindparam("most")),
        waits=select(who, PersonQuarter.at, PersonQuarter.longest_wait)
        .where(*named, PersonQuarter.longest_wait > 0)
        .order_by(PersonQuarter.longest_wait.desc(), PersonQuarter.at.desc())
        .limit(bindparam("most")),
    )


_SUMS: Final = {True: _statements(OfficeQuarter), False: _statements(PersonQuarter, _WANTED)}


def _people(
    session: TenantSession, when: Mapping[str, Any], whose: Whose, most: int | None
) -> tuple[list[PersonLine], int]:
    """A line for each person who had a call, who missed most first; and how many more there are."""
    values = {**when, "excluded": list(whose.excluded), "most": most}
    rows = session.execute(_SUMS[whose.ids is None].people, values).all()
    named = _named(session, (row[0] for row in rows))
    lines = [PersonLine(named[row[0]], Counts(*row[2:])) for row in rows if row[0] in named]
    return lines, rows[0][1] - len(rows) if rows else 0


def _waits(session: TenantSession, when: Mapping[str, Any], whose: Whose) -> list[Wait]:
    values = {**when, "excluded": list(whose.excluded), "most": MOST_WAITS}
    rows = session.execute(_SUMS[whose.ids is None].waits, values).all()
    named = _named(session, (row[0] for row in rows))
    return [Wait(named[row[0]], row[1], row[2]) for row in rows if row[0] in named]


def _named(session: TenantSession, ids: Iterable[UUID]) -> dict[UUID, SubscriberInfo]:
    return {person.id: person for person in find_subscribers(session, ids)}
