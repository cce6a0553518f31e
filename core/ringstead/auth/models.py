"""Tables of signing in that nothing else knows. Accounts and sessions lie in `ringstead.tenancy.models`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.db.base import Base, CreatedAt, PartnerScoped, new_id


class PasswordReset(PartnerScoped, Base):
    """A link that sets a new password once. Only the SHA-256 of its token is stored; using it deletes the row."""

    __tablename__ = "password_reset"
    __table_args__ = (
        UniqueConstraint("partner_id", "token_hash"),
        ForeignKeyConstraint(
            ["partner_id", "account_id"], ["account.partner_id", "account.id"], ondelete="CASCADE"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID]
    token_hash: Mapped[bytes]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]


class ResetRequest(PartnerScoped, Base):
    """Somebody who asked for such a link, until a job has looked whether there is an account.

    A row of the partner, because jobs belong to no tenant and may hold no address. `email` is what was typed, `origin`
    the portal where, `address` the asker's.
    """

    __tablename__ = "reset_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    origin: Mapped[str]
    address: Mapped[str]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
