"""A database with millions of calls in thousands of organizations, made by SQL in the shape that switches make them.

The first organization holds a tenth of all calls, and its first person, the reception, a twentieth of those. The calls
of all are spread over two years. Ids come from numbers, so that both sides know them without asking. What a page reads
(conversations, quarters) and what taking in looks up (keys, legs) is all there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from uuid import UUID

from psycopg import Connection, sql

from benchmarks.world import TIME_ZONE, Visitor
from ringstead.auth.tokens import hash_token
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.migrate import upgrade_all
from ringstead.plugins.loader import load_plugins
from ringstead_calllogs.rollups import MEASURES

PARTNERS = 10
PEOPLE = 20
BIG_PEOPLE = 2000
BIG_SHARE = 0.1
RECEPTION_SHARE = 0.05
DAYS = 730
VISITORS = 10
_TABLES = (
    "calllogs_leg_key",
    "calllogs_leg",
    "calllogs_conversation",
    "calllogs_person_quarter",
    "calllogs_office_quarter",
)


@dataclass(frozen=True, slots=True)
class Crowd:
    """A database: its name, how many calls and organizations, and until when the calls go."""

    name: str
    calls: int
    organizations: int
    until: datetime

    @property
    def since(self) -> datetime:
        """When the first calls began."""
        return self.until - timedelta(days=DAYS)

    def org_id(self, number: int) -> UUID:
        """The organization with a number; 0 is the big one."""
        return UUID(md5(f"{self.name} org {number}".encode(), usedforsecurity=False).hexdigest())

    def person_id(self, organization: int, number: int) -> UUID:
        """A person of it; 0 of the big one is its reception."""
        return UUID(
            md5(f"{self.name} sub {organization} {number}".encode(), usedforsecurity=False).hexdigest()
        )


def fill(server: EmbeddedPostgres, crowd: Crowd) -> None:
    """Make the database and everything in it."""
    urls = server.create_database(crowd.name)
    upgrade_all(urls.owner, [p.history for p in load_plugins(strict=True) if p.history])
    with server.connect(crowd.name) as connection:
        _people(connection, crowd)
        for table in ("calllogs_leg", "calllogs_conversation", "calllogs_person_quarter"):
            for month in _months(crowd):
                connection.execute(f"SELECT {table}_ensure_month(%s)", [month])
        with _without_indexes(server, crowd.name, connection):
            months = _months(crowd)
            share = crowd.calls // len(months)
            parts = [(month, share) for month in months[1:]]
            parts.insert(0, (months[0], crowd.calls - share * len(parts)))
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda part: _fill_month(server, crowd, *part), parts))
            connection.execute(
                _QUARTERS.format(
                    table="calllogs_office_quarter",
                    whose="partner_id,",
                    which="is_primary",
                    joined="JOIN organization USING (org_id)",
                )
            )
        connection.execute("VACUUM (ANALYZE, FREEZE)")


def _months(crowd: Crowd) -> list[datetime]:
    month, months = crowd.since.replace(day=1, hour=0, minute=0, second=0, microsecond=0), []
    while month < crowd.until:
        months.append(month)
        month = (month + timedelta(days=32)).replace(day=1)
    return months


@contextmanager
def _without_indexes(server: EmbeddedPostgres, name: str, connection: Connection[Any]) -> Iterator[None]:
    """Take the indexes of the call tables away and build them again afterwards: quicker than growing them."""
    again: list[str] = []
    for table in _TABLES:
        keys = connection.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass"
            " AND contype = 'p'",
            [table],
        ).fetchall()
        others = connection.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE indrelid = %s::regclass AND NOT indisprimary",
            [table],
        ).fetchall()
        for key, definition in keys:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
            again.append(f"ALTER TABLE {table} ADD CONSTRAINT {key} {definition}")
        for index, definition in others:
            connection.execute(f"DROP INDEX {index}")
            again.append(definition.replace(" ON ONLY ", " ON "))
    yield
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda statement: _execute(server, name, statement), again))


def _execute(server: EmbeddedPostgres, name: str, statement: str) -> None:
    with server.connect(name) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(sql.SQL(statement))


_NUMBER = "'+1' || (2010000000 + (n * 7919) %% 7000000000)::text"
_CALLS = f"""
    INSERT INTO calllogs_conversation (
        org_id, id, subscriber_id, linked_id, is_primary, kind, direction, is_internal, disposition, started_at,
        answered_at, ended_at, number, name, name_folded, ring_seconds, talk_seconds, devices, leg_count)
    SELECT
        md5(%(name)s || ' org ' || org)::uuid, md5(%(name)s || ' call ' || %(month)s || n)::uuid,
        md5(%(name)s || ' sub ' || org || ' ' || person)::uuid, %(month)s || ' call ' || n, r < 0.75,
        CASE WHEN r < 0.35 THEN 'dialled' WHEN r < 0.6 THEN 'missed' ELSE 'received' END,
        CASE WHEN r < 0.35 THEN 'outgoing' ELSE 'incoming' END, r > 0.9,
        CASE WHEN r BETWEEN 0.35 AND 0.6 THEN 'missed' ELSE 'answered' END, at,
        CASE WHEN r BETWEEN 0.35 AND 0.6 THEN NULL ELSE at + interval '8 seconds' END, at + interval '1 second' * s,
        CASE WHEN known THEN '+12015550' || 100 + n %% 900 ELSE {_NUMBER} END,
        CASE WHEN known THEN 'Caller Number' || n %% 900 END,
        CASE WHEN known THEN ' caller number' || n %% 900 ELSE '' END,
        8, CASE WHEN r BETWEEN 0.35 AND 0.6 THEN 0 ELSE s - 8 END, '["Desk phone"]'::jsonb, 1
    FROM (
        SELECT n, org, at, s, random() AS r, random() < 0.6 AS known, CASE
            WHEN org > 0 THEN floor(random() * %(people)s)::int
            WHEN random() < %(reception)s THEN 0 ELSE 1 + floor(random() * (%(big_people)s - 1))::int END AS person
        FROM (
            SELECT n, CASE WHEN random() < %(share)s THEN 0
                ELSE 1 + floor(random() * (%(organizations)s - 1))::int END AS org,
                %(start)s + random() * (%(stop)s - %(start)s) AS at, 20 + floor(random() * 400)::int AS s
            FROM generate_series(1::bigint, %(calls)s) AS n OFFSET 0
        ) AS drawn OFFSET 0
    ) AS drawn
