"""Who has which plugin: what is switched is seen by every process with its next request."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from queue import Queue
from uuid import UUID

import pytest
from sqlalchemy import text

from ringstead.api import SIGNED_IN, NavItem, Permission, Route
from ringstead.api.testing import Person, Tenants
from ringstead.auth.tokens import hash_token
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.listen import Listener
from ringstead.plugins.decisions import decisions
from ringstead.plugins.enablement import (
    FEATURES_CHANNEL,
    Enablement,
    allow_plugin,
    enabled_plugins,
    set_features,
    set_for_all,
)
from ringstead.plugins.loader import LoadedPlugin
from ringstead.plugins.registry import FeatureSet, Registry
from ringstead.tenancy.models import PartnerFeature


@pytest.fixture
def registry(loaded: Callable[..., LoadedPlugin]) -> Registry:
    return Registry([loaded("alpha"), loaded("beta")], strict=True)


class Process:
    """What one web process knows, and what a request to it finds."""

    def __init__(self, registry: Registry, database: Database) -> None:
        self.enablement, self._database = Enablement(registry), database

    def request(self, person: Person, token: str) -> frozenset[str]:
        session = self._database.request_session(person.partner.id, "portal", None, hash_token(token), 60)
        with session:
            row = session.signed_in
            assert row is not None
            versions = (row.org_features_version, row.partner_features_version)
            return self.enablement.features(session, versions).plugins


def test_a_switch_is_seen_at_once_by_every_process(
    registry: Registry, database: Database, tenants: Tenants
) -> None:
    person = tenants.person(tenants.organization(None, "alpha"))
    assert person.organization is not None
    token = tenants.session_token(person)
    processes = [Process(registry, database), Process(registry, database)]
    assert [p.request(person, token) for p in processes] == [{"alpha"}, {"alpha"}]
    tenants.switch(person.organization, "beta")
    assert [p.request(person, token) for p in processes] == [{"alpha", "beta"}] * 2
    tenants.switch(person.organization, "alpha", enabled=False)
    assert [p.request(person, token) for p in processes] == [{"beta"}] * 2


def test_what_a_partner_forbids_is_seen_at_once_and_kept(
    registry: Registry, database: Database, database_urls: DatabaseUrls, tenants: Tenants
) -> None:
    person = tenants.person(tenants.organization(None, "alpha", "beta"))
    assert person.organization is not None
    token = tenants.session_token(person)
    processes = [Process(registry, database), Process(registry, database)]
    told: Queue[str] = Queue()
    listener = Listener(database_urls.app, {FEATURES_CHANNEL: told.put}, lambda: None).start()
    assert listener.connected.wait(10)
    for allowed, expected in ((False, {"beta"}), (True, {"alpha", "beta"})):
        assert {p.request(person, token) for p in processes} != {frozenset(expected)}
        with database.in_partner(person.partner.id) as session:
            allow_plugin(session, "alpha", allowed)
        assert [p.request(person, token) for p in processes] == [expected] * 2
        assert told.get(timeout=10) == str(person.organization.org_id)
    listener.stop()


def test_the_set_behind_a_version_is_read_once(
    registry: Registry, database: Database, tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ringstead.plugins import enablement as room

    person = tenants.person(tenants.organization(None, "alpha"))
    token, process, reads = tenants.session_token(person), Process(registry, database), []
    monkeypatch.setattr(room, "decisions", lambda session: reads.append(1) or decisions(session))
    for _ in range(3):
        process.request(person, token)
    assert len(reads) == 1


def test_another_organization_is_not_touched(
    registry: Registry, database: Database, tenants: Tenants
) -> None:
    partner = tenants.partner()
    own, other = (tenants.person(tenants.organization(partner, "alpha")) for _ in range(2))
    assert own.organization is not None
    process = Process(registry, database)
    tokens = {id(p): tenants.session_token(p) for p in (own, other)}
    tenants.switch(own.organization, "alpha", enabled=False)
    assert process.request(own, tokens[id(own)]) == frozenset()
    assert process.request(other, tokens[id(other)]) == {"alpha"}


def test_what_the_partner_refuses_is_off(registry: Registry, database: Database, tenants: Tenants) -> None:
    person = tenants.person(tenants.organization(None, "alpha", "beta"))
    token, process = tenants.session_token(person), Process(registry, database)
    assert process.request(person, token) == {"alpha", "beta"}
    with database.in_partner(person.partner.id) as session:
        session.add(PartnerFeature(plugin="alpha", allowed=False))
        session.execute(text("UPDATE partner SET features_version = features_version + 1"))
    assert process.request(person, token) == {"beta"}


def test_a_plugin_that_is_not_installed_is_not_on(
    registry: Registry, database: Database, tenants: Tenants
) -> None:
    person = tenants.person(tenants.organization(None, "alpha", "removed_last_year"))
    assert Process(registry, database).request(person, tenants.session_token(person)) == {"alpha"}


def test_turning_off_keeps_the_row(database: Database, tenants: Tenants) -> None:
    organization = tenants.organization(None, "alpha")
    tenants.switch(organization, "alpha", enabled=False)
    with database.run_as(organization.org_id) as session:
        assert enabled_plugins(session) == frozenset()
        kept = session.execute(text("SELECT plugin, enabled FROM organization_feature")).all()
    assert kept == [("alpha", False)]


@pytest.fixture
def heard(
    database_urls: DatabaseUrls, registry: Registry
) -> Iterator[tuple[Enablement, list[UUID], threading.Event]]:
    """An enablement cache that listens, what it heard, and a signal for each piece of news."""
    enablement, told, news = Enablement(registry), list[UUID](), threading.Event()

    def forget(org: str) -> None:
        enablement.forget(UUID(org))
        told.append(UUID(org))
        news.set()

    listener = Listener(database_urls.app, {FEATURES_CHANNEL: forget}, enablement.forget_all).start()
    assert listener.connected.wait(10)
    yield enablement, told, news
    listener.stop()


def test_other_processes_are_told(
    tenants: Tenants, database: Database, heard: tuple[Enablement, list[UUID], threading.Event]
) -> None:
    enablement, told, news = heard
    organization = tenants.organization()
    with database.run_as(organization.org_id) as session:
        enablement.features(session, (1, 1))
    assert organization.org_id in enablement._sets
    tenants.switch(organization, "alpha")
    while organization.org_id not in told:
        assert news.wait(10), "the news did not come"
        news.clear()
    assert organization.org_id not in enablement._sets


def test_features_are_ordered_core_first(loaded: Callable[..., LoadedPlugin]) -> None:
    def hooks(name: str, order: int) -> dict[str, object]:
        page = Route(
            name=f"{name}.page", pattern=f"/{name}", view=lambda context, request: {}, permission=SIGNED_IN
        )
        return {
            "declare_routes": [page],
            "declare_navigation": [
                NavItem(id=name, title=name, route=f"{name}.page", permission=SIGNED_IN, order=order)
            ],
        }

    registry = Registry(
        [
            loaded("zebra", **hooks("zebra", 10)),
            loaded("ant", **hooks("ant", 10)),
            loaded("core", **hooks("core", 10)),
            loaded("early", **hooks("early", 5)),
            loaded("off", **hooks("off", 1)),
        ],
        strict=True,
    )
    features = registry.feature_set(frozenset({"zebra", "ant", "early"}))
    assert [owned.item.id for owned in features.navigation] == ["early", "core", "ant", "zebra"]


def test_rights_come_from_enabled_plugins_and_the_organizations_exceptions(
    loaded: Callable[..., LoadedPlugin],
) -> None:
    def right(plugin: str, action: str, *roles: str) -> Permission:
        return Permission(
            name=f"{plugin}:box:{action}",
            title=action,
            default_roles=frozenset(roles),  # type: ignore[arg-type]
        )

    registry = Registry(
        [
            loaded(
                "alpha", declare_permissions=[right("alpha", "read", "subscriber"), right("alpha", "edit")]
            ),
            loaded("beta", declare_permissions=[right("beta", "read", "subscriber")]),
        ],
        strict=True,
    )
    features: FeatureSet = registry.feature_set(frozenset({"alpha"}))
    own = {name for name in features.role_permissions("subscriber") if not name.startswith("core:")}
    assert own == {"alpha:box:read"}
    changed = features.role_permissions("subscriber", {"alpha:box:read": False, "alpha:box:edit": True})
    assert {name for name in changed if not name.startswith("core:")} == {"alpha:box:edit"}
    assert features.role_permissions("org_admin") == {"core:session:use", "core:page:public"}


def test_a_trial_ends_by_itself_in_a_process_that_knows_it(
    registry: Registry, database: Database, tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ringstead.plugins import decisions as terms
    from ringstead.plugins import enablement as room

    person = tenants.person(tenants.organization(None, "beta"))
    assert person.organization is not None
    token, process = tenants.session_token(person), Process(registry, database)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with database.run_as(person.organization.org_id) as session:
        set_features(session, ["alpha"], True, tomorrow)
    assert process.request(person, token) == {"alpha", "beta"}

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Later":
            return cls.fromtimestamp(tomorrow.timestamp(), tz)

    for module in (room, terms):
        monkeypatch.setattr(module, "datetime", Later)
    assert process.request(person, token) == {"beta"}


def test_the_later_word_holds_for_all_and_for_one(
    registry: Registry, database: Database, tenants: Tenants
) -> None:
    partner = tenants.partner()
    has, has_not = (tenants.person(tenants.organization(partner, *features)) for features in (("alpha",), ()))
    stranger = tenants.person(tenants.organization(None))
    process = Process(registry, database)

    def seen() -> list[set[str]]:
        return [set(process.request(who, tenants.session_token(who))) for who in (has, has_not, stranger)]

    assert seen() == [{"alpha"}, set(), set()]
    for word, expected in (
        (True, [{"alpha"}, {"alpha"}, set()]),
        (False, [set(), set(), set()]),
        (None, [{"alpha"}, set(), set()]),
        (True, [{"alpha"}, {"alpha"}, set()]),
    ):
        with database.in_partner(partner.id) as session:
            set_for_all(session, "alpha", word)
        assert seen() == expected
    newcomer = tenants.person(tenants.organization(partner))
    assert process.request(newcomer, tenants.session_token(newcomer)) == {"alpha"}
    assert has.organization is not None
    tenants.switch(has.organization, "alpha", enabled=False)
    assert seen() == [set(), {"alpha"}, set()]
    with database.in_partner(partner.id) as session:
        set_for_all(session, "alpha", True, datetime.now(UTC) - timedelta(days=1))
    assert seen() == [set(), set(), set()], "a trial for all that is over"
