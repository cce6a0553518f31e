"""A bundle that tests of bundles begin with."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><rect class="l-bg" width="4" height="4"/></svg>'
SAMPLE = """\
[partner]
slug = "{slug}"
name = "Sample"
locale = "en"
time_zone = "America/New_York"

[brand]
color = "#0b6068"
logo = "logo.svg"

[hosts]
portal = ["{slug}.test"]
console = ["console.{slug}.test"]

[demo]
password = "only in the demo"

[[staff]]
name = "Tansy Example"
email = "tansy@{slug}.example"
role = "partner_admin"

[[organizations]]
slug = "first"
name = "First"
time_zone = "Europe/Vienna"
hosts.sip = ["first.{slug}.test"]
features.sample = true
subscribers = [
    {{ extension = "214", name = "Juno Example", number = "+1 212 555 01{tail}", email = "Juno@{slug}.example" }},
    {{ extension = "215", name = "Front desk" }},
]

[[organizations]]
slug = "second"
name = "Second"
"""


@pytest.fixture
def slug() -> str:
    return f"b{secrets.token_hex(5)}"


@pytest.fixture
def write(tmp_path: Path, slug: str) -> Callable[..., Path]:
    """`write(old, new, …)`: the sample bundle with replacements, in a folder of its own."""

    def make(*replacements: tuple[str, str]) -> Path:
        # Numbers are unique on the platform, so each test takes one that no other test has.
        text = SAMPLE.format(slug=slug, tail=f"{secrets.randbelow(10**6):06}"[:2])
        text = text.replace("+1 212 555 01", f"+1 {200 + secrets.randbelow(700)} 555 01")
        path = tmp_path / slug / "partner.toml"
        path.parent.mkdir(exist_ok=True)
        text = path.read_text() if path.exists() else text
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        (path.parent / "logo.svg").write_text(LOGO)
        return path.parent

    return make
