"""The audit trail: who did what to whom. Rows are only ever added; the database refuses anything else."""

from collections.abc import Mapping
from typing import Any, Final, Protocol
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import select
from translationstring import TranslationString

from ringstead.api import translations
from ringstead.db.session import TenantSession
from ringstead.tenancy.models import AuditEntry

_ = translations("ringstead")

SIGNED_IN: Final = "sign-in.ok"
SIGN_IN_FAILED: Final = "sign-in.failed"
SIGNED_OUT: Final = "sign-out"
SESSION_REVOKED: Final = "session.revoked"
PASSWORD_CHANGED: Final = "password.changed"
PASSWORD_RESET_ASKED: Final = "password.reset-asked"
PASSWORD_RESET: Final = "password.reset"
FEATURE_ON: Final = "feature.on"
FEATURE_OFF: Final = "feature.off"
DATA_EXPORTED: Final = "privacy.exported"
DATA_ERASED: Final = "privacy.erased"
TRAIL_EXPORTED: Final = "audit.exported"
SUPPORT_ASKED: Final = "support.asked"
SUPPORT_ALLOWED: Final = "support.allowed"
SUPPORT_REFUSED: Final = "support.refused"
SUPPORT_OPENED: Final = "support.opened"
SUPPORT_ENDED: Final = "support.ended"
SUPPORT_RULES: Final = "support.rules-changed"

TITLES: Final[Mapping[str, TranslationString]] = {
    SIGNED_IN: _("Signed in"),
    SIGN_IN_FAILED: _("Tried to sign in with a wrong password"),
    SIGNED_OUT: _("Signed out"),
    SESSION_REVOKED: _("Signed out another browser"),
    PASSWORD_CHANGED: _("Changed the password"),
    PASSWORD_RESET_ASKED: _("Asked for a new password"),
    PASSWORD_RESET: _("Set a new password by email"),
    FEATURE_ON: _("Turned a feature on"),
    FEATURE_OFF: _("Turned a feature off"),
    DATA_EXPORTED: _("Downloaded a person’s data"),
    DATA_ERASED: _("Erased a person’s data"),
    TRAIL_EXPORTED: _("Downloaded the audit trail"),
    SUPPORT_ASKED: _("Asked to open a portal"),
    SUPPORT_ALLOWED: _("Allowed the provider to open a portal"),
    SUPPORT_REFUSED: _("Refused that a portal is opened"),
    SUPPORT_OPENED: _("Opened a portal for support"),
    SUPPORT_ENDED: _("Left a portal"),
    SUPPORT_RULES: _("Changed what support may do"),
}
CHANGED = "changed"
"""In an entry's `detail`: what was changed, by name, each as `[before, after]`; see `changed`."""
_OF_PLUGINS: Final[dict[str, TranslationString]] = {}
_EVERYDAY: Final[set[str]] = set()


def declare_action(name: str, title: TranslationString, is_everyday: bool = False) -> str:
    """Give a plugin's action its title, where the plugin is imported; returns the name.

    An everyday action (looking at something) is kept like any other, and does not fill the activity that people see on
    their account page, where they look for what was not them.
    """
    _OF_PLUGINS[name] = title
    if is_everyday:
        _EVERYDAY.add(name)
    return name


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """A `detail` that tells what differs between two states of a thing; values are what JSON can hold. No secrets."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {CHANGED: {name: [before.get(name), after.get(name)] for name in names}}


def known_actions() -> dict[str, str]:
    """Every action that may be in the trail, with its title."""
    return {**TITLES, **_OF_PLUGINS}


class Actor(Protocol):
    """Somebody who does something: an `Account` row or the `AccountInfo` of a request."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...


def record(
    where: Request | TenantSession,
    action: str,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
    subject: UUID | None = None,
    *,
    actor: Actor | None = None,
    session: TenantSession | None = None,
    org_id: UUID | None = None,
    address: str = "",
) -> AuditEntry:
    """Add an entry in the transaction of what it tells about, so that neither exists without the other.

    `where` is the request (then the actor is whoever is signed in, and the address is known) or a session, for jobs
    and commands (whose actor's `address` may be given). In a support session the subject is the one whose portal it is,
    and `detail` names the session. `target` says what was touched, `subject` whose portal (a
    subscriber's id). `session` replaces the request's own, for work inside another organization. Never put secrets or
    typed passwords into `detail`.
    """
    if not isinstance(where, TenantSession):
        address = where.client_address
        actor = actor or where.tenant.account
        session = session or where.db
        support = where.tenant.support
        if support is not None:
            subject = subject or where.tenant.subscriber_id
            detail = {**(detail or {}), "support": str(support.id)}
    else:
        session = where
    entry = AuditEntry(
        org_id=org_id or session.scope.org_id,
        actor_account_id=None if actor is None else actor.id,
        actor_name="" if actor is None else actor.name,
        subject_subscriber_id=subject,
        action=action,
        target=target[:200],
        detail=dict(detail or {}),
        address=address,
    )
    session.add(entry)
    return entry


def own_entries(session: TenantSession, account_id: UUID, limit: int = 20) -> list[AuditEntry]:
    """What somebody did lately, newest first, without the everyday; inside an organization, only what concerns it."""
    return list(
        session.scalars(
            select(AuditEntry)
            .where(AuditEntry.actor_account_id == account_id, AuditEntry.action.not_in(sorted(_EVERYDAY)))
            .order_by(AuditEntry.id.desc())
            .limit(limit)
        )
    )


def organization_entries(
    session: TenantSession, org_id: UUID, actions: tuple[str, ...], limit: int = 20
) -> list[AuditEntry]:
    """The latest entries of some kinds about an organization, newest first."""
    return list(
        session.scalars(
            select(AuditEntry)
            .where(AuditEntry.org_id == org_id, AuditEntry.action.in_(actions))
            .order_by(AuditEntry.id.desc())
            .limit(limit)
        )
    )


def title_of(entry: AuditEntry) -> str:
    """An entry's action in words; an action that nobody declared here shows by its name."""
    title: str = TITLES.get(entry.action) or _OF_PLUGINS.get(entry.action, entry.action)
    return title
