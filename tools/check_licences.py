"""Part of `make check`: everything that a running portal needs may be shipped with an Apache-2.0 program.

Walks from our distributions through what they require at run time (not the tools of developers), reads each
licence from the installed metadata, and the licences of vendored front-end files from their `vendored.toml`.

LGPL is allowed for a library that is installed beside ours, unchanged and replaceable: psycopg, the only PostgreSQL
driver of its rank, is such a one, and so are soxr (resampling) and zipstream-ng. GPL and AGPL are not, and neither is a
licence that nobody has read.
"""

from __future__ import annotations

import configparser
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent
ALLOWED: Final = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "LicenseRef-Repoze-BSD-derived",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-2.0",
    "OFL-1.1",
    "PostgreSQL",
    "PSF-2.0",
    "Python-2.0",
    "Unlicense",
    "ZPL-2.1",
    "Zlib",
}
# What older metadata says instead of an SPDX identifier. A classifier's last part, or the licence field.
SPELLINGS: Final = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd-derived (repoze)": "LicenseRef-Repoze-BSD-derived",
    "bsd-like (http://repoze.org/license.html)": "LicenseRef-Repoze-BSD-derived",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "repoze public license": "LicenseRef-Repoze-BSD-derived",
    "zope public license": "ZPL-2.1",
    "zpl 2.1": "ZPL-2.1",
}
# Distributions whose metadata says nothing usable, read by a person: name -> (licence, where it was read).
REVIEWED: Final[dict[str, tuple[str, str]]] = {
    # Its Rust crates, listed in the wheel's software bill of materials, are MIT, Apache-2.0 and the like.
    "resvg-py": ("MIT", "licenses/LICENSE in its wheel"),
}


@dataclass(frozen=True)
class Verdict:
    """What was found out about one component."""

    name: str
    licence: str
    fault: str = ""


def our_distributions(root: Path = ROOT) -> list[str]:
    """The names of the core and of every plugin in this repository."""
    names = []
    for folder in (root / "core", *sorted((root / "plugins").glob("*"))):
        if (folder / "setup.cfg").is_file():
            config = configparser.ConfigParser()
            config.read(folder / "setup.cfg", encoding="utf-8")
            names.append(config["metadata"]["name"])
    return names


def closure(names: Iterable[str]) -> tuple[dict[str, Distribution], list[str]]:
    """What the named distributions need at run time here, by name, and what of it is not installed."""
    found: dict[str, Distribution] = {}
    missing: list[str] = []
    done: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in names]
    while waiting:
        name, extra = waiting.pop()
        key = (canonicalize_name(name), extra)
        if key in done:
            continue
        done.add(key)
        try:
            found[key[0]] = distribution(name)
        except PackageNotFoundError:
            missing.append(name)
            continue
        for line in found[key[0]].requires or []:
            required = Requirement(line)
            if required.marker is None or required.marker.evaluate({"extra": extra}):
                waiting += [(required.name, wanted) for wanted in ("", *required.extras)]
    return found, missing


def licence_of(name: str, metadata: Any) -> str:
    """The licence that a distribution's metadata states, as an SPDX expression where it can be read as one."""
    if name in REVIEWED:
        return REVIEWED[name][0]
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    stated = str(metadata.get("License") or "").strip()
    if stated in ALLOWED:
        return stated
    classifiers = [
        line.rpartition("::")[2].strip()
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    ]
    spelled = [SPELLINGS.get(text.lower(), text) for text in classifiers]
    if spelled:
        return " AND ".join(spelled)
    return SPELLINGS.get(stated.lower(), stated.partition("\n")[0]) or "unknown"


def is_allowed(expression: str) -> bool:
    """Whether an SPDX licence expression can be met: every part of an AND, one part of an OR."""
    words = re.findall(r"[()]|[^\s()]+", re.sub(r"\s+WITH\s+[\w.-]+", "", expression))
    known = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
    try:
        return bool(eval(" ".join(known.get(word, str(word in ALLOWED)) for word in words)))
    except SyntaxError:
        return False  # several words that are no expression


def check_installed(names: Iterable[str]) -> Iterator[Verdict]:
    """Verdicts on the closure of the named distributions."""
    found, missing = closure(names)
    for name in missing:
        yield Verdict(
            name, "unknown", "is required and not installed here: make check installs what it needs"
        )
    for name, installed in sorted(found.items()):
        licence = licence_of(name, installed.metadata)
        fault = (
            "" if is_allowed(licence) else "is not an allowed licence; choose another library, or review it"
        )
        yield Verdict(f"{name} {installed.version}", licence, fault)


def check_vendored(root: Path = ROOT) -> Iterator[Verdict]:
    """Verdicts on front-end files that others wrote: a known licence, whose text lies beside them."""
    for listing in sorted((*root.glob("core/**/vendored.toml"), *root.glob("plugins/**/vendored.toml"))):
        if "build" in listing.parts:
            continue
        for entry in tomllib.loads(listing.read_text(encoding="utf-8")).get("vendored", []):
            fault = "" if is_allowed(entry["licence"]) else "is not an allowed licence"
            if not (listing.parent / entry["licence_file"]).is_file():
                fault = f"has no text at {entry['licence_file']}"
            yield Verdict(f"{entry['name']} {entry['version']} (vendored)", entry["licence"], fault)


def main() -> int:
    """Check all licences; prints what is wrong."""
    verdicts = [*check_installed(our_distributions()), *check_vendored()]
    faults = [verdict for verdict in verdicts if verdict.fault]
    for verdict in faults:
        print(f"{verdict.name}: licence {verdict.licence!r} {verdict.fault}.", file=sys.stderr)
    if not faults:
        print(f"{len(verdicts)} components have allowed licences.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
