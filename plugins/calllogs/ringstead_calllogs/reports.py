"""The organization's calls in numbers: this time and the time before, by hour, by person; added up from quarters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Integer, bindparam, cast, func, select

from ringstead.api.directory import SubscriberInfo, find_subscribers
from ringstead.api.models import TenantSession
from ringstead_calllogs.charts import Span, Sum
from ringstead_calllogs.filters import day_start
from ringstead_calllogs.rollups import MEASURES, OfficeQuarter, PersonQuarter

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


def read_report(session: TenantSession, span: Span, zone: ZoneInfo, excluded: frozenset[str]) -> Report:
    """Add up the quarters of the span and of as many days before it. `excluded` are extensions whose owners are not
    named: their calls count for the organization, and stand in no line."""
    since, until = moments_of(span, zone)
    earlier, _ = moments_of(Span(span.first - timedelta(days=span.days), span.last), zone)
    return Report(
        span=span,
        now=_office(session, since, until),
        before=_office(session, earlier, since),
        hours=[
            Sum(*row) for row in session.execute(_HOURS, {"since": since, "until": until, "zone": zone.key})
        ],
        people=_people(session, since, until, excluded),
        waits=_waits(session, since, until, excluded),
    )


def moments_of(span: Span, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the first day begins, and when the last one is over."""
    return day_start(span.first, zone), day_start(span.last + timedelta(days=1), zone)


_SINCE, _UNTIL = (bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "until"))


def _sums(model: Any) -> list[Any]:
    """The columns of `Counts`."""
    sums = [func.sum(getattr(model, name)) for name in MEASURES if name != "longest_wait"]
    return [cast(func.coalesce(one, 0), Integer) for one in [*sums, func.max(model.longest_wait)]]


_OFFICE: Final = select(*_sums(OfficeQuarter)).where(OfficeQuarter.at >= _SINCE, OfficeQuarter.at < _UNTIL)
_HOUR: Final = cast(func.date_part("hour", func.timezone(bindparam("zone"), OfficeQuarter.at)), Integer)
_HOURS: Final = (
    select(
        _HOUR,
        cast(func.sum(OfficeQuarter.missed), Integer),
        cast(func.sum(OfficeQuarter.answered + OfficeQuarter.elsewhere + OfficeQuarter.dialled), Integer),
        cast(func.sum(OfficeQuarter.answered + OfficeQuarter.reached), Integer),
        cast(func.sum(OfficeQuarter.talk_seconds), Integer),
    )
    .where(OfficeQuarter.at >= _SINCE, OfficeQuarter.at < _UNTIL)
    .group_by(_HOUR)
)
_PEOPLE: Final = (
    select(PersonQuarter.subscriber_id, *_sums(PersonQuarter))
    .where(PersonQuarter.at >= _SINCE, PersonQuarter.at < _UNTIL)
    .group_by(PersonQuarter.subscriber_id)
)
_WAITS: Final = (
    select(PersonQuarter.subscriber_id, PersonQuarter.at, PersonQuarter.longest_wait)
    .where(PersonQuarter.at >= _SINCE, PersonQuarter.at < _UNTIL, PersonQuarter.longest_wait > 0)
    .order_by(PersonQuarter.longest_wait.desc(), PersonQuarter.at.desc())
    .limit(bindparam("most"))
)


def _office(session: TenantSession, since: datetime, until: datetime) -> Counts:
    return Counts(*session.execute(_OFFICE, {"since": since, "until": until}).one())


def _people(
    session: TenantSession, since: datetime, until: datetime, excluded: frozenset[str]
) -> list[PersonLine]:
    """A line for each person who had a call: who missed most comes first."""
    counts = {row[0]: Counts(*row[1:]) for row in session.execute(_PEOPLE, {"since": since, "until": until})}
    named = _named(session, counts, excluded)
    lines = [PersonLine(person, counts[id_]) for id_, person in named.items() if counts[id_].calls]
    return sorted(lines, key=lambda line: (-line.counts.missed, -line.counts.calls, line.person.name))


def _waits(session: TenantSession, since: datetime, until: datetime, excluded: frozenset[str]) -> list[Wait]:
    # As many more as could be left out.
    most = MOST_WAITS * (1 + len(excluded))
    rows = session.execute(_WAITS, {"since": since, "until": until, "most": most}).all()
    named = _named(session, {row[0]: row for row in rows}, excluded)
    waits = [Wait(named[row[0]], row[1], row[2]) for row in rows if row[0] in named]
    return waits[:MOST_WAITS]


def _named(
    session: TenantSession, ids: Mapping[UUID, Any], excluded: frozenset[str]
) -> dict[UUID, SubscriberInfo]:
    found = find_subscribers(session, ids)
    return {person.id: person for person in found if person.extension not in excluded}
