"""Invitations: a link with which somebody who has no password yet chooses one."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import delete, select

from ringstead import audit
from ringstead.api import translations
from ringstead.auth.models import PasswordReset
from ringstead.auth.tokens import hash_token, new_token
from ringstead.db.base import new_id
from ringstead.db.session import TenantSession
from ringstead.mail import queue_mail
from ringstead.tenancy.models import Account, Host

_ = translations("ringstead")

INVITATION_LIFE: Final = timedelta(days=7)
STAFF_INVITED: Final = audit.declare_action("staff.invited", _("Invited somebody to the console"))


def new_link(session: TenantSession, account: Account) -> str:
    """The token of a fresh link for an account; older ones of the account end. The session is the partner's."""
    token = new_token()
    session.execute(delete(PasswordReset).where(PasswordReset.account_id == account.id))
    session.add(
        PasswordReset(
            id=new_id(),
            account_id=account.id,
            token_hash=hash_token(token),
            expires_at=datetime.now(UTC) + INVITATION_LIFE,
        )
    )
    session.flush()
    return token


def console_host(session: TenantSession) -> str:
    """The console of the session's partner, the shortest of several. Raises LookupError when there is none."""
    names = session.scalars(
        select(Host.name).where(Host.partner_id == session.scope.partner_id, Host.kind == "console")
    )
    found = min(names, key=lambda name: (len(name), name), default=None)
    if found is None:
        raise LookupError("the partner has no console host")
    return found


def invite_staff(session: TenantSession, account: Account, origin: str, by: str) -> str | None:
    """Mail somebody of the partner's staff a link to choose a password on the console at `origin`; returns it too.

    None, and no mail, when there is a password already or the account is suspended. `by` goes on record.
    """
    if account.password_hash is not None or account.status != "active":
        return None
    url = f"{origin}/reset/{new_link(session, account)}"
    values = {"name": account.name, "url": url}
    queue_mail(session, to=account.email, template="core/mail/staff_invitation", values=values)
    audit.record(session, STAFF_INVITED, target=account.name, detail={"email": account.email, "by": by})
    return url
