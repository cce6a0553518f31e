"""Voicemail: the mailbox page whatever is in the mailbox, taking recordings in, and sending ranges of them."""

from __future__ import annotations

import http.client
import io
import json
import secrets
import struct
import threading
import time
import wave
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlencode

from benchmarks.load import Target, load, write_targets
from benchmarks.measure import Section, Series, interleave
from benchmarks.site import Site
from benchmarks.world import DATABASE, Visitor, World
from ringstead.db.engine import Database
from ringstead.serving import APP_FACTORY
from ringstead.switch.nodes import create_node

FEW, MANY = 100, 10_000
MEGABYTE = 1_000_000
SENDERS = 4
DEPOSIT_SECONDS = 6.0
_FILL = """
    WITH box AS (
        INSERT INTO voicemail_mailbox (org_id, id, subscriber_id) VALUES (%(org)s, gen_random_uuid(), %(me)s)
        ON CONFLICT (org_id, subscriber_id) DO UPDATE SET name = '' RETURNING id),
    sound AS (
        INSERT INTO voicemail_recording (org_id, id, state, media_type, codec, size, seconds, digest, peaks,
                                         transcript_state, transcript)
        VALUES (%(org)s, gen_random_uuid(), 'ready', 'audio/wav', 'wav/pcm16', 320044, 20, repeat('0', 64),
                decode(repeat('40', 200), 'hex'), 'done', 'could you ring me before noon') RETURNING id)
    INSERT INTO voicemail_message (org_id, id, mailbox_id, recording_id, received_at, heard_at, number, name,
                                   size, seconds)
    SELECT %(org)s, gen_random_uuid(), box.id, sound.id, now() - n * interval '7 minutes', now(),
           '+1212555' || lpad((n %% 100 + 100)::text, 4, '0'), 'Otis Marlowe ' || n, 320044, 20
    FROM box, sound, generate_series(1, %(count)s) n
"""


def measure(world: World, rounds: int, seconds: float, server: str) -> Section:
    """The three parts of it."""
    section = Section("Voicemail")
    database = Database(world.urls)
    with database.as_operator("benchmark", "make a switch") as session:
        key = create_node(session, f"bench-voicemail-{secrets.token_hex(4)}")
    database.dispose()
    _pages(section, world, rounds, seconds, server)
    _deposits(section, world, rounds, key)
    _ranges(section, world, rounds, seconds, server, key)
    return section


def _pages(section: Section, world: World, rounds: int, seconds: float, server: str) -> None:
    few, many = world.visitors[0], world.visitors[1]
    with world.server.connect(DATABASE) as connection:
        for visitor, count in ((few, FEW), (many, MANY)):
            values = {"org": visitor.org_id, "me": visitor.subscriber_id, "count": count}
            connection.execute(_FILL, values)
        connection.execute("VACUUM ANALYZE voicemail_message, voicemail_recording, voicemail_mailbox")
    files = {
        name: write_targets([visitor.target("/voicemail?folder=inbox")])
        for name, visitor in (("few", few), ("many", many))
    }
    with Site(APP_FACTORY, few.target("/voicemail"), world.environment(), server) as site:
        cases = {name: partial(load, site.port, file, seconds) for name, file in files.items()}
        seen = interleave(rounds, cases)
    p50 = {name: Series(tuple(one.p50 for one in some)) for name, some in seen.items()}
    section.at_most(f"page of a mailbox with {MANY:,} messages against {FEW}", p50["many"] / p50["few"], 1.2)
    section.table(
        ["mailbox page", "p50 ms", "spread"],
        [
            [f"{count:,} messages", f"{p50[name].median:.1f}", f"{p50[name].spread:.2f}"]
            for name, count in (("few", FEW), ("many", MANY))
        ],
    )


def _deposits(section: Section, world: World, rounds: int, key: str) -> None:
    rates: list[float] = []
    small: list[float] = []
    large: list[float] = []
    visitor = world.visitors[2]
    with world.server.connect(DATABASE) as connection:
        for name, value in (("voicemail.quota_mb", 0), ("voicemail.message_seconds", 3600)):
            connection.execute(
                "INSERT INTO organization_setting (org_id, name, value) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                [visitor.org_id, name, json.dumps(value)],
            )
    with Site(APP_FACTORY, Target("/healthz", "127.0.0.1"), world.environment(), workers=2) as site:
        for _ in range(rounds):
            rates.append(_deposit_rate(site, visitor, key, wav(MEGABYTE), DEPOSIT_SECONDS))
            small.append(_memory(site))
            _deposit_rate(site, visitor, key, wav(30 * MEGABYTE), DEPOSIT_SECONDS)
            large.append(_memory(site))
    growth = Series(tuple(large)) / Series(tuple(small))
    section.at_most("memory of two workers, recordings of 30 MB against 1 MB", growth, 1.2)
    rate = Series(tuple(rates))
    section.table(
        ["recordings of 1 MB, two workers", "", "spread"],
        [
            ["recordings/s", f"{rate.median:.0f}", f"{rate.spread:.2f}"],
            ["memory of both, with their reading processes, MB", f"{Series(tuple(small)).median:.0f}", ""],
            ["the same after recordings of 30 MB", f"{Series(tuple(large)).median:.0f}", ""],
        ],
    )


