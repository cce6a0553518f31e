"""The examination behind `ringstead doctor`: each check gives one finding, with the mend when there is one.

Later checks need what earlier ones found, so the order is: Python, settings, folders, mail, files, database,
roles, tables, plugins, worker. A check that raises is itself a finding.
"""

from __future__ import annotations

import os
import smtplib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import psycopg

from ringstead.settings import Settings, SettingsError, hide_password, load_settings, plain_database_url

if TYPE_CHECKING:
    from ringstead.db.engine import DatabaseUrls

State = Literal["ok", "warn", "fail"]
_TIMEOUT: Final = 5
_OLDEST_SERVER: Final = 150000
_MOST_PARTNERS: Final = 10
_ROLES: Final = ("app", "owner", "operator")

_UNPROTECTED_TABLES: Final = """
    SELECT DISTINCT c.relname FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
    JOIN pg_attribute a ON a.attrelid = c.oid
         AND (a.attname = 'org_id' OR a.attname = 'partner_id' AND a.attnotnull)
    WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
      AND has_table_privilege('ringstead_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `mend` is a sentence or a command, empty when all is well."""

    what: str
    state: State
    said: str
    mend: str = ""


def examine() -> Iterator[Finding]:
    """Check this installation, from the settings in the environment; starts the embedded database if it is off."""
    yield Finding("Python", "ok", sys.version.split()[0])
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("Settings", "fail", str(error), "ringstead settings docs")
        return
    yield Finding("Settings", "ok", "every name and value is known")
    for check in (check_var_folder, check_static_files, check_mail, check_blobs):
        yield _guarded(check.__name__, check, settings)
    yield from _examine_database(settings)
    yield from check_plugins(settings)


def _examine_database(settings: Settings) -> Iterator[Finding]:
    from ringstead.db.embedded import EmbeddedPostgresError, running_database

    try:
        with running_database(settings) as urls:
            # A machine that only serves has no other address than the app's.
            given = [(role, url) for role in _ROLES if (url := getattr(urls, role))]
            reachable = [check_reachable(role, url) for role, url in given]
            yield from reachable
            if all(finding.state == "ok" for finding in reachable):
                yield from check_tables(settings, urls)
    except (SettingsError, EmbeddedPostgresError, PermissionError) as error:
        yield Finding("Database", "fail", str(error), "see above")


def check_tables(settings: Settings, urls: DatabaseUrls) -> Iterator[Finding]:
    """Roles, migrations, row-level security, the job worker and what a backup can read."""
    with psycopg.connect(plain_database_url(urls.app), connect_timeout=_TIMEOUT) as connection:
        yield from check_roles(connection)
        current = check_migrations(settings, urls.owner)
        yield current
        if current.state != "fail":
            yield check_row_security(connection)
            yield check_worker(connection)
            yield check_backup(urls.operator)
            if urls.operator:
                yield from check_keys(settings, urls)
                yield from check_partners(urls.operator)


def check_var_folder(settings: Settings) -> Finding:
    """The folder for our own files can be written, and the secret in it is closed to others."""
    folder = settings.var_dir
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            "Folder", "fail", f"{existing} cannot be written", "set RINGSTEAD_VAR_DIR, or its rights"
        )
    secret = folder / "secret"
    if secret.exists() and secret.stat().st_mode & 0o077:
        return Finding("Folder", "fail", f"{secret} can be read by others", f"chmod 600 {secret}")
    return Finding("Folder", "ok", f"{folder} can be written")


def check_static_files(_settings: Settings) -> Finding:
    """The files that every page loads came with the installation."""
    folder = Path(__file__).parent / "web" / "static"
    missing = [name for name in ("app.js", "base.css", "icons.svg") if not (folder / name).is_file()]
    if missing:
        return Finding(
            "Static files", "fail", f"{', '.join(missing)} not in {folder}", "install ringstead again"
        )
    return Finding("Static files", "ok", f"in {folder}")


def check_mail(settings: Settings) -> Finding:
    """The mail server answers; nothing is sent."""
    parts = urlsplit(settings.mail_url)
    if parts.scheme == "file":
        return Finding(
            "Mail", "warn", "is written to files, not sent", "for real mail, set RINGSTEAD_MAIL_URL"
        )
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    shown = hide_password(settings.mail_url)
    try:
        with kind(parts.hostname or "", parts.port or 0, timeout=_TIMEOUT) as server:
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        return Finding("Mail", "fail", f"{shown} does not answer: {error}", "check RINGSTEAD_MAIL_URL")
    return Finding("Mail", "ok", f"{shown} answers")


