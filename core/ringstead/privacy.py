"""What is known about a person, taken out or erased: core and every plugin are asked, on or off.

Never half done: a part that fails stops all of it. An export that lacks a part is no export, and what is erased is one
transaction of the organization. So a plugin that does not work here stops both, until somebody says to go without it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Final
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import msgspec

from ringstead.api.answers import Erasure, ErasureRefused, PersonalData
from ringstead.blobs import org_blobs
from ringstead.db.session import TenantSession
from ringstead.plugins.faults import is_portals, said
from ringstead.plugins.registry import Registry

_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
_FILE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*\.[a-z0-9]+")
_ABOUT: Final = "about.json"


class PrivacyFailed(Exception):
    """Nothing was exported or erased; the message names the plugin and says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a plugin gave or erased: a file's name or a few words, and how many rows."""

    plugin: str
    what: str
    count: int


def export_person(
    registry: Registry,
    session: TenantSession,
    subscriber_id: UUID,
    file: IO[bytes],
    without: Collection[str] = (),
) -> list[Part]:
    """Write everything about a subscriber into `file`, as a zip; raises `PrivacyFailed`.

    Rows and files go into it one after another, so memory does not grow with their number.
    """
    parts: list[Part] = []
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for plugin, ask in _asked(registry, "export_person", without):
            with _guarded(plugin):
                for data in _answer(ask(session=session, subscriber_id=subscriber_id), PersonalData):
                    parts.append(_write(archive, plugin, data, {part.what for part in parts}))
                    _write_files(archive, plugin, data, session)
        about = {"subscriber": subscriber_id, "organization": session.org_id, "made_at": datetime.now(UTC)}
        files = [{"file": part.what, "rows": part.count} for part in parts]
        archive.writestr(_ABOUT, msgspec.json.format(msgspec.json.encode({**about, "files": files})))
    return parts


def erase_person(
    registry: Registry,
    session: TenantSession,
    subscriber_id: UUID,
    despite_hold: bool = False,
    without: Collection[str] = (),
) -> list[Part]:
    """Erase everything about a subscriber in the session's transaction; raises `PrivacyFailed`, for it to roll back."""
    parts: list[Part] = []
    for plugin, ask in _asked(registry, "erase_person", without):
        with _guarded(plugin):
            answer = ask(session=session, subscriber_id=subscriber_id, despite_hold=despite_hold)
            parts += [Part(plugin, str(one.what), one.count) for one in _answer(answer, Erasure)]
            session.flush()
    return parts


def _asked(
    registry: Registry, hook: str, without: Collection[str]
) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The implementations of core and plugins, in order. Who cannot be asked, though installed, stops it."""
    for name, plugin in registry.plugins.items():
        if plugin.state != "active" and name not in without:
            raise PrivacyFailed(
                f"{name}: it is {plugin.state} ({plugin.why}), so nobody knows what it holds; "
                "mend it, or go without it if it holds nothing"
            )
    for name, given in registry.contributions.items():
        if hook in given.hooks and name not in without:
            yield name, given.hooks[hook]


class _guarded:
    """Says which plugin an error came from, unless the error is the portal's own."""

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> None:
        if isinstance(error, ErasureRefused):
            raise PrivacyFailed(f"{self._plugin}: {error}") from error
        if isinstance(error, Exception) and not is_portals(error):
            raise PrivacyFailed(f"{self._plugin}: {said(error)}") from error


def _answer(answer: Any, kind: type) -> list[Any]:
    if not isinstance(answer, list) or not all(isinstance(item, kind) for item in answer):
        raise TypeError(f"must return a list of {kind.__name__}")
    return answer


def _write(archive: ZipFile, plugin: str, data: PersonalData, taken: Collection[str]) -> Part:
    """Write a part as a JSON array with a row on each line."""
    name = f"{plugin}/{data.name}.json"
    if not _NAME.fullmatch(data.name) or name in taken:
        raise ValueError(f"{data.name!r} is no name of a file like 'calls', or is there already")
    count = 0
    with archive.open(_entry(name, ZIP_DEFLATED), "w", force_zip64=True) as out:
        out.write(b"[")
        for row in data.rows:
            if not isinstance(row, Mapping):
                raise TypeError(f"{data.name}: a row is a mapping, not {type(row).__name__}")
            out.write((b",\n" if count else b"\n") + msgspec.json.encode(row))
            count += 1
        out.write(b"\n]\n")
    return Part(plugin, name, count)


def _write_files(archive: ZipFile, plugin: str, data: PersonalData, session: TenantSession) -> None:
    """Write the files of a part into a folder of its name. One that is missing stops the export."""
    for file in data.files:
        if not _FILE_NAME.fullmatch(file.name):
            raise ValueError(f"{data.name}: {file.name!r} is no name of a file like '1a2b.wav'")
        # What has sound or pictures in it is compressed already, mostly.
        with archive.open(
            _entry(f"{plugin}/{data.name}/{file.name}", ZIP_STORED), "w", force_zip64=True
        ) as out:
            for piece in org_blobs(session).read(file.blob):
                out.write(piece)


def _entry(name: str, compression: int) -> ZipInfo:
    entry = ZipInfo(name, datetime.now(UTC).timetuple()[:6])
    entry.compress_type = compression
    return entry
