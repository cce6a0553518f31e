"""Everything that the call logs contribute."""

from uuid import UUID

from ringstead.api import (
    API_VERSION,
    Card,
    Command,
    Erasure,
    JobSpec,
    NavItem,
    Permission,
    PersonalData,
    PluginInfo,
    Route,
    SearchHit,
    Setting,
    SubscriberState,
    SwitchMessage,
    TenantContext,
    hookimpl,
    translations,
)
from ringstead.api.models import TenantSession
from ringstead_calllogs import (
    __version__,
    call_views,
    cards,
    download_views,
    erasing,
    exporting,
    helping,
    jobs,
    keeping,
    look_views,
    looks,
    months,
    orders,
    others,
    partner_counts,
    partner_views,
    privacy_views,
    rebuilding,
    report_views,
    retention,
    retention_views,
    views,
)
from ringstead_calllogs.permissions import (
    ANNOTATE,
    EXPORT,
    LOCATION,
    ORGANIZATION,
    PARTNER_REPORT,
    PRIVACY,
    READ,
    REPORT,
    RETAIN,
    RETENTION,
    TEAM,
)
from ringstead_calllogs.scopes import PRIVATE
from ringstead_calllogs.switch import (
    receive_asterisk_cdr,
    receive_asterisk_cel,
    receive_cdr,
    receive_freeswitch,
)

_ = translations("ringstead_calllogs")


@hookimpl
def plugin_info() -> PluginInfo:
    return PluginInfo(
        name="calllogs",
        title=_("Calls"),
        version=__version__,
        api=API_VERSION,
        package="ringstead_calllogs",
        addon=False,
    )


@hookimpl
def declare_permissions() -> list[Permission]:
    rights = [READ, EXPORT, ANNOTATE, REPORT, TEAM, LOCATION, ORGANIZATION]
    return [*rights, PRIVACY, RETENTION, RETAIN, PARTNER_REPORT]


@hookimpl
def declare_routes() -> list[Route]:
    return [
        Route(
            name="calllogs.list",
            pattern="/calls",
            view=views.list_calls,
            permission=READ.name,
            renderer="calllogs/list.pt",
        ),
        Route(
            name="calllogs.chart",
            pattern="/calls/chart",
            view=views.show_chart,
            permission=READ.name,
            renderer="calllogs/chart.pt",
        ),
        Route(
            name="calllogs.new",
            pattern="/calls/new",
            view=views.new_calls,
            permission=READ.name,
            renderer="calllogs/new.pt",
        ),
        Route(
            name="calllogs.report",
            pattern="/calls/report",
            view=report_views.show_report,
            permission=REPORT.name,
            renderer="calllogs/report.pt",
        ),
        Route(
            name="calllogs.report_file",
            pattern="/calls/report.csv",
            view=report_views.download_report,
            permission=REPORT.name,
        ),
        Route(
            name="calllogs.files",
            pattern="/calls/downloads",
            view=download_views.list_files,
            permission=EXPORT.name,
            renderer="calllogs/downloads.pt",
        ),
        Route(
            name="calllogs.begin_file",
            pattern="/calls/downloads",
            view=download_views.begin_file,
            permission=EXPORT.name,
            methods=("POST",),
        ),
        Route(
            name="calllogs.offer_file",
            pattern="/calls/downloads/new",
            view=download_views.offer_file,
            permission=EXPORT.name,
            renderer="calllogs/offer.pt",
        ),
        Route(
            name="calllogs.file",
            pattern="/calls/downloads/{id}",
            view=download_views.send_file,
            permission=EXPORT.name,
        ),
        Route(
            name="calllogs.remove_file",
            pattern="/calls/downloads/{id}",
            view=download_views.remove_file,
            permission=EXPORT.name,
            methods=("POST",),
        ),
        Route(
            name="calllogs.retention",
            pattern="/calls/retention",
            view=retention_views.show_retention,
            permission=RETENTION.name,
            renderer="calllogs/retention.pt",
        ),
        Route(
            name="calllogs.retention.change",
            pattern="/calls/retention",
            view=retention_views.change_retention,
            permission=RETAIN.name,
            methods=("POST",),
            renderer="calllogs/retention.pt",
        ),
        Route(
            name="calllogs.privacy",
            pattern="/calls/privacy",
            view=privacy_views.show_privacy,
            permission=PRIVACY.name,
            renderer="calllogs/privacy.pt",
        ),
        Route(
            name="calllogs.privacy.change",
            pattern="/calls/privacy",
            view=privacy_views.change_privacy,
            permission=PRIVACY.name,
            methods=("POST",),
            renderer="calllogs/privacy.pt",
        ),
        Route(
            name="calllogs.partner",
            pattern="/calls",
            view=partner_views.show_calls,
            permission=PARTNER_REPORT.name,
            renderer="calllogs/partner.pt",
            site="console",
        ),
        Route(
            name="calllogs.partner.file",
            pattern="/calls.csv",
            view=partner_views.download_calls,
            permission=PARTNER_REPORT.name,
            site="console",
        ),
        Route(
            name="calllogs.looks",
            pattern="/calls/looks",
            view=look_views.show_looks,
            permission=READ.name,
            renderer="calllogs/looks.pt",
        ),
        *others.routes(),
        Route(
            name="calllogs.call",
            pattern="/calls/{id}",
            view=call_views.show_call,
            permission=READ.name,
            renderer="calllogs/call.pt",
        ),
        Route(
            name="calllogs.annotate",
            pattern="/calls/{id}",
            view=call_views.annotate_call,
            permission=ANNOTATE.name,
            methods=("POST",),
            renderer="calllogs/call.pt",
        ),
        *(
            Route(
                name=f"calllogs.download_{kind}",
                pattern=f"/calls.{kind}",
                view=download_views.download_calls,
                permission=EXPORT.name,
            )
            for kind in orders.KINDS
        ),
    ]


