"""The engines of one process and the only ways to open a session on them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from ringstead.db.patience import watch
from ringstead.db.session import OrganizationSession, RequestSession, Scope, TenantSession


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """SQLAlchemy addresses of one database for the three roles (`postgresql+psycopg://…`)."""

    app: str
    owner: str
    operator: str


class Database:
    """Engines by role, made when first used. Every session it opens has a scope, or is the audited operator's."""

    def __init__(self, urls: DatabaseUrls, pool_size: int = 5, info: Mapping[str, Any] | None = None) -> None:
        """`info` is what every tenant session carries for the rooms above (`Session.info`)."""
        self.urls = urls
        self._pool_size = pool_size
        self._info = dict(info or {})

    @cached_property
    def app_engine(self) -> Engine:
        """The engine of the role `ringstead_app`, which obeys row-level security."""
        engine = create_engine(
            self.urls.app,
            pool_size=self._pool_size,
            max_overflow=self._pool_size,
            pool_timeout=10,
            # Errors are logged, and a statement's values may be tokens, hashes and what people typed.
            hide_parameters=True,
            # Lists read a JSON value with each row; this reads them several times quicker than `json`.
            json_deserializer=msgspec.json.decode,
        )
        watch(engine)
        return engine

    @cached_property
    def operator_engine(self) -> Engine:
        """The engine of the role `ringstead_operator`, for audited work across tenants."""
        return create_engine(self.urls.operator, pool_size=1, max_overflow=2, hide_parameters=True)

    def request_session(
        self,
        partner_id: UUID,
        site: str,
        site_org_id: UUID | None,
        token_hash: bytes | None,
        idle_minutes: int,
    ) -> RequestSession:
        """A session that finds out who is signed in; its transaction is the caller's business."""
        session = RequestSession(self.app_engine, partner_id, site, site_org_id, token_hash, idle_minutes)
        session.info.update(self._info)
        return session

    @contextmanager
    def run_as(self, org_id: UUID) -> Iterator[TenantSession]:
        """A committed-on-exit session inside one organization, for jobs, imports and commands."""
        with OrganizationSession(self.app_engine, org_id) as session, session.begin():
            session.info.update(self._info)
            yield session

    @contextmanager
    def in_partner(self, partner_id: UUID) -> Iterator[TenantSession]:
        """A committed-on-exit session for what a partner lists across its organizations."""
        with TenantSession(self.app_engine, Scope(partner_id=partner_id)) as session, session.begin():
            session.info.update(self._info)
            yield session

    @contextmanager
    def as_operator(self, actor: str, reason: str, *, one_moment: bool = False) -> Iterator[Session]:
        """A committed-on-exit session across all tenants; who and why are recorded in the same transaction.

        `one_moment`: every statement sees the database as it was at the first (REPEATABLE READ), for long readings.
        """
        engine = self.operator_engine
        if one_moment:
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with Session(engine, expire_on_commit=False) as session, session.begin():
            session.execute(
                text("INSERT INTO operator_audit (actor, reason) VALUES (:actor, :reason)"),
                {"actor": actor, "reason": reason},
            )
            yield session

    @property
    def info(self) -> Mapping[str, Any]:
        """What every tenant session carries for the rooms above (`Session.info`)."""
        return self._info

    def dispose(self) -> None:
        """Close every pooled connection."""
        for name in ("app_engine", "operator_engine"):
            if name in self.__dict__:
                getattr(self, name).dispose()
