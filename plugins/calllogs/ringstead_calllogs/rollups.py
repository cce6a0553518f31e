"""Calls counted beforehand: a row for each quarter of an hour in which a person, or the organization, had a call.

A quarter, because the hours and days of every time zone are whole numbers of them. A row is computed anew from the
conversations of its quarter whenever one of them comes, changes or goes, so it is right whatever came late or twice;
a quarter whose last call went away keeps a row of zeros. Pages and reports add up rows and count nothing themselves.
Calls that are removed for their age are not counted away: quarters behind the horizon stay as they are.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api.bulk import stage
from ringstead.api.models import Base, DirectoryScoped, OrgScoped, TenantSession
from ringstead_calllogs import partner_counts
from ringstead_calllogs.keeping import still_counted
from ringstead_calllogs.measures import MEASURES as MEASURES
from ringstead_calllogs.measures import Measures
from ringstead_calllogs.models import table_of

QUARTER: Final = timedelta(minutes=15)


class PersonQuarter(Measures, OrgScoped, Base):
    """A person's calls that began in the quarter of an hour from `at`."""

    __tablename__ = "calllogs_person_quarter"

    subscriber_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)


class OfficeQuarter(Measures, DirectoryScoped, Base):
    """The organization's calls that began in the quarter of an hour from `at`, each call once.

    They tell nothing about a person, and stay when calls are removed for their age.
    """

    __tablename__ = "calllogs_office_quarter"

    at: Mapped[datetime] = mapped_column(primary_key=True)


CALLS_COUNTED: Final = (
    OfficeQuarter.answered + OfficeQuarter.missed + OfficeQuarter.elsewhere + OfficeQuarter.dialled
)
"""All calls of an organization's quarter."""
_COUNTS: Final = """
    count(*) FILTER (WHERE kind = 'received' AND disposition = 'answered') AS answered,
    count(*) FILTER (WHERE kind = 'missed') AS missed,
    count(*) FILTER (WHERE kind = 'received' AND disposition <> 'answered') AS elsewhere,
    count(*) FILTER (WHERE kind = 'dialled') AS dialled,
    count(*) FILTER (WHERE kind = 'dialled' AND disposition = 'answered') AS reached,
    count(*) FILTER (WHERE is_internal) AS internal,
    coalesce(sum(talk_seconds), 0) AS talk_seconds,
    coalesce(sum(ring_seconds) FILTER (WHERE direction = 'incoming'), 0) AS wait_seconds,
    coalesce(max(ring_seconds) FILTER (WHERE direction = 'incoming'), 0) AS longest_wait
"""
_NAMES: Final = ", ".join(MEASURES)
_EXCLUDED: Final = ", ".join(f"excluded.{name}" for name in MEASURES)
# A subquery for each quarter, and no join: however large the batch and the table are, it is one look into an index.
_REFRESH: Final = f"""
    INSERT INTO {{table}} (org_id, {{key}}, {_NAMES})
    SELECT :org, {{key}}, {_NAMES} FROM {{staged}} AS stale CROSS JOIN LATERAL (
        SELECT {_COUNTS} FROM calllogs_conversation AS call
        WHERE call.org_id = :org AND {{whose}}
          AND call.started_at >= stale.at AND call.started_at < stale.at + interval '15 minutes'
    ) AS counted
    ON CONFLICT (org_id, {{key}}) DO UPDATE SET ({_NAMES}) = ROW ({_EXCLUDED})
"""


# date_bin's origin is a full hour of UTC.
_QUARTER: Final = "date_bin('15 minutes', started_at, '2000-01-01T00:00:00Z')"
_SUMS: Final = ", ".join(
    f"known.{name} + excluded.{name}"
    if name != "longest_wait"
    else f"greatest(known.{name}, excluded.{name})"
    for name in MEASURES
)
_ADD: Final = f"""
    INSERT INTO {{table}} AS known (org_id, {{key}}, {_NAMES})
    SELECT org_id, {{whose}} {_QUARTER}, {_COUNTS} FROM {{staged}} WHERE {{which}} AND started_at >= coalesce(
        (SELECT until FROM calllogs_horizon WHERE org_id = :org), '-infinity')
    GROUP BY org_id, {{whose}} {_QUARTER}
    ON CONFLICT (org_id, {{key}}) DO UPDATE SET ({_NAMES}) = ROW ({_SUMS})
"""


def add(session: TenantSession, staged: str) -> None:
    """Count conversations that were inserted from the temporary table `staged` and took no other's place."""
    people = _ADD.format(
        table=table_of(PersonQuarter).name,
        key="subscriber_id, at",
        whose="subscriber_id,",
        which="subscriber_id IS NOT NULL",
        staged=staged,
    )
    office = _ADD.format(
        table=table_of(OfficeQuarter).name, key="at", whose="", which="is_primary", staged=staged
    )
    session.execute(text(people), {"org": session.org_id})
    partner_counts.count_and_note(session, office)


def quarter_of(moment: datetime) -> datetime:
    """When the quarter of an hour began. `moment` is in UTC, whose hours are those of no daylight saving."""
    return moment.replace(minute=moment.minute - moment.minute % 15, second=0, microsecond=0)


def refresh(session: TenantSession, changed: Iterable[tuple[UUID | None, datetime]]) -> None:
    """Count anew the quarters in which these persons' calls began (None: calls that reached nobody)."""
    quarters = still_counted(session, ((person, quarter_of(at)) for person, at in changed))
    office = {at for _, at in quarters}
    people = [(person, at) for person, at in quarters if person is not None]
    if people:
        whose = "call.subscriber_id = stale.subscriber_id"
        counting = _recounting(session, PersonQuarter, ("subscriber_id", "at"), people, whose)
        session.execute(text(counting), {"org": session.org_id})
    if office:
        counting = _recounting(session, OfficeQuarter, ("at",), [(at,) for at in office], "call.is_primary")
        partner_counts.count_and_note(session, counting)


def _recounting(
    session: TenantSession,
    model: type[Base],
    key: tuple[str, ...],
    quarters: Iterable[tuple[object, ...]],
    whose: str,
) -> str:
    """The statement that counts quarters anew; they are staged for it."""
    table = table_of(model)
    staged = stage(session, table, key, quarters)
    return _REFRESH.format(table=table.name, key=", ".join(key), staged=staged, whose=whose)
