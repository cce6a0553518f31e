"""`var/demo.json`: where the demo is and how to sign in, for people and for scripts. `docs/tenants.md` describes it."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

FILE_NAME: Final = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A sign-in. Staff have no organization, extension and subscriber.

    `leads` are the slugs of the teams that they lead, `manages` those of their locations.
    """

    partner: str
    organization: str | None
    role: str
    login: str
    password: str
    name: str
    extension: str | None
    subscriber_id: str | None
    leads: list[str] = field(default_factory=list)
    manages: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DemoOrganization:
    """An organization: `domain` is its SIP domain, `features` are the plugins that are on."""

    partner: str
    id: str
    slug: str
    name: str
    domain: str | None
    time_zone: str
    features: list[str]


@dataclass(frozen=True, slots=True)
class DemoSwitch:
    """How a switch signs in: `Authorization: Bearer <key>` at the addresses below `url`."""

    url: str
    node: str
    key: str


@dataclass(frozen=True, slots=True)
class DemoManifest:
    """The whole file. `portals` and `consoles` are addresses by partner; `calls_until` is when the calls end."""

    portals: dict[str, str]
    consoles: dict[str, str]
    accounts: list[DemoAccount]
    switch: DemoSwitch
    organizations: list[DemoOrganization]
    calls_until: str

    def write(self, var_dir: Path) -> Path:
        """Replace the file in one step: a reader sees the old one or the new one. Readable by its owner only."""
        var_dir.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=var_dir, prefix=f".{FILE_NAME}.")  # with mode 0600
        try:
            with open(descriptor, "w", encoding="utf-8") as stream:
                json.dump(asdict(self), stream, indent=2, ensure_ascii=False)
                stream.write("\n")
            os.replace(fresh, var_dir / FILE_NAME)
        except BaseException:
            Path(fresh).unlink(missing_ok=True)
            raise
        return var_dir / FILE_NAME

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The manifest from what `write` wrote."""
        return cls(
            portals=data["portals"],
            consoles=data["consoles"],
            accounts=[DemoAccount(**account) for account in data["accounts"]],
            switch=DemoSwitch(**data["switch"]),
            organizations=[DemoOrganization(**organization) for organization in data["organizations"]],
            calls_until=data["calls_until"],
        )


def read_manifest(var_dir: Path) -> DemoManifest | None:
    """The last start's manifest; None when there is none, or one that this version does not understand."""
    try:
        return DemoManifest.from_json(json.loads((var_dir / FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
