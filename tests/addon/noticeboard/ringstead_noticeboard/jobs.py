"""What the worker does."""

from datetime import UTC, datetime

from sqlalchemy import text

from ringstead.api.models import TenantSession
from ringstead.api.switch import Database
from ringstead_noticeboard.events import NoticePosted
from ringstead_noticeboard.models import Notice

KEEP_DAYS = 365


def announce(session: TenantSession, event: NoticePosted) -> None:
    """Mark a notice as announced; one that was removed meanwhile needs no announcing."""
    notice = session.get(Notice, (session.org_id, event.notice_id))
    if notice is not None:
        notice.announced_at = datetime.now(UTC)


def tidy(database: Database) -> None:
    """Take down what has hung for a year, in every organization."""
    with database.as_operator("noticeboard.tidy", "delete old notices") as session:
        session.execute(
            text("DELETE FROM noticeboard_notice WHERE created_at < now() - make_interval(days => :days)"),
            {"days": KEEP_DAYS},
        )
