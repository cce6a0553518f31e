"""The core's own contributions, by the same hooks that every plugin uses. It is on for every organization."""

from collections.abc import Iterable
from typing import Self
from uuid import UUID
from zoneinfo import available_timezones

from ringstead import __version__
from ringstead.api import (
    API_VERSION,
    CallerName,
    Erasure,
    HostCheck,
    JobSpec,
    NavItem,
    Permission,
    PersonalData,
    PluginInfo,
    Route,
    SearchHit,
    Setting,
    Situation,
    SwitchMessage,
    Transcriber,
    hookimpl,
)
from ringstead.api import TenantContext as Context
from ringstead.api.directory import name_colleagues
from ringstead.audit import views as trail
from ringstead.auth import personal, support
from ringstead.auth import views as auth
from ringstead.console import (
    brand,
    brand_addresses,
    care,
    dashboard,
    features,
    finding,
    hours,
    leaving,
    new_organization,
    numbers,
    organization,
    organizations,
    packages,
    portals,
    rights,
)
from ringstead.db.session import TenantSession
from ringstead.plugins.transcribing import NOBODY
from ringstead.subscribers import accounts
from ringstead.subscribers import routes as people
from ringstead.switch import calling, feature_codes
from ringstead.tenancy import host_checks
from ringstead.web import pages
from ringstead.web.choices import COUNTRIES
from ringstead.web.i18n import messages

_ = messages("ringstead")


class _Many(tuple[str, ...]):
    """Many names in order. Every page asks whether one is among them: that is answered from a set."""

    _known: frozenset[str]

    def __new__(cls, names: Iterable[str]) -> Self:
        made = super().__new__(cls, sorted(names))
        made._known = frozenset(made)
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._known


@hookimpl
def plugin_info() -> PluginInfo:
    return PluginInfo(
        name="core", title="Portal", version=__version__, api=API_VERSION, package="ringstead", addon=False
    )


@hookimpl
def declare_permissions() -> list[Permission]:
    return [
        calling.CALL,
        *pages.permissions(),
        *auth.permissions(),
        *organizations.permissions(),
        *organization.permissions(),
        *packages.permissions(),
        *rights.permissions(),
        *people.permissions(),
        *brand.permissions(),
        *trail.permissions(),
    ]


@hookimpl
def declare_routes() -> list[Route]:
    return [
        *calling.routes(),
        *pages.routes(),
        *auth.routes(),
        *dashboard.routes(),
        # Before those whose address stands for any organization.
        *new_organization.routes(),
        *organizations.routes(),
        *organization.routes(),
        *features.routes(),
        *packages.routes(),
        *care.routes(),
        *numbers.routes(),
        *hours.routes(),
        *leaving.routes(),
        *people.routes(),
        *portals.routes(),
        *finding.routes(),
        *brand.routes(),
        *brand_addresses.routes(),
        *trail.routes(),
    ]


@hookimpl
def declare_navigation() -> list[NavItem]:
    return [
        *pages.navigation(),
        *auth.navigation(),
        *dashboard.navigation(),
        *organizations.navigation(),
        *features.navigation(),
        *finding.navigation(),
        *brand.navigation(),
        *brand_addresses.navigation(),
        *people.navigation(),
        *hours.navigation(),
        *trail.navigation(),
    ]


@hookimpl
def declare_settings() -> list[Setting]:
    return [
        Setting(name="core.locale", title=_("Language"), type=str, default="", level="subscriber"),
        Setting(
            name="core.time_zone",
            title=_("Time zone"),
            type=str,
            default="UTC",
            level="subscriber",
            choices=_Many(available_timezones()),
        ),
        Setting(
            name="core.region",
            title=_("Country for numbers"),
            type=str,
            default="US",
            level="subscriber",
            choices=_Many(COUNTRIES),
        ),
        Setting(name="core.card_order", title=_("Order of cards"), type=list, default=[], level="subscriber"),
        Setting(name="core.hidden_cards", title=_("Hidden cards"), type=list, default=[], level="subscriber"),
        *support.settings(),
        *care.settings(),
        *hours.settings(),
        Setting(
            name="core.resting_cards",
            title=_("Cards hidden today"),
            type=list,
            default=[],
            level="subscriber",
        ),
    ]


@hookimpl
def declare_jobs() -> list[JobSpec]:
    from ringstead.auth import jobs as auth_jobs

    return [*auth_jobs.jobs(), *calling.jobs(), *accounts.jobs(), *leaving.jobs()]


@hookimpl
def declare_switch_messages() -> list[SwitchMessage]:
    return feature_codes.messages()


@hookimpl
def declare_transcribers() -> list[Transcriber]:
    return [Transcriber(name=NOBODY, title=_("Nobody"), transcribe=lambda words: None)]


@hookimpl
def declare_host_checks() -> list[HostCheck]:
    return host_checks.checks()


@hookimpl
def name_callers(session: TenantSession, numbers: list[str]) -> list[CallerName]:
    return name_colleagues(session, numbers)


@hookimpl
def situations(session: TenantSession, subscriber_id: UUID) -> list[Situation]:
    return hours.situations(session, subscriber_id)


@hookimpl
def export_person(session: TenantSession, subscriber_id: UUID) -> list[PersonalData]:
    return personal.export_person(session, subscriber_id)


@hookimpl
def erase_person(session: TenantSession, subscriber_id: UUID) -> list[Erasure]:
    return personal.erase_person(session, subscriber_id)


@hookimpl
def search(ctx: Context, session: TenantSession, query: str, limit: int) -> list[SearchHit]:
    return pages.search_hits(ctx, session, query, limit)
