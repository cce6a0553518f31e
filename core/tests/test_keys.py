"""The keys that sign and seal: changed without breaking what is signed, sealed or running."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text
from support.adapter import running_adapter

from ringstead import sealing
from ringstead.api import secrets as api_secrets
from ringstead.api.testing import Client, Tenants
from ringstead.cli import cli
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.migrate import upgrade_all
from ringstead.doctor import check_keys, check_partners
from ringstead.keys import Key, KeyRing, KeysUnusable
from ringstead.plugins.loader import load_plugins
from ringstead.resources import session_info
from ringstead.sealing import CannotUnseal, seal, sealed_by, unseal
from ringstead.settings import SettingsError, load_settings
from ringstead.signing import sign, unsign
from ringstead.switch.nodes import SwitchNodeRow, create_node
from ringstead.switch.telling import SwitchAway, adapter_of

Run = Callable[..., Result]
OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
def urls(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseUrls]:
    """A database of its own: these commands look at all that is stored."""
    name = f"keys_{secrets.token_hex(6)}"
    urls = postgres_server.create_database(name)
    upgrade_all(urls.owner, [plugin.history for plugin in load_plugins(strict=True) if plugin.history])
    yield urls
    postgres_server.drop_database(name)


@pytest.fixture
def run(urls: DatabaseUrls, tmp_path: Path) -> Run:
    def invoke(*arguments: str, **settings: str) -> Result:
        environment: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith("RINGSTEAD_")
        }
        given = {
            "VAR_DIR": str(tmp_path),
            "DATABASE_URL": urls.app,
            "DATABASE_OPERATOR_URL": urls.operator,
            **settings,
        }
        return CliRunner().invoke(
            cli, arguments, env=environment | {f"RINGSTEAD_{k}": v for k, v in given.items()}
        )

    return invoke


@pytest.fixture
def own(urls: DatabaseUrls) -> Iterator[Database]:
    database = Database(urls, pool_size=1)
    yield database
    database.dispose()


def add_nodes(database: Database, *keys: str | None) -> None:
    with database.as_operator("tests", "make switches") as session:
        for number, key in enumerate(keys):
            name = f"edge-{number}-{secrets.token_hex(3)}"
            create_node(session, name)
            row = session.scalars(select(SwitchNodeRow).where(SwitchNodeRow.name == name)).one()
            row.adapter_url, row.adapter_key = "http://127.0.0.1:9", key


def stored(database: Database) -> list[str]:
    with database.as_operator("tests", "look") as session:
        return list(
            session.scalars(select(SwitchNodeRow.adapter_key).where(SwitchNodeRow.adapter_key.is_not(None)))
        )


def ring(tmp_path: Path, given: str = "", *earlier: str) -> KeyRing:
    return KeyRing(given, earlier, tmp_path / "secret")


# --- the ring ---------------------------------------------------------------------------------------------------


def test_a_running_process_learns_of_a_new_key(tmp_path: Path) -> None:
    running, operator = ring(tmp_path), ring(tmp_path)
    first = running.current
    fresh = operator.rotate(datetime(2026, 11, 1, tzinfo=UTC))
    assert running.current == fresh.value != first
    assert running.oldest_first() == [first, fresh.value]
    assert running.known()[1] == Key(first, datetime(2026, 11, 1, tzinfo=UTC))
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    operator.forget([running.known()[1].name])
    assert running.oldest_first() == [fresh.value]


def test_a_file_of_before_there_were_rings_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("an old key with words in it")
    assert ring(tmp_path).oldest_first() == ["an old key with words in it"]
    ring(tmp_path).rotate()
    assert ring(tmp_path).oldest_first()[0] == "an old key with words in it"
    (tmp_path / "secret").write_text("current\nearlier\nstill earlier 2026-11-01T00:00:00+00:00\n\n")
    assert [key.value for key in ring(tmp_path).known()] == ["current", "earlier", "still earlier"]


def test_an_empty_file_is_an_error_with_a_mend(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(KeysUnusable, match=r"secret holds no key. Mend: delete it"):
        _ = ring(tmp_path).current


def test_keys_that_were_given_come_first_and_once(tmp_path: Path) -> None:
    given = ring(tmp_path, NEW, OLD, NEW)
    assert (given.current, given.oldest_first(), given.is_kept) == (NEW, [OLD, NEW], False)
    assert not (tmp_path / "secret").exists()


def test_many_that_rotate_at_once_lose_no_key(tmp_path: Path) -> None:
    first = ring(tmp_path).current
    with ThreadPoolExecutor(8) as pool:
        made = {key.value for key in pool.map(lambda _: ring(tmp_path).rotate(), range(16))}
    assert {key.value for key in ring(tmp_path).known()} == made | {first}
    assert not list(tmp_path.glob("secret.????????")), "nothing is left over"


def test_the_name_of_a_key_gives_nothing_away(tmp_path: Path) -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", Key(OLD).name)
    assert Key(OLD).name != Key(NEW).name


def test_earlier_keys_are_checked_and_hidden() -> None:
    assert load_settings({"RINGSTEAD_OLD_SECRET_KEYS": f"{OLD}, {NEW}"}, "/dev/null").old_secret_keys == (
        OLD,
        NEW,
    )
    with pytest.raises(
        SettingsError, match=r"RINGSTEAD_OLD_SECRET_KEYS .*use 32 characters or more"
    ) as refused:
        load_settings({"RINGSTEAD_OLD_SECRET_KEYS": f"{OLD},hunter2"}, "/dev/null")
    assert "hunter2" not in str(refused.value)


# --- what is signed and sealed ----------------------------------------------------------------------------------


def test_a_link_outlives_its_key_until_that_is_forgotten(tenants: Tenants, tmp_path: Path) -> None:
    partner = tenants.partner()
    settings = load_settings({}, "/dev/null", var_dir=tmp_path)
    database = Database(tenants.database.urls, 1, session_info(settings))
    with database.in_partner(partner.id) as session:
        token = sign(session, "test", {"a": "b"})
        settings.keys().rotate()
        assert unsign(session, "test", token, 60) == {"a": "b"}
        newer = sign(session, "test", {"c": "d"})
        settings.keys().forget([key.name for key in settings.keys().known()[1:]])
        assert unsign(session, "test", token, 60) is None
        assert unsign(session, "test", newer, 60) == {"c": "d"}
    database.dispose()


def test_plugins_seal_in_their_sessions(tenants: Tenants, tmp_path: Path) -> None:
    organization = tenants.organization()
    settings = load_settings({}, "/dev/null", var_dir=tmp_path)
    database = Database(tenants.database.urls, 1, session_info(settings))
    with database.run_as(organization.org_id) as session:
        stored = api_secrets.seal(session, "shared secret")
        settings.keys().rotate()
        assert api_secrets.unseal(session, stored) == "shared secret"
    database.dispose()


def test_a_form_outlives_a_rotation(app_with: Callable[..., Any], tenants: Tenants) -> None:
    """The forgery token of a page is signed, and so is what the browser keeps."""
    app = app_with(secret_key="")
    client = Client(app, f"{tenants.partner().slug}.test")
    token = client.get("/sign-in").html.find("input", {"name": "csrf_token"})["value"]
    form = {"csrf_token": token, "email": "nobody@example.com", "password": "x" * 12}
    app.settings.keys().rotate()
    assert client.post("/sign-in", form, status=422)
    app.settings.keys().forget([key.name for key in app.settings.keys().known()[1:]])
    client.post("/sign-in", form, status=400)


def test_what_is_sealed_is_read_with_its_key_only(tmp_path: Path) -> None:
    sealed = seal(ring(tmp_path, OLD), "hunter2 ü")
    assert "hunter2" not in sealed
    assert seal(ring(tmp_path, OLD), "hunter2 ü") != sealed
    assert unseal(ring(tmp_path, NEW, OLD), sealed) == "hunter2 ü"
    assert sealed_by(ring(tmp_path, NEW, OLD), sealed) == Key(OLD).name
    assert (unseal(ring(tmp_path, NEW), "in the clear"), sealed_by(ring(tmp_path, NEW), "in the clear")) == (
        "in the clear",
        "",
    )
    with pytest.raises(CannotUnseal):
        unseal(ring(tmp_path, NEW), sealed)
    with pytest.raises(CannotUnseal):
        unseal(ring(tmp_path, OLD), sealed[:-8] + "AAAAAAA=")


# --- the commands -----------------------------------------------------------------------------------------------


def test_an_adapters_key_is_stored_sealed_and_used(
    run: Run, own: Database, urls: DatabaseUrls, tmp_path: Path
) -> None:
    assert run("nodes", "create", "edge").exit_code == 0
    with running_adapter() as adapter:
        done = run("nodes", "adapter", "edge", adapter.url, "--key", adapter.key)
        assert done.exit_code == 0, done.output
        (kept,) = stored(own)
        assert kept.startswith("sealed:")
        assert adapter.key not in kept
        assert run("keys", "rotate").exit_code == 0
        database = Database(urls, 1, session_info(load_settings({}, "/dev/null", var_dir=tmp_path)))
        with database.as_operator("tests", "look") as session:
            (node_id,) = session.scalars(select(SwitchNodeRow.id))
        found = adapter_of(database, node_id)
        database.dispose()
        assert found is not None
        assert found.key == adapter.key


def test_a_switch_whose_key_is_lost_waits_and_says_so(
    own: Database, urls: DatabaseUrls, tmp_path: Path
) -> None:
    add_nodes(own, seal(ring(tmp_path, OLD), "word"))
    database = Database(
        urls, 1, session_info(load_settings({}, "/dev/null", secret_key=NEW, var_dir=tmp_path))
    )
    with database.as_operator("tests", "look") as session:
        (node_id,) = session.scalars(select(SwitchNodeRow.id))
    found = adapter_of(database, node_id)
    database.dispose()
    assert found is not None
    with pytest.raises(SwitchAway, match="ringstead keys list"):
        found.tell("mwi", {}, "once")


def test_rotating_seals_anew_in_batches(
    run: Run, own: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_BATCH", 3)
    before = ring(tmp_path)
    add_nodes(own, *(seal(before, f"key {n}") for n in range(7)), "in the clear", None)
    old = before.known()[0].name
    done = run("keys", "rotate")
    assert done.exit_code == 0, done.output
    fresh = ring(tmp_path).known()[0].name
    assert done.output.splitlines() == [
        f"{fresh} signs from now on; {old} is read until it is forgotten.",
        "8 of 8 stored secrets were sealed anew.",
    ]
    after = ring(tmp_path)
    assert {sealed_by(after, value) for value in stored(own)} == {fresh}
    assert {unseal(after, value) for value in stored(own)} == {
        *(f"key {n}" for n in range(7)),
        "in the clear",
    }
    assert run("keys", "reseal").output == "0 of 8 stored secrets were sealed anew.\n"
    with own.as_operator("tests", "look") as session:
        reasons = session.scalars(text("SELECT reason FROM operator_audit ORDER BY id")).all()
    assert f"rotate the key {old}" in reasons
    assert reasons.count(f"seal anew with the key {fresh}: switch_node.adapter_key") == 6, (
        "three batches, twice"
    )


def test_keys_are_listed_and_forgotten_when_they_are_old(run: Run, own: Database, tmp_path: Path) -> None:
    kept = ring(tmp_path)
    first = kept.known()[0].name
    add_nodes(own, seal(kept, "one"), "in the clear")
    kept.rotate(datetime.now(UTC) - timedelta(days=92))
    listed = run("keys", "list")
    assert listed.exit_code == 0, listed.output
    assert [line.split()[0] for line in listed.output.splitlines()[1:3]] == [key.name for key in kept.known()]
    assert "1 stored secrets are in the clear. Mend: ringstead keys reseal" in listed.output
    assert kept.current not in listed.output
    needed = run("keys", "forget")
    assert needed.exit_code == 1
    assert f"Stored secrets are sealed with {first}. Mend: ringstead keys reseal" in needed.output
    run("keys", "reseal")
    assert run("keys", "forget").output == f"Forgotten: {first}.\n"
    second = kept.known()[0].name
    run("keys", "rotate")
    assert run("keys", "forget").output == "No earlier key that is kept here is old enough.\n"
    assert run("keys", "forget", "--all").output == f"Forgotten: {second}.\n"
    assert len(kept.known()) == 1


def test_a_leaked_key_is_forgotten_at_once(run: Run, own: Database, tmp_path: Path) -> None:
    add_nodes(own, seal(ring(tmp_path), "one"))
    leaked = ring(tmp_path).current
    done = run("keys", "rotate", "--leaked")
    assert done.exit_code == 0, done.output
    assert "is forgotten: links that it signed are worth nothing" in done.output
    assert leaked not in (tmp_path / "secret").read_text()
    (value,) = stored(own)
    assert unseal(ring(tmp_path), value) == "one"


def test_a_key_that_the_settings_give_is_changed_by_hand(run: Run, own: Database, tmp_path: Path) -> None:
    add_nodes(own, seal(ring(tmp_path, OLD), "one"))
    told = run("keys", "rotate", SECRET_KEY=OLD)
    assert told.exit_code == 0, told.output
    assert "secret_key is set (environment)" in told.output
    assert "Set RINGSTEAD_OLD_SECRET_KEYS to the present value of RINGSTEAD_SECRET_KEY" in told.output
    assert OLD not in told.output
    fresh = re.search(r"^     ([0-9a-f]{64})$", told.output, re.MULTILINE)
    assert fresh
    done = run("keys", "reseal", SECRET_KEY=fresh[1], OLD_SECRET_KEYS=OLD)
    assert done.output == "1 of 1 stored secrets were sealed anew.\n"
    (value,) = stored(own)
    assert unseal(ring(tmp_path, fresh[1]), value) == "one"
    assert not (tmp_path / "secret").exists()
    assert "are taken away there" in run("keys", "forget", SECRET_KEY=fresh[1], OLD_SECRET_KEYS=OLD).output


def test_what_no_key_can_read_is_said_and_left(run: Run, own: Database, tmp_path: Path) -> None:
    lost = seal(KeyRing(OLD, (), tmp_path / "x"), "gone")
    add_nodes(own, lost, "in the clear")
    done = run("keys", "rotate")
    assert done.exit_code == 1
    assert "1 of 2 stored secrets were sealed anew." in done.output
    assert (
        "1 stored secrets were sealed with a key that is not known here. Mend: give the earlier key"
        in done.output
    )
    assert lost in stored(own)


def test_doctor_tells_of_keys(own: Database, urls: DatabaseUrls, tmp_path: Path) -> None:
    settings = load_settings({}, "/dev/null", var_dir=tmp_path)
    kept = settings.keys()

    def found() -> tuple[str, str, str]:
        (one,) = check_keys(settings, urls)
        return one.state, one.said, one.mend

    assert found() == ("ok", f"{kept.known()[0].name} signs, 0 earlier are read", "")
    add_nodes(own, "in the clear")
    assert found() == (
        "warn",
        "1 stored secrets are not sealed with the key in force",
        "ringstead keys reseal",
    )
    with own.as_operator("tests", "forget it") as session:
        session.execute(text("DELETE FROM switch_node"))
    kept.rotate(datetime.now(UTC) - timedelta(days=92))
    assert found()[::2] == ("warn", "ringstead keys forget")
    add_nodes(own, seal(KeyRing(OLD, (), tmp_path / "x"), "gone"))
    assert found()[0] == "fail"
    (tmp_path / "secret").write_text("")
    assert found()[0] == "fail"


def test_doctor_tells_of_partners_that_nobody_can_look_after(own: Database, urls: DatabaseUrls) -> None:
    def found() -> list[tuple[str, str, str]]:
        return [(one.what, one.state, one.said) for one in check_partners(urls.operator)]

    assert found() == [("Partners", "warn", "there is none yet")]
    tenants = Tenants(own)
    first = tenants.partner(slug="first")
    tenants.partner(slug="second")
    with own.as_operator("tests", "take its console") as session:
        session.execute(text("DELETE FROM host WHERE name = 'console.second.test'"))
    tenants.account(first.id, staff_role="partner_admin", password_hash="x")
    assert found() == [
        ("Partner second", "warn", "lacks a console host, an admin with a password"),
        ("Partners", "ok", "1 of 2 can be reached and looked after"),
    ]
