"""The command line: what each command says, and that faults are one message with the mend."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from ringstead import audit
from ringstead.api.testing import Tenants
from ringstead.cli import cli
from ringstead.cli.demo import show_sign_ins
from ringstead.db.engine import DatabaseUrls
from ringstead.db.roles import ROLES
from ringstead.doctor import check_mail, check_row_security, check_var_folder, check_worker
from ringstead.mail import MailMessage
from ringstead.settings import load_settings, plain_database_url

# Most of these start a program of their own.
pytestmark = pytest.mark.slow

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("db", "status", PORT="1")`: a command in a folder of its own, with settings in the environment."""

    def invoke(*arguments: str, **settings: str) -> Result:
        environment = {name: None for name in os.environ if name.startswith("RINGSTEAD_")}
        given = {"VAR_DIR": str(tmp_path / "var")} | settings
        environment |= {f"RINGSTEAD_{name}": value for name, value in given.items()}
        return CliRunner().invoke(cli, arguments, env=environment)

    return invoke


@pytest.fixture
def on_database(run: Run, database_urls: DatabaseUrls) -> Run:
    """`run`, over the test database."""
    urls = {
        "DATABASE_URL": database_urls.app,
        "DATABASE_OWNER_URL": database_urls.owner,
        "DATABASE_OPERATOR_URL": database_urls.operator,
    }
    return lambda *arguments, **settings: run(*arguments, **urls | settings)


