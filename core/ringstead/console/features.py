"""The partner's features: which there are and whether they work, for all organizations, and for one at a time."""

from dataclasses import dataclass
from typing import Any, Final, cast

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import func, select, text

from ringstead.api import NavItem, PluginInfo, Route, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.console.dashboard import failed_jobs
from ringstead.console.organizations import page_of
from ringstead.console.switching import (
    SWITCH,
    Feature,
    Word,
    decide_for_all,
    feature_of,
    features_of,
    read_trial,
    switch,
    switch_one,
    switchable,
)
from ringstead.plugins.decisions import decide, decisions_of
from ringstead.plugins.registry import CORE, Registry
from ringstead.tenancy.addresses import id_of, queried
from ringstead.tenancy.models import Organization, PartnerFeature
from ringstead.tenancy.organizations import PAGE_SIZE, READ, SEARCH_MAX, of_partner

_ = translations("ringstead")
_COUNTS: Final = text("SELECT plugin, organizations, trials FROM features_in_use()")
FOR_ALL: Final = ("on", "off", "trial", "own", "allow", "forbid")
FOR_ONE: Final = ("on", "off", "trial")


@dataclass(frozen=True, slots=True)
class Line:
    """A feature of the list: what the partner decided for all, in how many organizations it is on, and its health."""

    feature: Feature
    organizations: int
    trials: int
    failed_jobs: int
    is_resting: bool


def routes() -> list[Route]:
    """The list, a feature's own page, and the table of organizations and features."""
    shared: Any = {"permission": READ.name, "site": "console"}
    acting: Any = {"permission": SWITCH.name, "site": "console", "methods": ("POST",)}
    one: Any = {"pattern": "/features/of/{plugin}", "renderer": "core/console_feature.pt"}
    table: Any = {"pattern": "/features/organizations", "renderer": "core/console_feature_table.pt"}
    return [
        Route(
            name="core.console.features",
            pattern="/features",
            view=show,
            renderer="core/console_features.pt",
            **shared,
        ),
        Route(name="core.console.features.one", view=show_one, **one, **shared),
        Route(name="core.console.features.one.change", view=change_one, **one, **acting),
        Route(name="core.console.features.table", view=show_table, **table, **shared),
        Route(name="core.console.features.table.change", view=change_table, **table, **acting),
    ]


def navigation() -> list[NavItem]:
    """The console's entry."""
    return [
        NavItem(
            id="core.console.features",
            title=_("Features"),
            route="core.console.features",
            permission=READ.name,
            icon="puzzle",
            order=30,
            site="console",
        )
    ]


