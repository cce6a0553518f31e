"""The partner's console: its organizations, and which features each of them has."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import func, select, tuple_
from translationstring import TranslationString

from ringstead import audit
from ringstead.api import NavItem, Permission, PluginInfo, Route, TenantContext, translations
from ringstead.db.session import TenantSession
from ringstead.plugins.enablement import set_features
from ringstead.plugins.registry import CORE, Registry
from ringstead.tenancy.addresses import id_of, queried
from ringstead.tenancy.models import (
    AuditEntry,
    Organization,
    OrganizationFeature,
    PartnerFeature,
    Subscriber,
)

_ = translations("ringstead")

READ: Final = Permission(
    name="core:organization:read",
    title=_("See the partner’s organizations"),
    default_roles=frozenset({"partner_support", "partner_admin"}),
)
SWITCH: Final = Permission(
    name="core:feature:switch",
    title=_("Turn features of an organization on and off"),
    default_roles=frozenset({"partner_admin"}),
)
PAGE_SIZE: Final = 50
SEARCH_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """A line of the list."""

    id: UUID
    name: str
    slug: str
    status: str
    subscribers: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Feature:
    """A plugin as an organization's page shows it. `is_allowed` is the partner's own say."""

    name: str
    title: str
    is_addon: bool
    is_on: bool
    is_allowed: bool


def permissions() -> list[Permission]:
    """The rights that the console's pages ask for."""
    return [READ, SWITCH]


def routes() -> list[Route]:
    """The pages of the console."""
    return [
        Route(
            name="core.console.organizations",
            pattern="/organizations",
            view=organizations,
            permission=READ.name,
            renderer="core/console.pt",
            site="console",
        ),
        Route(
            name="core.console.organization",
            pattern="/organizations/{id}",
            view=organization,
            permission=READ.name,
            renderer="core/console_organization.pt",
            site="console",
        ),
        Route(
            name="core.console.switch_page",
            pattern="/organizations/{id}/features",
            view=to_organization,
            permission=READ.name,
            site="console",
        ),
        Route(
            name="core.console.switch",
            pattern="/organizations/{id}/features",
            view=switch_feature,
            permission=SWITCH.name,
            methods=("POST",),
            site="console",
        ),
    ]


def navigation() -> list[NavItem]:
    """The console's entries."""
    return [
        NavItem(
            id="core.console.organizations",
            title=_("Organizations"),
            route="core.console.organizations",
            permission=READ.name,
            icon="building-2",
            order=10,
            tab=True,
            site="console",
        )
    ]


