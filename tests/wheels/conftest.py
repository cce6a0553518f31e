"""One clean environment for all tests here: the wheels of this repository, add-ons and the tutorial's plugin."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installation import ROOT, Deployment, Installation, build_wheels, make_installation, once
from support.tutorial import tutorial_files, write_files

from ringstead.api.testing import Tenants
from ringstead.db.embedded import EmbeddedPostgres
from ringstead.db.engine import Database

ADDONS = ("ringstead-noticeboard-addon", "ringstead-misfits", "ringstead-notes")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session")
def wheels(shared_folder: Path) -> Path:
    """The wheels of everything."""
    folder = shared_folder / "wheels"
    with once(shared_folder, "wheels") as first:
        if first:
            tutorial = shared_folder / "ringstead-notes"
            write_files(
                tutorial_files((ROOT / "docs" / "first-plugin.md").read_text(encoding="utf-8")), tutorial
            )
            addons = ROOT / "tests" / "addon"
            plugins = sorted(path.parent for path in (ROOT / "plugins").glob("*/setup.cfg"))
            build_wheels(
                [ROOT / "core", *plugins, ROOT, addons / "noticeboard", addons / "misfits", tutorial], folder
            )
    return folder


@pytest.fixture(scope="session")
def installation(wheels: Path, shared_folder: Path) -> Installation:
    """The clean environment, with our wheels and the add-ons."""
    home = shared_folder / "installation"
    with once(shared_folder, "installation") as first:
        if first:
            made = make_installation(home, wheels)
            made.install("ringstead-portal", *ADDONS)
    return Installation(home, wheels)


@pytest.fixture(scope="session")
def deployment(
    installation: Installation, postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A migrated database of its own. A plugin whose migration fails must be left out of that."""
    name = f"wheels_{secrets.token_hex(6)}"
    urls = postgres_server.create_database(name)
    settings = {"disabled_plugins": "misfit_migration"}
    deployment = Deployment(installation, urls, tmp_path_factory.mktemp("var"), settings)
    migrated = deployment.run("db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    yield deployment
    postgres_server.drop_database(name)


@pytest.fixture
def tenants(deployment: Deployment) -> Iterator[Tenants]:
    """Makes tenants in the deployment's database."""
    database = Database(deployment.urls, pool_size=2)
    yield Tenants(database)
    database.dispose()


@pytest.fixture(scope="session")
def misfits() -> list[str]:
    """Names of the plugins that misbehave."""
    return sorted(
        path.parent.name for path in (ROOT / "tests" / "addon" / "misfits").glob("misfit_*/plugin.py")
    )
