"""Calls counted for a partner: the counts of its organizations, added up by quarter of an hour.

Many organizations of a partner take in records at the same time. If each of them added to the partner's row, they would
wait for one another; if each computed it anew, two would not see what the other has just written. So whoever changes an
organization's counts only notes, in the same transaction, which quarters are stale; a job adds those up anew.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api.models import Base, DirectoryScoped, PartnerScoped, TenantSession, new_id
from ringstead.api.switch import Database
from ringstead_calllogs.measures import MEASURES, Measures

AT_ONCE: Final = 5000
PARTNERS_AT_ONCE: Final = 100


class PartnerQuarter(Measures, PartnerScoped, Base):
    """All calls of a partner's organizations that began in the quarter of an hour from `at`."""

    __tablename__ = "calllogs_partner_quarter"

    at: Mapped[datetime] = mapped_column(primary_key=True)


class StaleQuarter(DirectoryScoped, Base):
    """An organization's counts of this quarter changed. A mark is only ever added, and deleted by who has seen it."""

    __tablename__ = "calllogs_stale_quarter"

    at: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)


_NOTE: Final = """
    WITH counted AS ({counting} RETURNING at)
    INSERT INTO calllogs_stale_quarter (org_id, at, id) SELECT :org, at, :mark FROM counted
"""
_PARTNERS: Final = text("SELECT calllogs_stale_partners(:after, :limit)")
# Two workers must not add up the same quarter crosswise; who finds another at work leaves the marks to the next minute.
_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('calllogs partner ' || :partner, 0))")
_SEEN: Final = text("""
    DELETE FROM calllogs_stale_quarter WHERE partner_id = :partner AND (org_id, at, id) IN (
        SELECT org_id, at, id FROM calllogs_stale_quarter WHERE partner_id = :partner LIMIT :limit
    ) RETURNING at
""")
_NAMES: Final = ", ".join(MEASURES)
_SUMS: Final = ", ".join(
    f"coalesce({'max' if name == 'longest_wait' else 'sum'}({name}), 0) AS {name}" for name in MEASURES
)
_ADD_UP: Final = text(f"""
    INSERT INTO calllogs_partner_quarter (partner_id, at, {_NAMES})
    SELECT :partner, stale.at, {_NAMES} FROM unnest(CAST(:quarters AS timestamptz[])) AS stale (at)
    CROSS JOIN LATERAL (
        SELECT {_SUMS} FROM calllogs_office_quarter AS office
        WHERE office.partner_id = :partner AND office.at = stale.at
    ) AS added
    ON CONFLICT (partner_id, at) DO UPDATE SET ({_NAMES}) = ROW ({", ".join(f"excluded.{n}" for n in MEASURES)})
""")


def count_and_note(session: TenantSession, counting: str) -> None:
    """Execute `counting`, an INSERT into an organization's counts, and note that its partner's are stale in them.

    One statement: taking in records waits for the database no more often than without a partner.
    """
    session.execute(text(_NOTE.format(counting=counting)), {"org": session.org_id, "mark": new_id()})


def count_partners(database: Database) -> None:
    """Add up what is stale, for every partner. May run twice, and beside itself."""
    after: UUID | None = None
    while True:
        with database.app_engine.connect() as connection:
            values = {"after": after, "limit": PARTNERS_AT_ONCE}
            partners: list[UUID] = list(connection.execute(_PARTNERS, values).scalars())
        for partner_id in partners:
            while _count_some(database, partner_id):
                pass
        if len(partners) < PARTNERS_AT_ONCE:
            return
        after = partners[-1]


def _count_some(database: Database, partner_id: UUID) -> int:
    """Add up a partner's stale quarters of some marks; returns how many marks there were.

    The marks go first. Whatever was committed by then is seen by the statement that adds up, and who commits later has
    a mark of their own that stays.
    """
    with database.in_partner(partner_id) as session:
        if not session.scalar(_LOCK, {"partner": str(partner_id)}):
            return 0
        seen = list(session.scalars(_SEEN, {"partner": partner_id, "limit": AT_ONCE}))
        if seen:
            session.execute(_ADD_UP, {"partner": partner_id, "quarters": sorted(set(seen))})
    return len(seen)