def check_blobs(settings: Settings) -> Finding:
    """The object storage keeps what is written to it, and gives it back."""
    from ringstead.blobs import BlobsAway, BlobsFull, open_blobs

    blobs = open_blobs(settings)
    try:
        blobs.probe()
    except BlobsFull as error:
        return Finding(
            "Files", "fail", f"{blobs.name} is full: {error}", "make room, or set RINGSTEAD_BLOB_URL"
        )
    except BlobsAway as error:
        mend = "check RINGSTEAD_BLOB_URL" + ("" if blobs.is_local else " and the AWS_* variables")
        return Finding("Files", "fail", f"{blobs.name} does not work: {error}", mend)
    return Finding("Files", "ok", f"{blobs.name} keeps files and gives them back")


def check_reachable(role: str, url: str) -> Finding:
    """The database answers this role and is new enough."""
    what, variable = f"Database as {role}", {"app": "", "owner": "_OWNER", "operator": "_OPERATOR"}[role]
    try:
        with psycopg.connect(plain_database_url(url), connect_timeout=_TIMEOUT) as connection:
            version = connection.info.server_version
    except psycopg.OperationalError as error:
        mend = f"check RINGSTEAD_DATABASE{variable}_URL; `ringstead db roles --print` makes the roles"
        return Finding(what, "fail", str(error).strip(), mend)
    if version < _OLDEST_SERVER:
        return Finding(
            what, "fail", f"PostgreSQL {version // 10000} is too old", "use PostgreSQL 15 or newer"
        )
    return Finding(what, "ok", f"PostgreSQL {version // 10000} answers")


