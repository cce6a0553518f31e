"""Voicemail: the mailbox page whatever is in the mailbox, taking recordings in, and sending ranges of them."""

from __future__ import annotations

import http.client
import io
import json
import secrets
import struct
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlencode

from benchmarks.load import Target, fetch, load, write_targets
from benchmarks.measure import Section, Series, interleave
from benchmarks.site import Site
from benchmarks.world import DATABASE, Visitor, World
from ringstead.db.engine import Database
from ringstead.serving import APP_FACTORY
from ringstead.switch.nodes import create_node

FEW, MANY = 100, 10_000
MEGABYTE = 1_000_000
SIZES = (65_536, MEGABYTE, 16 * MEGABYTE)
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
    """Ranges of recordings beside static files of the same length."""
    visitor = world.visitors[3]
    static_folder = world.addons / f"bench_{world.addon_names[0]}" / "static"
    static_folder.mkdir(exist_ok=True)
    for size in SIZES:
        (static_folder / f"{size}.wav").write_bytes(wav(size))
    cases: dict[str, Callable[[], tuple[float, float]]] = {}
    with Site(APP_FACTORY, visitor.target("/voicemail"), world.environment(), server) as site:
        message = _post(site, visitor, key, wav(max(SIZES)))
        audio = f"/voicemail/messages/{message}/audio"
        static = f"{_static_base(site, visitor)}/{world.addon_names[0]}"
        for size in SIZES:
            part = f"bytes=0-{size - 1}"
            cases[f"audio {size}"] = partial(_read, site, visitor, audio, seconds, part)
            cases[f"static {size}"] = partial(_read, site, visitor, f"{static}/{size}.wav", seconds, None)
        seen = interleave(rounds, cases)
    rates = {name: Series(tuple(rate for rate, _n in some)) for name, some in seen.items()}
    requests = {name: Series(tuple(n for _rate, n in some)) for name, some in seen.items()}
    against = {size: rates[f"audio {size}"] / rates[f"static {size}"] for size in SIZES}
    for size in SIZES[1:]:
        name = f"bytes/s of ranges of {size / 1e6:.0f} MB of a recording, against static files"
        section.at_least(name, against[size], 0.6)
    section.table(
        ["length", "recording MB/s", "static MB/s", "ratio", "recording requests/s", "static requests/s"],
        [
            [
                f"{size:,}",
                f"{rates[f'audio {size}'].median / 1e6:.0f}",
                f"{rates[f'static {size}'].median / 1e6:.0f}",
                f"{against[size].median:.2f}",
                f"{requests[f'audio {size}'].median:.0f}",
                f"{requests[f'static {size}'].median:.0f}",
            ]
            for size in SIZES
        ],
    )
    section.text.append(
        "A range of a recording is a request of somebody who is signed in: session, feature, permission, mailbox and "
        "message are looked up each time, so that an ended session ends the sound too; then a file is opened. A "
        "static file needs none of it and is answered from memory. What the lookups cost is the same for every "
        "length, so a short recording is far from the target and a long one is not."
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
    _at_once(send, SENDERS)
    return sum(done) / (time.monotonic() - started)


def _at_once(work: Callable[[int], None], count: int) -> None:
    """Do it in so many threads; what fails in one of them fails."""
    with ThreadPoolExecutor(count) as pool:
        for each in [pool.submit(work, number) for number in range(count)]:
            each.result()


def _memory(site: Site) -> float:
    """Megabytes of the workers and what they have started."""
    processes = [p for worker in site.worker_processes() for p in (worker, *worker.children(recursive=True))]
    return sum(process.memory_info().rss for process in processes) / 1e6


def _static_base(site: Site, visitor: Visitor) -> str:
    """What the addresses of static files begin with, as a page names them."""
    _status, page = fetch(site.port, visitor.target("/voicemail"))
    digest = page.decode().partition('"/static/')[2].partition("/")[0]
    return f"/static/{digest}"


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

    _at_once(ask, 2)
    return sum(size for size, _n in totals) / seconds, sum(n for _size, n in totals) / seconds
