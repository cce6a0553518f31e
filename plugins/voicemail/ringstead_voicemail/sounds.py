"""Sound files: what they are, and what is made of them; read by a child process (`decoding`), never here."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from threading import BoundedSemaphore
from typing import Any, Final

MEDIA_TYPES: Final = {"mp3": "audio/mpeg", "wav": "audio/wav", "wav8": "audio/wav", "wav16": "audio/wav"}
# Of one process of the portal; more files wait.
AT_ONCE: Final = 2
_CHECK_SECONDS: Final = 10
_RENDER_SECONDS: Final = 60


class SoundRefused(ValueError):
    """A file is not taken; the message says what is wrong with it and the mend, in English.

    `reason` is kind (of file), rate, part (not whole), length (it does not say its own), long, large, empty, or dear.
    """

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class ReadingFailed(RuntimeError):
    """A file could not be read or written for a reason that is not its own (a full disk); worth another try."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a file is. `rate` in Hz."""

    media_type: str
    codec: str
    seconds: float
    rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was made of a file: the bars of its waveform (0 to 255), and files by the names of renditions."""

    peaks: bytes
    seconds: float
    files: dict[str, Path]


def check(path: Path, most_seconds: float) -> Sound:
    """What a file is; it is read to its end. Raises `SoundRefused`."""
    return Sound(**_READERS.ask("check", _CHECK_SECONDS, path=str(path), most_seconds=most_seconds))


def render(path: Path, folder: Path, names: Sequence[str], most_seconds: float) -> Rendered:
    """Make renditions (`mp3`, `wav`, `wav8`, `wav16`) in `folder`. Raises `SoundRefused`."""
    done = _READERS.ask(
        "render",
        _RENDER_SECONDS,
        path=str(path),
        folder=str(folder),
        names=list(names),
        most_seconds=most_seconds,
    )
    return Rendered(bytes.fromhex(done["peaks"]), done["seconds"], {name: folder / name for name in names})


class _Readers:
    """Reading processes, started when they are needed and used again; each does one thing at a time."""

    def __init__(self) -> None:
        self._idle: LifoQueue[subprocess.Popen[bytes]] = LifoQueue()
        self._turns = BoundedSemaphore(AT_ONCE)

    def ask(self, do: str, seconds: int, **work: Any) -> dict[str, Any]:
        """Have something done. Raises `SoundRefused`, `ReadingFailed`."""
        line = json.dumps({"work": {"do": do, **work}, "cpu": seconds, "wall": seconds * 2}).encode() + b"\n"
        with self._turns, self._reader() as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            try:
                reader.stdin.write(line)
                reader.stdin.flush()
                answer: dict[str, Any] = json.loads(reader.stdout.readline())
            except (BrokenPipeError, ValueError) as error:
                raise ReadingFailed("the reading process has ended") from error
        if "refused" in answer:
            raise SoundRefused(answer["reason"], answer["refused"])
        if "failed" in answer:
            raise ReadingFailed(answer["failed"])
        done: dict[str, Any] = answer["ok"]
        return done

    @contextmanager
    def _reader(self) -> Iterator["subprocess.Popen[bytes]"]:
        reader = self._take()
        try:
            yield reader
        except BaseException:
            reader.kill()
            reader.communicate()
            raise
        self._idle.put(reader)

    def _take(self) -> "subprocess.Popen[bytes]":
        while True:
            try:
                reader = self._idle.get_nowait()
            except Empty:
                command = [sys.executable, "-m", "ringstead_voicemail.decoding"]
                # The decoders grumble about strangers' files on stderr.
                return subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            if reader.poll() is None:
                return reader


_READERS: Final = _Readers()
