"""Everything that voicemail contributes."""

from uuid import UUID

from ringstead.api import (
    API_VERSION,
    Card,
    Command,
    Erasure,
    EventListener,
    FeatureCode,
    HandedOver,
    JobSpec,
    NavCount,
    NavItem,
    Permission,
    PersonalData,
    PluginInfo,
    Route,
    SearchHit,
    Setting,
    SubscriberAct,
    SubscriberState,
    SwitchMessage,
    TenantContext,
    hookimpl,
    translations,
)
from ringstead.api.models import TenantSession
from ringstead_voicemail import (
    __version__,
    cards,
    codes,
    forward_views,
    greeting_views,
    helping,
    jobs,
    lamp,
    link_views,
    mailboxes,
    message_views,
    notices,
    organization_views,
    permissions,
    privacy,
    rendering,
    setting_views,
    settings,
    switch_messages,
    transcripts,
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
        *setting_views.routes(),
        *greeting_views.routes(),
        *organization_views.routes(),
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
        ),
        *organization_views.navigation(),
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
    return switch_messages.switch_messages()


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
def declare_listeners() -> list[EventListener]:
    return [*lamp.listeners(), *notices.listeners(), *transcripts.listeners()]


@hookimpl
def declare_feature_codes() -> list[FeatureCode]:
    return codes.codes()


@hookimpl
def export_person(session: TenantSession, subscriber_id: UUID) -> list[PersonalData]:
    return privacy.export_person(session, subscriber_id)


@hookimpl
def erase_person(session: TenantSession, subscriber_id: UUID, despite_hold: bool) -> list[Erasure]:
    return privacy.erase_person(session, subscriber_id, despite_hold)


@hookimpl
def nav_counts(ctx: TenantContext, session: TenantSession) -> list[NavCount]:
    return mailboxes.nav_counts(ctx, session)


@hookimpl
def search(ctx: TenantContext, session: TenantSession, query: str, limit: int) -> list[SearchHit]:
    return cards.search_messages(ctx, session, query, limit)


@hookimpl
def declare_subscriber_acts() -> list[SubscriberAct]:
    return helping.subscriber_acts()


@hookimpl
def subscriber_state(session: TenantSession, subscriber_id: UUID) -> list[SubscriberState]:
    return helping.subscriber_state(session, subscriber_id)


@hookimpl
def hand_over(session: TenantSession, subscriber_id: UUID, to_id: UUID) -> list[HandedOver]:
    return helping.hand_over(session, subscriber_id, to_id)
