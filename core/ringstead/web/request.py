"""What every request carries: its site, its database session, and its tenant context.

`request.site` (from the exact host), `request.db` (the tenant session, opened when first used),
`request.tenant` (the context, which costs one round trip), `request.gate`, `request.plugins`,
`request.database`, `request.deployment`.
"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pyramid.config import Configurator
from pyramid.request import Request
from zope.sqlalchemy.datamanager import join_transaction

from ringstead.api.contributions import PUBLIC
from ringstead.auth.tokens import presented_token_hash
from ringstead.db.engine import Database
from ringstead.db.session import RequestSession, SignedIn
from ringstead.plugins.enablement import Enablement
from ringstead.plugins.registry import Registry
from ringstead.preferences.cascade import Preferences
from ringstead.tenancy.context import (
    AccountInfo,
    OrganizationInfo,
    SiteInfo,
    SubscriberInfo,
    SupportInfo,
    TenantContext,
)
from ringstead.web.i18n import negotiate_locale


def open_db(request: Request) -> RequestSession:
    """The request's session; it joins the request's transaction: returning commits, raising rolls back."""
    site: SiteInfo = request.site
    session = cast(Database, request.database).request_session(
        site.partner.id,
        site.kind,
        site.org_id,
        presented_token_hash(request),
        request.deployment.session_idle_minutes,
    )
    # «changed» from the start: with any other state, zope.sqlalchemy rolls back Core statements without a
    # word.
    join_transaction(session, "changed", request.tm)
    return session


def build_context(request: Request) -> TenantContext:
    """The tenant context of a request to a portal or console."""
    row: SignedIn | None = request.db.signed_in
    registry: Registry = request.plugins
    if row is None:
        preferences = Preferences(request.declared_settings, None)
        return TenantContext(
            site=request.site,
            preferences=preferences,
            features=registry.feature_set(frozenset()),
            permissions=frozenset({PUBLIC}),
            locale=negotiate_locale(request, preferences),
        )
    preferences = Preferences(request.declared_settings, row.settings)
    enablement: Enablement = request.registry["ringstead.enablement"]
    features = (
        enablement.partner_features(request.db, request.site.partner.id, row.partner_features_version)
        if row.org_id is None
        else enablement.features(request.db, (row.org_features_version or 0, row.partner_features_version))
    )
    permissions = features.role_permissions(row.role, row.exceptions)
    if row.package is not None:
        features = registry.feature_set(features.plugins & frozenset(row.package["features"]))
        permissions = features.role_permissions(row.role, row.exceptions).difference(row.package["closed"])
    return TenantContext(
        site=request.site,
        preferences=preferences,
        features=features,
        account=AccountInfo(
            row.account_id, row.account_name, row.email, row.role, row.session_id, row.csrf_token
        ),
        organization=_organization(row),
        subscriber=_subscriber(row),
        permissions=permissions,
        oversees=row.oversees,
        support=None if row.support is None else _support(row.support),
        locale=negotiate_locale(request, preferences),
        time_zone=ZoneInfo(preferences["core.time_zone"]),
    )


def _organization(row: SignedIn) -> OrganizationInfo | None:
    return (
        None if row.org_id is None else OrganizationInfo(row.org_id, row.org_slug or "", row.org_name or "")
    )


def _support(row: dict[str, Any]) -> SupportInfo:
    return SupportInfo(
        UUID(row["id"]),
        row["actor_role"],
        row["reason"],
        row["is_read_only"],
        datetime.fromisoformat(row["ends_at"]),
    )


def _subscriber(row: SignedIn) -> SubscriberInfo | None:
    if row.subscriber_id is None:
        return None
    return SubscriberInfo(row.subscriber_id, row.subscriber_name or "", row.extension or "", row.number)


def includeme(config: Configurator) -> None:
    """Add the request's attributes."""
    config.add_request_method(open_db, "db", reify=True)
    config.add_request_method(lambda _request: {}, "uploads", reify=True)
    config.add_request_method(build_context, "tenant", reify=True)
    for name, key in (
        ("database", "ringstead.database"),
        ("plugins", "ringstead.plugins"),
        ("gate", "ringstead.gate"),
        ("deployment", "ringstead.settings"),
        ("declared_settings", "ringstead.declared_settings"),
    ):
        config.add_request_method(_from_registry(key), name, property=True)


def _from_registry(key: str) -> Any:
    def read(request: Request) -> Any:
        return request.registry[key]

    return read
