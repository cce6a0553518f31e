"""The console's first page: how the partner's organizations stand, and what needs somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import func, select, text

from ringstead.api import NavItem, PluginInfo, Route, TenantContext, translations
from ringstead.auth import support
from ringstead.console.switching import switchable
from ringstead.db.session import TenantSession
from ringstead.mail import MailMessage
from ringstead.plugins.registry import Registry
from ringstead.subscribers.desk import READ
from ringstead.switch.nodes import SwitchNodeRow
from ringstead.tenancy.models import Organization, Subscriber, SupportSession

_ = translations("ringstead")
# A switch that carries calls says something every few minutes.
_QUIET: Final = timedelta(minutes=15)
_LATEST: Final = 8
_FAILED: Final = text("""
    SELECT j.task_name AS name, count(*) AS count, max(f.at) AS at
    FROM procrastinate_jobs j LEFT JOIN job_failure f ON f.job_id = j.id
    WHERE j.status = 'failed'
      AND (j.args->>'partner_id' = :partner
           OR EXISTS (SELECT FROM organization o
                      WHERE o.partner_id = CAST(:partner AS uuid) AND o.org_id::text = j.args->>'org_id'))
    GROUP BY j.task_name ORDER BY j.task_name LIMIT 20
""")
# What features are in use: a plugin's name, and in how many of the partner's organizations it is on.
_FEATURES: Final = text("SELECT plugin, organizations FROM features_in_use()")


@dataclass(frozen=True, slots=True)
class Node:
    """A switch that carries the partner's calls; shared when it carries others' too."""

    name: str
    is_shared: bool
    seen_at: datetime | None

    @property
    def is_quiet(self) -> bool:
        """Whether it has said nothing for so long that somebody should look."""
        return self.seen_at is None or self.seen_at < datetime.now(UTC) - _QUIET


def routes() -> list[Route]:
    """The first page."""
    return [
        Route(
            name="core.console.home",
            pattern="/",
            view=show,
            permission=READ.name,
            renderer="core/console_home.pt",
            site="console",
        )
    ]


def navigation() -> list[NavItem]:
    """The first entry."""
    return [
        NavItem(
            id="core.console.home",
            title=_("Overview"),
            route="core.console.home",
            permission=READ.name,
            icon="house",
            order=0,
            tab=True,
            site="console",
        )
    ]


def show(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /`."""
    session: TenantSession = request.db
    return {
        "organizations": _by_status(session, Organization),
        "subscribers": _by_status(session, Subscriber),
        "features": _features(request),
        "jobs": failed_jobs(session, context.partner.id),
        "failed_mail": session.scalar(
            select(func.count()).select_from(MailMessage).where(MailMessage.state == "failed")
        ),
        "nodes": _nodes(session, context.partner.id),
        "support": [(wish, name, support.state_of(wish)) for wish, name in _support(session)],
    }


def failed_jobs(session: TenantSession, partner_id: UUID) -> Sequence[Any]:
    """The partner's jobs that gave up, by `name`, with their `count` and when the last did (`at`)."""
    return session.execute(_FAILED, {"partner": str(partner_id)}).all()


def _by_status(session: TenantSession, model: Any) -> dict[str, int]:
    rows = session.execute(select(model.status, func.count()).group_by(model.status))
    return {row[0]: row[1] for row in rows}


def _features(request: Request) -> list[tuple[str, PluginInfo, int]]:
    """The features that work here by title: icon, feature, and how many organizations have it on."""
    counts: dict[str, int] = {row.plugin: row.organizations for row in request.db.execute(_FEATURES)}
    registry: Registry = request.plugins
    return [(registry.icon(info.name), info, counts.get(info.name, 0)) for info in switchable(registry)]


def _nodes(session: TenantSession, partner_id: UUID) -> list[Node]:
    """The partner's own switches, and those that carry every partner's calls; what these are called is not told."""
    rows = session.scalars(
        select(SwitchNodeRow)
        .where((SwitchNodeRow.partner_id == partner_id) | SwitchNodeRow.partner_id.is_(None))
        .order_by(SwitchNodeRow.name)
    )
    return [
        Node("" if row.partner_id is None else row.name, row.partner_id is None, row.last_seen_at)
        for row in rows
    ]


def _support(session: TenantSession) -> list[tuple[SupportSession, str]]:
    of_whom = (Subscriber.org_id == SupportSession.org_id) & (Subscriber.id == SupportSession.subscriber_id)
    found = session.execute(
        select(SupportSession, Subscriber.name)
        .join(Subscriber, of_whom)
        .order_by(SupportSession.id.desc())
        .limit(_LATEST)
    )
    return [(wish, name) for wish, name in found]
