"""What happens on the board."""

from dataclasses import dataclass
from uuid import UUID

from ringstead.api.work import Event


@dataclass(frozen=True, kw_only=True)
class NoticePosted(Event):
    """Somebody put up a notice."""

    notice_id: UUID
