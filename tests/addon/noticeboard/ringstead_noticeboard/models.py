"""What hangs on the board."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api.models import Base, CreatedAt, OrgScoped, new_id


class Notice(OrgScoped, Base):
    """One notice. `announced_at` is when the worker told everybody."""

    __tablename__ = "noticeboard_notice"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    author_id: Mapped[UUID]
    text: Mapped[str]
    announced_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
