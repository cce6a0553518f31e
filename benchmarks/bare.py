"""The yardstick: an ordinary Pyramid application whose one page makes one ORM query and writes plain text."""

from __future__ import annotations

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
from ringstead_calllogs.models import Call

ROWS = 25


def calls(request: Request) -> list[str]:
    """The newest calls of the subscriber that the address names, one a line."""
    statement = (
        select(Call)
        .where(
            Call.org_id == UUID(request.params["org"]), Call.subscriber_id == UUID(request.params["person"])
        )
        .order_by(Call.started_at.desc(), Call.id.desc())
        .limit(ROWS)
    )
    return [
        f"{c.started_at:%Y-%m-%d %H:%M} {c.direction} {c.number}"
        for c in request.dbsession.scalars(statement)
    ]


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
    config.add_view(calls, route_name="calls", renderer="text")
    config.add_renderer("text", lambda info: lambda value, system: "\n".join(value))
    return config.make_wsgi_app()
