"""The job that sends a mail."""

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from ringstead.api.contributions import JobSpec
from ringstead.blobs import BlobsAway
from ringstead.db.engine import Database
from ringstead.db.session import TenantSession
from ringstead.jobs.arguments import decode
from ringstead.jobs.failures import explain
from ringstead.jobs.queue import defer
from ringstead.mail.compose import Circumstances, Composer
from ringstead.mail.outbox import SEND, MailMessage
from ringstead.mail.transport import Refused, Transport, TryLater

# With waits that double up to an hour: about eleven hours.
ATTEMPTS: Final = 20
log = structlog.get_logger(__name__)


class Postman:
    """Sends queued mail. A mail is `sent` only after the server has taken it; what it answered otherwise is kept."""

    def __init__(self, composer: Composer, transport: Transport) -> None:
        self._composer, self._transport = composer, transport

    def jobs(self) -> list[JobSpec]:
        """The job that sends a mail."""
        return [
            # A few more than a mail has attempts: those that a killed worker used up are not the mail's.
            JobSpec(name=SEND, run=self.send, attempts=ATTEMPTS + 10),
        ]

    def send(self, database: Database, *, partner_id: UUID, mail_id: UUID) -> None:
        """Send one mail. Raises `TryLater` for the job to be tried again.

        The row stays locked meanwhile, so that a second worker with the same job waits and then finds it sent.
        """
        with database.in_partner(partner_id) as session:
            mail = session.get(MailMessage, (partner_id, mail_id))
        if mail is None or mail.state != "queued":
            return
        around = self._composer.circumstances(database, mail)
        with database.in_partner(partner_id) as session:
            locked = select(MailMessage).where(MailMessage.id == mail_id).with_for_update()
            row = session.scalars(locked).one()
            why_later = self._attempt(session, row, around) if row.state == "queued" else None
        if why_later is not None:
            raise why_later

    def _attempt(self, session: TenantSession, mail: MailMessage, around: Circumstances) -> TryLater | None:
        """Try once and write down what came of it; returns why it is to be tried again, if it is."""
        mail.attempts += 1
        try:
            message = self._compose(session, mail, around)
            self._transport.send(message, f"{mail.id}")
        except (Refused, TryLater) as answer:
            mail.last_error = str(answer)
            if isinstance(answer, TryLater) and mail.attempts < ATTEMPTS:
                return answer
            mail.state, mail.finished_at = "failed", datetime.now(UTC)
            log.error("mail.failed", mail=str(mail.id), template=mail.template, why=mail.last_error)
        else:
            mail.state, mail.finished_at = "sent", datetime.now(UTC)
            mail.values, mail.last_error = None, ""
            if mail.on_sent is not None:
                defer(session, mail.on_sent["name"], **decode(mail.on_sent["arguments"]))
        return None

    def _compose(self, session: TenantSession, mail: MailMessage, around: Circumstances) -> EmailMessage:
        try:
            message = self._composer.compose(session, mail, around)
        except DBAPIError:
            raise
        except BlobsAway as error:
            raise TryLater(f"attachments: {explain(error)}") from error
        except Exception as error:
            # A faulty template stays faulty until somebody mends it: then the mail can be sent again.
            log.error("mail.template_failed", template=mail.template, exc_info=error)
            raise Refused(f"template {mail.template}: {explain(error)}") from error
        mail.subject = str(message["Subject"])
        return message