def check_roles(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """The application's role is held by the policies."""
    from ringstead.db.roles import app_role_faults

    faults = app_role_faults(connection)
    for fault in faults:
        yield Finding("Role of the application", "fail", f"{fault.role} {fault.fault}", fault.mend)
    if not faults:
        yield Finding("Role of the application", "ok", "no superuser, no owner, held by row-level security")


def check_migrations(settings: Settings, owner_url: str) -> Finding:
    """Core and plugins have their newest tables."""
    from sqlalchemy import create_engine

    from ringstead.db.history import CORE
    from ringstead.db.migrate import state
    from ringstead.plugins.loader import load_plugins

    if not owner_url:
        said = "cannot be examined without RINGSTEAD_DATABASE_OWNER_URL"
        return Finding("Tables", "warn", said, "run `ringstead db status` where that address is set")
    histories = [plugin.history for plugin in load_plugins(settings.disabled_plugins) if plugin.history]
    engine = create_engine(owner_url)
    with engine.connect() as connection:
        behind = [history.name for history in (CORE, *histories) if not state(connection, history).is_current]
    engine.dispose()
    if behind:
        return Finding("Tables", "fail", f"not up to date: {', '.join(behind)}", "ringstead db migrate")
    return Finding("Tables", "ok", "core and plugins are up to date")


def check_row_security(connection: psycopg.Connection[Any]) -> Finding:
    """Every table with an organization's or partner's rows is under forced row-level security."""
    open_tables = [row[0] for row in connection.execute(_UNPROTECTED_TABLES)]
    if open_tables:
        return Finding(
            "Row-level security",
            "fail",
            f"not forced on {', '.join(open_tables)}",
            "ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY (as ringstead_owner)",
        )
    return Finding("Row-level security", "ok", "forced on every table with tenants' rows")


def check_worker(connection: psycopg.Connection[Any]) -> Finding:
    """A job worker has given a sign of life lately, and nothing waits for one."""
    found = connection.execute("SELECT to_regclass('procrastinate_workers')").fetchone()
    if found is None or found[0] is None:
        return Finding("Job worker", "fail", "there is no job queue", "ringstead db migrate")
    row = connection.execute(
        "SELECT count(*), max(last_heartbeat) FROM procrastinate_workers"
        " WHERE last_heartbeat > now() - interval '1 minute'"
    ).fetchone()
    if row is None or row[0] == 0:
        return Finding("Job worker", "warn", "none is running", "start one: ringstead worker")
    return Finding("Job worker", "ok", f"{row[0]} running, last sign of life {row[1]:%H:%M:%S}")


def check_backup(operator_url: str) -> Finding:
    """`ringstead db backup` can read every table in full."""
    from ringstead.db.backup import hidden_from

    if not operator_url:
        said = "cannot be examined without RINGSTEAD_DATABASE_OPERATOR_URL"
        return Finding("Backup", "warn", said, "run `ringstead doctor` where backups are made")
    with psycopg.connect(plain_database_url(operator_url), connect_timeout=_TIMEOUT) as connection:
        hidden = hidden_from(connection)
    if hidden:
        return Finding(
            "Backup",
            "fail",
            f"would lack rows of {', '.join(hidden)}",
            "as ringstead_owner: GRANT SELECT ON ... TO ringstead_operator; CREATE POLICY operator ON ... "
            "TO ringstead_operator USING (true) WITH CHECK (true)",
        )
    return Finding("Backup", "ok", "can read every table; make one: ringstead db backup FILE")


def check_keys(settings: Settings, urls: DatabaseUrls) -> Iterator[Finding]:
    """The keys can read what is stored, and none is kept for longer than it is worth."""
    from datetime import UTC, datetime

    from ringstead.app import load_registry
    from ringstead.keys import GRACE, KeysUnusable
    from ringstead.sealing import UNREADABLE, count_sealed

    ring = settings.keys()
    try:
        current, *earlier = ring.known()
    except KeysUnusable as error:
        yield Finding("Keys", "fail", str(error), "restore it from a backup")
        return
    load_registry(settings)  # core and plugins declare what they seal where they are imported
    counts = count_sealed(urls.operator, ring)
    if counts[UNREADABLE]:
        said = f"{counts[UNREADABLE]} stored secrets were sealed with a key that is not known here"
        yield Finding(
            "Keys", "fail", said, "give the earlier key in old_secret_keys, or set those secrets again"
        )
    elif others := sum(counts.values()) - counts[current.name]:
        said = f"{others} stored secrets are not sealed with the key in force"
        yield Finding("Keys", "warn", said, "ringstead keys reseal")
    elif old := [key for key in earlier if key.retired_at and key.retired_at < datetime.now(UTC) - GRACE]:
        said = f"{len(old)} earlier keys are read though no link of theirs is alive"
        yield Finding("Keys", "warn", said, "ringstead keys forget")
    else:
        yield Finding("Keys", "ok", f"{current.name} signs, {len(earlier)} earlier are read")


_UNREACHABLE: Final = """
    SELECT p.slug,
           EXISTS (SELECT FROM host h WHERE h.partner_id = p.id AND h.kind = 'portal'),
           EXISTS (SELECT FROM host h WHERE h.partner_id = p.id AND h.kind = 'console'),
           EXISTS (SELECT FROM account a WHERE a.partner_id = p.id AND a.staff_role = 'partner_admin'
                   AND a.status = 'active' AND a.password_hash IS NOT NULL)
    FROM partner p WHERE p.status = 'active' ORDER BY p.slug
"""


def check_partners(operator_url: str) -> Iterator[Finding]:
    """There is a partner, and each has a portal, a console, and an admin who can sign in."""
    with psycopg.connect(plain_database_url(operator_url), connect_timeout=_TIMEOUT) as connection:
        rows = connection.execute(_UNREACHABLE).fetchall()
    if not rows:
        yield Finding("Partners", "warn", "there is none yet", "ringstead partners create SLUG ...")
    lacking = 0
    for slug, *has in rows:
        wanted = ("a portal host", "a console host", "an admin with a password")
        missing = [what for what, there in zip(wanted, has, strict=True) if not there]
        if missing:
            lacking += 1
            if lacking <= _MOST_PARTNERS:
                mend = f"ringstead partners create {slug} ... adds what is missing and makes a new link"
                yield Finding(f"Partner {slug}", "warn", f"lacks {', '.join(missing)}", mend)
    if rows and lacking != len(rows):
        yield Finding(
            "Partners", "ok", f"{len(rows) - lacking} of {len(rows)} can be reached and looked after"
        )


def check_plugins(settings: Settings) -> Iterator[Finding]:
    """Every installed plugin works."""
    from ringstead.app import load_registry

    for name, plugin in load_registry(settings).plugins.items():
        if plugin.state == "failed":
            yield Finding(f"Plugin {name}", "fail", plugin.why, f"mend {plugin.distribution}, or disable it")
        else:
            yield Finding(f"Plugin {name}", "ok", plugin.state)


def _guarded(name: str, check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except OSError as error:
        return Finding(name.removeprefix("check_"), "fail", str(error))