"""
_LEGS = """
    INSERT INTO calllogs_leg (
        org_id, id, key, linked_id, revision, direction, disposition, started_at, answered_at, ended_at,
        from_subscriber_id, from_number, to_subscriber_id, to_number, device, node_id, hangup_cause)
    SELECT org_id, gen_random_uuid(), linked_id || ' leg', linked_id, 0, direction, disposition, started_at,
        answered_at, ended_at, CASE WHEN direction = 'outgoing' THEN subscriber_id END,
        CASE WHEN direction = 'incoming' THEN number END, CASE WHEN direction = 'incoming' THEN subscriber_id END,
        CASE WHEN direction = 'outgoing' THEN number END, 'Desk phone', %(node)s, 16
    FROM calllogs_conversation WHERE started_at >= %(start)s AND started_at < %(stop)s
"""
_KEYS = """
    INSERT INTO calllogs_leg_key (org_id, id, linked_id, leg_id, started_at, revision)
    SELECT org_id, key, linked_id, id, started_at, 0 FROM calllogs_leg
    WHERE started_at >= %(start)s AND started_at < %(stop)s
"""
_QUARTERS = f"""
    INSERT INTO {{table}} (org_id, {{whose}} at, {", ".join(MEASURES)})
    SELECT org_id, {{whose}} date_bin('15 minutes', started_at, '2000-01-01T00:00:00Z'),
        count(*) FILTER (WHERE kind = 'received'), count(*) FILTER (WHERE kind = 'missed'), 0,
        count(*) FILTER (WHERE kind = 'dialled'), count(*) FILTER (WHERE kind = 'dialled'),
        count(*) FILTER (WHERE is_internal), sum(talk_seconds), sum(ring_seconds), max(ring_seconds)
    FROM calllogs_conversation {{joined}} WHERE {{which}} GROUP BY 1, 2, 3
