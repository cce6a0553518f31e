"""The testing kit: pytest fixtures for plugins, on a real PostgreSQL as the role `ringstead_app`.

Use it with `pytest_plugins = ("ringstead.api.testing",)`. Every test makes its own partner and organizations;
nothing is rolled back and nothing is shared, so tests may run in any order and side by side.

* `database`: `Database` of a fresh, migrated database, one per test process.
* `wsgi`: the application; `app_with(**settings)` builds another one with other settings.
* `tenants`: makes partners, organizations, subscribers, accounts; switches features.
* `run_jobs()`: delivers events, runs jobs and sends mail, as a worker would.
* `portal(person)`, `console(person)`: a signed-in WebTest client; `visitor(partner)`: one that is not signed in.
"""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import webtest

from ringstead.auth.tokens import hash_token, session_cookie_name
from ringstead.db.base import new_id
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.migrate import upgrade_all
from ringstead.plugins.enablement import set_features
from ringstead.plugins.loader import load_plugins
from ringstead.settings import Settings, load_settings
from ringstead.tenancy.groups import add_manager, add_to_team, create_location, create_team
from ringstead.tenancy.models import (
    Account,
    FeaturePackage,
    Host,
    Location,
    Membership,
    Organization,
    Partner,
    Subscriber,
    Team,
    WebSession,
)

if TYPE_CHECKING:
    from ringstead.db.base import Base

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in: a subscriber's account in an organization, or (without one) partner staff."""

    partner: Partner
    account: Account
    organization: Organization | None = None
    subscriber: Subscriber | None = None
    membership: Membership | None = None


