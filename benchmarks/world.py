"""The world that is measured: an embedded PostgreSQL, tenants, ten plugins, signed-in people."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.types.json import Jsonb
from sqlalchemy.orm import Session

from benchmarks.addons import write_addons
from benchmarks.load import Target
from benchmarks.site import ROOT
from ringstead.api import new_id
from ringstead.auth.tokens import hash_token
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.migrate import upgrade_all
from ringstead.demo.generator import Office, Person, legs_between
from ringstead.demo.records import CallSender
from ringstead.plugins.loader import load_plugins
from ringstead.serving import child_environment
from ringstead.settings import load_settings
from ringstead.switch.nodes import create_node
from ringstead.tenancy.models import (
    Account,
    Host,
    Membership,
    Organization,
    OrganizationFeature,
    OrganizationSetting,
    Partner,
    Subscriber,
    WebSession,
)

DATABASE = "bench"
BYPASS = "ringstead_bench"
"""A role that row-level security does not hold: for the pages it is compared with."""
PARTNERS, ORGANIZATIONS, SUBSCRIBERS = 3, 4, 20
ADDONS = 8
DAYS = 90
TIME_ZONE = "Europe/Vienna"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in subscriber."""

    host: str
    token: str
    email: str
    name: str
    partner_id: UUID
    org_id: UUID
    subscriber_id: UUID
    extension: str
    number: str
    domain: str

    def target(self, path: str) -> Target:
        """A request of theirs."""
        return Target(path, self.host, f"sid={self.token}")


@dataclass(frozen=True, slots=True)
class World:
    """Where everything is. `addons` is the folder of the eight small plugins, to be put on the import path."""

    server: EmbeddedPostgres
    urls: DatabaseUrls
    folder: Path
    addons: Path
    addon_names: tuple[str, ...]
    visitors: tuple[Visitor, ...]

    @property
    def bypass_urls(self) -> DatabaseUrls:
        """The addresses with the role that row-level security does not hold in place of the application's."""
        return replace(self.urls, app=self.server.url(BYPASS, DATABASE))

    def environment(
        self, urls: DatabaseUrls | None = None, addons: bool = True, **settings: object
    ) -> dict[str, str]:
        """The environment of a process of the portal: ten plugins, or (`addons=False`) none at all."""
        if not addons:
            settings["disabled_plugins"] = ("calllogs", "voicemail")
        wanted = load_settings({}, var_dir=self.folder / "var", log_level="error", **settings)
        path = [str(ROOT), *([str(self.addons)] if addons else [])]
        return child_environment(wanted, urls or self.urls) | {"PYTHONPATH": os.pathsep.join(path)}


@contextmanager
def make_world() -> Iterator[World]:
    """Build it in a folder for temporary files and take it down again."""
    folder = Path(tempfile.mkdtemp(prefix="ringstead-bench-"))
    addons = folder / "addons"
    addons.mkdir()
    names = write_addons(addons, ADDONS)
    try:
        with EmbeddedPostgres(folder / "postgres", durable=False) as server:
            urls = server.create_database(DATABASE)
            upgrade_all(urls.owner, [p.history for p in load_plugins(strict=True) if p.history])
            with server.connect(DATABASE) as connection:
                connection.execute(f"CREATE ROLE {BYPASS} LOGIN BYPASSRLS IN ROLE ringstead_app")
            visitors, key = _people(urls, names)
            world = World(server, urls, folder, addons, tuple(names), tuple(visitors))
            _calls(world, key)
            with server.connect(DATABASE) as connection:
                connection.execute("VACUUM ANALYZE")
            yield world
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _calls(world: World, key: str) -> None:
    """Ninety days of calls: the first organization's come through the switch interface, the others get copies."""
    until = datetime.now(UTC)
    settings = load_settings({}, var_dir=world.folder / "var", log_level="error")
    offices: dict[UUID, list[Visitor]] = {}
    for visitor in world.visitors:
        offices.setdefault(visitor.org_id, []).append(visitor)
    (first, people), *others = offices.items()
    office = Office("bench", ZoneInfo(TIME_ZONE), [Person(v.extension, v.name, v.number) for v in people])
    with CallSender(settings, world.urls, key) as switch:
        switch.send(people[0].domain, legs_between(office, until - timedelta(days=DAYS), until))
    with world.server.connect(DATABASE) as connection:
        for table in ("calllogs_leg", "calllogs_conversation"):
            for org_id, twins in others:
                pairs = zip(people, twins, strict=True)
                _copy(connection, table, first, org_id, {a.subscriber_id: b.subscriber_id for a, b in pairs})


