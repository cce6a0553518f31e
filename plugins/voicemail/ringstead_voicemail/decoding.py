"""The program that reads sound: a process of its own, because what it reads comes from strangers.

`python -m ringstead_voicemail.decoding` reads a request (a JSON object) from each line of its input, does it in a fork
of its own under limits of processor time, memory and file size, and writes the answer as a line: `{"ok": …}`,
`{"refused": why, "reason": word}` for the file's fault, or `{"failed": why}` for ours. It ends with its input. Nothing
here knows the portal, and nothing is read into memory as a whole.
"""

import json
import mmap
import os
import re
import resource
import select
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.int16]
BARS: Final = 200
_BLOCK: Final = 65536
_CODECS: Final = {
    ("WAV", "PCM_16"): "wav/pcm16",
    ("WAVEX", "PCM_16"): "wav/pcm16",
    ("WAV", "ULAW"): "wav/ulaw",
    ("WAV", "ALAW"): "wav/alaw",
    ("WAV", "GSM610"): "wav/gsm",
    ("MP3", "MPEG_LAYER_III"): "mp3",
    ("OGG", "OPUS"): "ogg/opus",
}
_MEDIA_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg", "ogg": "audio/ogg"}
_KNOWN: Final = "WAV (16-bit PCM, G.711 µ-law or A-law, GSM 06.10), MP3, or Ogg Opus"
_LEAST_RATE, _MOST_RATE, _MOST_CHANNELS = 8000, 48000, 2
# What the header of a compressed file promises may be off by the coder's delay: by this part, and so many seconds.
_PROMISED, _DELAY = 0.95, 0.25
# MPEG-2.5, below 16 kHz, is not played by every browser.
_MP3_RATES: Final = (16000, 22050, 24000, 32000, 44100, 48000)
_MPEG1_SAMPLES: Final = 1152
_MPEG1_KILOBITS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KILOBITS: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# A frame's header, without reserved versions, bit rates and sampling rates; found in C, as a file may be full of 0xFF.
_MP3_HEADER: Final = re.compile(
    b"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]["
    + b"".join(re.escape(bytes([b])) for b in range(16, 240) if b & 12 != 12)
    + b"].",
    re.DOTALL,
)
_LARGEST_PAGE: Final = 65307  # bytes, RFC 3533, section 6
_SILENT: Final = 100  # of 32,768: about -50 dBFS
_LOUDNESS: Final = 0.4  # of full height: where the loudness of speech is drawn

_TOO_DEAR: Final = "Reading it takes more time or memory than a message may; send it as WAV."
MEMORY: Final = 768 * 1024 * 1024
LARGEST_FILE: Final = 512 * 1024 * 1024


