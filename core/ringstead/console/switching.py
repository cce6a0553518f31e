"""Switching features: for one organization, or for all of the partner's, for good or as a trial."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound
from pyramid.request import Request

from ringstead import audit
from ringstead.api import Permission, PluginInfo, TenantContext, translations
from ringstead.db.session import TenantScopeMissing, TenantSession
from ringstead.plugins.decisions import Decision, decisions, end_of, last_day
from ringstead.plugins.enablement import allow_plugin, set_features, set_for_all
from ringstead.plugins.registry import CORE, Registry
from ringstead.tenancy.models import Organization, PartnerFeature

_ = translations("ringstead")
SWITCH: Final = Permission(
    name="core:feature:switch",
    title=_("Turn features of an organization on and off"),
    default_roles=frozenset({"partner_admin"}),
)
FOR_ALL: Final = audit.declare_action("feature.for_all", _("Decided about a feature for all organizations"))
_LONGEST: Final = timedelta(days=3660)
Word = Literal["on", "off", "trial"]


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature that can be switched, and what was decided about it."""

    info: PluginInfo
    icon: str
    decision: Decision
    ends_on: date | None
    """The last day of a trial."""

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.info.name

    @property
    def title(self) -> str:
        """Its title."""
        return self.info.title


def switchable(registry: Registry) -> list[PluginInfo]:
    """The features that work on this installation, by title."""
    return sorted(
        (registry.info(name) for name in registry.active - {CORE}), key=lambda info: str(info.title)
    )


def features_of(context: TenantContext, registry: Registry, found: Mapping[str, Decision]) -> list[Feature]:
    """All features that can be switched, with what `found` says of them."""
    return [feature_of(context, registry, info, found.get(info.name)) for info in switchable(registry)]


def feature_of(
    context: TenantContext, registry: Registry, info: PluginInfo, found: Decision | None
) -> Feature:
    """A feature with what was decided about it; nothing was: it is off."""
    decision = found or Decision(info.name)
    until = decision.until
    return Feature(
        info,
        registry.icon(info.name),
        decision,
        None if until is None else last_day(until, context.time_zone),
    )


def read_trial(context: TenantContext, text: str) -> tuple[datetime | None, Any]:
    """The end of a trial from its last day (ISO 8601) as a form gives it; otherwise why not."""
    today = datetime.now(context.time_zone).date()
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None, _("Choose the last day of the trial.")
    if not today <= day <= today + _LONGEST:
        return None, _("The last day of a trial is today or later, and within ten years.")
    return end_of(day, context.time_zone), None


def switch(
    request: Request, organization: Organization, words: Mapping[str, Word], until: datetime | None = None
) -> list[str]:
    """Switch features of an organization; returns the names of those that are not as they were.

    In the organization's own session, which is another transaction than the request's: the features, their audit
    entries and the news to other processes are committed together or not at all.
    """
    try:
        return _switch(request, organization, words, until)
    except TenantScopeMissing:  # removed in the same moment
        raise HTTPNotFound from None


def _switch(
    request: Request, organization: Organization, words: Mapping[str, Word], until: datetime | None
) -> list[str]:
    changed = []
    with request.database.run_as(organization.org_id) as session:
        before = decisions(session)
        for plugin, word in words.items():
            old = before.get(plugin) or Decision(plugin)
            end = until if word == "trial" else None
            if word != "off" and not old.is_allowed:
                continue
            if (old.is_chosen, old.until if old.is_chosen else None) == (word != "off", end):
                continue
            set_features(session, [plugin], word != "off", end)
            _record(request, session, plugin, word, end)
            changed.append(plugin)
    return changed


def _record(
    request: Request, session: TenantSession, plugin: str, word: Word, until: datetime | None
) -> None:
    action = audit.FEATURE_OFF if word == "off" else audit.FEATURE_ON
    detail = {} if until is None else {"until": until.isoformat()}
    audit.record(request, action, target=plugin, detail=detail, session=session)


def switch_one(
    request: Request, organization: Organization, info: PluginInfo, word: Word, until: datetime | None
) -> None:
    """Switch one feature, and say so on the next page. Raises HTTPBadRequest for one that the partner forbids."""
    row = request.db.get(PartnerFeature, (request.site.partner.id, info.name))
    if word != "off" and row is not None and not row.allowed:
        raise HTTPBadRequest(_("This feature is not allowed for organizations of this partner."))
    switch(request, organization, {info.name: word}, until)
    said = {
        "on": _("${feature} is on for ${name}."),
        "off": _("${feature} is off for ${name}. Its data is kept."),
        "trial": _("${feature} is on trial for ${name}."),
    }
    request.flash(said[word] % {"feature": info.title, "name": organization.name})


def decide_for_all(request: Request, plugin: str, word: str, until: datetime | None = None) -> None:
    """Say for all of the partner's organizations: `on`, `off`, `trial`, `own` (each its own way), `allow`, `forbid`."""
    session: TenantSession = request.db
    row = session.get(PartnerFeature, (request.site.partner.id, plugin))
    if word in ("allow", "forbid"):
        if (row is None or row.allowed) == (word == "allow"):
            return
        allow_plugin(session, plugin, word == "allow")
    elif word == "own":
        if row is None or row.for_all is None:
            return
        set_for_all(session, plugin, None)
    else:
        set_for_all(session, plugin, word != "off", until if word == "trial" else None)
    detail = {"decision": word} | ({} if until is None or word != "trial" else {"until": until.isoformat()})
    audit.record(request, FOR_ALL, target=plugin, detail=detail)