def _copy(connection: Connection[Any], table: str, old: UUID, new: UUID, people: dict[UUID, UUID]) -> None:
    """Copy an organization's rows of a table to another one, person by person."""
    names = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = ''",
        [table],
    ).fetchall()
    columns = {str(name): str(name) for (name,) in names}
    for name in columns:
        if name.endswith("subscriber_id"):
            columns[name] = f"coalesce((%(people)s->>{name}::text)::uuid, {name})"
    columns["org_id"] = "%(new)s"
    into, values = ", ".join(columns), ", ".join(columns.values())
    statement = f"INSERT INTO {table} ({into}) SELECT {values} FROM {table} WHERE org_id = %(old)s"
    known = Jsonb({str(a): str(b) for a, b in people.items()})
    connection.execute(statement, {"old": old, "new": new, "people": known})  # type: ignore[arg-type]


def _people(urls: DatabaseUrls, addons: list[str]) -> tuple[list[Visitor], str]:
    """Everybody, signed in, and the key of a switch that carries their calls."""
    database = Database(urls)
    visitors: list[Visitor] = []
    with database.as_operator("benchmark", "make the world") as session:
        key = create_node(session, "bench")
        for number in range(PARTNERS):
            partner = Partner(id=new_id(), slug=f"bench{number}", name=f"Partner {number}")
            partner.brand = {"name": partner.name}
            session.add(partner)
            session.flush()
            session.add(Host(name=f"voice.{partner.slug}.test", partner_id=partner.id, kind="portal"))
            for order in range(ORGANIZATIONS):
                visitors += _organization(session, partner, order, ["calllogs", "voicemail", *addons])
    database.dispose()
    return visitors, key


def _organization(session: Session, partner: Partner, order: int, features: list[str]) -> list[Visitor]:
    organization = Organization(
        org_id=new_id(), partner_id=partner.id, slug=f"org{order}", name=f"Organization {order}"
    )
    session.add(organization)
    org_id = organization.org_id
    session.add_all(OrganizationFeature(org_id=org_id, plugin=name, enabled=True) for name in features)
    session.add(OrganizationSetting(org_id=org_id, name="core.time_zone", value=TIME_ZONE))
    session.flush()
    session.add(Host(name=_domain(partner, order), partner_id=partner.id, org_id=org_id, kind="sip"))
    return [_subscriber(session, partner, organization, order, n) for n in range(SUBSCRIBERS)]


def _domain(partner: Partner, order: int) -> str:
    return f"org{order}.{partner.slug}.test"


def _subscriber(
    session: Session, partner: Partner, organization: Organization, order: int, n: int
) -> Visitor:
    token = secrets.token_urlsafe(32)
    ids = {"org_id": organization.org_id, "partner_id": partner.id}
    subscriber = Subscriber(
        **ids, id=new_id(), name=f"Person {n}", extension=f"{200 + n}", number=f"+1202555{order:02}{n:02}"
    )
    account = Account(
        partner_id=partner.id, id=new_id(), email=f"person{n}@org{order}.example.com", name=f"Person {n}"
    )
    session.add_all([subscriber, account])
    session.flush()
    membership = Membership(
        **ids, id=new_id(), account_id=account.id, subscriber_id=subscriber.id, role="subscriber"
    )
    session.add(membership)
    session.add(
        WebSession(
            partner_id=partner.id,
            token_hash=hash_token(token),
            account_id=account.id,
            org_id=organization.org_id,
            membership_id=membership.id,
            site="portal",
            csrf_token=secrets.token_urlsafe(24),
            expires_at=datetime.now(UTC) + timedelta(hours=12),
        )
    )
    return Visitor(
        host=f"voice.{partner.slug}.test",
        token=token,
        email=account.email,
        name=account.name,
        partner_id=partner.id,
        org_id=organization.org_id,
        subscriber_id=subscriber.id,
        extension=subscriber.extension,
        number=subscriber.number or "",
        domain=_domain(partner, order),
    )
