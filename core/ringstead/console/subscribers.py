"""The console's pages of an organization's subscribers: the list, and one of them."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from sqlalchemy import func, or_, select, tuple_

from ringstead.api import Permission, Route, TenantContext, translations
from ringstead.audit.listing import Shown, recent_of_subscriber
from ringstead.auth import support
from ringstead.db.session import TenantSession
from ringstead.preferences.store import load
from ringstead.tenancy.addresses import id_of, queried
from ringstead.tenancy.console import of_partner
from ringstead.tenancy.models import Account, Location, Membership, Organization, Subscriber

_ = translations("ringstead")
READ: Final = Permission(
    name="core:subscriber:read",
    title=_("See the subscribers of the partner’s organizations"),
    default_roles=frozenset({"partner_support", "partner_admin"}),
)
PAGE_SIZE: Final = 50
SEARCH_MAX: Final = 80
_LATEST: Final = 8


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who opens a subscriber's portal."""

    name: str
    email: str
    role: str
    has_password: bool
    is_active: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """A subscriber as the console shows them."""

    organization: Organization
    subscriber: Subscriber
    location: str
    sign_ins: tuple[SignIn, ...]
    latest: tuple[Shown, ...]


def permissions() -> list[Permission]:
    """Who sees subscribers."""
    return [READ]


def routes() -> list[Route]:
    """The list, and a profile."""
    return [
        Route(
            name="core.console.subscribers",
            pattern="/organizations/{id}/subscribers",
            view=show_list,
            permission=READ.name,
            renderer="core/console_subscribers.pt",
            site="console",
        ),
        Route(
            name="core.console.subscriber",
            pattern="/organizations/{id}/subscribers/{subscriber}",
            view=show_profile,
            permission=READ.name,
            renderer="core/console_subscriber.pt",
            site="console",
        ),
    ]


def show_list(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations/{id}/subscribers`: by name. `q` is in the name, begins the extension, or is in the number."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    query = queried(request, "q")[:SEARCH_MAX].strip()
    after = queried(request, "after")
    rows = _list(request.db, organization.org_id, query, id_of(after) if after else None)
    next_url = None
    if len(rows) > PAGE_SIZE:
        wanted = {"after": str(rows[PAGE_SIZE - 1].id), **({"q": query} if query else {})}
        next_url = request.route_path("core.console.subscribers", id=organization.org_id, _query=wanted)
    return {
        "organization": organization,
        "rows": rows[:PAGE_SIZE],
        "query": query,
        "next_url": next_url,
        "is_first": not after,
    }


def _list(session: TenantSession, org_id: UUID, query: str, after: UUID | None) -> list[Subscriber]:
    """A page of subscribers and one more, if there is one."""
    statement = (
        select(Subscriber)
        .where(Subscriber.org_id == org_id)
        .order_by(Subscriber.name, Subscriber.id)
        .limit(PAGE_SIZE + 1)
    )
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
        last = _find(session, org_id, after)
        statement = statement.where(tuple_(Subscriber.name, Subscriber.id) > tuple_(last.name, last.id))
    return list(session.scalars(statement))


def show_profile(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations/{id}/subscribers/{subscriber}`: who it is, who signs in, and what was done lately."""
    return profile_values(context, request)


def profile_values(context: TenantContext, request: Request, **more: Any) -> dict[str, Any]:
    """What the profile shows; `more` is what a form on it has to say."""
    organization, subscriber = named(request)
    me = context.account
    assert me is not None  # the routes ask for somebody who is signed in
    wishes = support.of_subscriber(request.db, subscriber.id)
    mine = [wish for wish in wishes if wish.actor_account_id == me.id and wish.needs_consent]
    return {
        "profile": _profile(request, organization, subscriber),
        "support": [(wish, support.state_of(wish)) for wish in wishes],
        "allowed": next((wish for wish in mine if support.is_usable(wish)), None),
        "is_waiting": any(support.is_waiting(wish) for wish in mine),
        "may_open": context.can(support.OPEN.name),
        "asks_consent": rule_of(request, organization.org_id, support.CONSENT),
        "asks_password": support.needs_password(request.db, me),
        "roles": {"org_admin": _("Organization admin"), "subscriber": _("Subscriber")},
        "errors": {},
        "typed": {},
        **more,
    }


def rule_of(request: Request, org_id: UUID, name: str) -> bool:
    """What an organization decided about support."""
    with request.database.run_as(org_id) as session:
        return bool(load(session, request.declared_settings)[name])


def _profile(request: Request, organization: Organization, subscriber: Subscriber) -> Profile:
    people = request.db.execute(
        select(Account, Membership.role)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.org_id == subscriber.org_id, Membership.subscriber_id == subscriber.id)
        .order_by(Account.name, Account.id)
    )
    location = ""
    if subscriber.location_id is not None:
        with request.database.run_as(subscriber.org_id) as session:
            wanted = select(Location.name).where(Location.id == subscriber.location_id)
            location = session.scalar(wanted) or ""
    return Profile(
        organization,
        subscriber,
        location,
        tuple(
            SignIn(one.name, one.email, role, one.password_hash is not None, one.status == "active")
            for one, role in people
        ),
        tuple(recent_of_subscriber(request.db, subscriber.org_id, subscriber.id, _LATEST)),
    )


def named(request: Request) -> tuple[Organization, Subscriber]:
    """The organization and the subscriber that an address names. Raises HTTPNotFound."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    return organization, _find(request.db, organization.org_id, id_of(request.matchdict["subscriber"]))


def _find(session: TenantSession, org_id: UUID, subscriber_id: UUID) -> Subscriber:
    wanted = select(Subscriber).where(Subscriber.org_id == org_id, Subscriber.id == subscriber_id)
    found = session.scalars(wanted).one_or_none()
    if found is None:
        raise HTTPNotFound
    return found
