"""The tenant session: wall 1 (every ORM statement is scoped) and the entry into wall 2 (row-level security).

A session has one immutable scope. Another tenant means another session. The scope is put on every ORM statement as
loader criteria, and into the transaction as `ringstead.partner_id` and `ringstead.org_id`, which the policies read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Never
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Table, Uuid, bindparam, event
from sqlalchemy.orm import (
    ORMExecuteState,
    Session,
    SessionTransaction,
    UOWTransaction,
    configure_mappers,
    with_loader_criteria,
)
from sqlalchemy.orm.util import LoaderCriteriaOption
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnElement

from ringstead.db.base import Base, DirectoryScoped, OrgScoped, PartnerScoped


class TenantScopeMissing(LookupError):
    """A tenant's rows were asked for in a session that has no such tenant."""


class TenantScopeMismatch(ValueError):
    """A row of one tenant was written in the session of another."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a session may see: an organization, or (with `org_id` None) what a partner lists across them."""

    partner_id: UUID | None = None
    org_id: UUID | None = None


NO_SCOPE = Scope()


# The criteria hold names of parameters, not ids: so they are the same for all tenants, a prepared statement keeps its
# scoped twin (below), and SQLAlchemy's statement cache never sees an id. Each execution brings the ids; one that does
# not is an error («a value is required for bind parameter»), never a row too many.
_ORG_ID = "ringstead_org_id"
_PARTNER_ID = "ringstead_partner_id"


def _of_org(cls: Any) -> ColumnElement[bool]:
    # SQLAlchemy would make a parameter of any global value it finds in here; hence the spelled-out name.
    return cls.org_id == bindparam("ringstead_org_id", type_=Uuid())  # type: ignore[no-any-return]


def _of_partner(cls: Any) -> ColumnElement[bool]:
    return cls.partner_id == bindparam("ringstead_partner_id", type_=Uuid())  # type: ignore[no-any-return]


@cache
def _rules(by_org: bool, by_partner: bool) -> tuple[LoaderCriteriaOption, ...]:
    rules: list[tuple[type, Any]] = []
    if by_org:
        rules += [(OrgScoped, _of_org), (DirectoryScoped, _of_org)]
    elif by_partner:
        rules += [(DirectoryScoped, _of_partner)]
    if by_partner:
        rules += [(PartnerScoped, _of_partner)]
    return tuple(with_loader_criteria(mixin, rule, include_aliases=True) for mixin, rule in rules)


def _criteria(scope: Scope) -> tuple[LoaderCriteriaOption, ...]:
    """Loader criteria for what a scope has; `_refuse_unscoped` has already refused what it lacks."""
    return _rules(scope.org_id is not None, scope.partner_id is not None)


# Scoped twins of statements that somebody keeps, by criteria and statement; they go when the statement goes.
_twins: dict[tuple[LoaderCriteriaOption, ...], WeakKeyDictionary[Any, Any]] = {}


def _scoped(statement: Any, criteria: tuple[LoaderCriteriaOption, ...]) -> Any:
    twins = _twins.setdefault(criteria, WeakKeyDictionary())
    twin = twins.get(statement)
    if twin is None:
        twin = twins[statement] = statement.options(*criteria)
    return twin


@cache
def _tables_of(mixin: type) -> frozenset[str]:
    configure_mappers()
    return frozenset(m.local_table.name for m in Base.registry.mappers if issubclass(m.class_, mixin))  # type: ignore[attr-defined]


def _refuse_unscoped(statement: Any, scope: Scope) -> None:
    """Raise `TenantScopeMissing` when a statement names, at any depth, a table that the scope does not reach.

    Only sessions outside an organization pay for this walk through the statement.
    """
    named = {element.name for element in visitors.iterate(statement) if isinstance(element, Table)}
    if scope.org_id is None and (refused := named & _tables_of(OrgScoped)):
        _refuse(refused, "an organization")
    if scope.partner_id is None and (refused := named & _tables_of(PartnerScoped)):
        _refuse(refused, "a partner")
    if scope == NO_SCOPE and (refused := named & _tables_of(DirectoryScoped)):
        _refuse(refused, "a partner or an organization")


