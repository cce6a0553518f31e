"""The deployment's settings: a table with default, type and help. Unknown names are errors at start.

Order, the strongest last: default, `ringstead.toml` (or the file that RINGSTEAD_CONFIG names), environment
variables `RINGSTEAD_NAME`, arguments in code. In the environment a list is written with commas.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ringstead.keys import KeyRing

PREFIX: Final = "RINGSTEAD_"
CONFIG_VARIABLE: Final = "RINGSTEAD_CONFIG"
DEFAULT_FILE: Final = Path("ringstead.toml")
_SECRET: Final = ("secret_key", "old_secret_keys")
_PORTS: Final = {"http": 80, "https": 443}


class SettingsError(Exception):
    """The settings cannot be used; the message names each setting, where it came from and the mend."""


def _words(value: object) -> object:
    """A list as it is written in an environment variable: words with commas between."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _database_url(value: object) -> object:
    """Any spelling of a PostgreSQL address, in SQLAlchemy's spelling for psycopg 3."""
    if not isinstance(value, str) or not value:
        return value
    scheme, separator, rest = value.partition("://")
    if not separator or scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ValueError("write it as postgresql://role:password@host:5432/database")
    if _parsed(value) is None:
        raise ValueError("write @, / and ? in a password as %40, %2F and %3F, and the port as a number")
    return f"postgresql+psycopg://{rest}"


def _mail_url(value: object) -> object:
    parts = urlsplit(str(value))
    if parts.scheme == "file" or (parts.scheme in {"smtp", "smtps"} and parts.hostname):
        return value
    raise ValueError("write it as smtp://user:password@host:587, smtps://…, or file: for var/mail")


def _blob_url(value: object) -> object:
    parts = urlsplit(str(value))
    if (parts.scheme == "file" and not parts.netloc) or (parts.scheme == "s3" and _is_bucket(parts.netloc)):
        return value
    raise ValueError(
        "write it as file:///folder, or s3://bucket/prefix?region=eu-central-1&endpoint=https://…"
    )


def _is_bucket(name: str) -> bool:
    return bool(name) and not set("@:") & set(name)


def _rate_limit_url(value: object) -> object:
    if value == "postgresql" or urlsplit(str(value)).scheme in {"redis", "rediss"}:
        return value
    raise ValueError("write `postgresql`, or redis://host:6379/0")


def _secret(value: object) -> object:
    if isinstance(value, str) and 0 < len(value) < 32:
        raise ValueError("use 32 characters or more, for example from `openssl rand -hex 32`")
    return value


def _secrets(value: object) -> object:
    words = _words(value)
    return tuple(_secret(word) for word in words) if isinstance(words, list | tuple) else words


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
DatabaseUrl = Annotated[str, BeforeValidator(_database_url)]


