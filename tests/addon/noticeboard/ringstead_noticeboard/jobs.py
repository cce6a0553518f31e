"""What the worker does."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete

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


def tidy(database: Database, *, org_id: UUID) -> None:
    """Take down what has hung for a year in one organization."""
    with database.run_as(org_id) as session:
        oldest = datetime.now(UTC) - timedelta(days=KEEP_DAYS)
        session.execute(delete(Notice).where(Notice.created_at < oldest))
