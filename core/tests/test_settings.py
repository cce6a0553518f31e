"""Deployment settings: where values come from, what is refused and how the refusal reads."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ringstead.settings import (
    Settings,
    SettingsError,
    hide_password,
    load_settings,
    plain_database_url,
    settings_page,
    shown,
    to_environment,
)

# A file of our own, so that a ringstead.toml in the working directory has no say.
EMPTY = "/dev/null"


def test_defaults_listen_on_the_local_machine_with_an_embedded_database() -> None:
    settings = load_settings({}, EMPTY)
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.uses_embedded_database
    assert settings.platform_hosts == ("127.0.0.1", "localhost")


def test_argument_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = tmp_path / "ringstead.toml"
    file.write_text('port = 1001\nweb_threads = 11\nhost = "::1"\n')
    settings = load_settings({"RINGSTEAD_PORT": "1002", "RINGSTEAD_WEB_THREADS": "12"}, file, port=1003)
    assert (settings.port, settings.web_threads, settings.host, settings.web_workers) == (1003, 12, "::1", 2)
    sources = [settings.source(name) for name in ("port", "web_threads", "host", "web_workers")]
    assert sources == ["argument", "environment", str(file), "default"]


def test_the_file_is_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('disabled_plugins = ["calllogs"]\n')
    assert load_settings({"RINGSTEAD_CONFIG": str(file)}).disabled_plugins == ("calllogs",)


def test_lists_are_written_with_commas_in_the_environment() -> None:
    settings = load_settings({"RINGSTEAD_PLATFORM_HOSTS": "switch.example, 10.0.0.1"}, EMPTY)
    assert settings.platform_hosts == ("switch.example", "10.0.0.1")


def test_everything_wrong_is_listed_at_once_with_name_place_and_mend(tmp_path: Path) -> None:
    file = tmp_path / "ringstead.toml"
    file.write_text('databse_url = "postgresql://x/y"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings({"RINGSTEAD_PROT": "80", "RINGSTEAD_WEB_WORKERS": "many", "RINGSTEAD_ZZZ": "1"}, file)
    message = str(caught.value)
    assert f"databse_url ({file}) is not a setting: did you mean database_url?" in message
    assert "RINGSTEAD_PROT (environment) is not a setting: did you mean RINGSTEAD_PORT?" in message
    assert "RINGSTEAD_ZZZ (environment) is not a setting: remove it." in message
    assert "RINGSTEAD_WEB_WORKERS (environment) cannot be 'many'" in message


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("DATABASE_URL", "mysql://a/b", "postgresql://role:password@host"),
        ("DATABASE_URL", "nonsense", "postgresql://role:password@host"),
        ("MAIL_URL", "http://x", "smtp://user:password@host:587"),
        ("MAIL_URL", "smtp://", "smtp://user:password@host:587"),
        ("BLOB_URL", "s3://", "s3://bucket/prefix"),
        ("BLOB_URL", "s3://key:secret@bucket", "s3://bucket/prefix"),
        ("BLOB_URL", "/srv/files", "file:///folder"),
        ("RATE_LIMIT_URL", "memory://", "redis://host"),
        ("SECRET_KEY", "short", "openssl rand -hex 32"),
        ("PORT", "0", "greater than or equal to 1"),
        ("PORT", "70000", "less than or equal to 65535"),
        ("SERVER", "apache", "granian"),
        ("PLUGIN_STRICT", "perhaps", "boolean"),
    ],
)
def test_a_bad_value_names_the_setting_and_the_mend(name: str, value: str, mend: str) -> None:
    with pytest.raises(SettingsError, match=f"RINGSTEAD_{name} \\(environment\\)") as caught:
        load_settings({f"RINGSTEAD_{name}": value}, EMPTY)
    assert mend in str(caught.value)


def test_a_refused_secret_is_never_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(
            {"RINGSTEAD_SECRET_KEY": "hunter2", "RINGSTEAD_DATABASE_URL": "mysql://a:hunter2@b/c"}, EMPTY
        )
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "ringstead.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load_settings({}, file)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no settings file"):
        load_settings({"RINGSTEAD_CONFIG": str(tmp_path / "gone.toml")})


def test_settings_are_immutable() -> None:
    settings = load_settings({}, EMPTY)
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize("url", ["postgresql://a:b@c:5432/d", "postgres://a:b@c:5432/d"])
def test_database_addresses_are_brought_to_one_spelling(url: str) -> None:
    settings = load_settings({"RINGSTEAD_DATABASE_URL": url}, EMPTY)
    assert settings.database_url == "postgresql+psycopg://a:b@c:5432/d"
    assert plain_database_url(settings.database_url) == "postgresql://a:b@c:5432/d"


def test_a_socket_address_survives_the_plain_spelling() -> None:
    url = "postgresql+psycopg://role@/base?host=/run/pg"
    assert plain_database_url(url) == "postgresql://role@/base?host=%2Frun%2Fpg"


def test_a_password_means_the_same_to_both_libraries() -> None:
    assert plain_database_url("postgresql+psycopg://a:p/w:@c/d") == "postgresql://a:p%2Fw%3A@c/d"


@pytest.mark.parametrize(
    ("given_settings", "origin"),
    [
        ({}, "http://a.example:8080"),
        ({"port": 80}, "http://a.example"),
        ({"public_port": 80}, "http://a.example"),
        ({"public_scheme": "https"}, "https://a.example"),
        ({"public_scheme": "https", "public_port": 8443}, "https://a.example:8443"),
    ],
)
def test_origin_is_what_browsers_write(given_settings: dict[str, object], origin: str) -> None:
    assert load_settings({}, EMPTY, **given_settings).origin("a.example") == origin


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = load_settings({}, EMPTY, var_dir=tmp_path / "var")
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: settings.secret(), range(16)))
    assert len(made) == 1
    assert len(made.pop()) == 64
    files = list((tmp_path / "var").iterdir())
    assert [file.name for file in files] == ["secret"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_shown_settings_hide_secrets() -> None:
    settings = load_settings({}, EMPTY, secret_key="s" * 40, mail_url="smtp://me:hunter2@mail.example")
    text = str(list(shown(settings)))
    assert "hunter2" not in text
    assert "ssss" not in text


@pytest.mark.parametrize(
    ("address", "shown_as"),
    [
        ("smtp://me:hunter2@mail.example:587", "smtp://me:***@mail.example:587"),
        ("smtp://me@mail.example:hunter2@mail.example", "smtp://me%40mail.example:***@mail.example"),
        ("redis://:hunter2@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"),
        ("postgresql+psycopg://app:hun/ter2@db/x", "postgresql+psycopg://app:***@db/x"),
        ("postgresql://app@db/x?password=hunter2&sslmode=require", "postgresql://app@db/x?sslmode=require"),
        ("postgresql://app@db/x?sslpassword=hunter2", "postgresql://app@db/x"),
        ("postgresql://app:hun@ter2@db/x", "postgresql://…"),
        ("postgresql://app:hun@ter2/@db/x", "postgresql://…"),
        ("postgresql://app:hun@ter2?@db/x", "postgresql://…"),
        ("postgresql://app:hunter2@db:port/x", "postgresql://…"),
        ("file:///var/mail", "file:///var/mail"),
        ("file:", "file:"),
    ],
)
def test_no_spelling_of_an_address_shows_a_password(address: str, shown_as: str) -> None:
    assert hide_password(address) == shown_as


@given(st.text(st.sampled_from("x@/:?#&=%[]+ "), min_size=1).map(lambda tail: f"Zqx{tail}Zqx"))
def test_no_password_is_shown_or_repeated(password: str) -> None:
    assert "Zqx" not in hide_password(f"smtp://app:{password}@mail.example")
    try:
        settings = load_settings({"RINGSTEAD_DATABASE_URL": f"postgresql://app:{password}@db/x"}, EMPTY)
        said = str(list(shown(settings)))
    except SettingsError as error:
        said = str(error)
    assert "Zqx" not in said


@pytest.mark.parametrize(
    "value", ["host=db password=hunter2", "app:hunter2@db", "postgresql://a:hun@ter2@db/x"]
)
def test_a_refused_address_is_not_repeated(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"RINGSTEAD_DATABASE_URL": value, "RINGSTEAD_MAIL_URL": value}, EMPTY)
    assert "ter2" not in str(caught.value)


@given(
    port=st.integers(1, 65535),
    hosts=st.lists(st.from_regex(r"[a-z]{1,10}\.example", fullmatch=True), max_size=4),
    strict=st.booleans(),
    public_port=st.none() | st.integers(1, 65535),
)
def test_a_child_process_gets_the_very_same_settings(
    port: int, hosts: list[str], strict: bool, public_port: int | None
) -> None:
    settings = load_settings(
        {}, EMPTY, port=port, platform_hosts=hosts, plugin_strict=strict, public_port=public_port
    )
    assert load_settings(to_environment(settings), EMPTY).model_dump() == settings.model_dump()


def test_every_setting_has_help_and_is_on_the_page() -> None:
    page = settings_page()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| `{name}` |" in page
