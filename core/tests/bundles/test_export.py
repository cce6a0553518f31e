"""A live partner written down as a bundle: what was exported changes nothing, and makes the same partner anew."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from sqlalchemy import select
from sqlalchemy.orm import Session
from support.random_partner import ALL_PLUGINS, SVG, PartnerMaker, partners, png

from ringstead.cli import cli
from ringstead.db.base import new_id
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database, DatabaseUrls
from ringstead.db.migrate import upgrade_all
from ringstead.plugins.loader import load_plugins
from ringstead.tenancy import bundle_export
from ringstead.tenancy.bundle_schema import BundlePart, OrganizationPart
from ringstead.tenancy.bundle_write import bundle_text
from ringstead.tenancy.bundles import (
    ExportRefused,
    FilesDiffer,
    Plan,
    apply_bundle,
    apply_plan,
    bundle_folders,
    export_partner,
    plan_bundle,
    read_bundle,
    write_bundle,
)
from ringstead.tenancy.models import (
    Host,
    Organization,
    Partner,
    Subscriber,
)
from ringstead.theming.brand import Brand
from ringstead.theming.logo import read_logo

TENANTS = Path(__file__).parents[3] / "tenants"


def exported_text(session: Session, partner_id: Any) -> str:
    return "".join(bundle_text(export_partner(session, partner_id)))


@settings(max_examples=40)
@given(drawn=partners())
def test_any_partner_comes_back_as_it_was(database: Database, tmp_path: Path, drawn: dict[str, Any]) -> None:
    """Applied where it came from it changes nothing; applied to an empty database it makes the same partner."""
    with Session(database.operator_engine, expire_on_commit=False) as session:
        maker = PartnerMaker(session, drawn)
        maker.make()
        folder = tmp_path / maker.slug
        try:
            write_bundle(export_partner(session, maker.partner), folder)
            bundle = read_bundle(folder)
            plan = plan_bundle(session, bundle, ALL_PLUGINS)
            assert (plan.changes, plan.warnings) == ([], []), str(plan)
            text = (folder / "partner.toml").read_text(encoding="utf-8")
            assert exported_text(session, maker.partner) == text
            assert "argon2" not in text

            session.rollback()
            anew = plan_bundle(session, bundle, ALL_PLUGINS)
            apply_plan(session, anew)
            session.flush()
            session.expunge_all()
            again = tmp_path / "again" / maker.slug
            write_bundle(export_partner(session, anew.rows.partner_id), again)
            same = (again / "partner.toml").read_text(encoding="utf-8")
            assert without_defaults(same) == without_defaults(text)
        finally:
            session.rollback()
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()


def without_defaults(text: str) -> dict[str, Any]:
    """A file without what is said of a partner that is made anew though the file does not say it: the brand's defaults
    are filled in, a feature is not switched to what it is without that, one that was allowed is not allowed again."""
    values = tomllib.loads(text)
    values.pop("brand", None)
    said = values["features"] = {
        name: word for name, word in values.get("features", {}).items() if word is not True
    }
    for_all = {name: {"on": True, "off": False}.get(word, word) for name, word in said.items()}
    for organization in values.get("organizations", []):
        organization["features"] = {
            name: word
            for name, word in organization.get("features", {}).items()
            if word != for_all.get(name, False)
        }
    return values


# --- everything has its place ----------------------------------------------------------------------------------


def test_each_part_of_a_bundle_is_exported() -> None:
    """Who adds a field to the schema says in `bundle_export` from where it is taken."""
    # `demo` holds a password, which no export writes.
    assert {*bundle_export.PARTNER_FIELDS, "organizations", "demo"} == set(BundlePart.model_fields)
    assert set(bundle_export.ORGANIZATION_FIELDS) == set(OrganizationPart.model_fields)


@pytest.fixture
def fresh_database(postgres_server: EmbeddedPostgres) -> Iterator[Database]:
    name = f"export_{secrets.token_hex(6)}"
    urls: DatabaseUrls = postgres_server.create_database(name)
    upgrade_all(urls.owner, [plugin.history for plugin in load_plugins(strict=True) if plugin.history])
    database = Database(urls, pool_size=1)
    yield database
    database.dispose()
    postgres_server.drop_database(name)


def test_both_demo_partners_come_back_as_they_were(fresh_database: Database, tmp_path: Path) -> None:
    for folder in bundle_folders(TENANTS):
        original = read_bundle(folder).content
        apply_bundle(fresh_database, folder, actor="tests")
        with fresh_database.as_operator("tests", "export", one_moment=True) as session:
            partner = session.scalars(select(Partner).where(Partner.slug == folder.name)).one()
            target = tmp_path / folder.name
            assert len(write_bundle(export_partner(session, partner.id), target)) == 2
            assert write_bundle(export_partner(session, partner.id), target) == []
        plan: Plan = apply_bundle(fresh_database, target, actor="tests")
        assert (plan.changes, plan.warnings) == ([], [])
        content = read_bundle(target).content
        assert content.partner == original.partner
        assert content.brand == original.brand
        assert content.hosts == original.hosts
        assert content.demo is None, "a password"
        for mine, theirs in zip(
            content.organizations, sorted(original.organizations, key=lambda o: o.slug), strict=True
        ):
            assert {p.extension: p for p in mine.subscribers} == {p.extension: p for p in theirs.subscribers}
            assert {t.slug: set(t.leads) for t in mine.teams} == {t.slug: set(t.leads) for t in theirs.teams}
            assert mine.hosts == theirs.hosts


# --- the command ------------------------------------------------------------------------------------------------

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
            "RINGSTEAD_DATABASE_OWNER_URL": database_urls.owner,
            "RINGSTEAD_DATABASE_OPERATOR_URL": database_urls.operator,
        }
        return CliRunner().invoke(cli, arguments, env=environment)

    return invoke


@pytest.fixture
def partner(database: Database) -> Partner:
    slug = f"x{secrets.token_hex(5)}"
    brand = Brand.from_mapping({"name": "Sample", "color": "#0b6068"}, png()).to_mapping()
    row = Partner(id=new_id(), slug=slug, name="Sample", brand=brand)
    with database.as_operator("tests", "make a partner") as session:
        session.add(row)
        session.flush()
        for kind in ("portal", "console", "sip"):
            session.add(Host(name=f"{kind}.{slug}.test", partner_id=row.id, kind=kind))
    return row


def test_export_writes_a_folder_that_plan_reads(run: Run, partner: Partner, tmp_path: Path) -> None:
    done = run("tenants", "export", partner.slug)
    folder = tmp_path / "tenants" / partner.slug
    assert done.exit_code == 0, done.output
    assert f"wrote {folder / 'logo.png'}\nwrote {folder / 'partner.toml'}" in done.output
    assert f"! left out: host sip.{partner.slug}.test: sip of the partner" in done.output
    assert (folder / "partner.toml").stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in folder.iterdir()) == ["logo.png", "partner.toml"]
    for named in ((), (str(folder),), (str(folder.parent),)):
        assert run("tenants", "plan", *named).output == f"{partner.slug}: nothing to change.\n"
    again = run("tenants", "export", partner.slug, "--to", str(folder))
    assert again.output.endswith(f"{folder} is up to date.\n")


def test_export_keeps_a_file_that_differs(run: Run, partner: Partner, tmp_path: Path) -> None:
    assert run("tenants", "export", partner.slug).exit_code == 0
    folder = tmp_path / "tenants" / partner.slug
    written = (folder / "partner.toml").read_text()
    (folder / "partner.toml").write_text(f"# mine\n{written}")
    (folder / "logo.png").unlink()
    kept = run("tenants", "export", partner.slug)
    assert kept.exit_code == 1
    assert f"There is something else already: {folder / 'partner.toml'}. Mend:" in kept.output
    assert [file.name for file in folder.iterdir()] == ["partner.toml"], "nothing was written"
    assert (folder / "partner.toml").read_text().startswith("# mine")
    assert run("tenants", "export", partner.slug, "--force").exit_code == 0
    assert (folder / "partner.toml").read_text() == written


def test_export_says_what_it_cannot_do(
    run: Run, partner: Partner, tmp_path: Path, database: Database
) -> None:
    unknown = run("tenants", "export", "nobody-here")
    assert unknown.exit_code == 1
    assert "There is no partner 'nobody-here'. Choose one of: " in unknown.output
    (tmp_path / "file").write_text("")
    assert "is a file" in run("tenants", "export", partner.slug, "--to", str(tmp_path / "file")).output
    (tmp_path / partner.slug).symlink_to(tmp_path / "file" / "below")
    assert "cannot be written" in run("tenants", "export", partner.slug, "--to", str(tmp_path)).output
    with database.as_operator("tests", "damage it") as session:
        session.get_one(Partner, partner.id).brand = {"name": "Sample", "radius": 99}
    damaged = run("tenants", "export", partner.slug)
    assert damaged.exit_code == 1
    assert (
        f"{partner.slug}: the brand in force is damaged (radius: must be 0 to 16 (pixels))" in damaged.output
    )


def test_what_no_bundle_takes_is_named(database: Database, partner: Partner, tmp_path: Path) -> None:
    with Session(database.operator_engine) as session:
        org = Organization(org_id=new_id(), partner_id=partner.id, slug="first", name="First")
        session.add(org)
        session.flush()
        session.add(Subscriber(org_id=org.org_id, partner_id=partner.id, name="Odd", extension="x"))
        session.flush()
        with pytest.raises(
            ExportRefused, match=r"first: subscribers\[0\]\.extension is 'x', which no bundle takes: use 2"
        ):
            write_bundle(export_partner(session, partner.id), tmp_path / partner.slug)
        session.rollback()
    assert list((tmp_path / partner.slug).iterdir()) == [], "no half a file is left"


def test_export_is_on_record(run: Run, partner: Partner, database: Database) -> None:
    assert run("tenants", "export", partner.slug).exit_code == 0
    with database.as_operator("tests", "look") as session:
        reasons = session.connection().exec_driver_sql("SELECT reason FROM operator_audit").scalars().all()
    assert f"export the partner {partner.slug}" in reasons


def test_a_large_partner_is_written_one_organization_at_a_time(database: Database, tmp_path: Path) -> None:
    """The session holds one organization's rows, however many there are."""
    drawn = {
        "extension": "10",
        "has_number": False,
        "status": "active",
        "place": None,
        "openers": {},
        "same_name": False,
    }
    organization = {
        "name": "One",
        "status": "active",
        "settings": {},
        "hosts": [],
        "features": {},
        "teams": [],
        "locations": [],
    }
    with Session(database.operator_engine, expire_on_commit=False) as session:
        maker = PartnerMaker(
            session,
            {
                "name": "Large", "brand": {"name": "Large"}, "brand_follows": False, "settings": {}, "allowed": {},
                "staff": {}, "hosts": ["portal", "console"], "accounts": [],
                "organizations": [
                    {**organization, "slug": f"o{n}", "people": [{**drawn, "name": f"Nr {n}"}]} for n in range(60)
                ],
            },
        )  # fmt: skip
        maker.make()
        session.expunge_all()
        exported = export_partner(session, maker.partner)
        held = 0
        for _part in exported.organizations:
            held = max(held, len(session.identity_map))
        assert held <= 2
        write_bundle(export_partner(session, maker.partner), tmp_path / maker.slug)
        assert len(read_bundle(tmp_path / maker.slug).content.organizations) == 60
        session.rollback()


@pytest.mark.parametrize("logo", [SVG.encode(), png(), (TENANTS / "harborline" / "logo.svg").read_bytes()])
def test_a_logo_comes_back_as_it_was(
    database: Database, partner: Partner, tmp_path: Path, logo: bytes
) -> None:
    cleaned = Brand.from_mapping({"name": "Sample"}, logo).to_mapping()
    with database.as_operator("tests", "another logo") as session:
        session.get_one(Partner, partner.id).brand = cleaned
    with database.as_operator("tests", "export") as session:
        exported = export_partner(session, partner.id)
    (data,) = exported.logos.values()
    again = read_logo(data)
    stored = cleaned["logo"]
    assert (again.svg == stored["svg"]) if "svg" in stored else (again.png == base64.b64decode(stored["png"]))


def test_files_that_differ_are_named(tmp_path: Path, database: Database, partner: Partner) -> None:
    (tmp_path / "logo.png").write_bytes(b"another")
    with database.as_operator("tests", "export") as session, pytest.raises(FilesDiffer) as refused:
        write_bundle(export_partner(session, partner.id), tmp_path)
    assert refused.value.paths == [tmp_path / "logo.png"]
