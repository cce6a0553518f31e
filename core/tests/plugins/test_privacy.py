"""A person's data: all of it or nothing, from core and every plugin, on or off."""

import io
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID
from weakref import WeakSet
from zipfile import ZipFile

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text

from ringstead import audit, privacy
from ringstead.api import Erasure, ErasureRefused, PersonalData
from ringstead.api.testing import Client, Person, Tenants
from ringstead.auth.data import Package
from ringstead.cli import cli
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.mail import queue_mail
from ringstead.plugins.loader import LoadedPlugin, load_module
from ringstead.plugins.registry import CORE, Registry
from ringstead.preferences.store import set_for_subscriber
from ringstead.privacy import PrivacyFailed
from ringstead.tenancy.models import AuditEntry, SubscriberSetting, WebSession
from ringstead.web import plugin as core_plugin

Loaded = Callable[..., LoadedPlugin]
Portal = Callable[..., Client]
Command = Callable[..., Result]


@pytest.fixture
def person(tenants: Tenants) -> Person:
    return tenants.person(tenants.organization(), "Juno Birdsong", extension="214", number="+12125550100")


@pytest.fixture
def command(database_urls: DatabaseUrls, tmp_path: Path) -> Command:
    """`command("export", …)`: `ringstead privacy export …` on the test database."""
    urls = {"": database_urls.app, "_OWNER": database_urls.owner, "_OPERATOR": database_urls.operator}
    environment: dict[str, str | None] = {n: None for n in os.environ if n.startswith("RINGSTEAD_")}
    environment |= {f"RINGSTEAD_DATABASE{name}_URL": url for name, url in urls.items()}
    environment["RINGSTEAD_VAR_DIR"] = str(tmp_path / "var")

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(cli, ["privacy", *arguments], env=environment, **options)

    return run


def org_of(person: Person) -> UUID:
    assert person.organization is not None
    return person.organization.org_id


def id_of(person: Person) -> UUID:
    assert person.subscriber is not None
    return person.subscriber.id


def place_of(person: Person) -> str:
    assert person.organization is not None
    return f"{person.partner.slug}/{person.organization.slug}"


def read(content: bytes) -> dict[str, Any]:
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def registry(*plugins: LoadedPlugin) -> Registry:
    return Registry([load_module(CORE, core_plugin), *plugins])


def entries(database: Database, person: Person, action: str) -> list[AuditEntry]:
    with database.in_partner(person.partner.id) as session:
        query = select(AuditEntry).where(AuditEntry.action == action)
        return list(session.scalars(query.order_by(AuditEntry.id)))


def test_one_downloads_everything_about_oneself(person: Person, portal: Portal, database: Database) -> None:
    client = portal(person)
    page = client.get("/account")
    form = page.html.find("form", {"action": "/account/data"})
    assert "Download my data" in form.text
    answer = client.post_form("/account/data")
    assert answer.content_type == "application/zip"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.zip"'
    files = read(answer.body)
    (subscriber,) = files["core/subscriber.json"]
    assert (subscriber["name"], subscriber["extension"]) == ("Juno Birdsong", "214")
    (account,) = files["core/accounts.json"]
    assert (account["email"], account["role"]) == (person.account.email, "subscriber")
    assert len(files["core/sign-ins.json"]) == 1
    assert "token_hash" not in answer.text if answer.charset else True
    assert "calllogs/calls.json" in files, "a feature that is off keeps rows, and they are one's own too"
    assert {one["file"] for one in files["about.json"]["files"]} == set(files) - {"about.json"}
    assert files["about.json"]["subscriber"] == str(id_of(person))
    (entry,) = entries(database, person, audit.DATA_EXPORTED)
    assert (entry.subject_subscriber_id, entry.actor_account_id) == (id_of(person), person.account.id)
    again = read(client.post_form("/account/data").body)
    assert audit.DATA_EXPORTED in {one["action"] for one in again["core/activity.json"]}


def test_nothing_of_anybody_else_is_in_it(person: Person, tenants: Tenants, portal: Portal) -> None:
    assert person.organization is not None
    other = tenants.person(person.organization, "Wren Halloway", "org_admin")
    stranger = tenants.person(tenants.organization(person.partner), "Otis Marlowe")
    for somebody in (other, stranger):
        portal(somebody).post_form("/account/data")
    told = json.dumps(read(portal(person).post_form("/account/data").body))
    for somebody in (other, stranger):
        assert somebody.account.name not in told
        assert somebody.account.email not in told


def test_staff_have_no_such_button(tenants: Tenants, console: Portal) -> None:
    client = console(tenants.staff(tenants.partner()))
    assert "/account/data" not in client.get("/account").text
    client.post_form("/account/data", status=404)


def test_whoever_may_not_gets_no_data(person: Person, portal: Portal, database: Database) -> None:
    with database.run_as(org_of(person)) as session:
        session.execute(
            text("INSERT INTO role_permission VALUES (:org, 'subscriber', 'core:data:export', false)"),
            {"org": org_of(person)},
        )
    client = portal(person)
    assert "/account/data" not in client.get("/account").text
    client.post_form("/account/data", status=403)


