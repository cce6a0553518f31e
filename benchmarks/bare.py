"""The yardstick: an ordinary Pyramid application whose one page makes one ORM query and writes plain text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pyramid_tm
import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.request import Request
from sqlalchemy import create_engine, select
from sqlalchemy.orm import sessionmaker

from ringstead.db.engine import DatabaseUrls
from ringstead.settings import Settings
from ringstead_calllogs.listing import CALL_COLUMNS
from ringstead_calllogs.models import Conversation

ROWS = 25
WINDOW = timedelta(days=60)


def calls(request: Request) -> str:
    """The newest calls of the subscriber that the address names, one a line."""
    org_id, subscriber_id = UUID(request.params["org"]), UUID(request.params["person"])
    now = datetime.now(UTC)
    statement = (
        select(*CALL_COLUMNS)
        .where(
            Conversation.org_id == org_id,
            Conversation.subscriber_id == subscriber_id,
            Conversation.started_at <= now,
            Conversation.started_at > now - WINDOW,
        )
        .order_by(Conversation.started_at.desc(), Conversation.id.desc())
        .limit(ROWS)
    )
    lines = (
        f"{call.started_at:%Y-%m-%d %H:%M} {call.kind} {call.disposition} {call.number} {call.name} {call.talk_seconds}"
        for call in request.dbsession.execute(statement)
    )
    return "\n".join(lines)


def make_app(settings: Settings, urls: DatabaseUrls) -> Any:
    """The application as Pyramid's own cookiecutter would build it."""
    factory = sessionmaker(create_engine(urls.app, pool_size=settings.web_threads + 2))

    def dbsession(request: Request) -> Any:
        session = factory()
        zope.sqlalchemy.register(session, transaction_manager=request.tm)
        return session

    config = Configurator(settings={"tm.manager_hook": pyramid_tm.explicit_manager})
    config.include("pyramid_tm")
    config.add_request_method(dbsession, reify=True)
    config.add_route("calls", "/calls")
    config.add_view(calls, route_name="calls", renderer="string")
    return config.make_wsgi_app()