def _refuse(tables: Iterable[str], what: str) -> Never:
    raise TenantScopeMissing(
        f"{', '.join(sorted(tables))}: rows of {what}, but this session is in none; "
        "use request.db, Database.run_as(org_id) or Database.in_partner(partner_id)"
    )


class TenantSession(Session):
    """An ORM session bound to one tenant scope for its whole life."""

    def __init__(self, bind: Engine | Connection, scope: Scope) -> None:
        super().__init__(bind, expire_on_commit=False)
        self._scope = scope

    @property
    def scope(self) -> Scope:
        """The immutable scope."""
        return self._scope

    @property
    def org_id(self) -> UUID:
        """The organization of this session; raises `TenantScopeMissing` when there is none."""
        if self.scope.org_id is None:
            raise TenantScopeMissing("this session is not inside an organization")
        return self.scope.org_id

    def enter(self, connection: Connection) -> None:
        """Put the scope into the transaction, for the row-level security policies."""
        enter_scope(connection, self._scope)


def enter_scope(connection: Connection, scope: Scope) -> None:
    """Set the policies' variables for this transaction only (a session-level SET would leak through a pooler)."""
    connection.exec_driver_sql(
        "SELECT set_config('ringstead.partner_id', %s, true), set_config('ringstead.org_id', %s, true)",
        (str(scope.partner_id or ""), str(scope.org_id or "")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What `open_session` knows of a signed-in person, by the names of its columns.

    `settings` are the stored preferences by level; `exceptions` the organization's changes to the role's permissions.
    On a console there is no organization and no subscriber.
    """

    session_id: UUID
    csrf_token: str
    account_id: UUID
    account_name: str
    email: str
    role: str
    org_id: UUID | None
    org_slug: str | None
    org_name: str | None
    org_status: str | None
    subscriber_id: UUID | None
    subscriber_name: str | None
    extension: str | None
    number: str | None
    org_features_version: int | None
    partner_features_version: int
    exceptions: dict[str, bool] | None
    settings: dict[str, Any]
    expires_at: datetime

    @classmethod
    def read(cls, row: dict[str, Any]) -> "SignedIn":
        """Give the JSON of a row its types."""
        for name in ("session_id", "account_id", "org_id", "subscriber_id"):
            if row[name] is not None:
                row[name] = UUID(row[name])
        row["expires_at"] = datetime.fromisoformat(row["expires_at"])
        return cls(**row)


# As one JSON value: the drivers' bookkeeping for nineteen columns costs more than reading them.
_OPEN_SESSION = "SELECT to_jsonb(s) FROM open_session(%s, %s, %s, %s) s"


class RequestSession(TenantSession):
    """The session of one web request.

    Its first round trip calls the SQL function `open_session`, which finds the signed-in person by the token's hash,
    enters the partner and the organization, and returns everything the request's context is made of.
    """

    def __init__(
        self, bind: Engine, partner_id: UUID, site: str, token_hash: bytes | None, idle_minutes: int
    ) -> None:
        super().__init__(bind, Scope(partner_id=partner_id))
        self._entry = (partner_id, site, token_hash, idle_minutes)
        self._signed_in: SignedIn | None = None
        self._entered = False

    @property
    def scope(self) -> Scope:
        if not self._entered:
            self.connection()
        return self._scope

    @property
    def signed_in(self) -> SignedIn | None:
        """What `open_session` returned, or None when nobody is signed in."""
        if not self._entered:
            self.connection()
        return self._signed_in

    def enter(self, connection: Connection) -> None:
        row = connection.exec_driver_sql(_OPEN_SESSION, self._entry).scalar()
        signed_in = None if row is None else SignedIn.read(row)
        org_id = None if signed_in is None else signed_in.org_id
        if self._entered and org_id != self._scope.org_id:
            raise TenantScopeMismatch("the organization of a session changed between two transactions")
        self._scope = Scope(self._entry[0], org_id)
        self._signed_in, self._entered = signed_in, True


class OrganizationSession(TenantSession):
    """A session for work on one organization outside a request; it learns the partner when it enters."""

    def __init__(self, bind: Engine, org_id: UUID) -> None:
        super().__init__(bind, Scope(org_id=org_id))

    @property
    def scope(self) -> Scope:
        if self._scope.partner_id is None:
            self.connection()
        return self._scope

    def enter(self, connection: Connection) -> None:
        org_id = self._scope.org_id
        partner_id = connection.exec_driver_sql("SELECT enter_organization(%s)", (org_id,)).scalar_one()
        if partner_id is None:
            raise TenantScopeMissing(f"there is no organization {org_id}")
        self._scope = Scope(partner_id, org_id)


@event.listens_for(TenantSession, "after_begin")
def _enter_scope(session: TenantSession, transaction: SessionTransaction, connection: Connection) -> None:
    if not transaction.nested:
        session.enter(connection)


@event.listens_for(TenantSession, "do_orm_execute")
def _scope_statement(state: ORMExecuteState) -> None:
    """Attach the criteria to every ORM statement; never decided by its mappers, which are empty for subqueries."""
    session = state.session
    if state.is_column_load or state.is_insert or not isinstance(session, TenantSession):
        return
    if session.scope.org_id is None or session.scope.partner_id is None:
        _refuse_unscoped(state.statement, session.scope)
    state.statement = _scoped(state.statement, _criteria(session.scope))
    ids = {_ORG_ID: session.scope.org_id, _PARTNER_ID: session.scope.partner_id}
    if isinstance(state.parameters, Sequence):
        if state.is_update and state.bind_mapper is not None:
            _check_keys(state.bind_mapper.class_, state.parameters, session.scope)
        state.parameters = [{**row, **ids} for row in state.parameters]
    else:
        state.parameters = {**(state.parameters or {}), **ids}


def _check_keys(cls: type, rows: Sequence[Mapping[str, Any]], scope: Scope) -> None:
    """An UPDATE of many rows by their keys gets no criteria, so the keys must name the session's tenant."""
    column = "partner_id" if issubclass(cls, PartnerScoped) else "org_id"
    wanted = getattr(scope, column)
    is_scoped = issubclass(cls, OrgScoped | DirectoryScoped | PartnerScoped)
    if is_scoped and (wanted is None or any(row.get(column) != wanted for row in rows)):
        raise TenantScopeMismatch(
            f"{cls.__name__}: many rows were updated whose {column} is not the session's"
        )


@event.listens_for(TenantSession, "before_flush")
def _stamp_scope(session: TenantSession, _context: UOWTransaction, _instances: object) -> None:
    scope = session.scope
    for row in session.new:
        if isinstance(row, OrgScoped | DirectoryScoped):
            _stamp(row, "org_id", scope.org_id)
        if isinstance(row, PartnerScoped | DirectoryScoped):
            _stamp(row, "partner_id", scope.partner_id)
    for row in (*session.dirty, *session.deleted):
        if isinstance(row, OrgScoped | DirectoryScoped):
            _check(row, "org_id", scope.org_id)
        if isinstance(row, PartnerScoped | DirectoryScoped):
            _check(row, "partner_id", scope.partner_id)


def _stamp(row: object, column: str, value: UUID | None) -> None:
    if getattr(row, column) is None:
        setattr(row, column, value)
    _check(row, column, value)


def _check(row: object, column: str, value: UUID | None) -> None:
    # A partner's session may create organizations and their subscribers: their org_id is then free, never the partner.
    if column == "org_id" and value is None and isinstance(row, DirectoryScoped):
        return
    if value is None:
        raise TenantScopeMissing(f"{type(row).__name__} was written in a session without {column}")
    if getattr(row, column) != value:
        raise TenantScopeMismatch(f"{type(row).__name__}.{column} belongs to another tenant than the session")
