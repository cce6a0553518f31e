"""A million organizations and a partner with two million subscribers: finding one of them, and opening a page."""

from __future__ import annotations

import hashlib
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from benchmarks import growth
from benchmarks.measure import Section, Series, interleave
from benchmarks.world import World
from ringstead.auth.tokens import hash_token
from ringstead.db.base import new_id
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database
from ringstead.db.migrate import upgrade_all
from ringstead.plugins.enablement import enabled_plugins
from ringstead.plugins.loader import load_plugins
from ringstead.tenancy.models import Account, Membership, Organization, Partner, Subscriber, WebSession
from ringstead.tenancy.words import find_people

SMALL, LARGE = "10 organizations", "1,000,000 organizations"
_SIZES = {
    SMALL: {"partners": 1, "hosts": 10, "organizations": 10, "subscribers": 2_000},
    LARGE: {"partners": 10_000, "hosts": 100_000, "organizations": 1_000_000, "subscribers": 2_000_000},
}
_ASKED = 150
_OPENED = 300
_PARTNER = UUID(int=1)
# Two hundred first names and five thousand last ones, so that a name is as common as names are.
_FILL = """
INSERT INTO partner (id, slug, name, brand)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'p' || n, 'Partner ' || n, '{"name": "Partner"}'
    FROM generate_series(1, %(partners)s) n;
INSERT INTO host (name, partner_id, kind)
    SELECT 'voice.h' || n || '.test', lpad(to_hex(1 + n %% %(partners)s), 32, '0')::uuid, 'portal'
    FROM generate_series(1, %(hosts)s) n;
INSERT INTO organization (org_id, partner_id, slug, name)
    SELECT lpad(to_hex(n), 32, '0')::uuid,
           lpad(to_hex(CASE WHEN n <= greatest(10, %(organizations)s / 10) THEN 1
                       ELSE 1 + n %% %(partners)s END), 32, '0')::uuid,
           'o' || n, 'Organization ' || n
    FROM generate_series(1, %(organizations)s) n;
SET session_replication_role = replica;
INSERT INTO subscriber (org_id, id, partner_id, name, extension, number)
    SELECT lpad(to_hex(1 + n %% greatest(10, %(organizations)s / 10)), 32, '0')::uuid,
           lpad(to_hex(n), 32, '0')::uuid, lpad('1', 32, '0')::uuid,
           initcap(translate(left(md5('f' || n %% 200), 5), '0123456789', 'ghijklmnop')) || ' '
               || initcap(translate(left(md5('l' || n::bigint * 7919 %% 5000), 7), '0123456789', 'ghijklmnop')),
           (100 + n / greatest(10, %(organizations)s / 10))::text, '+1212' || lpad(n::text, 7, '0')
    FROM generate_series(1, %(subscribers)s) n;
INSERT INTO directory_word (org_id, subscriber_id, source, word, partner_id)
    SELECT s.org_id, s.id, 'core', w, s.partner_id
    FROM subscriber s, words_of(s.name, s.extension, s.number, ARRAY['p' || right(s.number, 7) || '@example.com']) w;
RESET session_replication_role;
ANALYZE;
"""


def measure(world: World, rounds: int) -> Section:
    """Fill both databases, then ask them by turns; at last weigh a worker that serves many tenants."""
    server = world.server
    databases = {name: _database(server, name) for name in _SIZES}
    tokens = {name: _sign_in(database) for name, database in databases.items()}
    cases: dict[str, Callable[[], float]] = {}
    for name, database in databases.items():
        cases[f"search {name}"] = partial(_search, database)
        cases[f"page {name}"] = partial(_open, database, tokens[name])
    for case in cases.values():
        case()
    seen = {name: Series(tuple(values)) for name, values in interleave(rounds, cases).items()}
    for database in databases.values():
        database.dispose()
    section = Section("A million organizations, and a partner with two million subscribers")
    ratio = seen[f"page {LARGE}"] / seen[f"page {SMALL}"]
    section.at_most("session and features of a page: among 1,000,000 organizations against 10", ratio, 1.2)
    section.at_most("search among 2,000,000 subscribers, 95th", seen[f"search {LARGE}"], 100, "ms", 1)
    section.table(
        ["ms", SMALL, LARGE],
        [
            ["search, 95th", *(f"{seen[f'search {name}'].median:.1f}" for name in _SIZES)],
            ["session and features", *(f"{seen[f'page {name}'].median:.2f}" for name in _SIZES)],
        ],
    )
    section.text.append(
        f"*search*: {_ASKED} queries in turn, each in a transaction of its own: a first name (which 10,000 have), "
        "a last name (400), both, three letters, one letter, the last four digits of a number, a whole number, an "
        "extension, an e-mail address. *session and features*: what every page begins with, nothing remembered."
    )
    growth.measure(server, _name(LARGE), world.environment(databases[LARGE].urls), section)
    return section


