"""How long an organization keeps its calls: the rule, and the horizon behind which nothing is any more.

The horizon only ever moves ahead, and before anything is removed: from then on no older record is taken in, so that a
switch which repeats an old one does not bring it back, and no counts are computed anew from calls that are gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped

from ringstead.api import Setting, translations
from ringstead.api.models import Base, OrgScoped, TenantSession
from ringstead.api.preferences import Preferences, load_preferences
from ringstead_calllogs.records import OLDEST

_ = translations("ringstead_calllogs")
KEEP_DAYS: Final = "calllogs.keep_days"
LEGAL_HOLD: Final = "calllogs.legal_hold"
LEAST_DAYS: Final = 7
MOST_DAYS: Final = OLDEST.days
Quarter = tuple[UUID | None, datetime]


class Horizon(OrgScoped, Base):
    """Calls whose last leg began before `until` were removed, or are being removed."""

    __tablename__ = "calllogs_horizon"

    until: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Rule:
    """An organization's rule: days that calls are kept (None: for ever), and whether a legal hold is on."""

    days: int | None
    is_held: bool

    def kept_since(self, now: datetime) -> datetime | None:
        """Midnight (UTC) before which calls go by now; None while none do."""
        if self.days is None or self.is_held:
            return None
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=self.days)


def settings() -> list[Setting]:
    """What an organization decides about keeping."""
    return [
        Setting(
            name=KEEP_DAYS,
            title=_("Days that calls are kept"),
            type=int,
            default=0,
            level="organization",
            help=_("0 keeps them for ever. Less than a week counts as a week."),
            minimum=0,
            maximum=MOST_DAYS,
        ),
        Setting(
            name=LEGAL_HOLD,
            title=_("Legal hold: remove no calls"),
            type=bool,
            default=False,
            level="organization",
        ),
    ]


def rule_of(preferences: Preferences) -> Rule:
    """The rule that an organization's preferences make."""
    days = int(preferences[KEEP_DAYS])
    return Rule(max(days, LEAST_DAYS) if days else None, bool(preferences[LEGAL_HOLD]))


def read_rule(session: TenantSession) -> Rule:
    """The same outside a page."""
    return rule_of(load_preferences(session, {setting.name: setting for setting in settings()}))


def kept_since(
    session: TenantSession, preferences: Preferences, oldest: datetime, now: datetime
) -> datetime | None:
    """The moment before which no record is taken in, if there is one; `oldest` is the earliest that was sent."""
    if oldest >= _always_kept(now):
        return None
    limits = [horizon(session, oldest, now), rule_of(preferences).kept_since(now)]
    return max((limit for limit in limits if limit is not None), default=None)


def horizon(session: TenantSession, oldest: datetime, now: datetime) -> datetime | None:
    """The horizon, if anything as old as `oldest` may be behind it."""
    if oldest >= _always_kept(now):
        return None
    until: datetime | None = session.scalar(select(Horizon.until))
    return until


def move_horizon(session: TenantSession, until: datetime) -> None:
    """Take in nothing older from now on, under the organization's lock."""
    moved = insert(Horizon).values(org_id=session.org_id, until=until)
    session.execute(
        moved.on_conflict_do_update(
            index_elements=["org_id"], set_={"until": func.greatest(Horizon.until, moved.excluded.until)}
        )
    )


def still_counted(session: TenantSession, quarters: Iterable[Quarter]) -> set[Quarter]:
    """Those of the quarters that are not behind the horizon, where counts stay as they are."""
    found = set(quarters)
    now = datetime.now(UTC)
    until = horizon(session, min((at for _person, at in found), default=now), now)
    return found if until is None else {quarter for quarter in found if quarter[1] >= until}


def _always_kept(now: datetime) -> datetime:
    """No horizon is later than this, so what is newer needs no look at it."""
    return now - timedelta(days=LEAST_DAYS)