class Tenants:
    """Makes tenants for a test. Names and addresses are new each time."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def partner(self, name: str = "Partner", **values: Any) -> Partner:
        """A partner with a portal host `<slug>.test` and a console host `console.<slug>.test`."""
        slug = values.pop("slug", None) or f"p{secrets.token_hex(5)}"
        partner = Partner(slug=slug, name=name, brand=values.pop("brand", {"name": name}), **values)
        with self.database.as_operator("tests", "make a partner") as session:
            session.add(partner)
            session.flush()
            session.add(Host(name=f"{slug}.test", partner_id=partner.id, kind="portal"))
            session.add(Host(name=f"console.{slug}.test", partner_id=partner.id, kind="console"))
        return partner

    def organization(
        self, partner: Partner | None = None, *features: str, name: str = "Organization"
    ) -> Organization:
        """An organization (of a new partner, if none is given) with these features on."""
        partner = partner or self.partner()
        organization = Organization(
            org_id=new_id(), partner_id=partner.id, slug=f"o{secrets.token_hex(5)}", name=name
        )
        with self.database.as_operator("tests", "make an organization") as session:
            session.add(organization)
        if features:
            self.switch(organization, *features)
        return organization

    def switch(self, organization: Organization, *features: str, enabled: bool = True) -> None:
        """Switch features of an organization on or off."""
        with self.database.run_as(organization.org_id) as session:
            set_features(session, features, enabled)

    def package(self, partner: Partner, *features: str, name: str = "", **values: Any) -> FeaturePackage:
        """A feature package of these features; `closed`, `settings` and `admins_give` as in its model."""
        values = {"closed": [], "settings": {}, "admins_give": True, **values}
        package = FeaturePackage(
            id=new_id(), name=name or f"Package {secrets.token_hex(3)}", features=list(features), **values
        )
        with self.database.in_partner(partner.id) as session:
            session.add(package)
        return package

    def give(self, subscriber: Subscriber, package: FeaturePackage | None) -> None:
        """Give a subscriber a package, or take theirs away."""
        with self.database.run_as(subscriber.org_id) as session:
            key = (subscriber.org_id, subscriber.id)
            session.get_one(Subscriber, key).package_id = None if package is None else package.id

    def subscriber(
        self,
        organization: Organization,
        name: str = "Sam Example",
        extension: str = "",
        number: str | None = None,
    ) -> Subscriber:
        """A subscriber nobody can sign in as."""
        subscriber = Subscriber(name=name, extension=extension or _extension(), number=number)
        self._add(organization.org_id, subscriber)
        return subscriber

    def person(
        self, organization: Organization, name: str = "Sam Example", role: str = "subscriber", **values: Any
    ) -> Person:
        """A subscriber with an account. `role` is subscriber or org_admin."""
        subscriber = self.subscriber(organization, name, **values)
        account = self.account(organization.partner_id, name)
        membership = Membership(account_id=account.id, subscriber_id=subscriber.id, role=role)
        self._add(organization.org_id, membership)
        return Person(self._partner(organization.partner_id), account, organization, subscriber, membership)

    def team(
        self,
        organization: Organization,
        slug: str,
        leads: Iterable[Person] = (),
        members: Iterable[Person] = (),
        name: str = "",
    ) -> Team:
        """A team of an organization; without a name it has its slug's."""
        with self.database.as_operator("tests", "make a team") as session:
            team = create_team(session, organization, slug=slug, name=name or slug.capitalize())
            for people, is_lead in ((leads, True), (members, False)):
                for person in people:
                    add_to_team(session, team, _subscriber(person), is_lead=is_lead)
        return team

    def location(
        self,
        organization: Organization,
        slug: str,
        managers: Iterable[Person] = (),
        people: Iterable[Person] = (),
        name: str = "",
    ) -> Location:
        """A location of an organization, and who is there; without a name it has its slug's."""
        with self.database.as_operator("tests", "make a location") as session:
            location = create_location(session, organization, slug=slug, name=name or slug.capitalize())
            for person in managers:
                add_manager(session, location, _subscriber(person))
            for person in people:
                session.merge(_subscriber(person)).location_id = location.id
        return location

    def staff(self, partner: Partner, role: str = "partner_admin", name: str = "Tansy Example") -> Person:
        """Partner staff. `role` is partner_admin or partner_support."""
        return Person(partner, self.account(partner.id, name, staff_role=role))

    def account(self, partner_id: UUID, name: str = "Sam Example", **values: Any) -> Account:
        """An account without a password, under a new e-mail address."""
        account = Account(email=f"{secrets.token_hex(6)}@example.com", name=name, **values)
        with self.database.in_partner(partner_id) as session:
            session.add(account)
        return account

    def session_token(self, person: Person, site: str = "portal", hours: int = 1) -> str:
        """Sign a person in without the sign-in page; the token goes into the session cookie."""
        token = secrets.token_urlsafe(32)
        row = WebSession(
            token_hash=hash_token(token),
            account_id=person.account.id,
            org_id=person.organization.org_id if person.organization and site == "portal" else None,
            membership_id=person.membership.id if person.membership and site == "portal" else None,
            site=site,
            csrf_token=secrets.token_urlsafe(24),
            expires_at=datetime.now(UTC) + timedelta(hours=hours),
        )
        with self.database.in_partner(person.partner.id) as session:
            session.add(row)
        return token

    def _partner(self, partner_id: UUID) -> Partner:
        with self.database.in_partner(partner_id) as session:
            return session.get_one(Partner, partner_id)

    def _add(self, org_id: UUID, *rows: "Base") -> None:
        with self.database.run_as(org_id) as session:
            session.add_all(rows)


