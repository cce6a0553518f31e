"""The audit trail: what is written, by whom it can be seen, and that nobody changes it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from translationstring import TranslationString

from ringstead import audit
from ringstead.api.testing import PASSWORD, Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import AuditEntry

Make = Callable[..., Any]


@pytest.fixture
def juno(tenants: Tenants, with_password: Make) -> Person:
    person: Person = with_password(tenants.person(tenants.organization(), "Juno Halloway"))
    return person


def entries_of(database: Database, person: Person) -> list[AuditEntry]:
    with database.in_partner(person.partner.id) as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def test_signing_in_out_and_failing_are_written(
    juno: Person, visitor: Make, sign_in: Make, database: Database
) -> None:
    client = visitor(juno.partner)
    sign_in(client, juno.account.email, "hunter2 hunter2", status=422)
    sign_in(client, "nobody@example.com", "x", status=422)
    sign_in(client, juno.account.email, status=303)
    client.post_form("/sign-out", status=303)
    failed, unknown, signed_in, signed_out = entries_of(database, juno)
    assert juno.organization is not None
    assert (failed.action, failed.actor_account_id, failed.detail) == (
        audit.SIGN_IN_FAILED,
        juno.account.id,
        {"known": True},
    )
    assert (unknown.action, unknown.actor_account_id, unknown.actor_name) == (audit.SIGN_IN_FAILED, None, "")
    assert (signed_in.action, signed_in.org_id) == (audit.SIGNED_IN, juno.organization.org_id)
    assert (signed_out.action, signed_out.actor_name) == (audit.SIGNED_OUT, "Juno Halloway")
    assert signed_in.address == "127.0.0.1"
    written = str([(e.target, e.detail, e.actor_name) for e in entries_of(database, juno)])
    assert "hunter2" not in written
    assert "nobody@example.com" not in written


def test_a_password_change_is_written_without_the_password(
    juno: Person, portal: Make, database: Database
) -> None:
    new = "heron lantern quarry"
    portal(juno).post_form(
        "/account/password", {"current": PASSWORD, "password": new, "again": new}, status=303
    )
    (entry,) = entries_of(database, juno)
    assert entry.action == audit.PASSWORD_CHANGED
    assert new not in str(entry.detail)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET action = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]
)
def test_nobody_changes_it(juno: Person, database: Database, statement: str) -> None:
    with database.in_partner(juno.partner.id) as session:
        audit.record(session, audit.SIGNED_IN, actor=juno.account)
    with pytest.raises(DBAPIError), database.in_partner(juno.partner.id) as session:
        session.execute(text(statement))
    with pytest.raises(DBAPIError), database.as_operator("tests", "try") as operator:
        operator.execute(text(statement))
    assert len(entries_of(database, juno)) == 1


def test_what_is_rolled_back_was_never_done(juno: Person, database: Database) -> None:
    def act() -> None:
        with database.in_partner(juno.partner.id) as session:
            audit.record(session, audit.SIGNED_IN, actor=juno.account)
            raise RuntimeError("the action failed")

    with pytest.raises(RuntimeError):
        act()
    assert entries_of(database, juno) == []


def test_an_organization_sees_its_own_entries_only(
    juno: Person, tenants: Tenants, database: Database
) -> None:
    other = tenants.organization(juno.partner)
    with database.run_as(other.org_id) as session:
        audit.record(session, audit.FEATURE_ON, "calllogs", {"why": "asked"}, actor=juno.account)
    assert juno.organization is not None
    with database.run_as(juno.organization.org_id) as session:
        assert audit.own_entries(session, juno.account.id) == []
        assert audit.organization_entries(session, other.org_id, (audit.FEATURE_ON,)) == []
    with database.run_as(other.org_id) as session:
        (entry,) = audit.own_entries(session, juno.account.id)
        assert (entry.org_id, entry.target, entry.detail) == (other.org_id, "calllogs", {"why": "asked"})


def test_ones_latest_activity_is_on_the_account_page_and_nobody_elses(
    juno: Person, tenants: Tenants, portal: Make, database: Database
) -> None:
    assert juno.organization is not None
    otis = tenants.person(juno.organization, "Otis Marlowe")
    with database.run_as(juno.organization.org_id) as session:
        audit.record(session, "calllogs.exported", actor=juno.account)
        audit.record(session, audit.PASSWORD_CHANGED, actor=otis.account)
    page = portal(juno).get("/account")
    activity = page.html.find(attrs={"aria-labelledby": "activity-title"}).get_text(" ")
    assert "calllogs.exported" in activity
    assert "Changed the password" not in activity


def test_every_action_has_words() -> None:
    actions = {v for k, v in vars(audit).items() if k.isupper() and isinstance(v, str)}
    assert actions - {audit.CHANGED} == set(audit.TITLES)


def test_plugins_name_their_actions_and_keep_the_everyday_out_of_the_activity(
    juno: Person, database: Database
) -> None:
    moved = audit.declare_action("sample.moved", TranslationString("Moved a thing"))
    looked = audit.declare_action("sample.looked", TranslationString("Looked at a thing"), is_everyday=True)
    assert juno.organization is not None
    with database.run_as(juno.organization.org_id) as session:
        for action in (moved, looked):
            audit.record(session, action, actor=juno.account, address="192.0.2.7")
        session.flush()
        assert [audit.title_of(entry) for entry in audit.own_entries(session, juno.account.id)] == [
            "Moved a thing"
        ]
        kept = audit.organization_entries(session, juno.organization.org_id, (moved, looked))
        assert {(entry.action, entry.address) for entry in kept} == {
            ("sample.moved", "192.0.2.7"),
            ("sample.looked", "192.0.2.7"),
        }
