"""Support sessions: somebody of the partner's staff opens a subscriber's portal, for a reason and a while, on record.

On the console it is asked for (`ask`), which makes a ticket: for thirty seconds it opens the portal, once (`enter`).
Where the organization wants to be asked, the ticket is made only after the subscriber has allowed it. In the session
the one who acts and the one whose portal it is stand in the context and on every entry of the audit trail, and what a
route declares closed is closed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from pyramid.httpexceptions import HTTPForbidden
from pyramid.request import Request
from sqlalchemy import and_, delete, select
from translationstring import TranslationString

from ringstead import audit
from ringstead.api import Permission, Route, Setting, StepUp, translations
from ringstead.auth import sessions
from ringstead.auth.tokens import hash_token, new_token
from ringstead.db.base import new_id
from ringstead.db.session import TenantSession
from ringstead.mail import queue_mail
from ringstead.plugins.faults import is_portals, said
from ringstead.tenancy.context import AccountInfo, TenantContext
from ringstead.tenancy.models import Account, Host, Membership, Subscriber, SupportSession, WebSession

_ = translations("ringstead")
log = structlog.get_logger(__name__)

OPEN: Final = Permission(
    name="core:support:open",
    title=_("Open a subscriber’s portal for support"),
    default_roles=frozenset({"partner_support", "partner_admin"}),
)
RULES: Final = Permission(
    name="core:support:rules",
    title=_("Decide what support may do in the organization"),
    default_roles=frozenset({"org_admin"}),
)
CONSENT: Final = "core.support_consent"
PRIVATE: Final = "core.support_private"
LIFE: Final = timedelta(minutes=30)
TICKET_LIFE: Final = timedelta(seconds=30)
# How long a wish waits to be allowed, and an allowed one to be used.
PATIENCE: Final = timedelta(hours=24)
# Somebody who gave the password this lately is not asked for it again.
STEP_UP: Final = timedelta(minutes=10)
LONGEST_REASON: Final = 200
_READING: Final = ("GET", "HEAD", "OPTIONS")
# Also open to who only looks: they change nothing of the subscriber's.
_ALWAYS: Final = frozenset({"core.support.end", "core.sign_out", "core.theme"})


class ClosedToSupport(HTTPForbidden):  # type: ignore[misc]  # Pyramid has no types
    """What support may not do here; the detail says so in words."""


def settings() -> list[Setting]:
    """What an organization decides about support."""
    rule = partial(Setting, type=bool, default=False, level="organization")
    return [
        rule(name=CONSENT, title=_("People are asked before support opens their portal")),
        rule(name=PRIVATE, title=_("Support may listen to messages")),
    ]


def check_support(context: TenantContext, route: Route, method: str) -> None:
    """Raise `ClosedToSupport` when a support session may not do this."""
    support = context.support
    if support is None:
        return
    if route.support == "closed":
        raise ClosedToSupport(_("This is only for the person whose portal it is. Support cannot do it."))
    if route.support == "private" and not context.preferences[PRIVATE]:
        raise ClosedToSupport(_("Messages are private: support may not listen to them here."))
    if support.is_read_only and method not in _READING and route.name not in _ALWAYS:
        raise ClosedToSupport(_("You opened this portal to look only. Nothing was changed."))


def ask(
    session: TenantSession,
    actor: AccountInfo,
    subscriber: Subscriber,
    reason: str,
    is_read_only: bool,
    needs_consent: bool,
) -> SupportSession:
    """Put a wish to open a subscriber's portal on record; the session must be the organization's."""
    wish = SupportSession(
        id=new_id(),
        org_id=subscriber.org_id,
        subscriber_id=subscriber.id,
        actor_account_id=actor.id,
        actor_name=actor.name,
        actor_role=actor.role,
        reason=reason,
        is_read_only=is_read_only,
        needs_consent=needs_consent,
    )
    session.add(wish)
    session.flush()
    return wish


def make_ticket(wish: SupportSession) -> str:
    """A ticket that opens the portal once, now; returns it. It is stored nowhere else."""
    ticket = new_token()
    wish.ticket_hash = hash_token(ticket)
    wish.ticket_expires_at = datetime.now(UTC) + TICKET_LIFE
    return ticket


def find_ticket(session: TenantSession, ticket: str) -> SupportSession | None:
    """The wish that a ticket opens, held for this transaction; None when it is used, too old or none."""
    found = session.scalars(
        select(SupportSession)
        .where(
            SupportSession.ticket_hash == hash_token(ticket),
            SupportSession.ticket_expires_at > datetime.now(UTC),
        )
        .with_for_update()
    ).one_or_none()
    return found if found is not None and is_usable(found) and found.opened_at is None else None


def enter(session: TenantSession, wish: SupportSession, browser: sessions.Browser) -> str:
    """Use the ticket: the browser gets a session in the subscriber's portal; returns its token."""
    now = datetime.now(UTC)
    wish.ticket_hash, wish.ticket_expires_at = None, None
    wish.opened_at, wish.ends_at = now, now + LIFE
    token = sessions.open_session(
        session, wish.actor_account_id, browser, LIFE, wish.org_id, support_id=wish.id
    )
    session.flush()
    return token


def end(session: TenantSession, wish: SupportSession) -> None:
    """End it, wherever it is open. The session must be the partner's: staff is unknown inside an organization."""
    if wish.ended_at is None:
        wish.ended_at = datetime.now(UTC)
    session.execute(delete(WebSession).where(WebSession.support_id == wish.id))