class Settings(BaseModel):
    """Everything that a deployment may decide. Made by `load_settings`; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: DatabaseUrl = Field(
        "",
        description="PostgreSQL for the role ringstead_app. Empty: an embedded PostgreSQL in var/postgres.",
    )
    database_owner_url: DatabaseUrl = Field(
        "",
        description="The same database for the role ringstead_owner, which migrates. Only with database_url.",
    )
    database_operator_url: DatabaseUrl = Field(
        "", description="The same database for the role ringstead_operator, for audited cross-tenant work."
    )
    var_dir: Path = Field(
        Path("var"), description="Folder for everything Ringstead writes outside the database."
    )
    tenants_dir: Path = Field(Path("tenants"), description="Folder with one partner bundle per subfolder.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    public_scheme: Literal["http", "https"] = Field(
        "http", description="Scheme that browsers use. https turns on Secure and __Host- cookies and HSTS."
    )
    public_port: int | None = Field(
        None, ge=1, le=65535, description="Port that browsers use. Default: `port` over http, 443 over https."
    )
    server: Literal["granian", "gunicorn", "waitress"] = Field("granian", description="The WSGI server.")
    web_workers: int = Field(2, ge=1, le=256, description="Web worker processes.")
    web_threads: int = Field(4, ge=1, le=256, description="Threads in each web worker process.")
    worker_concurrency: int = Field(4, ge=1, le=256, description="Jobs that one job worker runs at once.")
    platform_hosts: Words = Field(
        ("127.0.0.1", "localhost"),
        description="Host names that serve the switch interface and /healthz, and no partner's pages.",
    )
    trusted_proxy_hops: int = Field(
        0, ge=0, le=10, description="Reverse proxies in front whose X-Forwarded-* headers are believed."
    )
    secret_key: Annotated[str, BeforeValidator(_secret)] = Field(
        "", description="Key that signs short-lived tokens. Default: made once and kept in var/secret."
    )
    old_secret_keys: Annotated[tuple[str, ...], BeforeValidator(_secrets)] = Field(
        (), description="Earlier values of `secret_key`: what they signed or sealed is still read."
    )
    session_hours: int = Field(12, ge=1, le=24 * 90, description="Longest life of a sign-in, in hours.")
    session_idle_minutes: int = Field(
        60, ge=1, le=60 * 24 * 30, description="A sign-in ends after so many minutes without a request."
    )
    mail_url: Annotated[str, BeforeValidator(_mail_url)] = Field(
        "file:",
        description="Where mail goes: smtp://user:password@host:587, smtps://…, or file: for var/mail.",
    )
    blob_url: Annotated[str, BeforeValidator(_blob_url)] = Field(
        "file:",
        description="Where files are kept: file: for var/blobs, file:///folder, or "
        "s3://bucket/prefix?region=…&endpoint=… with the usual AWS_* variables for the keys.",
    )
    rate_limit_url: Annotated[str, BeforeValidator(_rate_limit_url)] = Field(
        "postgresql", description="Where throttling counts: `postgresql`, or redis://host:6379/0."
    )
    max_body_bytes: int = Field(
        32 * 1024 * 1024, ge=1024, description="Largest request body accepted, in bytes; more answers 413."
    )
    list_demo_sites: bool = Field(
        False,
        description="The platform hosts' start page lists the sites of var/demo.json. `ringstead demo` turns it on.",
    )
    disabled_plugins: Words = Field((), description="Installed plugins that are not loaded.")
    plugin_strict: bool = Field(
        False, description="A plugin's failure stops the request instead of costing its own part. For tests."
    )
    pseudo_locale: bool = Field(False, description="Show every translated text in brackets. For tests.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_format: Literal["console", "json"] = Field("console", description="How a log line is written.")

    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def uses_embedded_database(self) -> bool:
        """True when Ringstead brings its own PostgreSQL."""
        return not self.database_url

    def source(self, name: str) -> str:
        """Where the value of a setting came from: `default`, a file's name, `environment` or `argument`."""
        return self._sources.get(name, "default")

    def origin(self, host: str) -> str:
        """The address of a host as browsers write it, without a trailing slash: `http://voice.example:8080`."""
        port = self.public_port or (self.port if self.public_scheme == "http" else 443)
        return f"{self.public_scheme}://{host}" + ("" if port == _PORTS[self.public_scheme] else f":{port}")

    def keys(self) -> KeyRing:
        """The signing keys; one is made and kept in `var_dir/secret` (mode 0600) when none is set."""
        return KeyRing(self.secret_key, self.old_secret_keys, self.var_dir / "secret")

    def secret(self) -> str:
        """The key that signs now."""
        return self.keys().current


def load_settings(
    env: Mapping[str, str] | None = None, file: Path | str | None = None, **overrides: Any
) -> Settings:
    """Read file and environment, check every name and value.

    `env` defaults to the process's environment, `file` to the one that RINGSTEAD_CONFIG names, else to
    ringstead.toml in the working directory. Raises `SettingsError` that lists everything wrong at once.
    """
    env = os.environ if env is None else env
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    problems: list[str] = []
    for source, given in (
        _from_file(env, file),
        ("environment", _from_environment(env)),
        ("argument", overrides),
    ):
        for name, value in given.items():
            if name in Settings.model_fields:
                values[name] = value
                sources[name] = source
            else:
                problems.append(_unknown(name, source))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += _explain(error, sources)
    if problems:
        raise SettingsError("The settings cannot be used:\n" + "\n".join(f"  - {line}" for line in problems))
    settings._sources.update(sources)
    return settings


def to_environment(settings: Settings, **overrides: object) -> dict[str, str]:
    """The environment variables that give a child process these very settings, `overrides` applied."""
    values = settings.model_dump() | overrides
    return {
        PREFIX + name.upper(): ",".join(value) if isinstance(value, tuple) else str(value)
        for name, value in values.items()
        if value is not None
    }


