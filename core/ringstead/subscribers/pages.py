"""The list of an organization's subscribers, and one of them: who they are, who signs in, how they are helped."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPBadRequest, HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import func, or_, select, tuple_

from ringstead.api import NavItem, StepUp, SubscriberAct, SubscriberState, TenantContext, translations
from ringstead.audit.listing import Shown, recent_of_subscriber
from ringstead.auth import support
from ringstead.auth.sessions import browser_name
from ringstead.db.session import TenantSession
from ringstead.plugins.enablement import enabled_plugins
from ringstead.preferences.store import load
from ringstead.subscribers import accounts, desk, states
from ringstead.subscribers.desk import HELP, MANAGE, Desk, desk_of, session_of
from ringstead.tenancy.addresses import id_of, queried
from ringstead.tenancy.models import (
    Account,
    FeaturePackage,
    Location,
    Membership,
    Organization,
    RolePermission,
    Subscriber,
    WebSession,
)
from ringstead.tenancy.packages import menu_of, package_of

_ = translations("ringstead")
PAGE_SIZE: Final = 50
SEARCH_MAX: Final = 80
_LATEST: Final = 8
ROLES: Final = {"org_admin": _("Organization admin"), "subscriber": _("Subscriber")}


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who opens a subscriber's portal."""

    name: str
    email: str
    role: str
    has_password: bool
    is_active: bool
    """Both as the partner sees them; True where it is not told."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A subscriber as those see them who look after them."""

    organization: Organization
    subscriber: Subscriber
    location: str
    package: str | None
    """The name of the package that holds for them; None without one, empty when it is gone."""
    menu: tuple[NavItem, ...]
    """What they find in the menu of their portal."""
    sign_ins: tuple[SignIn, ...]
    sessions: tuple[tuple[WebSession, str, str], ...]
    """Where they are signed in, with browser and system by name."""
    states: tuple[SubscriberState, ...]
    acts: tuple[SubscriberAct, ...]
    latest: tuple[Shown, ...]


def show_list(context: TenantContext, request: Request) -> dict[str, Any]:
    """The list, by name. `q` is in the name, begins the extension, or is in the number."""
    here = desk_of(request)
    query = queried(request, "q")[:SEARCH_MAX].strip()
    after = queried(request, "after")
    with session_of(request, here) as session:
        rows = _list(session, query, id_of(after) if after else None)
        there = session.scalar(select(func.count()).select_from(Subscriber)) or 0
    next_url = None
    if len(rows) > PAGE_SIZE:
        wanted = {"after": str(rows[PAGE_SIZE - 1].id), **({"q": query} if query else {})}
        next_url = request.current_route_path(_query=wanted)
    return {
        "desk": here,
        "rows": rows[:PAGE_SIZE],
        "there": there,
        "query": query,
        "next_url": next_url,
        "is_first": not after,
        "may_manage": context.can(MANAGE.name),
    }


def _list(session: TenantSession, query: str, after: UUID | None) -> list[Subscriber]:
    """A page of subscribers and one more, if there is one."""
    statement = select(Subscriber).order_by(Subscriber.name, Subscriber.id).limit(PAGE_SIZE + 1)
    if query:
        matches = [
            func.lower(Subscriber.name).contains(query.lower(), autoescape=True),
            Subscriber.extension.startswith(query, autoescape=True),
        ]
        digits = "".join(char for char in query if char.isdigit())
        if digits:
            matches.append(Subscriber.number.contains(digits, autoescape=True))
        statement = statement.where(or_(*matches))
    if after is not None:
        last = desk.find_by_id(session, after)
        statement = statement.where(tuple_(Subscriber.name, Subscriber.id) > tuple_(last.name, last.id))
    return list(session.scalars(statement))


def show_profile(context: TenantContext, request: Request) -> dict[str, Any]:
    """Who it is, who signs in, how the telephone behaves, and what was done lately."""
    return profile_values(context, request)


