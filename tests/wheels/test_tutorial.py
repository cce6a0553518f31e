"""The tutorial's plugin works: its files as they stand on the page, built, installed, used, and tested."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installation import ROOT, Deployment, make_installation
from support.tutorial import tutorial_files, write_files

from ringstead.api.testing import Tenants

pytestmark = [pytest.mark.wheels, pytest.mark.slow]

PAGE = (ROOT / "docs" / "first-plugin.md").read_text(encoding="utf-8")


def test_its_commands_exist(deployment: Deployment, tenants: Tenants, misfits: list[str]) -> None:
    organization = tenants.organization()
    with tenants.database.as_operator("tests", "name the organization") as session:
        place = (
            session.connection()
            .exec_driver_sql(
                "SELECT p.slug || '/' || o.slug FROM organization o JOIN partner p ON p.id = o.partner_id"
                " WHERE o.org_id = %s",
                (organization.org_id,),
            )
            .scalar_one()
        )
    enabled = deployment.run("plugins", "enable", "notes", place, disabled_plugins=",".join(misfits))
    assert enabled.returncode == 0, enabled.stderr
    assert f"notes is on for {place}." in enabled.stdout
    state = deployment.run("plugins", "state", disabled_plugins=",".join(misfits))
    assert any(place in line and "notes" in line for line in state.stdout.splitlines())
    for command in ("plugins list", "plugins state", "plugins enable notes"):
        assert f".venv/bin/ringstead {command}" in PAGE


def test_it_works_through_the_front_door(
    deployment: Deployment, tenants: Tenants, misfits: list[str]
) -> None:
    person = tenants.person(tenants.organization(None, "notes"))
    with deployment.serving(disabled_plugins=",".join(misfits)) as portal:
        reader = portal.browser(f"{person.partner.slug}.test", tenants.session_token(person))
        assert "No notes yet" in reader.get("/notes")
        reader.post("/notes", text="Call the tiler")
        assert "Call the tiler" in reader.get("/notes")
        assert "Call the tiler" in reader.get("/")


@pytest.fixture
def desk() -> Iterator[Path]:
    """The author's folder. Not below pytest's own, which every run of pytest closes to the database's user again."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_its_own_tests_pass(wheels: Path, desk: Path) -> None:
    """In a clean environment, as its author would run them."""
    author = make_installation(desk / "environment", wheels, extras=("testing",))
    author.install("ringstead-notes")
    write_files(tutorial_files(PAGE), desk)
    command = [str(author.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(desk)}
    done = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
