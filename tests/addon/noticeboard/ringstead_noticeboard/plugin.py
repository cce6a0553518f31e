"""Everything that the notice board contributes."""

from uuid import UUID

from ringstead.api import (
    API_VERSION,
    SIGNED_IN,
    CallAction,
    CallInfo,
    Card,
    EventListener,
    JobSpec,
    NavItem,
    Permission,
    PluginInfo,
    Route,
    SearchHit,
    Setting,
    Situation,
    StepUp,
    TemplatePart,
    TenantContext,
    hookimpl,
    translations,
)
from ringstead.api.models import TenantSession
from ringstead_noticeboard import services, views
from ringstead_noticeboard.events import NoticePosted
from ringstead_noticeboard.jobs import announce, tidy
from ringstead_noticeboard.permissions import READ, WRITE

_ = translations("ringstead_noticeboard")


@hookimpl
def plugin_info() -> PluginInfo:
    return PluginInfo(
        name="noticeboard",
        title=_("Notice board"),
        version="1.0.0",
        api=API_VERSION,
        package="ringstead_noticeboard",
    )


@hookimpl
def declare_permissions() -> list[Permission]:
    return [READ, WRITE]


@hookimpl
def declare_routes() -> list[Route]:
    return [
        Route(
            name="noticeboard.list",
            pattern="/notices",
            view=views.show_notices,
            permission=READ.name,
            renderer="noticeboard/list.pt",
        ),
        Route(
            name="noticeboard.post",
            pattern="/notices",
            view=views.post_notice,
            permission=WRITE.name,
            methods=("POST",),
            renderer="noticeboard/list.pt",
        ),
        Route(
            name="noticeboard.remove",
            pattern="/notices/{id}/remove",
            view=views.remove_notice,
            permission=WRITE.name,
            methods=("POST",),
        ),
    ]


@hookimpl
def declare_navigation() -> list[NavItem]:
    return [
        NavItem(
            id="noticeboard",
            title=_("Notice board"),
            route="noticeboard.list",
            permission=READ.name,
            section="addons",
        )
    ]


@hookimpl
def declare_cards() -> list[Card]:
    return [
        Card(
            id="noticeboard.latest",
            title=_("Notice board"),
            permission=SIGNED_IN,
            template="noticeboard/card.pt",
            query=services.latest_notices,
            present=lambda ctx, rows: {"notices": rows},
            link_route="noticeboard.list",
            link_title=_("All notices"),
        )
    ]


@hookimpl
def declare_settings() -> list[Setting]:
    return [
        Setting(
            name="noticeboard.lines",
            title=_("Notices on the home page"),
            type=int,
            default=3,
            level="subscriber",
            minimum=1,
            maximum=10,
        )
    ]


@hookimpl
def declare_jobs() -> list[JobSpec]:
    return [JobSpec(name="noticeboard.tidy", run=tidy, every="15 2 * * *", per="organization")]


@hookimpl
def declare_listeners() -> list[EventListener]:
    return [EventListener(name="noticeboard.announce", event=NoticePosted, handle=announce)]


@hookimpl
def situations(session: TenantSession, subscriber_id: UUID) -> list[Situation]:
    posted = bool(services.all_notices(session))
    return [Situation(id="noticeboard.posted", title=_("There is a notice"), is_now=posted)]


@hookimpl
def declare_template_parts() -> list[TemplatePart]:
    return [
        TemplatePart(
            name="noticeboard.notices",
            title=_("Notices that everybody begins with"),
            read=services.read_notices,
            write=services.write_notices,
        )
    ]


@hookimpl
def step_ups(ctx: TenantContext, session: TenantSession, account_id: UUID) -> list[StepUp]:
    return services.step_ups(account_id)


@hookimpl
def call_actions(ctx: TenantContext, session: TenantSession, call: CallInfo) -> list[CallAction]:
    if call.number is None or not ctx.can(READ.name):
        return []
    return [CallAction(title=_("Post a notice"), url="/notices", icon="pencil")]


@hookimpl
def search(ctx: TenantContext, session: TenantSession, query: str, limit: int) -> list[SearchHit]:
    if not ctx.can(READ.name):
        return []
    return [
        SearchHit(title=notice.text, url="/notices", detail=_("Notice board"))
        for notice in services.find_notices(session, query, limit)
    ]
