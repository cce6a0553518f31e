"""The tenant session: wall 1 (every ORM statement is scoped) and the entry into wall 2 (row-level security).

A session has one immutable scope. Another tenant means another session. The scope is put on every ORM statement as
loader criteria, and into the transaction as `ringstead.partner_id` and `ringstead.org_id`, which the policies read.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Never
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, Uuid, bindparam, event
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, UOWTransaction, with_loader_criteria
from sqlalchemy.orm.interfaces import UserDefinedOption
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from ringstead.db.base import DirectoryScoped, OrgScoped, PartnerScoped


class TenantScopeMissing(DontWrapMixin, LookupError):
    """A tenant's rows were asked for in a session that has no such tenant."""


class TenantScopeMismatch(ValueError):
    """A row of one tenant was written in the session of another."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a session may see: an organization, or (with `org_id` None) what a partner lists across them."""

    partner_id: UUID | None = None
    org_id: UUID | None = None


NO_SCOPE = Scope()


def _tenant_id(value: UUID | None, what: str) -> BindParameter[UUID]:
    """The id as a bound parameter; when there is none, one that refuses once a statement needs it."""

    def refuse() -> Never:
        raise TenantScopeMissing(
            f"a statement reads rows of {what}, but this session has none; "
            "use request.db, Database.run_as(org_id) or Database.in_partner(partner_id)"
        )

    if value is None:
        return bindparam(None, callable_=refuse, type_=Uuid(), unique=True)
    return bindparam(None, value, type_=Uuid(), unique=True)


@lru_cache(maxsize=4096)
def _criteria(scope: Scope) -> tuple[UserDefinedOption, ...]:
    """Loader criteria for a scope. A missing half refuses when, and only when, a statement needs it.

    SQLAlchemy caches these functions by their code and takes the bound ids anew from the closure at each use;
    turning that tracking off would freeze the first tenant's id into every later statement.
    """
    org = _tenant_id(scope.org_id, "an organization")
    partner = _tenant_id(scope.partner_id, "a partner")

    def of_org(cls: type[OrgScoped]) -> ColumnElement[bool]:
        return cls.org_id == org

    def of_partner(cls: type[PartnerScoped]) -> ColumnElement[bool]:
        return cls.partner_id == partner

    def of_directory_org(cls: type[DirectoryScoped]) -> ColumnElement[bool]:
        return cls.org_id == org

    def of_directory_partner(cls: type[DirectoryScoped]) -> ColumnElement[bool]:
        return cls.partner_id == partner

    of_directory = of_directory_partner if scope.org_id is None else of_directory_org
    return tuple(
        with_loader_criteria(mixin, rule, include_aliases=True)  # type: ignore[arg-type]
        for mixin, rule in ((OrgScoped, of_org), (PartnerScoped, of_partner), (DirectoryScoped, of_directory))
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


class RequestSession(TenantSession):
    """The session of one web request.

    Its first round trip calls the SQL function `open_session`, which finds the signed-in person by the token's hash,
    enters the partner and the organization, and returns everything the request's context is made of.
    """

    def __init__(self, bind: Engine, partner_id: UUID, site: str, token_hash: bytes | None, idle_minutes: int) -> None:
        super().__init__(bind, Scope(partner_id=partner_id))
        self._entry = (partner_id, site, token_hash, idle_minutes)
        self._signed_in: Row[Any] | None = None
        self._entered = False

    @property
    def scope(self) -> Scope:
        if not self._entered:
            self.connection()
        return self._scope

    @property
    def signed_in(self) -> Row[Any] | None:
        """The row that `open_session` returned, or None when nobody is signed in."""
        if not self._entered:
            self.connection()
        return self._signed_in

    def enter(self, connection: Connection) -> None:
        row = connection.exec_driver_sql("SELECT * FROM open_session(%s, %s, %s, %s)", self._entry).one_or_none()
        org_id = None if row is None else row.org_id
        if self._entered and org_id != self._scope.org_id:
            raise TenantScopeMismatch("the organization of a session changed between two transactions")
        self._scope = Scope(self._entry[0], org_id)
        self._signed_in, self._entered = row, True


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
    if not state.is_column_load and isinstance(state.session, TenantSession) and not state.is_insert:
        state.statement = state.statement.options(*_criteria(state.session.scope))  # type: ignore[attr-defined]


@event.listens_for(TenantSession, "before_flush")
def _stamp_scope(session: TenantSession, _context: UOWTransaction, _instances: object) -> None:
    scope = session.scope
    for row in session.new:
        if isinstance(row, OrgScoped | DirectoryScoped):
            _stamp(row, "org_id", scope.org_id)
        if isinstance(row, PartnerScoped | DirectoryScoped):
            _stamp(row, "partner_id", scope.partner_id)
    for row in session.dirty:
        if isinstance(row, OrgScoped):
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
