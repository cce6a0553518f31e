"""The page of one organization: its features, and who switched what lately."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from pyramid.httpexceptions import HTTPBadRequest, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import func, select
from translationstring import TranslationString

from ringstead import audit
from ringstead.api import Permission, Route, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.console.switching import (
    SWITCH,
    Feature,
    Word,
    features_of,
    read_trial,
    switch_one,
    switchable,
)
from ringstead.plugins.decisions import decisions
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.models import AuditEntry, FeaturePackage, Organization, Subscriber
from ringstead.tenancy.organizations import READ, of_partner
from ringstead.tenancy.packages import people_by_package

_ = translations("ringstead")
Groups = Sequence[tuple[FeaturePackage | None, int]]


def permissions() -> list[Permission]:
    """The right to switch features."""
    return [SWITCH]


def routes() -> list[Route]:
    """The page and its form."""
    form: Any = {"pattern": "/organizations/{id}/features", "site": "console"}
    page: Any = {"renderer": "core/console_organization.pt"}
    return [
        Route(
            name="core.console.organization",
            pattern="/organizations/{id}",
            view=show,
            permission=READ.name,
            site="console",
            **page,
        ),
        Route(name="core.console.switch_page", view=to_page, permission=READ.name, **form),
        Route(
            name="core.console.switch",
            view=switch_feature,
            permission=SWITCH.name,
            methods=("POST",),
            **form,
            **page,
        ),
    ]


def show(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations/{id}`."""
    return _values(context, request, of_partner(request.db, id_of(request.matchdict["id"])))


def _values(context: TenantContext, request: Request, organization: Organization) -> dict[str, Any]:
    with request.database.run_as(organization.org_id) as session:
        found = decisions(session)
        people = session.scalar(select(func.count()).select_from(Subscriber)) or 0
        groups = people_by_package(session)
        own = organization.package_id
        package = session.get(FeaturePackage, (organization.partner_id, own)) if own else None
    entries = audit.organization_entries(
        request.db, organization.org_id, (audit.FEATURE_ON, audit.FEATURE_OFF)
    )
    titles = {info.name: info.title for info in switchable(request.plugins)}
    features = features_of(context, request.plugins, found)
    return {
        "organization": organization,
        "package": package,
        "features": [(feature, _has(feature, groups), _packages(feature, groups)) for feature in features],
        "entries": [(_change(entry, titles.get(entry.target, entry.target)), entry) for entry in entries],
        "people": people,
        "may_switch": context.can(SWITCH.name),
        "may_create": context.can("core:organization:create"),
        "may_manage": context.can("core:organization:manage"),
        "errors": {},
        "labels": {},
    }


def _has(feature: Feature, groups: Groups) -> int:
    """How many people have a feature when it is on: those whose package has it, and those without a package."""
    return sum(count for package, count in groups if package is None or feature.name in package.features)


def _packages(feature: Feature, groups: Groups) -> list[tuple[FeaturePackage, bool]]:
    """The packages that people here have, and whether the feature is in each."""
    return [(package, feature.name in package.features) for package, _count in groups if package is not None]


def _change(entry: AuditEntry, feature: str) -> TranslationString:
    """What was done to a feature, in words."""
    if entry.action == audit.FEATURE_OFF:
        words = _("${feature} turned off")
    elif "until" in (entry.detail or {}):
        words = _("${feature} turned on as a trial")
    else:
        words = _("${feature} turned on")
    return words % {"feature": feature}


def to_page(_context: TenantContext, request: Request) -> Response:
    """`GET /organizations/{id}/features`, which only takes forms: whoever reloads it goes on to the page."""
    return HTTPSeeOther(request.route_path("core.console.organization", id=id_of(request.matchdict["id"])))


def switch_feature(context: TenantContext, request: Request) -> Any:
    """`POST /organizations/{id}/features` with `plugin`, `enabled` (on, off or trial) and for a trial its last day
    `until`. Holds from the next request on."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    plugin, word = request.POST.get("plugin", ""), request.POST.get("enabled", "")
    if word not in ("on", "off", "trial"):
        choices = {"field": "enabled", "choices": "on, off, trial"}
        raise HTTPBadRequest(_("The field “${field}” must be one of ${choices}.", mapping=choices))
    info = next((info for info in switchable(request.plugins) if info.name == plugin), None)
    if info is None:
        raise HTTPBadRequest(_("There is no such feature. Open the page again and choose one that it lists."))
    until: datetime | None = None
    if word == "trial":
        until, why = read_trial(context, request.POST.get("until", ""))
        if why is not None:
            field = f"until-{plugin}"
            banner = Banner(_("Nothing was changed. See below."), "warn")
            values = {**_values(context, request, organization), "banner": banner}
            labels = {field: _("Last day of the trial")}
            return refused(request, {**values, "errors": {field: why}, "labels": labels})
    switch_one(request, organization, info, cast(Word, word), until)
    return HTTPSeeOther(request.route_path("core.console.organization", id=organization.org_id))
