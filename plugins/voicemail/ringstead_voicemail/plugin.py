"""Everything that voicemail contributes."""

from ringstead.api import (
    API_VERSION,
    Card,
    Command,
    JobSpec,
    NavItem,
    Permission,
    PluginInfo,
    Route,
    SearchHit,
    Setting,
    SwitchMessage,
    TenantContext,
    hookimpl,
    translations,
)
from ringstead.api.models import TenantSession
from ringstead_voicemail import (
    __version__,
    cards,
    deposit,
    forward_views,
    jobs,
    link_views,
    message_views,
    permissions,
    rendering,
    settings,
    views,
)

_ = translations("ringstead_voicemail")


@hookimpl
def plugin_info() -> PluginInfo:
    return PluginInfo(
        name="voicemail",
        title=_("Voicemail"),
        version=__version__,
        api=API_VERSION,
        package="ringstead_voicemail",
        addon=False,
    )


@hookimpl
def declare_permissions() -> list[Permission]:
    return permissions.ALL


@hookimpl
def declare_routes() -> list[Route]:
    return [
        *views.routes(),
        *message_views.routes(),
        *forward_views.routes(),
        *link_views.routes(),
    ]


@hookimpl
def declare_navigation() -> list[NavItem]:
    return [
        NavItem(
            id="voicemail.list",
            title=_("Voicemail"),
            route="voicemail.list",
            permission=permissions.LISTEN.name,
            icon="voicemail",
            order=100,
            tab=True,
        )
    ]


@hookimpl
def declare_cards() -> list[Card]:
    return cards.cards()


@hookimpl
def declare_settings() -> list[Setting]:
    return settings.settings()


@hookimpl
def declare_jobs() -> list[JobSpec]:
    return jobs.jobs()


@hookimpl
def declare_switch_messages() -> list[SwitchMessage]:
    return [SwitchMessage(path="voicemail", handle=deposit.receive_message)]


@hookimpl
def declare_commands() -> list[Command]:
    return [
        Command(
            name="voicemail.render",
            help="Make sound for browsers again, of recordings where that has failed.",
            run=rendering.render_again,
        )
    ]


@hookimpl
def search(ctx: TenantContext, session: TenantSession, query: str, limit: int) -> list[SearchHit]:
    return cards.search_messages(ctx, session, query, limit)
