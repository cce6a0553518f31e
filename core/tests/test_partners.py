"""`ringstead partners`, `hosts` and `tenants apply --invite`: from nothing to people who have a link."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text

from ringstead.api.testing import Client, Tenants
from ringstead.cli import cli
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.mail import MailMessage
from ringstead.tenancy.models import Account, AuditEntry, Partner

Run = Callable[..., Result]


@pytest.fixture
def run(database_urls: DatabaseUrls, tmp_path: Path) -> Run:
    def invoke(*arguments: str) -> Result:
        environment: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith("RINGSTEAD_")
        }
        environment |= {
            "RINGSTEAD_VAR_DIR": str(tmp_path / "var"),
            "RINGSTEAD_TENANTS_DIR": str(tmp_path / "tenants"),
            "RINGSTEAD_DATABASE_URL": database_urls.app,
            "RINGSTEAD_DATABASE_OPERATOR_URL": database_urls.operator,
        }
        return CliRunner().invoke(cli, arguments, env=environment)

    return invoke


@pytest.fixture
def slug() -> str:
    return f"n{secrets.token_hex(5)}"


def words(slug: str, **changes: str) -> list[str]:
    options = {
        "name": "Acme",
        "host": f"{slug}.test",
        "console-host": f"console.{slug}.test",
        "admin-email": f"Ada@{slug}.example",
        "admin-name": "Ada Example",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return [
        "partners",
        "create",
        slug,
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def mails(database: Database, slug: str) -> list[MailMessage]:
    with database.as_operator("tests", "look") as session:
        partner = session.scalars(select(Partner).where(Partner.slug == slug)).one()
        query = select(MailMessage).where(MailMessage.partner_id == partner.id).order_by(MailMessage.id)
        return list(session.scalars(query))


def test_a_partner_is_made_and_its_admin_gets_in(run: Run, slug: str, database: Database, wsgi: Any) -> None:
    done = run(*words(slug, color="#0b6068", time_zone="Europe/Vienna"))
    assert done.exit_code == 0, done.output
    assert f"+ partner {slug}: Acme" in done.output
    assert f"Portal: http://{slug}.test:8080" in done.output
    link = re.search(rf"^http://console\.{slug}\.test:8080(/reset/[\w-]{{43}})$", done.output, re.MULTILINE)
    assert link, done.output
    (mail,) = mails(database, slug)
    assert (mail.template, mail.recipient) == ("core/mail/staff_invitation", f"ada@{slug}.example")
    assert (mail.values or {})["url"].endswith(link[1])

    browser = Client(wsgi, f"console.{slug}.test")
    token = browser.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    password = "heron lantern quarry"
    browser.post(link[1], {"csrf_token": token, "password": password, "again": password}, status=303)
    token = browser.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    browser.post(
        "/sign-in", {"csrf_token": token, "email": f"ada@{slug}.example", "password": password}, status=303
    )
    assert "Acme" in browser.get("/").text

    again = run(*words(slug, color="#0b6068", time_zone="Europe/Vienna"))
    assert again.exit_code == 0, again.output
    assert (
        f"{slug}: nothing to change.\nada@{slug}.example has a password already: no invitation."
        in again.output
    )
    assert [mail.template for mail in mails(database, slug)] == [
        "core/mail/staff_invitation",
        "core/mail/password_changed",
    ]


def test_again_it_adds_what_is_missing_and_gives_a_new_link(run: Run, slug: str, database: Database) -> None:
    first = run(*words(slug))
    second = run(*words(slug, host=f"{slug}.example"))
    assert second.exit_code == 0, second.output
    assert second.output.startswith(f"+ host {slug}.example: portal of {slug}\n")
    links = [re.findall(r"/reset/([\w-]{43})", done.output) for done in (first, second)]
    assert links[0] != links[1]
    assert len(mails(database, slug)) == 2
    with database.as_operator("tests", "look") as session:
        partner = session.scalars(select(Partner).where(Partner.slug == slug)).one()
        assert session.scalars(select(Account.email).where(Account.partner_id == partner.id)).all() == [
            f"ada@{slug}.example"
        ]
        told = session.scalars(select(AuditEntry).where(AuditEntry.partner_id == partner.id)).all()
        assert [entry.action for entry in told] == ["staff.invited", "staff.invited"]
        assert "command line" in told[0].detail["by"]
        reasons = session.scalars(text("SELECT reason FROM operator_audit")).all()
    assert f"create the partner {slug} with its admin ada@{slug}.example" in reasons


def test_what_is_there_is_never_changed(run: Run, slug: str, database: Database) -> None:
    assert run(*words(slug)).exit_code == 0
    for changes, said in (
        ({"name": "Other"}, f"~ partner {slug}: name 'Acme' → 'Other'"),
        ({"color": "#7a3b00"}, f"~ brand {slug}: color, accent"),
        ({"admin_name": "Else"}, f"~ account ada@{slug}.example: name 'Ada Example' → 'Else'"),
        (
            {"host": f"console.{slug}.test", "console_host": f"{slug}.test"},
            f"~ host {slug}.test: console of {slug}",
        ),
    ):
        refused = run(*words(slug, **changes))
        assert refused.exit_code == 1, refused.output
        assert f"There is a partner {slug} already, and this would change it" in refused.output
        assert said in refused.output
        assert f"`ringstead tenants export {slug}`" in refused.output
    assert len(mails(database, slug)) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "http://acme"}, "--host: use a host name without scheme"),
        ({"console_host": "acme"}, "--console-host: use a host name"),
        ({"admin_email": "ada"}, "--admin-email: use an e-mail address"),
        ({"admin_name": " "}, "--admin-name: must not be empty"),
        ({"name": ""}, "--name: "),
        ({"name": "x" * 70}, "--name: has 70 characters; at most 60 fit"),
        ({"color": "teal"}, "--color: must be a colour of the form #rrggbb"),
        ({"time_zone": "Mars"}, "--time-zone: use a time zone of the IANA database"),
        ({"locale": "xx-yy-zz"}, "--locale: use a language"),
    ],
)
def test_a_wrong_option_is_named(run: Run, slug: str, changes: dict[str, str], said: str) -> None:
    refused = run(*words(slug, **changes))
    assert refused.exit_code == 1
    assert f"The partner {slug} cannot be made:" in refused.output
    assert said in refused.output


def test_hosts_of_others_and_odd_slugs_are_refused(run: Run, slug: str, tenants: Tenants) -> None:
    other = tenants.partner()
    taken = run(*words(slug, host=f"{other.slug}.test"))
    assert f"--host: {other.slug}.test belongs to another partner; choose another host name" in taken.output
    twice = run(*words(slug, console_host=f"{slug}.test"))
    assert f"--console-host: {slug}.test is used twice" in twice.output
    odd = run("partners", "create", "../x", *words(slug)[3:])
    assert "SLUG: use 1 to 40 lower-case letters" in odd.output


def test_hosts_are_listed_with_whom_they_lead_to(run: Run, slug: str, database: Database) -> None:
    run(*words(slug))
    every = run("hosts", "list").output
    mine = run("hosts", "list", "--partner", slug).output
    assert f"{slug}.test" in every
    assert [line.split() for line in mine.splitlines()[1:]] == [
        [f"console.{slug}.test", "console", slug, f"http://console.{slug}.test:8080"],
        [f"{slug}.test", "portal", slug, f"http://{slug}.test:8080"],
    ]
    unknown = run("hosts", "list", "--partner", "nobody-here")
    assert unknown.exit_code == 1
    assert "There is no partner 'nobody-here'" in unknown.output


def test_apply_invites_whoever_is_new(run: Run, slug: str, database: Database, tmp_path: Path) -> None:
    run(*words(slug))
    folder = tmp_path / "tenants" / slug
    assert run("tenants", "export", slug).exit_code == 0
    juno = f'{{ name = "Juno", email = "juno@{slug}.example" }}'
    away = f'{{ name = "A", email = "a@{slug}.example", suspended = true }}'
    with (folder / "partner.toml").open("a") as file:
        file.write(
            f'[[staff]]\nname = "Sol"\nemail = "sol@{slug}.example"\nrole = "partner_support"\n'
            f'[[organizations]]\nslug = "first"\nname = "First"\nsubscribers = [\n'
            f'  {{ extension = "10", name = "Juno", email = "juno@{slug}.example" }},\n'
            f'  {{ extension = "11", name = "Desk", accounts = [{juno}] }},\n'
            f'  {{ extension = "12", name = "Away", accounts = [{away}] }},\n'
            "]\n"
        )
    planned = run("tenants", "apply", str(folder), "--invite", "--dry-run")
    assert "invitation" not in planned.output
    done = run("tenants", "apply", str(folder), "--invite")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(f"invitation to juno@{slug}.example\ninvitation to sol@{slug}.example\n")
    sent = {(mail.recipient, mail.template): mail.values or {} for mail in mails(database, slug)[1:]}
    assert set(sent) == {
        (f"juno@{slug}.example", "core/mail/invitation"),
        (f"sol@{slug}.example", "core/mail/staff_invitation"),
    }
    assert sent[f"juno@{slug}.example", "core/mail/invitation"]["url"].startswith(
        f"http://{slug}.test:8080/reset/"
    )
    again = run("tenants", "apply", str(folder), "--invite")
    assert again.output == f"{slug}: nothing to change.\n"


def test_the_mail_to_staff_speaks_for_the_partner(
    run: Run, slug: str, database: Database, wsgi: Any, run_jobs: Callable[..., None]
) -> None:
    run(*words(slug))
    run_jobs()
    (mail,) = mails(database, slug)
    assert (mail.state, mail.subject) == ("sent", "Your console")
    written = (wsgi.settings.var_dir / "mail").glob("*.eml")
    found = [message for file in written if f"ada@{slug}.example" in (message := file.read_text())]
    assert len(found) == 1
    assert "ringstead" not in found[0].lower()
