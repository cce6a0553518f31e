"""A partner's calls in numbers: all of its organizations together, and the organizations beside one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, DateTime, bindparam, cast, func, select

from ringstead.api.directory import find_organizations
from ringstead.api.models import TenantSession
from ringstead_calllogs.charts import Span, Sum, day_of, hour_of
from ringstead_calllogs.measures import MEASURES
from ringstead_calllogs.partner_counts import PartnerQuarter
from ringstead_calllogs.reports import Counts, moments_of
from ringstead_calllogs.rollups import CALLS_COUNTED, OfficeQuarter

MOST_ORGANIZATIONS: Final = 100
_SINCE, _UNTIL = (bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "until"))


@dataclass(frozen=True, slots=True)
class OrganizationLine:
    """An organization's calls in the time of the report."""

    id: UUID
    name: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class PartnerReport:
    """Everything that the page shows. `sums` are by hour of the day or by day, as was asked."""

    span: Span
    now: Counts
    before: Counts
    sums: Sequence[Sum]
    organizations: Sequence[OrganizationLine]


def _counts_of(model: Any) -> list[Any]:
    """The columns of `Counts`. Sums of many organizations are larger than an integer holds."""
    sums = [func.sum(getattr(model, name)) for name in MEASURES if name != "longest_wait"]
    return [cast(func.coalesce(one, 0), BigInteger) for one in [*sums, func.max(model.longest_wait)]]


def _within(model: Any) -> tuple[Any, Any]:
    return model.at >= _SINCE, model.at < _UNTIL


_QUARTER: Final = PartnerQuarter
_TOTAL: Final = select(*_counts_of(_QUARTER)).where(*_within(_QUARTER))
_CALLS: Final = func.sum(CALLS_COUNTED)
_ORGANIZATIONS: Final = (
    select(OfficeQuarter.org_id, *_counts_of(OfficeQuarter))
    .where(*_within(OfficeQuarter))
    .group_by(OfficeQuarter.org_id)
    .having(_CALLS > 0)
    .order_by(_CALLS.desc(), OfficeQuarter.org_id)
)


def _by(place: Any) -> Any:
    sums = (
        _QUARTER.missed,
        _QUARTER.answered + _QUARTER.elsewhere + _QUARTER.dialled,
        _QUARTER.answered + _QUARTER.reached,
        _QUARTER.talk_seconds,
    )
    return (
        select(place, *(cast(func.sum(one), BigInteger) for one in sums))
        .where(*_within(_QUARTER))
        .group_by(place)
    )


_PLACES: Final = {
    "hour": _by(hour_of(_QUARTER.at)),
    "day": _by(day_of(_QUARTER.at)),
}


def read_partner_report(session: TenantSession, span: Span, zone: ZoneInfo, by: str) -> PartnerReport:
    """Add up the partner's quarters of the days and of as many before; `session` is in the partner's scope."""
    since, until = moments_of(span, zone)
    earlier, _last = moments_of(Span(span.first - timedelta(days=span.days), span.last), zone)
    return PartnerReport(
        span=span,
        now=_total(session, since, until),
        before=_total(session, earlier, since),
        sums=read_partner_hours(session, since, until, zone, by),
        organizations=_organizations(session, since, until, MOST_ORGANIZATIONS),
    )


def read_organizations(session: TenantSession, span: Span, zone: ZoneInfo) -> list[OrganizationLine]:
    """All of the partner's organizations that had calls in the days, the busiest first."""
    return _organizations(session, *moments_of(span, zone), None)


def read_partner_hours(
    session: TenantSession, since: datetime, until: datetime, zone: ZoneInfo, by: str = "hour"
) -> list[Sum]:
    """The calls of all the partner's organizations between two moments, by hour of the day in `zone`, or by day."""
    values = {"since": since, "until": until, "zone": zone.key}
    return [Sum(*row) for row in session.execute(_PLACES[by], values)]


def _total(session: TenantSession, since: datetime, until: datetime) -> Counts:
    return Counts(*session.execute(_TOTAL, {"since": since, "until": until}).one())


def _organizations(
    session: TenantSession, since: datetime, until: datetime, most: int | None
) -> list[OrganizationLine]:
    rows = session.execute(_ORGANIZATIONS.limit(most), {"since": since, "until": until}).all()
    names = {found.id: found.name for found in find_organizations(session, [row[0] for row in rows])}
    return [OrganizationLine(row[0], names[row[0]], Counts(*row[1:])) for row in rows if row[0] in names]
