"""Web sessions: opened at sign-in, ended by deleting the row. A browser holds nothing but a random token."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, update

from ringstead.auth.tokens import hash_token, new_token
from ringstead.db.session import TenantSession
from ringstead.tenancy.models import Account, WebSession

# A browser that signed in but must still choose its organization is nobody yet, and not for long.
CHOOSING: Final = timedelta(minutes=10)
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a session comes from, for its row."""

    site: str
    address: str
    user_agent: str


def open_session(
    session: TenantSession,
    account_id: UUID,
    browser: Browser,
    lifetime: timedelta,
    org_id: UUID | None = None,
    membership_id: UUID | None = None,
    support_id: UUID | None = None,
) -> str:
    """Sign a browser in; returns the token, which is stored nowhere else."""
    token = new_token()
    session.add(
        WebSession(
            token_hash=hash_token(token),
            account_id=account_id,
            org_id=org_id,
            membership_id=membership_id,
            support_id=support_id,
            site=browser.site,
            csrf_token=new_token(),
            address=browser.address,
            user_agent=browser.user_agent[:200],
            expires_at=datetime.now(UTC) + lifetime,
        )
    )
    return token


def end_by_token(session: TenantSession, token_hash: bytes | None) -> None:
    """End the session of a token, if there is one."""
    if token_hash is not None:
        session.execute(delete(WebSession).where(WebSession.token_hash == token_hash))


def end_one(session: TenantSession, account_id: UUID, session_id: UUID) -> bool:
    """End one of somebody's sessions; False when he has no such session."""
    ended = delete(WebSession).where(WebSession.account_id == account_id, WebSession.id == session_id)
    return session.execute(ended.returning(WebSession.id)).first() is not None


def end_all(session: TenantSession, account_id: UUID, but: UUID | None = None) -> int:
    """End all of somebody's sessions, `but` one; returns how many there were."""
    ended = delete(WebSession).where(WebSession.account_id == account_id)
    if but is not None:
        ended = ended.where(WebSession.id != but)
    return len(session.execute(ended.returning(WebSession.id)).all())


def renew(session: TenantSession, session_id: UUID) -> str:
    """Give a session a new token and a new form token, after something that changes what it is worth."""
    token = new_token()
    session.execute(
        update(WebSession)
        .where(WebSession.id == session_id)
        .values(token_hash=hash_token(token), csrf_token=new_token())
        .execution_options(synchronize_session=False)
    )
    return token


def list_sessions(session: TenantSession, account_id: UUID, idle: timedelta) -> list[WebSession]:
    """Somebody's live sessions, the latest used first; not those that still choose an organization."""
    now = datetime.now(UTC)
    return list(
        session.scalars(
            select(WebSession)
            .where(
                WebSession.account_id == account_id,
                WebSession.expires_at > now,
                WebSession.last_seen_at > now - idle,
                (WebSession.site == "console") | WebSession.membership_id.is_not(None),
            )
            .order_by(WebSession.last_seen_at.desc(), WebSession.id)
        )
    )


def choosing_account(session: TenantSession, token_hash: bytes | None) -> Account | None:
    """Who signed in with this token and must still choose an organization."""
    if token_hash is None:
        return None
    return session.scalars(
        select(Account)
        .join(WebSession, WebSession.account_id == Account.id)
        .where(
            WebSession.token_hash == token_hash,
            WebSession.site == "portal",
            WebSession.membership_id.is_(None),
            WebSession.support_id.is_(None),
            WebSession.expires_at > datetime.now(UTC),
            Account.status == "active",
        )
    ).one_or_none()


def browser_name(user_agent: str) -> tuple[str, str]:
    """Browser and system as people know them; empty where the header does not say."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return browser, system