def answer(wish: SupportSession, is_allowed: bool) -> None:
    """What the subscriber says to a wish."""
    if is_allowed:
        wish.allowed_at = datetime.now(UTC)
    else:
        wish.refused_at = datetime.now(UTC)


def is_usable(wish: SupportSession) -> bool:
    """Whether the portal may be opened by this wish."""
    now = datetime.now(UTC)
    if wish.refused_at is not None or wish.ended_at is not None or wish.opened_at is not None:
        return False
    if wish.needs_consent:
        return wish.allowed_at is not None and wish.allowed_at > now - PATIENCE
    return wish.asked_at > now - PATIENCE


def is_waiting(wish: SupportSession) -> bool:
    """Whether the subscriber has still to say something to it."""
    undecided = wish.allowed_at is None and wish.refused_at is None and wish.ended_at is None
    return wish.needs_consent and undecided and wish.asked_at > datetime.now(UTC) - PATIENCE


def is_open(wish: SupportSession) -> bool:
    """Whether somebody is in the portal by it, or may be again with the same browser."""
    return wish.ends_at is not None and wish.ended_at is None and wish.ends_at > datetime.now(UTC)


def state_of(wish: SupportSession) -> TranslationString:
    """Where a support session stands, in a word or two."""
    if is_waiting(wish):
        return _("Waiting for an answer")
    if wish.refused_at is not None:
        return _("Refused")
    if is_open(wish):
        return _("Open now")
    if wish.opened_at is not None:
        return _("Ended")
    return _("Allowed") if wish.needs_consent and is_usable(wish) else _("Not used")


def of_subscriber(
    session: TenantSession, subscriber_id: UUID, limit: int = 20, actor_id: UUID | None = None
) -> Sequence[SupportSession]:
    """The latest support sessions of a subscriber's portal; of one account of the partner's staff, if it is given."""
    wanted = select(SupportSession).where(SupportSession.subscriber_id == subscriber_id)
    if actor_id is not None:
        wanted = wanted.where(SupportSession.actor_account_id == actor_id)
    return session.scalars(wanted.order_by(SupportSession.id.desc()).limit(limit)).all()


def of_organization(
    session: TenantSession, org_id: UUID, limit: int = 50
) -> Sequence[tuple[SupportSession, str]]:
    """The latest of an organization, with whose portal it was."""
    of_whom = and_(Subscriber.org_id == SupportSession.org_id, Subscriber.id == SupportSession.subscriber_id)
    found = session.execute(
        select(SupportSession, Subscriber.name)
        .join(Subscriber, of_whom)
        .where(SupportSession.org_id == org_id)
        .order_by(SupportSession.id.desc())
        .limit(limit)
    )
    return [(wish, name) for wish, name in found]


def tell_subscriber(request: Request, session: TenantSession, wish: SupportSession, template: str) -> None:
    """Mail whoever signs in to the portal: that somebody asks, or has come in."""
    people = session.scalars(
        select(Account)
        .join(Membership, Membership.account_id == Account.id)
        .where(
            Membership.org_id == wish.org_id,
            Membership.subscriber_id == wish.subscriber_id,
            Account.status == "active",
        )
    )
    for account in people:
        values = {
            "name": account.name,
            "actor": wish.actor_name,
            "reason": wish.reason,
            "url": f"{portal_origin(request, session, wish.org_id)}/account/support",
        }
        queue_mail(session, to=account.email, template=template, values=values)


def portal_origin(request: Request, session: TenantSession, org_id: UUID) -> str:
    """Where an organization's people sign in: its own host, or the partner's."""
    hosts = session.scalars(
        select(Host).where(Host.kind == "portal", (Host.org_id == org_id) | Host.org_id.is_(None))
    )
    first = min(hosts, key=lambda host: (host.org_id is None, host.name), default=None)
    if first is None:
        raise LookupError("this partner has no portal host")
    return str(request.deployment.origin(first.name))


def needs_password(session: TenantSession, account: AccountInfo) -> bool:
    """Whether somebody has to give the password again before something grave."""
    verified = session.scalar(select(WebSession.verified_at).where(WebSession.id == account.session_id))
    return verified is None or verified < datetime.now(UTC) - STEP_UP


class ProofAway(Exception):
    """A feature that asks for a proof stronger than the password does not work now."""


def step_ups(request: Request, context: TenantContext) -> list[StepUp]:
    """The proofs, stronger than the password, that the reader has set up with features of the console.

    Raises `ProofAway` when a feature fails: not the gate's containment, by which somebody would come in without.
    """
    assert context.account is not None  # asked of somebody who is signed in
    found: list[StepUp] = []
    for owned in context.features.hooks.get("step_ups", ()):
        try:
            with request.db.begin_nested():
                found += owned.item(ctx=context, session=request.db, account_id=context.account.id)
        except Exception as error:
            if is_portals(error):
                raise
            log.error("plugin.failed", plugin=owned.plugin, what="step_ups", why=said(error), exc_info=error)
            raise ProofAway(owned.plugin) from error
    return found


def record(
    request: Request, action: str, wish: SupportSession, session: TenantSession, actor: Account | None = None
) -> None:
    """Put what happens to a support session on record, with both names."""
    audit.record(
        request,
        action,
        detail={"reason": wish.reason, "only_looks": wish.is_read_only, "support": str(wish.id)},
        subject=wish.subscriber_id,
        actor=actor,
        session=session,
        org_id=wish.org_id,
    )