"""


def _fill_month(server: EmbeddedPostgres, crowd: Crowd, month: datetime, calls: int) -> None:
    following = (month + timedelta(days=32)).replace(day=1)
    values = {
        "name": crowd.name,
        "month": f"{month:%Y%m}",
        "start": max(month, crowd.since),
        "stop": min(following, crowd.until),
        "calls": calls,
        "organizations": crowd.organizations,
        "people": PEOPLE,
        "big_people": BIG_PEOPLE,
        "share": BIG_SHARE,
        "reception": RECEPTION_SHARE,
        "node": UUID(int=1),
    }
    with server.connect(crowd.name) as connection:
        connection.execute("SET work_mem = '1GB'")
        for statement in (_CALLS, _LEGS, _KEYS):
            connection.execute(statement, values)
        span = f"started_at >= '{values['start']}' AND started_at < '{values['stop']}'"
        people = _QUARTERS.format(
            table="calllogs_person_quarter", whose="subscriber_id,", which=span, joined=""
        )
        connection.execute(people.encode())


def _people(connection: Connection[Any], crowd: Crowd) -> None:
    """Partners, organizations and subscribers, by SQL: there are hundreds of thousands."""
    values = {"name": crowd.name, "organizations": crowd.organizations, "partners": PARTNERS}
    for statement in (
        """INSERT INTO partner (id, slug, name, status, brand, features_version)
        SELECT md5(%(name)s || ' partner ' || n)::uuid, 'crowd' || n, 'Partner ' || n, 'active',
            jsonb_build_object('name', 'Partner ' || n), 1
        FROM generate_series(0, %(partners)s - 1) AS n""",
        """INSERT INTO host (name, partner_id, kind)
        SELECT 'voice.crowd' || n || '.test', md5(%(name)s || ' partner ' || n)::uuid, 'portal'
        FROM generate_series(0, %(partners)s - 1) AS n""",
        """INSERT INTO organization (org_id, partner_id, slug, name, status, features_version)
        SELECT md5(%(name)s || ' org ' || n)::uuid, md5(%(name)s || ' partner ' || n %% %(partners)s)::uuid,
            'org' || n, 'Organization ' || n, 'active', 1
        FROM generate_series(0, %(organizations)s - 1) AS n""",
        """INSERT INTO organization_feature (org_id, plugin, enabled)
        SELECT org_id, 'calllogs', true FROM organization""",
        f"""INSERT INTO organization_setting (org_id, name, value, locked)
        SELECT org_id, 'core.time_zone', to_jsonb('{TIME_ZONE}'::text), false FROM organization""",
        f"""INSERT INTO host (name, partner_id, org_id, kind)
        SELECT 'sip' || n || '.crowd.test', md5(%(name)s || ' partner ' || n %% %(partners)s)::uuid,
            md5(%(name)s || ' org ' || n)::uuid, 'sip'
        FROM generate_series(0, {VISITORS}) AS n""",
        f"""INSERT INTO subscriber (org_id, partner_id, id, name, extension, number, status)
        SELECT md5(%(name)s || ' org ' || o)::uuid, md5(%(name)s || ' partner ' || o %% %(partners)s)::uuid,
            md5(%(name)s || ' sub ' || o || ' ' || p)::uuid, 'Person ' || p, (10000 + p)::text, NULL, 'active'
        FROM generate_series(0, %(organizations)s - 1) AS o,
            generate_series(0, CASE WHEN o = 0 THEN {BIG_PEOPLE} ELSE {PEOPLE} END - 1) AS p""",
    ):
        connection.execute(statement, values)


def visitors(connection: Connection[Any], crowd: Crowd, places: Sequence[tuple[int, int]]) -> list[Visitor]:
    """Sign people in, as (organization, person); each may see everything of their organization."""
    return [_visitor(connection, crowd, organization, person) for organization, person in places]


def _visitor(connection: Connection[Any], crowd: Crowd, organization: int, person: int) -> Visitor:
    token, number = secrets.token_urlsafe(32), organization % PARTNERS
    partner = UUID(md5(f"{crowd.name} partner {number}".encode(), usedforsecurity=False).hexdigest())
    account = UUID(bytes=secrets.token_bytes(16), version=4)
    membership = UUID(bytes=secrets.token_bytes(16), version=4)
    org_id, subscriber_id = crowd.org_id(organization), crowd.person_id(organization, person)
    email = f"{account.hex}@crowd.example.com"
    connection.execute(
        "INSERT INTO account (partner_id, id, email, name, status) VALUES (%s, %s, %s, %s, 'active')",
        [partner, account, email, f"Person {person}"],
    )
    connection.execute(
        "INSERT INTO membership (org_id, partner_id, id, account_id, subscriber_id, role)"
        " VALUES (%s, %s, %s, %s, %s, 'org_admin')",
        [org_id, partner, membership, account, subscriber_id],
    )
    connection.execute(
        "INSERT INTO web_session (partner_id, id, token_hash, account_id, org_id, membership_id, site, csrf_token,"
        " expires_at) VALUES (%s, gen_random_uuid(), %s, %s, %s, %s, 'portal', %s, %s)",
        [partner, hash_token(token), account, org_id, membership, secrets.token_urlsafe(24),
         datetime.now(UTC) + timedelta(hours=12)],
    )  # fmt: skip
    return Visitor(
        host=f"voice.crowd{number}.test",
        token=token,
        email=email,
        name=f"Person {person}",
        partner_id=partner,
        org_id=org_id,
        subscriber_id=subscriber_id,
        extension=f"{10000 + person}",
        number="",
        domain=f"sip{organization}.crowd.test",
    )