def _name(size: str) -> str:
    return f"directory_{_SIZES[size]['organizations']}"


def _database(server: EmbeddedPostgres, size: str) -> Database:
    urls = server.create_database(_name(size))
    upgrade_all(urls.owner, [plugin.history for plugin in load_plugins(strict=True) if plugin.history])
    with server.connect(_name(size)) as connection:
        # The superuser fills the tables: the owner obeys row-level security like everybody else.
        for statement in _FILL.split(";\n"):
            if statement.strip():
                filled = statement.replace("%%", "%")
                for word, count in _SIZES[size].items():
                    filled = filled.replace(f"%({word})s", str(count))
                connection.execute(filled)
    return Database(urls)


def _sign_in(database: Database) -> bytes:
    """Somebody who is signed in to the portal of the first organization; the hash of their token."""
    token, org_id = hash_token("a token of the benchmark"), UUID(int=1)
    with database.run_as(org_id) as session:
        subscriber = Subscriber(id=new_id(), name="Juno", extension="999999", partner_id=_PARTNER)
        account = Account(id=new_id(), email="juno@example.com", name="Juno", partner_id=_PARTNER)
        member = Membership(
            id=new_id(),
            account_id=account.id,
            subscriber_id=subscriber.id,
            role="subscriber",
            partner_id=_PARTNER,
        )
        session.add(subscriber)
        session.flush()
        session.add(member)
        session.flush()
        session.add(account)
        session.flush()
        session.add(
            WebSession(
                partner_id=_PARTNER,
                token_hash=token,
                account_id=account.id,
                org_id=org_id,
                membership_id=member.id,
                site="portal",
                csrf_token="x",
                expires_at=datetime.now(UTC) + timedelta(days=1),
            )
        )
        assert session.get(Organization, org_id) is not None
        assert session.get(Partner, _PARTNER) is not None
    return token


def _search(database: Database) -> float:
    """The 95th percentile of searching, in milliseconds."""
    spent = []
    for query in _queries():
        started = time.perf_counter()
        with database.in_partner(_PARTNER) as session:
            find_people(session, query, 51)
        spent.append((time.perf_counter() - started) * 1e3)
    return statistics.quantiles(spent, n=20)[-1]


def _queries() -> list[str]:
    def word(kind: str, among: int, length: int) -> str:
        digest = hashlib.md5(f"{kind}{random.randrange(among)}".encode(), usedforsecurity=False).hexdigest()
        return digest[:length].translate(str.maketrans("0123456789", "ghijklmnop"))

    def number() -> str:
        return f"{random.randrange(1, 2000):07d}"

    kinds: list[Callable[[], str]] = [
        lambda: word("f", 200, 5),
        lambda: word("l", 5000, 7),
        lambda: f"{word('f', 200, 5)} {word('l', 5000, 7)}",
        lambda: word("l", 5000, 3),
        lambda: random.choice("abcdefghijklmnop"),
        lambda: number()[-4:],
        lambda: f"+1 212 {number()}",
        lambda: str(random.randrange(100, 120)),
        lambda: f"p{number()}@example.com",
    ]
    return [kinds[i % len(kinds)]() for i in range(_ASKED)]


def _open(database: Database, token: bytes) -> float:
    """What a page begins with, in milliseconds: who is signed in, and what their organization has."""
    started = time.perf_counter()
    for _ in range(_OPENED):
        session = database.request_session(_PARTNER, "portal", None, token, 30)
        assert session.signed_in is not None
        enabled_plugins(session)
        session.rollback()
        session.close()
    return (time.perf_counter() - started) / _OPENED * 1e3
