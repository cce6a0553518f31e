"""The two walls between tenants: each must hold when the other is down."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy
from sqlalchemy import Connection, func, insert, literal, literal_column, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased, make_transient_to_detached

from ringstead.api.testing import Tenants
from ringstead.db import session as wall_one
from ringstead.db.engine import Database
from ringstead.db.session import Scope, TenantScopeMismatch, TenantScopeMissing, TenantSession
from ringstead.mail import MailMessage
from ringstead.tenancy.models import Account, Organization, OrganizationFeature, Subscriber


class WithoutWallTwo(TenantSession):
    """A session that never enters row-level security; on the operator's engine only wall 1 is left."""

    def enter(self, connection: Connection) -> None:
        """Set nothing."""


def organizations(tenants: Tenants, count: int) -> list[Organization]:
    partner = tenants.partner()
    made = [tenants.organization(partner, f"feature{number}") for number in range(count)]
    for organization in made:
        tenants.subscriber(organization, f"Person of {organization.slug}")
    return made


def test_wall_one_alone_scopes_every_kind_of_statement(tenants: Tenants, database: Database) -> None:
    made = organizations(tenants, 8)
    chance = random.Random(7)
    for _ in range(60):
        organization = chance.choice(made)
        names = [f"Person of {organization.slug}"]
        with WithoutWallTwo(
            database.operator_engine, Scope(organization.partner_id, organization.org_id)
        ) as session:
            alias = aliased(Subscriber)
            inner = select(Subscriber.name).subquery()
            people = select(Subscriber).subquery("s")
            in_column = select(
                select(func.jsonb_agg(literal_column("s.name"))).select_from(people).scalar_subquery()
            )
            starred = select(literal_column("*")).select_from(inner).subquery("t")
            in_batch = select(
                select(func.jsonb_agg(literal_column("t.name"))).select_from(starred).scalar_subquery()
            )
            twice = select(Subscriber.id).union_all(select(Subscriber.id)).subquery()
            assert session.scalars(select(Subscriber.name)).all() == names
            assert session.scalars(select(alias.name)).all() == names
            assert session.scalars(select(inner.c.name)).all() == names
            assert session.scalar(in_column) == names
            assert session.scalar(in_batch) == names
            assert session.scalar(select(func.count()).select_from(OrganizationFeature)) == 1
            assert session.scalar(select(func.count()).select_from(twice)) == 2


def test_wall_one_alone_scopes_updates(tenants: Tenants, database: Database) -> None:
    own, other = organizations(tenants, 2)
    with WithoutWallTwo(database.operator_engine, Scope(own.partner_id, own.org_id)) as session:
        changed = session.execute(
            update(Subscriber).values(name="changed").returning(Subscriber.org_id)
        ).all()
        session.rollback()
    assert {row.org_id for row in changed} == {own.org_id}
    assert other.org_id not in {row.org_id for row in changed}


def test_wall_one_alone_refuses_rows_of_others_by_their_keys(tenants: Tenants, database: Database) -> None:
    own, other = organizations(tenants, 2)
    mine, theirs = tenants.subscriber(own), tenants.subscriber(other)
    keys = [{"org_id": row.org_id, "id": row.id, "name": "changed"} for row in (mine, theirs)]
    with WithoutWallTwo(database.operator_engine, Scope(own.partner_id, own.org_id)) as session:
        session.execute(update(Subscriber), keys[:1])
        with pytest.raises(TenantScopeMismatch):
            session.execute(update(Subscriber), keys)
        session.rollback()
    with WithoutWallTwo(database.operator_engine, Scope(own.partner_id, own.org_id)) as session:
        row = Subscriber(org_id=theirs.org_id, id=theirs.id, partner_id=other.partner_id)
        make_transient_to_detached(row)
        session.add(row)
        session.delete(row)
        with pytest.raises(TenantScopeMismatch):
            session.flush()


@pytest.fixture
def two_walls_less_one(tenants: Tenants, database: Database) -> Iterator[tuple[TenantSession, Organization]]:
    """A session inside one organization with wall 1 alone, and another organization."""
    own, other = organizations(tenants, 2)
    with WithoutWallTwo(database.operator_engine, Scope(own.partner_id, own.org_id)) as session:
        yield session, other
        session.rollback()