def profile_values(context: TenantContext, request: Request, **more: Any) -> dict[str, Any]:
    """What the profile shows; `more` is what a form on it has to say."""
    here = desk_of(request)
    me = context.account
    assert me is not None  # the routes ask for somebody who is signed in
    with session_of(request, here) as session:
        subscriber = desk.find(session, request)
        profile = _profile(request, session, here, subscriber)
        asks_consent = bool(load(session, request.declared_settings)[support.CONSENT])
    wishes = support.of_subscriber(request.db, subscriber.id)
    own = support.of_subscriber(request.db, subscriber.id, actor_id=me.id)
    mine = [wish for wish in own if wish.needs_consent]
    return {
        "desk": here,
        "profile": profile,
        "support": [(wish, support.state_of(wish)) for wish in wishes],
        "allowed": next((wish for wish in mine if support.is_usable(wish)), None),
        "is_waiting": any(support.is_waiting(wish) for wish in mine),
        "may_open": here.is_console and context.can(support.OPEN.name),
        "may_help": context.can(HELP.name),
        "may_manage": context.can(MANAGE.name),
        "is_me": desk.is_reader(context, subscriber),
        "asks_consent": asks_consent,
        "asks_password": here.is_console and support.needs_password(request.db, me),
        "step_ups": _step_ups(context, request) if here.is_console else [],
        "roles": ROLES,
        "errors": {},
        "typed": {},
        **more,
    }


def _step_ups(context: TenantContext, request: Request) -> list[StepUp]:
    """What the form to open the portal asks for; where that is not known now, sending it will say so."""
    try:
        return support.step_ups(request, context)
    except support.ProofAway:
        return []


def _profile(request: Request, session: TenantSession, here: Desk, subscriber: Subscriber) -> Profile:
    members = accounts.members_of(session, subscriber.id)
    location = None
    if subscriber.location_id is not None:
        location = session.get(Location, (subscriber.org_id, subscriber.location_id))
    package = package_of(session, subscriber)
    browsers = (
        select(WebSession)
        .where(WebSession.membership_id.in_([member.id for _account, member in members]))
        .order_by(WebSession.last_seen_at.desc())
        .limit(_LATEST)
    )
    return Profile(
        organization=here.organization,
        subscriber=subscriber,
        location="" if location is None else location.name,
        package=None if package is None else package.name,
        menu=tuple(_menu(request, session, package, [member.role for _account, member in members])),
        sign_ins=tuple(_sign_in(here, subscriber, account, member) for account, member in members),
        sessions=tuple((row, *browser_name(row.user_agent)) for row in session.scalars(browsers)),
        states=tuple(states.states_of(request, session, subscriber)),
        acts=tuple(request.plugins.subscriber_acts(enabled_plugins(session))),
        latest=tuple(recent_of_subscriber(session, subscriber.org_id, subscriber.id, _LATEST)),
    )


def _menu(
    request: Request, session: TenantSession, package: FeaturePackage | None, roles: list[str]
) -> list[NavItem]:
    """The menu of whoever signs in; where several do, that of the least of them."""
    role = "org_admin" if roles and set(roles) == {"org_admin"} else "subscriber"
    own = select(RolePermission).where(RolePermission.role == role)
    exceptions = {row.permission: row.granted for row in session.scalars(own)}
    return menu_of(request.plugins, enabled_plugins(session), package, role, exceptions)


def _sign_in(here: Desk, subscriber: Subscriber, account: Account, member: Membership) -> SignIn:
    """Somebody who opens the portal. An account may belong to other organizations too: an organization's own admins see
    the name that they gave, and nothing by which they could tell that there was an account before."""
    if not here.is_console:
        return SignIn(subscriber.name, account.email, member.role, has_password=True, is_active=True)
    has_password, is_active = account.password_hash is not None, account.status == "active"
    return SignIn(account.name, account.email, member.role, has_password, is_active)


def to_profile(here: Desk, subscriber: Subscriber) -> HTTPSeeOther:
    """Back to a subscriber's profile."""
    return HTTPSeeOther(here.path_of(subscriber))


def named(request: Request) -> tuple[Organization, Subscriber]:
    """The organization and the subscriber that an address of the console names. Raises HTTPNotFound."""
    here = desk_of(request)
    with session_of(request, here) as session:
        return here.organization, desk.find(session, request)


def unknown_act() -> HTTPBadRequest:
    """Why a form that says to do something else is refused."""
    return HTTPBadRequest(_("There is no such button here. Open the page again."))
