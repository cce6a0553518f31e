"""The outbox: what is to be sent, what was, and what the server refused."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from ringstead.db.base import Base, CreatedAt, PartnerScoped, new_id
from ringstead.db.engine import Database
from ringstead.db.session import TenantSession
from ringstead.jobs.arguments import encode
from ringstead.jobs.queue import defer
from ringstead.tenancy import fields

SEND: Final = "core.send_mail"


class MailMessage(PartnerScoped, Base):
    """One mail to one recipient. `state` is queued, sent or failed; `last_error` says what the server answered.

    `values` fill the template. They are dropped once the mail is sent: a one-time link must not lie about.
    `attachments` are `MailAttachment`s; `on_sent` is a job (`name`, `arguments`) to be queued once the mail was taken.
    """

    __tablename__ = "mail_message"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    org_id: Mapped[UUID | None]
    template: Mapped[str]
    recipient: Mapped[str]
    locale: Mapped[str | None]
    subject: Mapped[str] = mapped_column(default="")
    values: Mapped[dict[str, Any] | None]
    attachments: Mapped[list[dict[str, str]]] = mapped_column(JSONB, default=list)
    on_sent: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(default="")
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class MailAttachment:
    """A blob of the session's organization that goes with a mail, under `name`. A mail is made in memory."""

    key: str
    name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class MailCounts:
    """How many mails wait or are tried again, and how many were given up."""

    queued: int
    failed: int


def queue_mail(
    session: TenantSession,
    *,
    to: str,
    template: str,
    values: Mapping[str, Any] | None = None,
    locale: str | None = None,
    attachments: Sequence[MailAttachment] = (),
    on_sent: tuple[str, Mapping[str, Any]] | None = None,
) -> UUID:
    """Send a mail once the session's transaction commits; if it does not, there is none. Returns the mail's id.

    `to` is a bare e-mail address (ValueError otherwise). `template` names `OWNER/mail/NAME` (`core/mail/reset`), which
    gives subject, text and HTML in the partner's brand. `values` are what it shows: texts, numbers, ids, times and full
    addresses, never rows. The language is the recipient's own, unless `locale` says another. An attachment whose blob
    is gone by then is left out. `on_sent`, a job and its arguments, is queued once a server has taken the mail, in the
    transaction that writes that down, and only then.
    """
    message = MailMessage(
        id=new_id(),
        partner_id=session.scope.partner_id,
        org_id=session.scope.org_id,
        template=template,
        recipient=address(to),
        locale=locale,
        values=encode(values or {}),
        attachments=[asdict(attachment) for attachment in attachments],
        on_sent=None if on_sent is None else {"name": on_sent[0], "arguments": encode(on_sent[1])},
    )
    session.add(message)
    defer(session, SEND, partner_id=message.partner_id, mail_id=message.id)
    return message.id


def address(value: str) -> str:
    """A bare e-mail address that may stand in a header and in an SMTP command; raises ValueError."""
    checked = fields.email(value)
    if not checked.isprintable():
        raise ValueError("an e-mail address has no control characters")
    return checked


def mail_counts(database: Database, actor: str) -> MailCounts:
    """How the outbox stands over all partners."""
    with database.as_operator(actor, "count queued and failed mail") as session:
        rows = session.execute(
            text("SELECT state, count(*) FROM mail_message WHERE state <> 'sent' GROUP BY state")
        )
        counts: dict[str, int] = {row[0]: row[1] for row in rows}
    return MailCounts(counts.get("queued", 0), counts.get("failed", 0))


def failed_mail(database: Database, actor: str, limit: int = 100) -> list[MailMessage]:
    """Mails that were given up, of all partners, newest first."""
    with database.as_operator(actor, "list failed mail") as session:
        return list(
            session.scalars(
                select(MailMessage)
                .where(MailMessage.state == "failed")
                .order_by(MailMessage.id.desc())
                .limit(limit)
            )
        )


def retry_mail(database: Database, actor: str, ids: Sequence[UUID] | None = None) -> list[UUID]:
    """Queue failed mails again (all of them without `ids`); returns those that were."""
    with database.as_operator(actor, "send failed mail again") as session:
        return _queue_again(session, ids)


def _queue_again(session: Session, ids: Sequence[UUID] | None) -> list[UUID]:
    statement = update(MailMessage).where(MailMessage.state == "failed")
    if ids is not None:
        statement = statement.where(MailMessage.id.in_(ids))
    rows = session.execute(
        statement.values(state="queued", attempts=0, finished_at=None)
        .returning(MailMessage.partner_id, MailMessage.id)
        .execution_options(synchronize_session=False)
    ).all()
    for partner_id, mail_id in rows:
        defer(session, SEND, partner_id=partner_id, mail_id=mail_id)
    return [mail_id for _, mail_id in rows]