def _ranges(section: Section, world: World, rounds: int, seconds: float, server: str, key: str) -> None:
    visitor = world.visitors[3]
    body = wav(MEGABYTE)
    with Site(APP_FACTORY, visitor.target("/voicemail"), world.environment(), server) as site:
        message = _post(site, visitor, key, body)
        audio = f"/voicemail/messages/{message}/audio"
        static = _a_static_file(site, visitor)
        small = f"bytes=0-{_size_of(site, visitor, static) - 1}"
        cases: dict[str, Callable[[], tuple[float, float]]] = {
            "audio": partial(_read, site, visitor, audio, seconds, "bytes=0-"),
            "small": partial(_read, site, visitor, audio, seconds, small),
            "static": partial(_read, site, visitor, static, seconds, None),
        }
        seen = interleave(rounds, cases)
    bytes_a_second = {name: Series(tuple(rate for rate, _n in some)) for name, some in seen.items()}
    requests = {name: Series(tuple(n for _rate, n in some)) for name, some in seen.items()}
    section.at_least(
        "bytes/s of ranges of a recording against static files",
        bytes_a_second["audio"] / bytes_a_second["static"],
        0.6,
    )
    section.table(
        ["", "MB/s", "requests/s"],
        [
            [name, f"{bytes_a_second[case].median / 1e6:.0f}", f"{requests[case].median:.0f}"]
            for case, name in (
                ("audio", "a recording's whole MP3 as a range"),
                ("small", "ranges of it as long as the static file"),
                ("static", "a static file (htmx)"),
            )
        ],
    )
    section.text.append(
        "A range of a recording is an authenticated request: session, mailbox, message, then the file. A static "
        "file is answered from memory, and the largest that the portal has is smaller than a recording; so ranges of "
        "the same length are shown too, where the session is most of the work."
    )


def wav(size: int) -> bytes:
    """A WAV file of that many bytes, of noise: 16-bit mono at 8 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        noise = struct.pack("<4000h", *((n * 7919) % 6000 - 3000 for n in range(4000)))
        out.writeframes((noise * (size // len(noise) + 1))[: size - 44])
    return file.getvalue()


def _post(site: Site, visitor: Visitor, key: str, body: bytes) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    values = {"organization": str(visitor.org_id), "mailbox": visitor.extension}
    headers = {
        "Authorization": f"Bearer {key}",
        "Idempotency-Key": secrets.token_hex(16),
        "Content-Type": "audio/wav",
        "Host": "127.0.0.1",
    }
    connection.request("POST", f"/switch/v1/voicemail?{urlencode(values)}", body=body, headers=headers)
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    if answer.status != 201:
        raise RuntimeError(f"{answer.status}: {told[:300]!r}")
    return str(json.loads(told)["message"])


def _deposit_rate(site: Site, visitor: Visitor, key: str, body: bytes, seconds: float) -> float:
    """Recordings a second, sent by a few senders at once."""
    until, done = time.monotonic() + seconds, [0] * SENDERS

    def send(sender: int) -> None:
        while time.monotonic() < until:
            _post(site, visitor, key, body)
            done[sender] += 1

    started = time.monotonic()
    senders = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return sum(done) / (time.monotonic() - started)


def _memory(site: Site) -> float:
    """Megabytes of the workers and what they have started."""
    processes = [p for worker in site.worker_processes() for p in (worker, *worker.children(recursive=True))]
    return sum(process.memory_info().rss for process in processes) / 1e6


def _a_static_file(site: Site, visitor: Visitor) -> str:
    """The address of the largest static file that a page names."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.request("GET", "/voicemail", headers={"Host": visitor.host, "Cookie": f"sid={visitor.token}"})
    page = connection.getresponse().read().decode()
    connection.close()
    names: Sequence[str] = [part.partition('"')[0] for part in page.split('src="')[1:]]
    return next(name for name in names if "htmx" in name)


def _size_of(site: Site, visitor: Visitor, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    connection.request("GET", path, headers={"Host": visitor.host})
    size = len(connection.getresponse().read())
    connection.close()
    return size


def _read(site: Site, visitor: Visitor, path: str, seconds: float, part: str | None) -> tuple[float, float]:
    """Bytes and requests a second over two connections that are kept alive."""
    until, totals = time.monotonic() + seconds, [(0, 0)] * 2

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        headers = {"Host": visitor.host, "Cookie": f"sid={visitor.token}"} | ({"Range": part} if part else {})
        size = count = 0
        while time.monotonic() < until:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            if answer.status not in (200, 206):
                raise RuntimeError(f"{answer.status} for {path}")
            size += len(answer.read())
            count += 1
        connection.close()
        totals[number] = (size, count)

    readers = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return sum(size for size, _n in totals) / seconds, sum(n for _size, n in totals) / seconds
