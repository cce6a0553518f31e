"""Calls of the organization or of people in numbers, added up from quarters: now and before, by hour, by person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Executable, Integer, Uuid, any_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from ringstead.api.directory import SubscriberInfo, find_subscribers
from ringstead.api.models import TenantSession
from ringstead_calllogs.charts import Span, Sum
from ringstead_calllogs.filters import day_start
from ringstead_calllogs.rollups import MEASURES, OfficeQuarter, PersonQuarter
from ringstead_calllogs.whose import Whose

MOST_WAITS: Final = 10


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
    """Everything that the report page shows. `hours` are the sums of the hours 0 to 23 that had a call."""

    span: Span
    now: Counts
    before: Counts
    hours: Sequence[Sum]
    people: Sequence[PersonLine]
    waits: Sequence[Wait]


def read_report(session: TenantSession, span: Span, zone: ZoneInfo, whose: Whose) -> Report:
    """Add up the quarters of the span and of as many days before it.

    Of the organization each call counts once, and `whose.excluded` are people who are not named: their calls count
    and stand in no line. Of people each one's calls count, so a call of two of them counts for both.
    """
    since, until = moments_of(span, zone)
    earlier, _ = moments_of(Span(span.first - timedelta(days=span.days), span.last), zone)
    sums, values = _SUMS[whose.ids is None], whose.values
    now, before = {"since": since, "until": until, **values}, {"since": earlier, "until": since, **values}
    hours = session.execute(sums.hours, {**now, "zone": zone.key})
    return Report(
        span=span,
        now=Counts(*session.execute(sums.all, now).one()),
        before=Counts(*session.execute(sums.all, before).one()),
        hours=[Sum(*row) for row in hours],
        people=_people(session, now, whose),
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
    return _Sums(
        all=select(*_sums(model)).where(*when),
        hours=select(hour, *sums).where(*when).group_by(hour),
        people=select(who, *_sums(PersonQuarter)).where(*person).group_by(who),
        waits=select(who, PersonQuarter.at, PersonQuarter.longest_wait)
        .where(*person, PersonQuarter.longest_wait > 0)
        .order_by(PersonQuarter.longest_wait.desc(), PersonQuarter.at.desc())
        .limit(bindparam("most")),
    )


_SUMS: Final = {True: _statements(OfficeQuarter), False: _statements(PersonQuarter, _WANTED)}


def _people(session: TenantSession, when: Mapping[str, Any], whose: Whose) -> list[PersonLine]:
    """A line for each person who had a call: who missed most comes first."""
    found = session.execute(_SUMS[whose.ids is None].people, when)
    counts = {row[0]: Counts(*row[1:]) for row in found}
    named = _named(session, counts, whose)
    lines = [PersonLine(person, counts[id_]) for id_, person in named.items() if counts[id_].calls]
    return sorted(lines, key=lambda line: (-line.counts.missed, -line.counts.calls, line.person.name))


def _waits(session: TenantSession, when: Mapping[str, Any], whose: Whose) -> list[Wait]:
    # As many more as could be left out.
    most = MOST_WAITS * (1 + len(whose.excluded))
    rows = session.execute(_SUMS[whose.ids is None].waits, {**when, "most": most}).all()
    named = _named(session, {row[0]: row for row in rows}, whose)
    waits = [Wait(named[row[0]], row[1], row[2]) for row in rows if row[0] in named]
    return waits[:MOST_WAITS]


def _named(session: TenantSession, ids: Mapping[UUID, Any], whose: Whose) -> dict[UUID, SubscriberInfo]:
    found = find_subscribers(session, ids)
    return {person.id: person for person in found if person.id not in whose.excluded}