@pytest.mark.parametrize("insert", [sqlalchemy.insert, postgresql.insert])
@pytest.mark.parametrize(
    "form", ["rows", "row", "values", "many values", "tuples", "values and rows", "select"]
)
def test_wall_one_alone_refuses_inserts_for_others(
    form: str, insert: Any, two_walls_less_one: tuple[TenantSession, Organization]
) -> None:
    session, other = two_walls_less_one
    feature, own_id = insert(OrganizationFeature), session.org_id

    def add(org_id: UUID, plugin: str) -> None:
        row = {"org_id": org_id, "plugin": plugin, "enabled": True}
        match form:
            case "rows":
                session.execute(feature, [{**row, "org_id": own_id, "plugin": f"{plugin}0"}, row])
            case "row":
                session.execute(feature, row)
            case "values":
                session.execute(feature.values(row))
            case "many values":
                session.execute(feature.values([{**row, "org_id": own_id, "plugin": f"{plugin}0"}, row]))
            case "tuples":
                session.execute(feature.values([tuple(row.values())]))
            case "values and rows":
                session.execute(feature.values(org_id=org_id), [{"plugin": plugin, "enabled": True}])
            case "select":
                session.execute(
                    feature.values(
                        {**row, "org_id": select(Organization.org_id).limit(1).scalar_subquery()}
                        if org_id != own_id
                        else row
                    )
                )

    add(own_id, "mine")
    with pytest.raises(TenantScopeMismatch):
        add(other.org_id, "theirs")


def test_wall_one_alone_copies_only_the_tenants_own_rows(
    two_walls_less_one: tuple[TenantSession, Organization],
) -> None:
    session, other = two_walls_less_one
    columns = ["org_id", "plugin", "enabled"]
    copy = insert(OrganizationFeature).from_select(
        columns,
        select(OrganizationFeature.org_id, literal("copy"), OrganizationFeature.enabled),
    )
    session.execute(copy)
    given = insert(OrganizationFeature).from_select(
        columns, select(literal(other.org_id), literal("given"), OrganizationFeature.enabled)
    )
    session.execute(given)
    with pytest.raises(TenantScopeMismatch):
        session.execute(
            insert(OrganizationFeature).from_select(columns[1:], select(literal("x"), literal(True)))
        )
    seen = text(
        "SELECT org_id FROM organization_feature WHERE plugin IN ('copy', 'given') AND org_id = ANY (:ids)"
    )
    ids = [session.org_id, other.org_id]
    assert session.execute(seen, {"ids": ids}).scalars().all() == [session.org_id]


def test_what_a_new_row_looks_up_is_scoped(two_walls_less_one: tuple[TenantSession, Organization]) -> None:
    session, other = two_walls_less_one
    stranger = select(Subscriber.name).where(Subscriber.org_id == other.org_id).limit(1).scalar_subquery()
    looked_up = insert(OrganizationFeature).values(
        org_id=session.org_id, plugin=func.coalesce(stranger, "nobody"), enabled=True
    )
    session.execute(looked_up)
    assert "nobody" in session.scalars(select(OrganizationFeature.plugin)).all()


def test_a_partners_session_inserts_no_row_of_an_organization_or_of_another_partner(
    tenants: Tenants, database: Database
) -> None:
    own, other = organizations(tenants, 1)[0], organizations(tenants, 1)[0]
    row = {"org_id": uuid4(), "partner_id": own.partner_id, "slug": "new", "name": "New"}
    with WithoutWallTwo(database.operator_engine, Scope(own.partner_id)) as session:
        session.execute(insert(Organization), [row])
        with pytest.raises(TenantScopeMismatch):
            session.execute(
                insert(Organization), [{**row, "org_id": uuid4(), "partner_id": other.partner_id}]
            )
        feature = {"org_id": own.org_id, "plugin": "x", "enabled": True}
        with pytest.raises(TenantScopeMissing):
            session.execute(insert(OrganizationFeature), [feature])
        session.rollback()


def test_inside_an_organization_only_its_members_sessions_exist(tenants: Tenants, database: Database) -> None:
    own, other = organizations(tenants, 2)
    member = tenants.person(own)
    for person in (member, tenants.person(other)):
        tenants.session_token(person)
    with database.run_as(own.org_id) as session:
        seen = session.execute(text("SELECT account_id FROM web_session")).scalars().all()
    assert seen == [member.account.id]


def test_wall_two_alone_hides_every_row(
    tenants: Tenants, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall_one, "_criteria", lambda scope: ())
    own, other = organizations(tenants, 2)
    with database.run_as(own.org_id) as session:
        assert {s.org_id for s in session.scalars(select(Subscriber))} == {own.org_id}
        assert {f.org_id for f in session.scalars(select(OrganizationFeature))} == {own.org_id}
        assert session.execute(text("SELECT DISTINCT org_id FROM subscriber")).scalars().all() == [own.org_id]
        assert session.execute(text("SELECT org_id FROM organization")).scalars().all() == [own.org_id]
        assert session.get(Subscriber, (other.org_id, uuid4())) is None
        updated = session.execute(text("UPDATE subscriber SET name = name RETURNING org_id")).scalars().all()
        assert set(updated) == {own.org_id}


def test_wall_two_refuses_rows_written_for_another(
    tenants: Tenants, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall_one, "_scope_insert", lambda state, owner: None)
    own, other = organizations(tenants, 2)
    row = {"org_id": other.org_id, "plugin": "x", "enabled": True}
    with pytest.raises(DBAPIError, match="row-level security"), database.run_as(own.org_id) as session:
        session.execute(insert(OrganizationFeature), [row])


