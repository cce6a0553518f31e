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

from sqlalchemy import Connection, Engine, Table, Uuid, bindparam, event, select
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
from sqlalchemy.sql.elements import BindParameter, ColumnElement

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


def _rules(by_org: bool, by_partner: bool, of_org: Any, of_partner: Any) -> tuple[LoaderCriteriaOption, ...]:
    rules: list[tuple[type, Any]] = []
    if by_org:
        rules += [(OrgScoped, of_org), (DirectoryScoped, of_org)]
    elif by_partner:
        rules += [(DirectoryScoped, of_partner)]
    if by_partner:
        rules += [(PartnerScoped, of_partner)]
    return tuple(with_loader_criteria(mixin, rule, include_aliases=True) for mixin, rule in rules)


@cache
def _named_rules(by_org: bool, by_partner: bool) -> tuple[LoaderCriteriaOption, ...]:
    return _rules(by_org, by_partner, _of_org, _of_partner)


def _criteria(scope: Scope) -> tuple[LoaderCriteriaOption, ...]:
    """Loader criteria for what a scope has; `_refuse_unscoped` has already refused what it lacks."""
    return _named_rules(scope.org_id is not None, scope.partner_id is not None)


def _insert_criteria(scope: Scope) -> tuple[LoaderCriteriaOption, ...]:
    """The same with the ids in it: the parameters of an INSERT are values of its columns, and nothing else."""
    org_id, partner_id = scope.org_id, scope.partner_id
    return _rules(
        org_id is not None,
        partner_id is not None,
        lambda cls: cls.org_id == org_id,
        lambda cls: cls.partner_id == partner_id,
    )


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

    `settings` are the stored preferences by level; `exceptions` the organization's changes to the role's permissions;
    `oversees` is whether the subscriber leads a team or manages a location; `support` tells of the support session by
    which somebody of the partner is in the subscriber's portal. On a console there is no organization and
    no subscriber.
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
    support: dict[str, Any] | None
    package: dict[str, Any] | None
    oversees: bool

    @classmethod
    def read(cls, row: dict[str, Any]) -> "SignedIn":
        """Give the JSON of a row its types."""
        for name in ("session_id", "account_id", "org_id", "subscriber_id"):
            if row[name] is not None:
                row[name] = UUID(row[name])
        row["expires_at"] = datetime.fromisoformat(row["expires_at"])
        return cls(**row)


# As one JSON value: the drivers' bookkeeping for nineteen columns costs more than reading them. The function has
# entered the organization by the time its row is looked at, so row-level security lets through what is asked of it.
_OPEN_SESSION = """
    SELECT to_jsonb(s) || jsonb_build_object('oversees',
        EXISTS (SELECT FROM team_member m
                WHERE m.org_id = s.org_id AND m.subscriber_id = s.subscriber_id AND m.is_lead)
        OR EXISTS (SELECT FROM location_manager m
                   WHERE m.org_id = s.org_id AND m.subscriber_id = s.subscriber_id))
    FROM open_session(%s, %s, %s, %s, %s) s
"""


class RequestSession(TenantSession):
    """The session of one web request.

    Its first round trip calls the SQL function `open_session`, which finds the signed-in person by the token's hash,
    enters the partner and the organization, and returns everything the request's context is made of. On a host of one
    organization (`site_org_id`) only its own people are signed in.
    """

    def __init__(
        self,
        bind: Engine,
        partner_id: UUID,
        site: str,
        site_org_id: UUID | None,
        token_hash: bytes | None,
        idle_minutes: int,
    ) -> None:
        super().__init__(bind, Scope(partner_id=partner_id))
        self._entry = (partner_id, site, site_org_id, token_hash, idle_minutes)
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


def scoped_select(session: TenantSession, statement: Any) -> tuple[Any, dict[str, UUID | None]]:
    """A SELECT with the session's criteria on it, and the parameters that they need, for who executes it elsewhere."""
    if session.scope.org_id is None or session.scope.partner_id is None:
        _refuse_unscoped(statement, session.scope)
    return _scoped(statement, _criteria(session.scope)), _ids(session.scope)


def _ids(scope: Scope) -> dict[str, UUID | None]:
    return {_ORG_ID: scope.org_id, _PARTNER_ID: scope.partner_id}


@event.listens_for(TenantSession, "do_orm_execute")
def _scope_statement(state: ORMExecuteState) -> None:
    """Attach the criteria to every ORM statement; never decided by its mappers, which are empty for subqueries."""
    session = state.session
    if state.is_column_load or not isinstance(session, TenantSession):
        return
    if session.scope.org_id is None or session.scope.partner_id is None:
        _refuse_unscoped(state.statement, session.scope)
    if state.is_insert:
        if state.bind_mapper is not None:
            _scope_insert(state, _owner(state.bind_mapper.class_, session.scope))
            state.statement = state.statement.options(*_insert_criteria(session.scope))
        return
    state.statement = _scoped(state.statement, _criteria(session.scope))
    ids = _ids(session.scope)
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


def _owner(cls: type, scope: Scope) -> dict[str, UUID | None]:
    """What a new row of `cls` must hold; a partner's session may create organizations, whose `org_id` is then free."""
    owner: dict[str, UUID | None] = {}
    if issubclass(cls, OrgScoped) or (issubclass(cls, DirectoryScoped) and scope.org_id is not None):
        owner["org_id"] = scope.org_id
    if issubclass(cls, PartnerScoped | DirectoryScoped):
        owner["partner_id"] = scope.partner_id
    return owner


def _scope_insert(state: ORMExecuteState, owner: Mapping[str, UUID | None]) -> None:
    """An INSERT must name the session's tenant in each row; of rows that it copies, only such are written."""
    statement: Any = state.statement
    if statement.select is None:
        for row in _inserted_rows(statement, state.parameters):
            if any(not isinstance(row.get(name), UUID) or row[name] != id_ for name, id_ in owner.items()):
                raise TenantScopeMismatch(
                    f"{statement.table.name}: rows were inserted whose {' or '.join(owner)} is not the session's"
                )
        return
    names = statement._select_names
    if not owner.keys() <= set(names):
        raise TenantScopeMismatch(f"{statement.table.name}: rows were copied without {' and '.join(owner)}")
    copied = statement.select.subquery()
    own = [list(copied.c)[names.index(name)] == id_ for name, id_ in owner.items()]
    defaults = statement.include_insert_from_select_defaults
    state.statement = statement.from_select(names, select(copied).where(*own), defaults)


def _inserted_rows(statement: Any, parameters: Any) -> list[dict[str, Any]]:
    """The values of an INSERT by column; SQLAlchemy has no public way to ask for those in the statement itself."""
    if statement._multi_values:
        columns = [column.key for column in statement.table.c]
        rows = [row for values in statement._multi_values for row in values]
        return [
            _by_name(row if isinstance(row, Mapping) else dict(zip(columns, row, strict=False)))
            for row in rows
        ]
    fixed = _by_name(statement._values or {})
    given = parameters if isinstance(parameters, Sequence) else [parameters or {}]
    return [{**fixed, **row} for row in given]


def _by_name(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        getattr(column, "key", column): value.effective_value if isinstance(value, BindParameter) else value
        for column, value in values.items()
    }


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