class Client(webtest.TestApp):  # type: ignore[misc]  # WebTest has no types
    """A browser without a screen: WebTest bound to one host, with the CSRF token at hand.

    Each client has its own cookies. `post_form` adds the token and the `Origin` that a browser would send.
    """

    def __init__(self, wsgi: Any, host: str, cookie: tuple[str, str] | None = None) -> None:
        super().__init__(wsgi, extra_environ={"HTTP_HOST": host, "REMOTE_ADDR": "127.0.0.1"})
        self.host = host
        if cookie is not None:
            self.cookiejar.clear()
            self.set_cookie(*cookie)

    def set_cookie(self, name: str, value: str) -> None:
        """Put a cookie into the jar for this client's host."""
        self.extra_environ["HTTP_COOKIE"] = f"{name}={value}"

    @property
    def csrf_token(self) -> str:
        """The token that this client's forms carry."""
        for url in ("/account", "/"):  # a support session does not see the first
            page = self.get(url, status="*")
            field = page.html.find("input", {"name": "csrf_token"}) if page.status_int == 200 else None
            if field:
                return str(field["value"])
        return ""

    def post_form(self, url: str, values: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """Post a form as a browser on one of our own pages does."""
        headers = {"Origin": f"http://{self.host}", **kwargs.pop("headers", {})}
        return self.post(url, {"csrf_token": self.csrf_token, **(values or {})}, headers=headers, **kwargs)


def _subscriber(person: Person) -> Subscriber:
    assert person.subscriber is not None, "partner staff are in no team and at no location"
    return person.subscriber


def _extension() -> str:
    return str(secrets.randbelow(9_000_000) + 1_000_000)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedPostgres]:
    """The PostgreSQL of a test run, shared by its processes; the last one stops it."""
    run = getattr(request.config, "workerinput", {}).get("testrunuid") or secrets.token_hex(8)
    home = Path(tempfile.gettempdir()) / f"ringstead-tests-{run[:16]}"
    server = EmbeddedPostgres(home, durable=False)
    with server:
        yield server
    if not server.is_running():
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def database_urls(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseUrls]:
    """Addresses of a fresh, migrated database with all installed plugins' tables."""
    name = f"test_{secrets.token_hex(6)}"
    urls = postgres_server.create_database(name)
    upgrade_all(urls.owner, [p.history for p in load_plugins(strict=True) if p.history])
    yield urls
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def database(database_urls: DatabaseUrls) -> Iterator[Database]:
    """The engines on the test database."""
    database = Database(database_urls, pool_size=10)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def app_with(
    database_urls: DatabaseUrls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Any]]:
    """Builds an application on the test database with settings of its own."""
    # Imported here: tests of the database alone need no web application.
    from ringstead.app import make_app

    built: list[Any] = []

    def build(**overrides: Any) -> Any:
        app = make_app(test_settings(tmp_path_factory.mktemp("var"), **overrides), database_urls)
        built.append(app)
        return app

    yield build
    for app in built:
        app.close()


def test_settings(var_dir: Path, **overrides: Any) -> Settings:
    """Settings of an application under test: a faulty plugin raises, mail lands in a folder."""
    values: dict[str, Any] = {"var_dir": var_dir, "plugin_strict": True, "secret_key": "t" * 40, **overrides}
    return load_settings(env={}, **values)


test_settings.__test__ = False  # type: ignore[attr-defined]  # pytest would take it for a test


@pytest.fixture(scope="session")
def wsgi(app_with: Callable[..., Any]) -> Any:
    """The application of this test process."""
    return app_with()


@pytest.fixture
def run_jobs(wsgi: Any, database_urls: DatabaseUrls) -> Callable[..., None]:
    """`run_jobs(app=wsgi)`: does what a worker would do now; mail lands in `app.settings.var_dir / "mail"`.

    What jobs and listeners raise is raised, as an `ExceptionGroup`.
    """
    from ringstead.worker import run_due_jobs

    def run(app: Any = None) -> None:
        # In a thread of its own: a browser test leaves an event loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(run_due_jobs, (app or wsgi).settings, database_urls).result()

    return run


@pytest.fixture
def tenants(database: Database) -> Tenants:
    """Makes partners, organizations, people."""
    return Tenants(database)


@pytest.fixture
def visitor(wsgi: Any) -> Callable[..., Client]:
    """`visitor(partner, site="portal")`: a client that is not signed in."""

    def make(partner: Partner, site: str = "portal", app: Any = None) -> Client:
        prefix = "console." if site == "console" else ""
        return Client(app or wsgi, f"{prefix}{partner.slug}.test")

    return make


@pytest.fixture
def portal(wsgi: Any, tenants: Tenants) -> Callable[..., Client]:
    """`portal(person)`: a client signed in on the partner's portal."""
    return _signed_in(wsgi, tenants, "portal")


@pytest.fixture
def console(wsgi: Any, tenants: Tenants) -> Callable[..., Client]:
    """`console(person)`: a client signed in on the partner's console."""
    return _signed_in(wsgi, tenants, "console")


def _signed_in(wsgi: Any, tenants: Tenants, site: str) -> Callable[..., Client]:
    def make(person: Person, app: Any = None) -> Client:
        app = app or wsgi
        cookie = (session_cookie_name(app.settings), tenants.session_token(person, site))
        prefix = "console." if site == "console" else ""
        return Client(app, f"{prefix}{person.partner.slug}.test", cookie)

    return make
