"""Parts of a bundle as the text of `partner.toml`, a section at a time, and the files in their folder."""

from __future__ import annotations

import contextlib
import filecmp
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.items import Array, Key, Table

from ringstead.tenancy.bundle_export import Exported
from ringstead.tenancy.bundle_file import FILE_NAME
from ringstead.tenancy.bundle_schema import OrganizationPart

_INDENT: Final = "    "
_PREFACE: Final = (
    "# A partner as data, written by `ringstead tenants export`. docs/tenants.md explains every key.\n"
)


class FilesDiffer(Exception):
    """There are other files of these names already."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        super().__init__(", ".join(map(str, paths)))


def write_bundle(exported: Exported, folder: Path, *, force: bool = False) -> list[Path]:
    """Write `partner.toml` and the logos into `folder`; returns those that were not like that already.

    Raises FilesDiffer when there is another file of that name, unless `force` is given; then nothing was written. Files
    that are new are their owner's only: they hold names and addresses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as leftovers:
        parts = {folder / FILE_NAME: _part(folder, leftovers, (t.encode() for t in bundle_text(exported)))}
        # First: a file that names a logo finds it.
        logos = {folder / name: _part(folder, leftovers, [data]) for name, data in exported.logos.items()}
        parts = {**logos, **parts}
        changed = {path: part for path, part in parts.items() if not _is_same(path, part)}
        different = [path for path in changed if os.path.lexists(path)]
        if different and not force:
            raise FilesDiffer(different)
        for path, part in changed.items():
            part.replace(path)
    return list(changed)


def _part(folder: Path, leftovers: contextlib.ExitStack, pieces: Iterable[bytes]) -> Path:
    """A file of these pieces beside the one that it may become; removed unless it does."""
    descriptor, name = tempfile.mkstemp(prefix=".export-", dir=folder)
    part = Path(name)
    leftovers.callback(part.unlink, missing_ok=True)
    with open(descriptor, "wb") as stream:
        stream.writelines(pieces)
        stream.flush()
        os.fsync(stream.fileno())
    return part


def _is_same(path: Path, part: Path) -> bool:
    return path.is_file() and filecmp.cmp(path, part, shallow=False)


def bundle_text(exported: Exported) -> Iterator[str]:
    """The text of `partner.toml`, piece by piece: memory holds one organization."""
    yield _PREFACE
    head = exported.head.model_dump(exclude_defaults=True, exclude={"organizations"})
    for name, value in head.items():
        for table in value if isinstance(value, list) else [value]:
            yield "\n" + _section(name, table, is_one_of_many=isinstance(value, list))
    for organization in exported.organizations:
        yield "\n" + organization_text(organization)


def organization_text(part: OrganizationPart) -> str:
    """`[[organizations]]` with everything of one."""
    return _section("organizations", part.model_dump(exclude_defaults=True), is_one_of_many=True)


def _section(name: str, values: Mapping[str, Any], *, is_one_of_many: bool) -> str:
    """`[name]` or `[[name]]`: what is below it with dots, lists of tables with a line for each."""
    table = tomlkit.table()
    for key, value in values.items():
        _put(table, (key,), value)
    document = tomlkit.document()
    if is_one_of_many:
        tables = tomlkit.aot()
        tables.append(table)
        document.append(name, tables)
    else:
        document.append(name, table)
    return tomlkit.dumps(document)


def _put(table: Table, path: tuple[str, ...], value: Any) -> None:
    if isinstance(value, dict):
        for key, below in value.items():
            _put(table, (*path, key), below)
    elif value and isinstance(value, list) and isinstance(value[0], dict):
        table.append(_key(path), _lines(value))
    else:
        table.append(_key(path), value)


def _key(path: tuple[str, ...]) -> Key:
    return tomlkit.key(path[0] if len(path) == 1 else list(path))


def _lines(tables: list[dict[str, Any]]) -> Array:
    lines = tomlkit.array()
    for one in tables:
        lines.add_line(_inline(one), indent=_INDENT)
    lines.add_line(indent="")
    return lines


def _inline(values: Mapping[str, Any]) -> Any:
    inline = tomlkit.inline_table()
    for key, value in values.items():
        is_tables = isinstance(value, list) and value and isinstance(value[0], dict)
        inline.append(key, [_inline(one) for one in value] if is_tables else _simple(value))
    return inline


def _simple(value: Any) -> Any:
    return _inline(value) if isinstance(value, dict) else value
