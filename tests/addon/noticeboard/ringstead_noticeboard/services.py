"""The rules of the board."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from ringstead.api import StepUp, TenantContext, translations
from ringstead.api.models import TenantSession
from ringstead.api.work import emit
from ringstead_noticeboard.events import NoticePosted
from ringstead_noticeboard.models import Notice

_ = translations("ringstead_noticeboard")
LONGEST = 200
NOBODY = UUID(int=0)
ANSWERS: dict[UUID, str] = {}
PAGE = 50


class NoticeRefused(ValueError):
    """A notice that says nothing, or too much."""


def latest_notices(ctx: TenantContext) -> Select[Any]:
    """What the card shows: as many as the reader wants."""
    newest = select(Notice.text, Notice.created_at).order_by(Notice.created_at.desc())
    return newest.limit(ctx.preferences["noticeboard.lines"])


def all_notices(session: TenantSession) -> Sequence[Notice]:
    """The board, newest first."""
    return session.scalars(select(Notice).order_by(Notice.created_at.desc()).limit(PAGE)).all()


def find_notices(session: TenantSession, query: str, limit: int) -> Sequence[Notice]:
    """Notices with these words in them, wherever."""
    found = func.lower(Notice.text).contains(query.lower(), autoescape=True)
    return session.scalars(select(Notice).where(found).order_by(Notice.created_at.desc()).limit(limit)).all()


def post_notice(session: TenantSession, author_id: UUID, text: str) -> Notice:
    """Put up a notice of 1 to LONGEST characters; raises `NoticeRefused`."""
    words = " ".join(text.split())
    if not 0 < len(words) <= LONGEST:
        raise NoticeRefused(f"{len(words)} characters")
    notice = Notice(author_id=author_id, text=words)
    session.add(notice)
    session.flush()
    emit(session, NoticePosted(org_id=session.org_id, notice_id=notice.id))
    return notice


def remove_notice(session: TenantSession, notice_id: UUID) -> bool:
    """Take a notice down; False when there is none of that id in this organization."""
    notice = session.get(Notice, (session.org_id, notice_id))
    if notice is None:
        return False
    session.delete(notice)
    return True


def read_notices(session: TenantSession) -> dict[str, Any]:
    """What a template keeps of the board: its texts, oldest first."""
    return {"texts": [notice.text for notice in reversed(all_notices(session))]}


def write_notices(session: TenantSession, values: dict[str, Any]) -> None:
    """Put a template's texts on a new board; nobody wrote them."""
    for words in values.get("texts", []):
        session.add(Notice(author_id=NOBODY, text=str(words)[:LONGEST]))


def step_ups(account_id: UUID) -> list[StepUp]:
    """The answer to a question that somebody set up; here, for want of a page to do so, in `ANSWERS`."""
    answer = ANSWERS.get(account_id)
    if answer is None:
        return []
    return [StepUp(id="noticeboard-answer", title=_("Your answer"), verify=lambda given: given == answer)]
