"""The wheels hold everything, install together in a clean environment, and run there."""

import zipfile
from pathlib import Path

import pytest
from support.installation import ROOT, Deployment, Installation

pytestmark = [pytest.mark.wheels, pytest.mark.slow]

PACKAGES = {
    "ringstead": ROOT / "core" / "ringstead",
    **{
        path.name: path
        for path in sorted((ROOT / "plugins").glob("*/ringstead_*"))
        if path.is_dir() and path.suffix != ".egg-info"
    },
}


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_holds_every_file_of_its_package(wheels: Path, package: str) -> None:
    (wheel,) = wheels.glob(f"{package}-[0-9]*.whl")
    root = PACKAGES[package]
    wanted = {
        f"{package}/{path.relative_to(root).as_posix()}"
        for path in root.rglob("*")
        if path.is_file()
        and not any(p.startswith((".", "__pycache__")) for p in path.relative_to(root).parts)
    }
    held = names_in(wheel)
    assert wanted - held == set()
    assert {name for name in held if ".dist-info/" not in name} - wanted == set()


def test_the_core_brings_what_is_no_python(wheels: Path) -> None:
    (wheel,) = wheels.glob("ringstead-[0-9]*.whl")
    endings = {Path(name).suffix for name in names_in(wheel)}
    assert {".pt", ".css", ".js", ".svg", ".woff2", ".mo", ".typed"} <= endings
    assert "ringstead/migrations/versions/0001_foundation.py" in names_in(wheel)


def test_wheels_carry_the_licence(wheels: Path) -> None:
    for package in PACKAGES:
        (wheel,) = wheels.glob(f"{package}-[0-9]*.whl")
        assert any(name.endswith("/LICENSE") and ".dist-info/" in name for name in names_in(wheel)), package


def test_the_umbrella_holds_no_code(wheels: Path) -> None:
    (wheel,) = wheels.glob("ringstead_portal-*.whl")
    assert not [name for name in names_in(wheel) if ".dist-info/" not in name]


def test_commands_answer(installation: Installation) -> None:
    helped = installation.run("--help")
    assert helped.returncode == 0, helped.stderr
    for command in ("serve", "worker", "db", "tenants", "demo", "plugins", "doctor"):
        assert f"\n  {command} " in helped.stdout
    settings = installation.run("settings", "show")
    assert settings.returncode == 0, settings.stderr


def test_the_code_is_the_wheels(installation: Installation) -> None:
    shown = installation.run("--version")
    assert shown.returncode == 0, shown.stderr
    site = installation.home / "lib"
    assert list(site.glob("python*/site-packages/ringstead/api/__init__.py"))
    assert not list(site.glob("python*/site-packages/__editable__*ringstead*"))


def test_the_migrations_are_current(deployment: Deployment) -> None:
    status = deployment.run("db", "status")
    assert status.returncode == 0, status.stdout
    assert "core:" in status.stdout
    assert "calllogs:" in status.stdout


def test_doctor_finds_nothing_wrong(deployment: Deployment, misfits: list[str]) -> None:
    found = deployment.run("doctor", disabled_plugins=",".join(misfits))
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_portal_serves(deployment: Deployment, misfits: list[str]) -> None:
    with deployment.serving(disabled_plugins=",".join(misfits)) as portal:
        portal.browser("nobody.test").get("/", status=421)
