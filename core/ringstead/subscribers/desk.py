"""From where subscribers are looked after: a partner's console, or the organization's own portal.

Both have the same pages. What is done, is done in a session of the organization, wherever it was asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request

from ringstead.api import Permission, Route, TenantContext, translations
from ringstead.db.session import TenantSession
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.models import Organization, Subscriber
from ringstead.tenancy.organizations import of_partner

_ = translations("ringstead")
READ: Final = Permission(
    name="core:subscriber:read",
    title=_("See an organization’s subscribers"),
    default_roles=frozenset({"partner_support", "partner_admin", "org_admin"}),
)
HELP: Final = Permission(
    name="core:subscriber:help",
    title=_("Invite subscribers again and take away forgotten PINs"),
    default_roles=frozenset({"partner_support", "partner_admin", "org_admin"}),
)
MANAGE: Final = Permission(
    name="core:subscriber:manage",
    title=_("Create, change, suspend and remove subscribers"),
    default_roles=frozenset({"partner_admin", "org_admin"}),
)
CONSOLE: Final = "/organizations/{id}"
PORTAL: Final = "/organization"


@dataclass(frozen=True, slots=True)
class Desk:
    """An organization that is looked after, and the address below which its pages are."""

    organization: Organization
    root: str
    is_console: bool

    @property
    def path(self) -> str:
        """The address of the list of subscribers."""
        return f"{self.root}/subscribers"

    def path_of(self, subscriber: Subscriber) -> str:
        """The address of a subscriber's profile."""
        return f"{self.path}/{subscriber.id}"


def desk_of(request: Request) -> Desk:
    """The organization that the address names on a console, the reader's own in a portal. Raises HTTPNotFound."""
    if "id" in request.matchdict:
        organization = of_partner(request.db, id_of(request.matchdict["id"]))
        return Desk(organization, CONSOLE.format(id=organization.org_id), True)
    return Desk(request.db.get_one(Organization, request.db.org_id), PORTAL, False)


@contextmanager
def session_of(request: Request, desk: Desk) -> Iterator[TenantSession]:
    """A session of the organization: the request's own in its portal, one of its own, ended with the block, on the
    console."""
    if desk.is_console:
        with request.database.run_as(desk.organization.org_id) as session:
            yield session
    else:
        yield request.db


def find(session: TenantSession, request: Request) -> Subscriber:
    """The subscriber of the session's organization whom the address names. Raises HTTPNotFound."""
    return find_by_id(session, id_of(request.matchdict["subscriber"]))


def find_by_id(session: TenantSession, subscriber_id: UUID) -> Subscriber:
    """A subscriber of the session's organization. Raises HTTPNotFound."""
    found = session.get(Subscriber, (session.org_id, subscriber_id))
    if found is None:
        raise HTTPNotFound
    return found


def is_reader(context: TenantContext, subscriber: Subscriber) -> bool:
    """Whether a subscriber is the reader: nobody locks themselves out by a slip."""
    return context.subscriber is not None and context.subscriber.id == subscriber.id


def on_both(
    name: str,
    path: str,
    view: Callable[..., Any],
    permission: Permission,
    template: str,
    methods: tuple[str, ...] = ("GET",),
    uploads: int = 0,
) -> list[Route]:
    """The routes of a page of an organization, on consoles and on portals.

    On the portal they are closed to support: whoever opened it has the console.
    """
    route = partial(
        Route,
        view=view,
        permission=permission.name,
        renderer=f"core/{template}.pt",
        methods=methods,
        uploads=uploads,
    )
    return [
        route(name=f"core.console.{name}", pattern=CONSOLE + path, site="console"),
        route(name=f"core.{name}", pattern=PORTAL + path, support="closed"),
    ]