@hookimpl
def declare_navigation() -> list[NavItem]:
    return [
        NavItem(
            id="calllogs.list",
            title=_("Calls"),
            route="calllogs.list",
            permission=READ.name,
            icon="phone",
            order=200,
            tab=True,
        ),
        NavItem(
            id="calllogs.report",
            title=_("Call report"),
            route="calllogs.report",
            permission=REPORT.name,
            icon="list-checks",
            order=210,
        ),
        NavItem(
            id="calllogs.retention",
            title=_("Keeping calls"),
            route="calllogs.retention",
            permission=RETENTION.name,
            icon="archive",
            order=220,
        ),
        NavItem(
            id="calllogs.privacy",
            title=_("Who sees calls"),
            route="calllogs.privacy",
            permission=PRIVACY.name,
            icon="eye",
            order=215,
        ),
        NavItem(
            id="calllogs.partner",
            title=_("Calls"),
            route="calllogs.partner",
            permission=PARTNER_REPORT.name,
            icon="phone",
            order=200,
            tab=True,
            site="console",
        ),
    ]


@hookimpl
def declare_settings() -> list[Setting]:
    return [
        Setting(
            name=PRIVATE,
            title=_("Extensions whose calls nobody else sees"),
            type=list,
            default=[],
            level="organization",
            help=_(
                "They count for the organization, and stand in no list of others and in no line of a report."
            ),
        ),
        looks.setting(),
        Setting(
            name=download_views.ROWS_AT_ONCE,
            title=_("Rows of a download that comes at once"),
            type=int,
            default=20_000,
            level="organization",
            help=_(
                "Larger ones are made in the background. A quarter of it counts for Excel and a tenth for PDF, "
                "which take longer; more than 100,000 counts as that."
            ),
            minimum=0,
        ),
        Setting(
            name=download_views.DAYS_KEPT,
            title=_("Days that a finished download is kept"),
            type=int,
            default=7,
            level="organization",
            minimum=1,
        ),
        *keeping.settings(),
    ]


@hookimpl
def declare_jobs() -> list[JobSpec]:
    return [
        *jobs.jobs(),
        JobSpec(
            name="calllogs.retain",
            run=retention.retain,
            every="20 2 * * *",
            per="organization",
            everywhere=True,
        ),
        JobSpec(name="calllogs.drop_months", run=months.drop_months, every="50 4 * * *"),
        JobSpec(name="calllogs.count_partners", run=partner_counts.count_partners, every="* * * * *"),
    ]


@hookimpl
def declare_cards() -> list[Card]:
    return [
        Card(
            id="calllogs.recent",
            title=_("Recent calls"),
            permission=READ.name,
            template="calllogs/recent.pt",
            query=cards.query_recent,
            present=cards.present_card,
            area="main",
            size=2,
            order=200,
            link_route="calllogs.list",
            link_title=_("Call log"),
        )
    ]


@hookimpl
def declare_switch_messages() -> list[SwitchMessage]:
    return [
        SwitchMessage(path="cdr", handle=receive_cdr),
        SwitchMessage(path="cdr/freeswitch", handle=receive_freeswitch),
        SwitchMessage(path="cdr/asterisk", handle=receive_asterisk_cdr),
        SwitchMessage(path="cel/asterisk", handle=receive_asterisk_cel),
    ]


@hookimpl
def declare_commands() -> list[Command]:
    return [*rebuilding.commands(), *retention.commands()]


@hookimpl
def export_person(session: TenantSession, subscriber_id: UUID) -> list[PersonalData]:
    return exporting.export_person(session, subscriber_id)


@hookimpl
def erase_person(session: TenantSession, subscriber_id: UUID, despite_hold: bool) -> list[Erasure]:
    return erasing.erase_person(session, subscriber_id, despite_hold)


@hookimpl
def search(ctx: TenantContext, session: TenantSession, query: str, limit: int) -> list[SearchHit]:
    return cards.search_calls(ctx, session, query, limit)


@hookimpl
def subscriber_state(session: TenantSession, subscriber_id: UUID) -> list[SubscriberState]:
    return helping.subscriber_state(session, subscriber_id)
