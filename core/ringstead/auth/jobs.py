"""What signing in leaves to the worker: mails, and forgetting what has expired."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import delete, text

from ringstead import audit
from ringstead.api import JobSpec
from ringstead.auth.membership import find_account, partner_session
from ringstead.auth.models import PasswordReset, ResetRequest
from ringstead.auth.tokens import hash_token, new_token
from ringstead.db.base import new_id
from ringstead.db.engine import Database
from ringstead.db.session import TenantSession
from ringstead.jobs import defer
from ringstead.mail import queue_mail
from ringstead.tenancy.context import AccountInfo
from ringstead.tenancy.models import Account

RESET_LIFE: Final = timedelta(hours=1)
# A worker that was away for a day has nothing to send: who asked has asked again, or given up.
REQUEST_LIFE: Final = timedelta(days=1)
SEND_RESET: Final = "core.send_reset"


def jobs() -> list[JobSpec]:
    """The jobs of signing in."""
    return [
        JobSpec(name=SEND_RESET, run=send_reset),
        JobSpec(name="core.forget_expired", run=forget_expired, every="17 * * * *"),
    ]


def ask_for_reset(request: Request, email: str) -> None:
    """Queue the mail with a link, for whatever address was typed."""
    asked = ResetRequest(
        id=new_id(),
        email=email,
        origin=request.deployment.origin(request.site.host),
        address=request.client_address,
        expires_at=datetime.now(UTC) + REQUEST_LIFE,
    )
    with partner_session(request) as session:
        session.add(asked)
        defer(session, SEND_RESET, partner_id=request.site.partner.id, request_id=asked.id)


def send_reset(database: Database, *, partner_id: UUID, request_id: UUID) -> None:
    """Make the link and queue its mail, if the address has an account that may sign in. Run twice, it does it once."""
    with database.in_partner(partner_id) as session:
        asked = session.scalars(
            delete(ResetRequest).where(ResetRequest.id == request_id).returning(ResetRequest)
        ).one_or_none()
        if asked is None:
            return
        account = find_account(session, asked.email)
        if account is None or account.status != "active":
            return
        token = new_token()
        # Only the newest link works: an older mail may lie in hands that it should not.
        session.execute(delete(PasswordReset).where(PasswordReset.account_id == account.id))
        session.add(
            PasswordReset(
                account_id=account.id,
                token_hash=hash_token(token),
                expires_at=datetime.now(UTC) + RESET_LIFE,
            )
        )
        audit.record(session, audit.PASSWORD_RESET_ASKED, detail={"address": asked.address}, actor=account)
        queue_mail(
            session,
            to=account.email,
            template="core/mail/reset",
            values={"name": account.name, "url": f"{asked.origin}/reset/{token}"},
        )


def tell_password_changed(request: Request, session: TenantSession, person: Account | AccountInfo) -> None:
    """Queue the notice that lets an owner find out when it was not him."""
    queue_mail(
        session,
        to=person.email,
        template="core/mail/password_changed",
        values={"name": person.name, "url": f"{request.deployment.origin(request.site.host)}/forgot"},
    )


def forget_expired(database: Database) -> None:
    """Delete sessions, links and counters whose time is over."""
    with database.app_engine.begin() as connection:
        connection.execute(text("SELECT forget_expired()"))
