"""As which user of the operating system the embedded server runs: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

# Tried in this order when we are root and no cluster decides it; the last one is on every Unix.
_CANDIDATES: Final = ("ringstead-postgres", "postgres", "nobody")
_OTHERS_MAY_ENTER: Final = stat.S_IXOTH
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServerUser:
    """A user by number; `uid` None means «as we are»."""

    uid: int | None = None
    gid: int | None = None

    def take(self, path: Path) -> None:
        """Give a folder to this user and close it to others; PermissionError when it is somebody else's."""
        wanted = os.getuid() if self.uid is None else self.uid
        if path.is_symlink() or path.stat().st_uid not in {wanted, os.getuid()}:
            raise PermissionError(f"{path} belongs to another user. Mend: remove it, or run as that user.")
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700)

    def subprocess_arguments(self) -> dict[str, Any]:
        """Arguments for `subprocess.run` that run a program as this user."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}


def choose_server_user(home: Path, data: Path, binaries: Path) -> ServerUser:
    """The user for the cluster in `data`: ourselves, or for root the cluster's owner or a lesser user.

    As root it also makes the way to `home` and `binaries` passable for that user: x for others, no more, only on
    folders that stop it, and each with a warning in the log.
    """
    me = os.getuid()
    if me != 0:
        if data.exists() and data.stat().st_uid != me:
            raise PermissionError(
                f"{data} belongs to another user. Mend: run as that user, or remove {home}."
            )
        return ServerUser()
    entry = _owner(data) or _lesser_user()
    for path in (home, binaries):
        _make_passable(path, entry)
    if not binaries.stat().st_mode & stat.S_IROTH:
        _make_readable(binaries.parent)
    return ServerUser(entry.pw_uid, entry.pw_gid)


def _owner(data: Path) -> pwd.struct_passwd | None:
    if not data.exists() or data.stat().st_uid == 0:
        return None
    return pwd.getpwuid(data.stat().st_uid)


def _lesser_user() -> pwd.struct_passwd:
    if useradd := shutil.which("useradd"):
        # A user of its own is best: what else runs as `nobody` could open our files. It may fail; see below.
        subprocess.run([useradd, "--system", "--no-create-home", _CANDIDATES[0]], capture_output=True)
    for name in _CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PermissionError(
        "PostgreSQL does not run as root and there is no other user to run it as. Mend: useradd --system "
        f"{_CANDIDATES[0]}, or start Ringstead as an ordinary user."
    )


def _make_passable(path: Path, user: pwd.struct_passwd) -> None:
    for folder in (path, *path.parents):
        facts = folder.stat()
        if _may_enter(facts, user):
            continue
        folder.chmod(stat.S_IMODE(facts.st_mode) | _OTHERS_MAY_ENTER)
        log.warning("postgresql.folder_opened", folder=str(folder), user=user.pw_name, by="chmod o+x")


def _may_enter(facts: os.stat_result, user: pwd.struct_passwd) -> bool:
    """Whether the user may pass through a folder; as in the system, the first class that fits him decides."""
    if facts.st_uid == user.pw_uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == user.pw_gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & _OTHERS_MAY_ENTER)


def _make_readable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode) | stat.S_IROTH
        path.chmod(mode | _OTHERS_MAY_ENTER if path.is_dir() or mode & stat.S_IXUSR else mode)