class Refused(Exception):
    """The file is not taken; the message says what is wrong and the mend, `reason` in a word of what kind."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


def check(path: str, most_seconds: float) -> dict[str, Any]:
    """What a file is, read to its end: `media_type`, `codec`, `seconds`, `rate`, `channels`. Raises `Refused`."""
    _check_riff(Path(path))
    _check_ogg(Path(path))
    with _opened(path) as sound:
        codec = _codec(sound)
        promised = int(sound.frames)
        if codec == "mp3":
            _check_mp3(Path(path), promised)
        if promised > most_seconds * sound.samplerate:
            raise Refused("long", _too_long(promised / sound.samplerate, most_seconds))
        frames = sum(len(block) for block in _blocks(sound, most_seconds))
        if not frames:
            raise Refused("empty", "There is no sound in the file.")
        if frames < max(promised * _PROMISED, promised - _DELAY * sound.samplerate):
            raise Refused("part", "The file ends before its sound does; send it whole.")
        return {
            "media_type": _MEDIA_TYPES[codec.partition("/")[0]],
            "codec": codec,
            "seconds": frames / sound.samplerate,
            "rate": sound.samplerate,
            "channels": sound.channels,
        }


def render(path: str, folder: str, names: list[str], most_seconds: float) -> dict[str, Any]:
    """Write renditions to `folder/NAME`; gives `peaks` (hexadecimal) and `seconds`. Raises `Refused`."""
    with _opened(path) as sound:
        _codec(sound)
        outputs = [_Output(name, Path(folder), sound.samplerate) for name in names]
        meter = _Meter(sound.samplerate)
        frames = 0
        for block in _blocks(sound, most_seconds):
            frames += len(block)
            mono = _mono(block)
            meter.add(mono)
            for output in outputs:
                output.add(mono)
        for output in outputs:
            output.close()
        return {"peaks": meter.bars().hex(), "seconds": frames / sound.samplerate}


class _Output:
    """A rendition under way: mono, resampled as it comes."""

    def __init__(self, name: str, folder: Path, rate: int) -> None:
        fixed = {"wav8": 8000, "wav16": 16000, "wav": rate}
        self._rate = fixed[name] if name != "mp3" else min(r for r in _MP3_RATES if r >= min(rate, 48000))
        self._stream = None if self._rate == rate else soxr.ResampleStream(rate, self._rate, 1, dtype="int16")
        kind: dict[str, str] = {"format": "MP3"} if name == "mp3" else {"format": "WAV", "subtype": "PCM_16"}
        self._file = soundfile.SoundFile(folder / name, "w", samplerate=self._rate, channels=1, **kind)

    def add(self, mono: Samples) -> None:
        self._file.write(mono if self._stream is None else self._stream.resample_chunk(mono))

    def close(self) -> None:
        if self._stream is not None:
            self._file.write(self._stream.resample_chunk(np.zeros(0, np.int16), last=True))
        self._file.close()


class _Meter:
    """The waveform: the peak of each hundredth of a second, gathered to bars by their mean at the end.

    Heights are relative to the loudness of what is not silence (its root mean square), so that a quiet voice fills the
    picture like a loud one, and a single click does not flatten the rest.
    """

    def __init__(self, rate: int) -> None:
        self._step = max(1, rate // 100)
        self._rest: Samples = np.zeros(0, np.int16)
        self._peaks: list[NDArray[np.int32]] = []
        self._energy, self._loud = 0.0, 0

    def add(self, mono: Samples) -> None:
        samples = np.concatenate([self._rest, mono])
        whole = len(samples) // self._step * self._step
        self._rest = samples[whole:]
        self._take(samples[:whole].reshape(-1, self._step))

    def _take(self, rows: NDArray[np.int16]) -> None:
        if not rows.size:
            return
        heights = np.abs(rows.astype(np.int32)).max(axis=1)
        self._peaks.append(heights)
        loud = rows[heights > _SILENT].astype(np.float64)
        self._energy += float((loud * loud).sum())
        self._loud += loud.size

    def bars(self) -> bytes:
        if len(self._rest):
            self._take(self._rest.reshape(1, -1))
        if not self._loud:
            return bytes(BARS)
        peaks = np.concatenate(self._peaks)
        edges = np.linspace(0, len(peaks), BARS + 1).astype(int)
        heights = np.array([peaks[start : max(end, start + 1)].mean() for start, end in pairwise(edges)])
        loudness = (self._energy / self._loud) ** 0.5
        return bytes(np.clip(heights / loudness * _LOUDNESS * 255, 0, 255).astype(np.uint8))


def _opened(path: str) -> Any:
    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError, ValueError, RuntimeError):
        raise Refused("kind", f"This is no sound that can be read. Send {_KNOWN}.") from None


def _codec(sound: Any) -> str:
    codec = _CODECS.get((sound.format, sound.subtype))
    if codec is None:
        raise Refused("kind", f"{sound.format} with {sound.subtype} is not taken. Send {_KNOWN}.")
    if not _LEAST_RATE <= sound.samplerate <= _MOST_RATE or sound.channels > _MOST_CHANNELS:
        raise Refused(
            "rate",
            f"It has {sound.channels} channels at {sound.samplerate} Hz. "
            f"Send one or two channels at {_LEAST_RATE} to {_MOST_RATE} Hz.",
        )
    return codec


def _blocks(sound: Any, most_seconds: float) -> Iterator[NDArray[np.int16]]:
    left = int(most_seconds * sound.samplerate)
    while True:
        try:
            block = sound.read(_BLOCK, dtype="int16", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError):
            raise Refused("part", "The sound is broken in the middle; send it whole.") from None
        if not len(block):
            return
        left -= len(block)
        if left < 0:
            raise Refused("long", _too_long(None, most_seconds))
        yield block


def _mono(block: NDArray[np.int16]) -> Samples:
    if block.shape[1] == 1:
        return block[:, 0]
    mixed: Samples = (block.astype(np.int32).sum(axis=1) // block.shape[1]).astype(np.int16)
    return mixed


def _too_long(seconds: float | None, most: float) -> str:
    length = f"It lasts {seconds:.0f} seconds" if seconds is not None else "It lasts longer"
    return f"{length}; at most {most:.0f} are taken."


def _check_riff(path: Path) -> None:
    """Hold a WAV file's own sizes against the file's: libsndfile silently makes do with what is there.

    Chunks: RIFF (Multimedia Programming Interface and Data Specifications 1.0, chapter 2).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFX":
            raise Refused(
                "kind", f"A WAV file with its bytes the other way round is not taken. Send {_KNOWN}."
            )
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return
        while len(header := file.read(8)) == 8:
            name, length = header[:4], struct.unpack("<I", header[4:])[0]
            left = size - file.tell()
            if name == b"data":
                if length > left:
                    raise Refused(
                        "part",
                        f"The header promises {length} bytes of sound and {left} are there; send it whole.",
                    )
                return
            file.seek(length + length % 2, os.SEEK_CUR)
    raise Refused("part", "The WAV file has no data chunk; send it whole.")