def organizations(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations`: by name. `q` searches names; `after` is the last id of the page before."""
    query = queried(request, "q")[:SEARCH_MAX].strip()
    rows = list_organizations(request.db, query, _after(request))
    older = None
    if len(rows) > PAGE_SIZE:
        words = {"q": query} if query else {}
        older = request.route_path(
            "core.console.organizations", _query={"after": str(rows[PAGE_SIZE - 1].id), **words}
        )
    return {
        "rows": rows[:PAGE_SIZE],
        "query": query,
        "next_url": older,
        "is_first": "after" not in request.GET,
        "may_create": context.can("core:organization:create"),
    }


def list_organizations(session: TenantSession, query: str, after: UUID | None) -> list[OrganizationRow]:
    """A page of organizations and one more, if there is one. `query` matches anywhere in the name, case apart."""
    statement = select(Organization).order_by(Organization.name, Organization.org_id).limit(PAGE_SIZE + 1)
    if query:
        statement = statement.where(func.lower(Organization.name).contains(query.lower(), autoescape=True))
    if after is not None:
        last = of_partner(session, after)
        statement = statement.where(
            tuple_(Organization.name, Organization.org_id) > tuple_(last.name, last.org_id)
        )
    found = session.scalars(statement).all()
    counted = session.execute(
        select(Subscriber.org_id, func.count().label("subscribers"))
        .where(Subscriber.org_id.in_([row.org_id for row in found]))
        .group_by(Subscriber.org_id)
    )
    counts: dict[UUID, int] = {row.org_id: row.subscribers for row in counted}
    return [
        OrganizationRow(o.org_id, o.name, o.slug, o.status, counts.get(o.org_id, 0), o.subscriber_limit)
        for o in found
    ]


def organization(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations/{id}`: its features, and who switched what lately."""
    found = of_partner(request.db, id_of(request.matchdict["id"]))
    with request.database.run_as(found.org_id) as session:
        features = list_features(session, request.plugins)
        people = session.scalar(select(func.count()).select_from(Subscriber)) or 0
    entries = audit.organization_entries(request.db, found.org_id, (audit.FEATURE_ON, audit.FEATURE_OFF))
    titles = {name: request.plugins.info(name).title for name in request.plugins.active}
    return {
        "organization": found,
        "features": features,
        "entries": [(_change(entry, titles.get(entry.target, entry.target)), entry) for entry in entries],
        "people": people,
        "may_switch": context.can(SWITCH.name),
        "may_create": context.can("core:organization:create"),
        "may_manage": context.can("core:organization:manage"),
    }


def to_organization(_context: TenantContext, request: Request) -> Response:
    """`GET /organizations/{id}/features`, which only takes forms: whoever reloads it goes on to the page."""
    return HTTPSeeOther(request.route_path("core.console.organization", id=id_of(request.matchdict["id"])))


def _change(entry: AuditEntry, feature: str) -> TranslationString:
    """What was done to a feature, in words."""
    is_on = entry.action == audit.FEATURE_ON
    words = _("${feature} turned on") if is_on else _("${feature} turned off")
    return words % {"feature": feature}


def list_features(session: TenantSession, registry: Registry) -> list[Feature]:
    """All plugins that work here, by title, as the session's organization has them."""
    on = set(session.scalars(select(OrganizationFeature.plugin).where(OrganizationFeature.enabled)))
    refused = set(session.scalars(select(PartnerFeature.plugin).where(~PartnerFeature.allowed)))
    infos: list[PluginInfo] = [registry.info(name) for name in sorted(registry.active - {CORE})]
    return [Feature(i.name, i.title, i.addon, i.name in on, i.name not in refused) for i in infos]


def switch_feature(_context: TenantContext, request: Request) -> Response:
    """`POST /organizations/{id}/features` with `plugin` and `enabled` (on or off). Holds from the next request on."""
    found = of_partner(request.db, id_of(request.matchdict["id"]))
    plugin, enabled = request.POST.get("plugin", ""), request.POST.get("enabled", "")
    if enabled not in ("on", "off"):
        raise HTTPBadRequest(
            _(
                "The field “${field}” must be one of ${choices}.",
                mapping={"field": "enabled", "choices": "on, off"},
            )
        )
    # In the organization's own session, which is another transaction than the request's: the feature, its audit entry
    # and the news to other processes are committed together or not at all.
    with request.database.run_as(found.org_id) as session:
        feature = next((f for f in list_features(session, request.plugins) if f.name == plugin), None)
        if feature is None:
            raise HTTPBadRequest(
                _("There is no such feature. Open the page again and choose one that it lists.")
            )
        if enabled == "on" and not feature.is_allowed:
            raise HTTPBadRequest(_("This feature is not allowed for organizations of this partner."))
        if feature.is_on != (enabled == "on"):
            set_features(session, [plugin], enabled == "on")
            action = audit.FEATURE_ON if enabled == "on" else audit.FEATURE_OFF
            audit.record(request, action, target=plugin, session=session)
    words = {"feature": feature.title, "name": found.name}
    is_on, is_off = _("${feature} is on for ${name}."), _("${feature} is off for ${name}. Its data is kept.")
    request.flash((is_on if enabled == "on" else is_off) % words)
    return HTTPSeeOther(request.route_path("core.console.organization", id=found.org_id))


def of_partner(session: TenantSession, org_id: UUID) -> Organization:
    """An organization of the signed-in partner; another partner's is as unknown as one that does not exist."""
    found = session.scalars(select(Organization).where(Organization.org_id == org_id)).one_or_none()
    if found is None:
        raise HTTPNotFound
    return found


def _after(request: Request) -> UUID | None:
    written = queried(request, "after")
    return id_of(written) if written else None