def start(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command as a process, for what happens around it."""
    environment = {
        "PATH": os.environ["PATH"],
        **{f"RINGSTEAD_{name}": value for name, value in settings.items()},
    }
    return subprocess.run(
        [sys.executable, "-m", "ringstead.cli", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_names_every_command(run: Run) -> None:
    told = run("--help").output
    for command in ("serve", "worker", "demo", "doctor", "db", "plugins", "settings", "tenants"):
        assert f"  {command}  " in told


def test_settings_show_says_where_a_value_came_from_and_hides_secrets(run: Run) -> None:
    told = run("settings", "show", PORT="8123", MAIL_URL="smtp://me:hunter2@mail.example").output
    assert "port 8123 environment" in " ".join(told.split())
    assert "hunter2" not in told


def test_settings_docs_is_the_reference_page(run: Run) -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert run("settings", "docs").output == page.read_text(encoding="utf-8")


def test_a_wrong_setting_is_one_message_and_no_traceback(tmp_path: Path) -> None:
    ended = start("serve", folder=tmp_path, PROT="80")
    assert ended.returncode == 78
    assert "RINGSTEAD_PROT (environment) is not a setting: did you mean RINGSTEAD_PORT?" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_taken_port_is_one_message_with_the_mend(command: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        address = "postgresql://a@b/c"
        urls = {f"DATABASE{role}_URL": address for role in ("", "_OWNER", "_OPERATOR")}
        ended = start(command, folder=tmp_path, PORT=str(port), **urls)
    assert ended.returncode == 78
    assert f"make run PORT={port + 1}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_absent_database_is_one_message(tmp_path: Path) -> None:
    address = "postgresql://nobody@127.0.0.1:1/nothing"
    urls = {f"DATABASE{role}_URL": address for role in ("", "_OWNER", "_OPERATOR")}
    ended = start("db", "migrate", folder=tmp_path, **urls)
    assert ended.returncode == 1
    assert "the database cannot be reached" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_roles_are_printed_for_a_database_of_ones_own(run: Run) -> None:
    told = run("db", "roles", "--print").output
    assert all(role in told for role in ROLES)
    assert run("db", "roles").exit_code == 2


def test_status_tells_when_tables_are_behind(on_database: Run) -> None:
    current = on_database("db", "status")
    assert current.exit_code == 0, current.output
    assert "core: 0" in current.output


@pytest.mark.slow
def test_the_embedded_database_is_brought_migrated_and_asked(run: Run) -> None:
    assert run("db", "status").exit_code == 1
    assert "core: " in run("db", "migrate").output
    assert run("db", "status").exit_code == 0


def test_psql_signs_in_as_the_chosen_role(database_urls: DatabaseUrls, tmp_path: Path) -> None:
    urls = {
        "DATABASE_URL": database_urls.app,
        "DATABASE_OWNER_URL": database_urls.owner,
        "DATABASE_OPERATOR_URL": database_urls.operator,
    }
    ended = start(
        "db", "psql", "--role", "operator", "--", "-Atc", "SELECT current_user", folder=tmp_path, **urls
    )
    assert ended.stdout == "ringstead_operator\n", ended.stderr
    with psycopg.connect(plain_database_url(database_urls.operator)) as connection:
        row = connection.execute("SELECT actor FROM operator_audit WHERE reason LIKE 'psql -Atc%'").fetchone()
    assert row is not None
    assert "command line" in row[0]


def test_a_backup_is_made_and_on_record(
    on_database: Run, database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    file = tmp_path / "a.dump"
    told = on_database("db", "backup", str(file))
    assert told.exit_code == 0, told.output
    assert f"{file} holds" in told.output
    assert "is there already" in on_database("db", "backup", str(file)).output
    assert "is not empty" in on_database("db", "restore", str(file)).output
    with psycopg.connect(plain_database_url(database_urls.operator)) as connection:
        reasons = [row[0] for row in connection.execute("SELECT reason FROM operator_audit")]
    assert f"back up into {file}" in reasons


def test_plugins_are_listed_with_their_state(on_database: Run) -> None:
    told = on_database("plugins", "list")
    assert told.exit_code == 0, told.output
    assert "calllogs active" in " ".join(told.output.split())


def test_a_plugin_is_switched_for_one_organization(on_database: Run, tenants: Tenants) -> None:
    partner = tenants.partner()
    first, second = tenants.organization(partner), tenants.organization(partner)
    name = f"{partner.slug}/{first.slug}"
    assert on_database("plugins", "enable", "calllogs", name).output == f"calllogs is on for {name}.\n"
    told = on_database("plugins", "state", "calllogs").output
    assert name in told
    assert second.slug not in told
    assert (
        on_database("plugins", "disable", "calllogs", first.slug).output == f"calllogs is off for {name}.\n"
    )
    assert name not in on_database("plugins", "state", "calllogs").output


def test_a_plugin_is_forbidden_to_a_partner_and_allowed_again(
    on_database: Run, tenants: Tenants, portal: Callable[..., Any]
) -> None:
    person = tenants.person(tenants.organization(None, "calllogs"))
    neighbour = tenants.person(tenants.organization(None, "calllogs"))
    slug, own, other = person.partner.slug, portal(person), portal(neighbour)
    own.get("/calls", status=200)
    assert on_database("plugins", "forbid", "calllogs", slug).output == f"calllogs is forbidden to {slug}.\n"
    own.get("/calls", status=404)
    other.get("/calls", status=200)
    assert on_database("plugins", "allow", "calllogs", slug).output == f"calllogs is allowed to {slug}.\n"
    own.get("/calls", status=200)
    assert "There is no partner 'nobody'" in on_database("plugins", "forbid", "calllogs", "nobody").output


def test_a_permission_is_taken_from_a_role_of_one_organization(
    on_database: Run, tenants: Tenants, portal: Callable[..., Any]
) -> None:
    person = tenants.person(tenants.organization(None, "calllogs"))
    assert person.organization is not None
    name, client = f"{person.partner.slug}/{person.organization.slug}", portal(person)
    assert "has no exceptions" in on_database("roles", "list", name).output
    permission = "calllogs:call:read"
    told = on_database("roles", "revoke", name, "subscriber", permission).output
    assert told == f"{permission} is revoked from subscriber in {name}.\n"
    client.get("/calls", status=403)
    assert f"subscriber {permission} revoked" in " ".join(on_database("roles", "list", name).output.split())
    assert on_database("roles", "grant", name, "subscriber", permission).exit_code == 0
    client.get("/calls", status=200)
    unknown = on_database("roles", "grant", name, "subscriber", "calllogs:call:raed")
    assert unknown.exit_code == 1
    assert permission in unknown.output


def test_unknown_names_are_answered_with_the_known_ones(on_database: Run, tenants: Tenants) -> None:
    organization = tenants.organization()
    unknown = on_database("plugins", "enable", "calllogs", "no/body")
    assert unknown.exit_code == 1
    assert organization.slug in unknown.output
    unknown = on_database("plugins", "enable", "calllog", organization.slug)
    assert unknown.exit_code == 1
    assert "Installed: calllogs" in unknown.output.replace("core, ", "").replace("calllogs, core", "calllogs")


def test_a_plugins_command_is_run_for_organizations(on_database: Run, tenants: Tenants) -> None:
    organization = tenants.organization()
    command = ("run", "calllogs.rebuild", "--from", "2026-11-01", "--to", "2026-11-02")
    done = on_database(*command, organization.slug)
    assert done.exit_code == 0, done.output
    assert f"/{organization.slug}: 0 calls computed anew" in done.output
    assert on_database(*command).exit_code == 2
    assert "calllogs.rebuild" in on_database("run", "--help").output
    assert on_database("run", "calllogs.nothing").exit_code == 2


def test_a_disabled_plugin_says_so(on_database: Run) -> None:
    told = on_database("plugins", "enable", "calllogs", "any/where", DISABLED_PLUGINS="calllogs")
    assert "The plugin calllogs is disabled" in told.output


def test_a_switch_gets_its_key_once_and_a_new_one_when_asked(on_database: Run, tenants: Tenants) -> None:
    partner = tenants.partner()
    name = f"edge-{partner.slug}"
    first = on_database("nodes", "create", name, "--partner", partner.slug).output.strip()
    again = on_database("nodes", "create", name)
    second = on_database("nodes", "rekey", name).output.strip()
    assert again.exit_code == 1
    assert f"ringstead nodes rekey {name}" in again.output
    assert len(first) == len(second) == 43
    assert first != second
    listed = on_database("nodes", "list").output
    assert f"{name} {partner.slug}" in " ".join(listed.split())
    assert first not in listed


def test_a_switch_of_an_unknown_partner_is_refused(on_database: Run) -> None:
    told = on_database("nodes", "create", "edge", "--partner", "nobody-knows")
    assert told.exit_code == 1
    assert "There is no partner 'nobody-knows'" in told.output
    assert on_database("nodes", "rekey", "never-made").exit_code == 1


def test_a_failed_job_is_listed_and_queued_again(on_database: Run, database_urls: DatabaseUrls) -> None:
    with psycopg.connect(plain_database_url(database_urls.owner)) as connection:
        row = connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
            " VALUES ('default', 'sample.job', 'failed') RETURNING id"
        ).fetchone()
    assert row is not None
    number = str(row[0])
    assert f"{number} sample.job" in " ".join(on_database("jobs", "failed").output.split())
    assert on_database("jobs", "retry", number).output == "1 job queued again.\n"
    again = on_database("jobs", "retry", number)
    assert again.exit_code == 1
    assert "had not failed" in again.output
    assert on_database("jobs", "retry").exit_code == 2
    assert "waiting " in on_database("jobs", "status").output


def test_mail_that_was_given_up_is_listed_and_queued_again(on_database: Run, tenants: Tenants) -> None:
    partner = tenants.partner()
    with tenants.database.in_partner(partner.id) as session:
        one = MailMessage(
            template="sample", recipient="sam@example.com", values={}, state="failed", last_error="550 no"
        )
        session.add(one)
    listed = on_database("mail", "failed").output
    assert str(one.id) in listed
    assert "550 no" in listed
    assert on_database("mail", "retry", str(one.id)).output == "1 mail queued again.\n"
    assert str(one.id) not in on_database("mail", "failed").output


def test_tenants_without_a_bundle_says_where_it_looked(on_database: Run, tmp_path: Path) -> None:
    told = on_database("tenants", "apply", TENANTS_DIR=str(tmp_path))
    assert told.exit_code == 1
    assert str(tmp_path) in told.output


def test_a_broken_bundle_is_a_message(on_database: Run, tmp_path: Path) -> None:
    (tmp_path / "partner.toml").write_text("[partner]\nslug = 3\n")
    told = on_database("tenants", "apply", str(tmp_path))
    assert told.exit_code == 1
    assert "partner.toml" in told.output


def test_doctor_finds_a_healthy_installation_healthy(on_database: Run) -> None:
    told = on_database("doctor")
    assert told.exit_code == 0, told.output
    assert "fail" not in told.output
    assert "held by row-level security" in told.output


def test_doctor_tells_of_an_absent_database(run: Run) -> None:
    address = "postgresql://nobody@127.0.0.1:1/nothing"
    told = run("doctor", DATABASE_URL=address, DATABASE_OWNER_URL=address, DATABASE_OPERATOR_URL=address)
    assert told.exit_code == 1
    assert "fail  Database as app" in told.output
    assert "Mend: check RINGSTEAD_DATABASE_URL" in told.output


def test_doctor_tells_of_wrong_settings(run: Run) -> None:
    told = run("doctor", PORT="none")
    assert told.exit_code == 1
    assert "RINGSTEAD_PORT" in told.output


def test_doctor_tells_of_a_role_that_may_too_much(on_database: Run, database_urls: DatabaseUrls) -> None:
    told = on_database("doctor", DATABASE_URL=database_urls.owner)
    assert told.exit_code == 1
    assert "owns the database" in told.output


def test_doctor_tells_of_a_table_without_walls(database_urls: DatabaseUrls) -> None:
    with psycopg.connect(plain_database_url(database_urls.owner)) as connection:
        assert check_row_security(connection).state == "ok"
        connection.execute("CREATE TABLE leaky (org_id uuid)")
        connection.execute("GRANT SELECT ON leaky TO ringstead_app")
        found = check_row_security(connection)
        connection.rollback()
    assert found.state == "fail"
    assert "leaky" in found.said


def test_doctor_tells_of_an_absent_worker(database_urls: DatabaseUrls) -> None:
    with psycopg.connect(plain_database_url(database_urls.app)) as connection:
        assert check_worker(connection).state in {"warn", "ok"}


def test_doctor_tells_of_an_absent_mail_server() -> None:
    found = check_mail(load_settings({}, "/dev/null", mail_url="smtp://me:hunter2@127.0.0.1:1"))
    assert found.state == "fail"
    assert "hunter2" not in found.said


def test_doctor_tells_of_a_secret_that_others_can_read(tmp_path: Path) -> None:
    settings = load_settings({}, "/dev/null", var_dir=tmp_path)
    settings.secret()
    assert check_var_folder(settings).state == "ok"
    (tmp_path / "secret").chmod(0o644)
    found = check_var_folder(settings)
    assert (found.state, found.mend) == ("fail", f"chmod 600 {tmp_path / 'secret'}")


def test_sign_ins_are_shown_once_for_each_role_and_organization(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def account(role: str, login: str, organization: str | None) -> dict[str, object]:
        return {
            "partner": "p",
            "organization": organization,
            "role": role,
            "login": login,
            "password": f"of {login}",
            "name": "Any Body",
            "extension": "100",
        }

    told = {
        "portals": {"p": "http://p.localhost:8080"},
        "consoles": {"p": "http://console.p.localhost:8080"},
        "accounts": [
            account("subscriber", "first@p.example", "one"),
            account("subscriber", "second@p.example", "one"),
            account("subscriber", "third@p.example", "two"),
            account("partner_admin", "staff@p.example", None),
        ],
    }
    file = tmp_path / "demo.json"
    file.write_text(json.dumps(told))
    show_sign_ins(file)
    shown = capsys.readouterr().out
    assert "second@p.example" not in shown
    for text in (
        "first@p.example",
        "third@p.example",
        "of staff@p.example",
        "http://console.p.localhost:8080",
    ):
        assert text in shown


def test_the_audit_trail_is_verified_against_heads_that_were_kept(
    on_database: Run, tenants: Tenants, tmp_path: Path
) -> None:
    partner = tenants.partner()
    with tenants.database.in_partner(partner.id) as session:
        audit.record(session, audit.SIGNED_IN)
    file = tmp_path / "heads.json"
    verify = ("audit", "verify", "--partner", partner.slug, "--heads", str(file))
    done = on_database(*verify)
    assert done.exit_code == 0, done.output
    assert f"{partner.slug}: 1 entries in 1 chains, whole" in done.output
    ((chain, (number, _digest)),) = json.loads(file.read_text())[partner.slug].items()
    assert number == 1
    file.write_text(json.dumps({partner.slug: {chain: [2, "00"]}}))
    cut = on_database(*verify)
    assert cut.exit_code == 1
    assert "it ends here" in cut.output
    file.write_text("[]")
    assert "no file of heads" in on_database(*verify).output
    assert "no partner nobody" in on_database("audit", "verify", "--partner", "nobody").output