def test_a_row_of_another_organization_is_refused_at_flush(tenants: Tenants, database: Database) -> None:
    own, other = organizations(tenants, 2)
    with pytest.raises(TenantScopeMismatch), database.run_as(own.org_id) as session:
        session.add(OrganizationFeature(org_id=other.org_id, plugin="x", enabled=True))


def test_reading_without_a_scope_is_an_error_and_not_an_empty_list(
    tenants: Tenants, database: Database
) -> None:
    partner = tenants.partner()
    with database.in_partner(partner.id) as session, pytest.raises(TenantScopeMissing):
        session.scalars(select(OrganizationFeature)).all()
    with TenantSession(database.app_engine, Scope()) as session, pytest.raises(TenantScopeMissing):
        session.scalars(select(Account)).all()


def test_there_is_no_session_for_an_unknown_organization(database: Database) -> None:
    with pytest.raises(TenantScopeMissing), database.run_as(uuid4()) as session:
        session.scalars(select(Subscriber)).all()


def test_nothing_is_visible_on_a_pooled_connection_after_its_transaction(
    tenants: Tenants, database: Database
) -> None:
    own = organizations(tenants, 1)[0]
    with database.run_as(own.org_id) as session:
        assert session.scalars(select(Subscriber)).all()
    for table in ("subscriber", "organization", "account", "host", "partner", "audit_entry"):
        with database.app_engine.connect() as connection:
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


def test_a_partner_lists_its_own_organizations_only(tenants: Tenants, database: Database) -> None:
    first, second = organizations(tenants, 1)[0], organizations(tenants, 1)[0]
    with database.in_partner(first.partner_id) as session:
        listed = session.scalars(select(Organization.org_id)).all()
        people = session.scalars(select(Subscriber.org_id)).all()
    assert listed == [first.org_id]
    assert second.org_id not in people


def test_core_statements_are_committed(tenants: Tenants, database: Database) -> None:
    own = organizations(tenants, 1)[0]
    with database.run_as(own.org_id) as session:
        session.execute(
            insert(OrganizationFeature.__table__).values(org_id=own.org_id, plugin="by_core", enabled=True)
        )
    with database.run_as(own.org_id) as session:
        assert "by_core" in session.scalars(select(OrganizationFeature.plugin)).all()


def test_the_audit_trail_is_append_only(tenants: Tenants, database: Database) -> None:
    partner = tenants.partner()
    for statement in (
        "DELETE FROM audit_entry",
        "UPDATE audit_entry SET action = 'x'",
        "TRUNCATE audit_entry",
    ):
        with pytest.raises(DBAPIError), database.in_partner(partner.id) as session:
            session.execute(text(statement))
        with pytest.raises(DBAPIError), database.as_operator("tests", "try") as operator:
            operator.execute(text(statement))


def test_operator_work_is_on_record(database: Database) -> None:
    reason = f"look {uuid4()}"
    with database.as_operator("tests", reason) as session:
        session.execute(select(Organization).limit(1))
    with database.as_operator("tests", "read") as session:
        found = session.execute(
            text("SELECT actor, database_role FROM operator_audit WHERE reason = :reason"), {"reason": reason}
        ).one()
    assert tuple(found) == ("tests", "ringstead_operator")


def test_inside_an_organization_only_its_members_accounts_exist(tenants: Tenants, database: Database) -> None:
    partner = tenants.partner()
    own, other = tenants.organization(partner), tenants.organization(partner)
    member, stranger, staff = tenants.person(own), tenants.person(other), tenants.staff(partner)
    with database.run_as(own.org_id) as session:
        assert session.scalars(select(Account.id)).all() == [member.account.id]
    with database.in_partner(partner.id) as session:
        everybody = set(session.scalars(select(Account.id)))
    assert everybody == {member.account.id, stranger.account.id, staff.account.id}


def test_what_the_worker_deletes_over_all_tenants_no_tenant_deletes(
    tenants: Tenants, database: Database
) -> None:
    own, other = organizations(tenants, 2)
    stranger = tenants.organization()
    long_ago = datetime.now(UTC) - timedelta(days=400)
    for organization in (other, stranger):
        tenants.session_token(tenants.person(organization), hours=-1)
        mail = MailMessage(
            org_id=organization.org_id,
            template="x",
            recipient="sam@example.com",
            state="sent",
            finished_at=long_ago,
        )
        outbox = {"org": organization.org_id, "id": uuid4(), "at": long_ago}
        with database.run_as(organization.org_id) as session:
            session.add(mail)
            session.execute(
                text(
                    "INSERT INTO event_outbox (org_id, id, name, payload, delivered_at)"
                    " VALUES (:org, :id, 'x', '{}', :at)"
                ),
                outbox,
            )
    tables = ("mail_message", "event_outbox", "web_session", "password_reset")
    for table in tables:
        with database.run_as(own.org_id) as session:
            assert session.execute(text(f"DELETE FROM {table}")).rowcount == 0
    for table in tables:
        with database.in_partner(tenants.partner().id) as session:
            assert session.execute(text(f"DELETE FROM {table}")).rowcount == 0