def _check_ogg(path: Path) -> None:
    """The last page of an Ogg stream is whole and says that it is the last (RFC 3533, section 6)."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return
        file.seek(max(0, path.stat().st_size - _LARGEST_PAGE))
        end = file.read()
    page = end[end.rfind(b"OggS") :]
    segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if len(page) < 27 or not page[5] & 4 or len(page) < 27 + len(segments) + sum(segments):
        raise Refused("part", "The Ogg stream has no end; send it whole.")


def _check_mp3(path: Path, promised: int) -> None:
    """The decoder stops where it believes the end to be: without a header it guesses that from the first frame."""
    there = _mp3_samples(path)
    if promised < there * _PROMISED - 3 * _MPEG1_SAMPLES:
        raise Refused(
            "length",
            "The MP3 does not say how long it is, and its bit rate varies. "
            "Write a Xing header, use a constant bit rate, or send WAV.",
        )


def _mp3_samples(path: Path) -> int:
    """The samples of all Layer III frames of a file, by their headers (ISO/IEC 11172-3 and 13818-3, 2.4.2.3)."""
    samples = at = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:3] == b"ID3" and len(data) > 10:  # a size of four times seven bits (ID3v2.4, section 3.1)
            at = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9])
        while header := _MP3_HEADER.search(data, at):
            at = header.start()
            length, count = _mp3_frame(data[at + 1], data[at + 2])
            following = data[at + length : at + length + 2]
            if len(following) < 2 or following[0] == 0xFF or following in (b"TA", b"AP"):
                samples += count
            at += length
    return samples


def _mp3_frame(second: int, third: int) -> tuple[int, int]:
    """The bytes (24 or more) and the samples of a Layer III frame, by the second and third byte of its header."""
    version, rate, bits = second >> 3 & 3, third >> 2 & 3, third >> 4
    is_first = version == 3
    hertz = (44100, 48000, 32000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    kilobits = (_MPEG1_KILOBITS if is_first else _MPEG2_KILOBITS)[bits - 1]
    samples = _MPEG1_SAMPLES if is_first else _MPEG1_SAMPLES // 2
    return samples // 8 * kilobits * 1000 // hertz + (third >> 1 & 1), samples


_WORK: Final[dict[str, Callable[..., dict[str, Any]]]] = {"check": check, "render": render}


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    work = _WORK[request.pop("do")]
    try:
        return {"ok": work(**request)}
    except Refused as refused:
        return {"refused": str(refused), "reason": refused.reason}
    except MemoryError:
        return {"refused": _TOO_DEAR, "reason": "dear"}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}


def _limit(cpu_seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _in_fork(request: dict[str, Any], cpu_seconds: int, wall_seconds: float) -> bytes:
    """Do a request in a fork; whatever becomes of that, there is an answer within `wall_seconds`.

    An answer is shorter than a pipe's buffer, so it is written at once or not at all: then a limit has ended the fork.
    """
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            _limit(cpu_seconds)
            os.write(into, json.dumps(_answer(request)).encode())
        finally:
            os._exit(0)
    os.close(into)
    try:
        ready, _, _ = select.select([out], [], [], wall_seconds)
        answer = os.read(out, 65536) if ready else b""
    finally:
        os.close(out)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return answer or json.dumps({"refused": _TOO_DEAR, "reason": "dear"}).encode()


def main() -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the portal, which then closes our input
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer = _in_fork(request["work"], request["cpu"], request["wall"])
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