def shown(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Name, value and source of each setting, with secrets hidden, for people to read."""
    for name, value in settings.model_dump().items():
        text = ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
        if name in _SECRET and text:
            text = "********"
        yield name, hide_password(text), settings.source(name)


def hide_password(address: str) -> str:
    """An address as people may read it: without passwords, and with its scheme only when it cannot be read."""
    scheme, separator, _rest = address.partition("://")
    if not separator:
        return address
    parts = _parsed(address)
    if parts is None:
        return f"{scheme}://…"
    secret = [name for name in parts.query if "pass" in name.lower()]
    return parts.difference_update_query(secret).render_as_string(hide_password=True)


def _parsed(address: str) -> URL | None:
    """The parts of an address; None when there are none, or when an `@` may have cut its password in two."""
    try:
        parts = make_url(address)
    except (ArgumentError, ValueError):
        return None
    after_password = (parts.host or "", parts.database or "", address.partition("?")[2])
    return None if any("@" in part for part in after_password) else parts


def plain_database_url(url: str) -> str:
    """A SQLAlchemy address in the spelling of libpq: `postgresql://…`, for psycopg and psql."""
    if "://" not in url:  # libpq knows another way, with keywords
        return url
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def settings_page() -> str:
    """The reference page `docs/settings.md`, made from the table above."""
    lines = [
        "# Settings of a deployment",
        "",
        "Made by `ringstead settings docs`; do not edit. Give a setting in the environment by its",
        f"upper-case name with the prefix `{PREFIX}` (`RINGSTEAD_PORT=8000`), or in `ringstead.toml` by its",
        f"name (`port = 8000`); `{CONFIG_VARIABLE}` names another file. The environment wins over the file.",
        "A list is written with commas in the environment and as a TOML list in the file. An unknown name",
        "stops the start and names the nearest known one. `ringstead settings show` prints what is in force",
        "and where each value came from.",
        "",
        "| Setting | Type | Default | What it does |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        description = (field.description or "").replace("|", "\\|")
        lines.append(
            f"| `{name}` | {_type_name(field.annotation)} | {_default_text(field.default)} | {description} |"
        )
    return "\n".join(lines) + "\n"


def _from_environment(env: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in env.items()
        if name.startswith(PREFIX) and name != CONFIG_VARIABLE
    }


def _from_file(env: Mapping[str, str], file: Path | str | None) -> tuple[str, dict[str, Any]]:
    asked = file or env.get(CONFIG_VARIABLE)
    path = Path(asked) if asked else DEFAULT_FILE
    try:
        return str(path), tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not asked:
            return str(path), {}
        raise SettingsError(
            f"There is no settings file {path}. Write it, or unset {CONFIG_VARIABLE} to do without."
        ) from error
    except OSError as error:
        raise SettingsError(
            f"The settings file {path} cannot be read: {error.strerror}. Mend its rights."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The settings file {path} is not valid TOML: {error}. Mend that line."
        ) from error


def _spelling(name: str, source: str) -> str:
    return PREFIX + name.upper() if source == "environment" else name


def _unknown(name: str, source: str) -> str:
    close = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.5)
    mend = f"did you mean {_spelling(close[0], source)}?" if close else "remove it."
    spelled = _spelling(name, source)
    return f"{spelled} ({source}) is not a setting: {mend} `ringstead settings docs` lists all of them."


def _explain(error: ValidationError, sources: Mapping[str, str]) -> Iterator[str]:
    for detail in error.errors():
        name = str(detail["loc"][0])
        source = sources.get(name, "default")
        message = detail["msg"].removeprefix("Value error, ").rstrip(".")
        help_text = Settings.model_fields[name].description
        given = _repeated(name, detail["input"])
        yield f"{_spelling(name, source)} ({source}) cannot be {given}: {message}. {help_text}"


def _repeated(name: str, given: object) -> str:
    """A refused value as the message may repeat it."""
    if isinstance(given, str) and "://" in given:
        return repr(hide_password(given))
    # What should be an address and is none may still hold a password.
    return "the given value" if name in _SECRET or name.endswith("_url") else repr(given)


def _type_name(annotation: Any) -> str:
    choices = getattr(annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return " or ".join(f"`{choice}`" for choice in choices)
    if choices and str(annotation).startswith("tuple"):
        return "list of text"
    plain = next((choice for choice in choices if choice is not type(None)), annotation)
    return {int: "number", bool: "true or false", Path: "path"}.get(plain, "text")


def _default_text(default: object) -> str:
    if default is None or default in ("", ()):
        return ""
    if isinstance(default, tuple):
        return f"`{', '.join(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