def test_one_file_at_a_time(person: Person, portal: Portal, wsgi: Any) -> None:
    client = portal(person)
    with closing(Package()) as sent:
        wsgi.registry.setdefault("ringstead.data_packages", WeakSet()).add(sent)
        answer = client.post_form("/account/data", status=429)
        assert answer.headers["Retry-After"] == "10"
    assert client.post_form("/account/data").content_type == "application/zip"


def test_no_file_where_a_feature_cannot_give_its_part(
    person: Person, portal: Portal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise PrivacyFailed("broken: it is failed")

    client = portal(person)
    monkeypatch.setattr(privacy, "export_person", fail)
    answer = client.post_form("/account/data", status=303)
    assert answer.headers["Location"].endswith("/account")
    assert answer.headers["Set-Cookie"].startswith("note="), "the page says so"
    assert entries(database, person, audit.DATA_EXPORTED) == []
    monkeypatch.undo()
    assert client.post_form("/account/data").content_type == "application/zip"


def test_the_command_writes_a_file_that_only_its_owner_reads(
    person: Person, command: Command, tmp_path: Path, database: Database
) -> None:
    file = tmp_path / "juno.zip"
    done = command("export", place_of(person), "214", "--to", str(file))
    assert done.exit_code == 0, done.output
    assert file.stat().st_mode & 0o077 == 0
    assert read(file.read_bytes())["core/subscriber.json"][0]["number"] == "+12125550100"
    assert list(tmp_path.glob("*.part")) == []
    (entry,) = entries(database, person, audit.DATA_EXPORTED)
    assert "command line" in entry.detail["by"]
    again = command("export", place_of(person), "214", "--to", str(file))
    assert "is there already" in again.output
    assert again.exit_code == 1
    unknown = command("export", place_of(person), "999", "--to", str(tmp_path / "x.zip"))
    assert "has no extension '999'" in unknown.output
    nowhere = command("export", place_of(person), "214", "--to", str(tmp_path / "no" / "x.zip"))
    assert "cannot be written" in nowhere.output
    typed = command(
        "export", place_of(person), "214", "--to", str(tmp_path / "x.zip"), "--without", "calllog"
    )
    assert "--without calllog: no such plugin is installed" in typed.output
    assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["juno.zip"]


def test_the_command_asks_before_it_erases(person: Person, command: Command, database: Database) -> None:
    with database.run_as(org_of(person)) as session:
        session.add(SubscriberSetting(subscriber_id=id_of(person), name="core.locale", value="de"))
    refused = command("erase", place_of(person), "214", input="n\n")
    assert "Juno Birdsong" in refused.output
    assert refused.exit_code == 1
    assert entries(database, person, audit.DATA_ERASED) == []
    done = command("erase", place_of(person), "214", input="y\n")
    assert done.exit_code == 0, done.output
    (entry,) = entries(database, person, audit.DATA_ERASED)
    assert entry.subject_subscriber_id == id_of(person)
    assert entry.detail["core settings"] == 1
    assert "despite_hold" not in entry.detail
    again = command("erase", place_of(person), "214", "--yes", "--despite-hold")
    assert again.exit_code == 0, "a second time does no harm"
    assert entries(database, person, audit.DATA_ERASED)[-1].detail["despite_hold"] is True


def test_core_forgets_settings_browsers_and_sent_mail(
    person: Person, tenants: Tenants, database: Database, wsgi: Any, portal: Portal
) -> None:
    assert person.organization is not None
    other = tenants.person(person.organization)
    client, others = portal(person), portal(other)
    for somebody in (person, other):
        with database.run_as(org_of(person)) as session:
            declared = wsgi.registry["ringstead.declared_settings"]
            set_for_subscriber(session, declared, id_of(somebody), "core.locale", "de")
            queue_mail(session, to=somebody.account.email, template="core/mail/reset", values={})
            session.execute(
                text("UPDATE mail_message SET state = 'sent' WHERE org_id = :o"), {"o": org_of(person)}
            )
    with database.run_as(org_of(person)) as session:
        parts = privacy.erase_person(registry(), session, id_of(person))
    assert [(part.plugin, part.count) for part in parts] == [("core", 1), ("core", 1), ("core", 1)]
    assert client.get("/account", status="*").status_int == 303, "signed out"
    assert others.get("/account", status="*").status_int == 200
    with database.run_as(org_of(person)) as session:
        assert session.scalars(select(SubscriberSetting.subscriber_id)).all() == [id_of(other)]
        mail = session.execute(text("SELECT recipient FROM mail_message")).scalars().all()
        assert mail == [other.account.email]
    assert portal(person).get("/account").status_int == 200, "the subscriber is still there"


def sample(name: str, **hooks: Any) -> Callable[[Loaded], LoadedPlugin]:
    return lambda loaded: loaded(name, **hooks)


def export_two(session: Any, subscriber_id: UUID) -> list[PersonalData]:
    return [PersonalData(name="notes", rows=({"id": subscriber_id, "n": n} for n in range(2)))]


def test_a_plugin_gives_its_part_whether_it_is_on_or_off(
    person: Person, database: Database, loaded: Loaded
) -> None:
    file = io.BytesIO()
    with database.run_as(org_of(person)) as session:
        parts = privacy.export_person(
            registry(loaded("sample", export_person=export_two)), session, id_of(person), file
        )
    assert parts[-1] == privacy.Part("sample", "sample/notes.json", 2)
    assert read(file.getvalue())["sample/notes.json"] == [
        {"id": str(id_of(person)), "n": 0},
        {"id": str(id_of(person)), "n": 1},
    ]


def failing(session: Any, subscriber_id: UUID) -> list[PersonalData]:
    def rows() -> Iterator[Mapping[str, Any]]:
        yield {"n": 1}
        raise RuntimeError("the shelf fell down")

    return [PersonalData(name="notes", rows=rows())]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (failing, "sample: RuntimeError: the shelf fell down"),
        (None, "sample: TypeError: must return a list of PersonalData"),
        ([PersonalData(name="../x", rows=())], "sample: ValueError: '../x' is no name"),
        ([PersonalData(name="x", rows=()), PersonalData(name="x", rows=())], "sample: ValueError: 'x'"),
        ([PersonalData(name="x", rows=(1,))], "sample: TypeError: x: a row is a mapping"),  # type: ignore[arg-type]
        ([PersonalData(name="x", rows=({"a": object()},))], "sample: TypeError"),
    ],
)
def test_a_part_that_fails_stops_all_of_it_and_is_named(
    person: Person, database: Database, loaded: Loaded, answer: Any, why: str
) -> None:
    with pytest.raises(PrivacyFailed, match=why[:60]), database.run_as(org_of(person)) as session:
        privacy.export_person(
            registry(loaded("sample", export_person=answer)), session, id_of(person), io.BytesIO()
        )