def show(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /features`."""
    registry: Registry = request.plugins
    return {
        "lines": _lines(context, request, switchable(registry)),
        "broken": sorted(
            name for name, plugin in registry.plugins.items() if plugin.state == "failed" and name != CORE
        ),
        "organizations": _total(request),
    }


def _total(request: Request) -> int:
    return request.db.scalar(select(func.count()).select_from(Organization)) or 0


def _lines(context: TenantContext, request: Request, infos: list[PluginInfo]) -> list[Line]:
    words = decide([], request.db.scalars(select(PartnerFeature)))
    counts = {row.plugin: row for row in request.db.execute(_COUNTS)}
    failed: dict[str, int] = {}
    for job in failed_jobs(request.db, context.partner.id):
        plugin = job.name.partition(".")[0]
        failed[plugin] = failed.get(plugin, 0) + job.count
    return [
        Line(
            feature_of(context, request.plugins, info, words.get(info.name)),
            counts[info.name].organizations if info.name in counts else 0,
            counts[info.name].trials if info.name in counts else 0,
            failed.get(info.name, 0),
            request.gate.breaker.rests(info.name),
        )
        for info in infos
    ]


def show_one(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /features/of/{plugin}`: what is decided for all, and organization by organization (`q`, `after`)."""
    return _one(context, request)


def _one(context: TenantContext, request: Request) -> dict[str, Any]:
    info = _plugin(request)
    (line,) = _lines(context, request, [info])
    page = page_of(request, "core.console.features.one", plugin=info.name)
    found = decisions_of(request.db, [row.id for row in page["rows"]])
    rows = [
        (row, feature_of(context, request.plugins, info, found[row.id].get(info.name)))
        for row in page["rows"]
    ]
    return {
        **page,
        "line": line,
        "rows": rows,
        "here": _here(request, info),
        "organizations": _total(request),
        "may_switch": context.can(SWITCH.name),
        "errors": {},
        "labels": {"until": _("Last day of the trial"), "until-all": _("Last day of the trial for all")},
    }


def _plugin(request: Request) -> PluginInfo:
    """The feature that an address names."""
    name = request.matchdict["plugin"]
    found = next((info for info in switchable(request.plugins) if info.name == name), None)
    if found is None:
        raise HTTPNotFound
    return found


def change_one(context: TenantContext, request: Request) -> Any:
    """`POST /features/of/{plugin}` with `do` (of `FOR_ALL`; with `org`, an organization's id, of `FOR_ONE`) and for a
    trial its last day `until`."""
    info = _plugin(request)
    word, org = request.POST.get("do", ""), request.POST.get("org", "")
    allowed = FOR_ONE if org else FOR_ALL
    if word not in allowed:
        raise _wrong("do", ", ".join(allowed))
    organization = of_partner(request.db, id_of(org)) if org else None
    until = None
    if word == "trial":
        until, why = read_trial(context, request.POST.get("until", ""))
        if why is not None:
            field = "until" if org else "until-all"
            banner = Banner(_("Nothing was changed. See below."), "warn")
            values = {**_one(context, request), "errors": {field: why}, "banner": banner}
            return refused(request, {**values, "wrong_org": org})
    if organization is None:
        decide_for_all(request, info.name, word, until)
        request.flash(_("Saved. It holds from now on."))
    else:
        switch_one(request, organization, info, cast(Word, word), until)
    return HTTPSeeOther(_here(request, info))


def _here(request: Request, info: PluginInfo) -> str:
    """The feature's page with the organizations that it shows now."""
    named = {name: queried(request, name)[:SEARCH_MAX].strip() for name in ("q", "after")}
    query = {name: text for name, text in named.items() if text}
    return str(request.route_path("core.console.features.one", plugin=info.name, _query=query))


def _wrong(field: str, choices: str) -> HTTPBadRequest:
    words = _("The field “${field}” must be one of ${choices}.", mapping={"field": field, "choices": choices})
    return HTTPBadRequest(words)


def show_table(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /features/organizations`: organizations by features."""
    page = page_of(request, "core.console.features.table")
    found = decisions_of(request.db, [row.id for row in page["rows"]])
    words = decide([], request.db.scalars(select(PartnerFeature)))
    return {
        **page,
        "after": queried(request, "after"),
        "features": features_of(context, request.plugins, words),
        "rows": [(row, features_of(context, request.plugins, found[row.id])) for row in page["rows"]],
        "may_switch": context.can(SWITCH.name),
    }


def change_table(_context: TenantContext, request: Request) -> Any:
    """`POST /features/organizations`: `was` and `on` hold `organization/feature` of each that was on when the page was
    made, and that shall be; what is in one of them only is switched. Others are left alone."""
    names = {info.name for info in switchable(request.plugins)}
    was, on = (set(request.POST.getall(field)) for field in ("was", "on"))
    wanted: dict[str, dict[str, Any]] = {}
    for cell in was ^ on:
        org, _slash, plugin = cell.partition("/")
        if plugin not in names:
            raise HTTPBadRequest(
                _("There is no such feature. Open the page again and choose one that it lists.")
            )
        wanted.setdefault(org, {})[plugin] = "on" if cell in on else "off"
    if len(wanted) > PAGE_SIZE:
        raise HTTPBadRequest(_("These are more organizations than a page has."))
    organizations = [(of_partner(request.db, id_of(org)), words) for org, words in sorted(wanted.items())]
    changed = sum(len(switch(request, organization, words)) for organization, words in organizations)
    request.flash(_("Nothing was changed.") if not changed else _("Saved. It holds from now on."))
    query = {
        name: text for name in ("q", "after") if (text := request.POST.get(name, "")[:SEARCH_MAX].strip())
    }
    return HTTPSeeOther(request.route_path("core.console.features.table", _query=query))