def erase_some(session: Any, subscriber_id: UUID) -> list[Erasure]:
    session.execute(text("DELETE FROM subscriber_setting WHERE subscriber_id = :id"), {"id": subscriber_id})
    return [Erasure(what="notes", count=3)]


def must_keep(session: Any, subscriber_id: UUID, despite_hold: bool) -> list[Erasure]:
    if not despite_hold:
        raise ErasureRefused("a hold is on")
    return [Erasure(what="held notes", count=1)]


def break_down(session: Any, subscriber_id: UUID) -> list[Erasure]:
    session.execute(text("SELECT 1 / 0"))
    return []


@pytest.mark.parametrize("last", [must_keep, break_down])
def test_erasing_is_never_half_done(person: Person, database: Database, loaded: Loaded, last: Any) -> None:
    with database.run_as(org_of(person)) as session:
        session.add(SubscriberSetting(subscriber_id=id_of(person), name="core.locale", value="de"))
    plugins = registry(loaded("alpha", erase_person=erase_some), loaded("zeta", erase_person=last))
    with pytest.raises(PrivacyFailed, match=r"^zeta: "), database.run_as(org_of(person)) as session:
        privacy.erase_person(plugins, session, id_of(person))
    with database.run_as(org_of(person)) as session:
        assert len(session.scalars(select(SubscriberSetting)).all()) == 1
        assert session.scalars(select(WebSession)).all() == []


def test_a_hold_may_be_overruled(person: Person, database: Database, loaded: Loaded) -> None:
    plugins = registry(loaded("alpha", erase_person=erase_some), loaded("zeta", erase_person=must_keep))
    with database.run_as(org_of(person)) as session:
        parts = privacy.erase_person(plugins, session, id_of(person), despite_hold=True)
    assert [(part.plugin, part.what, part.count) for part in parts[-2:]] == [
        ("alpha", "notes", 3),
        ("zeta", "held notes", 1),
    ]


def test_a_plugin_that_does_not_work_here_is_not_passed_over(
    person: Person, database: Database, loaded: Loaded
) -> None:
    broken = LoadedPlugin("broken", "broken-dist 1.0", "failed", why="raised ImportError")
    plugins = registry(broken, loaded("sample", export_person=export_two, erase_person=erase_some))
    with database.run_as(org_of(person)) as session:
        with pytest.raises(PrivacyFailed, match=r"broken: it is failed \(raised ImportError\)"):
            privacy.export_person(plugins, session, id_of(person), io.BytesIO())
        with pytest.raises(PrivacyFailed, match="broken"):
            privacy.erase_person(plugins, session, id_of(person))
        assert (
            privacy.erase_person(plugins, session, id_of(person), without=["broken"])[-1].plugin == "sample"
        )


def test_memory_does_not_grow_with_the_rows(
    person: Person, database: Database, loaded: Loaded, tmp_path: Path
) -> None:
    def many(session: Any, subscriber_id: UUID) -> list[PersonalData]:
        return [PersonalData(name="notes", rows=({"n": n, "text": f"{n} " * 50} for n in range(100_000)))]

    plugins = registry(loaded("sample", export_person=many))
    with database.run_as(org_of(person)) as session, (tmp_path / "big.zip").open("wb") as file:
        tracemalloc.start()
        try:
            privacy.export_person(plugins, session, id_of(person), file)
            _now, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 8_000_000
