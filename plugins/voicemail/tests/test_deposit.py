"""A switch brings recordings: what is taken, what is refused, and that nothing is there twice."""

import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import numpy
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import node_key
from support.voicemail import leave_recording, org_of, seconds_of, sound

from ringstead.api.blobs import BlobsAway, BlobsFull, OrgBlobs, org_blobs
from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.switch.nodes import create_node
from ringstead_voicemail.models import Mailbox, Message, Recording
from ringstead_voicemail.recordings import blob_key

FORMATS = {
    "pcm 8k": ("WAV", "PCM_16", 8000),
    "pcm 16k": ("WAV", "PCM_16", 16000),
    "pcm 48k": ("WAV", "PCM_16", 48000),
    "mu-law": ("WAV", "ULAW", 8000),
    "a-law": ("WAV", "ALAW", 8000),
    "gsm": ("WAV", "GSM610", 8000),
    "mp3": ("MP3", None, 16000),
    "mp3 44k": ("MP3", None, 44100),
    "opus": ("OGG", "OPUS", 48000),
}


def recording_of(app: Any, person: Person, message_id: str) -> tuple[Recording, dict[str, bytes]]:
    """The recording of a message, and the bytes of the original and of each rendition."""
    with app.database.run_as(org_of(person)) as session:
        message = session.get_one(Message, (org_of(person), UUID(message_id)))
        recording = session.get_one(Recording, (org_of(person), message.recording_id))
        blobs, names = org_blobs(session), ["original", *recording.renditions]
    return recording, {name: b"".join(blobs.read(blob_key(recording.id, name))) for name in names}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_taken_and_can_be_heard(
    wsgi: Any, person: Person, key: str, run_jobs: Callable[..., None], name: str
) -> None:
    kind, subtype, rate = FORMATS[name]
    body = sound(3, rate, kind, subtype)
    answer = leave_recording(wsgi, key, person, body)
    assert (answer.status_int, answer.json["duplicate"]) == (201, False), answer.text
    run_jobs()
    recording, files = recording_of(wsgi, person, answer.json["message"])
    assert (recording.state, recording.seconds, recording.error) == ("ready", 3, "")
    assert files["original"] == body
    assert set(files) == {"original", "mp3", "wav"}
    for rendition in ("mp3", "wav"):
        assert seconds_of(files[rendition]) == pytest.approx(3, abs=0.15)
    assert recording.peaks is not None
    assert len(recording.peaks) == 200
    assert max(recording.peaks) > 60


def huge_header() -> bytes:
    body = bytearray(sound())
    struct.pack_into("<I", body, 40, 2**31)
    return bytes(body)


REFUSED = {
    "empty": (b"", "empty"),
    "text": (b"hello, this is no sound" * 100, "no sound that can be read"),
    "cut off": (sound()[:9000], "send it whole"),
    "cut off in the header": (sound()[:30], "whole"),
    "cut off mp3": (sound(20, 16000, "MP3", None)[:9000], "send it whole"),
    "cut off ogg": (sound(20, 16000, "OGG", "OPUS")[:20000], "send it whole"),
    "claims 2^31 bytes": (huge_header(), "promises 2147483648 bytes"),
    "no samples": (sound(0), "no sound"),
    "24 bits": (sound(1, 8000, "WAV", "PCM_24"), "is not taken"),
    "flac": (sound(1, 8000, "FLAC", None), "is not taken"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_message_is_refused_with_its_reason(
    wsgi: Any, person: Person, key: str, blobs_of: Callable[..., list[str]], name: str
) -> None:
    body, why = REFUSED[name]
    answer = leave_recording(wsgi, key, person, body)
    assert answer.status_int == 422
    assert answer.content_type == "application/problem+json"
    assert why in answer.json["detail"]
    assert blobs_of(person) == []


def test_an_hour_of_silence_in_few_bytes_is_refused(wsgi: Any, person: Person, key: str) -> None:
    file = BytesIO()
    soundfile.write(file, numpy.zeros(3600 * 8000, "int16"), 8000, format="OGG", subtype="OPUS")
    answer = leave_recording(wsgi, key, person, file.getvalue())
    assert answer.status_int == 422
    assert "lasts 3600 seconds; at most 305" in answer.json["detail"]


def test_the_same_deposit_again_is_the_same_message(
    wsgi: Any, person: Person, key: str, box_of: Callable[..., Mailbox]
) -> None:
    first = leave_recording(wsgi, key, person, idempotency_key="edge-1/77")
    again = leave_recording(wsgi, key, person, idempotency_key="edge-1/77")
    assert (first.status_int, again.status_int) == (201, 200)
    assert again.json == {"message": first.json["message"], "duplicate": True}
    assert box_of(person).new_count == 1


def test_a_key_with_other_bytes_is_refused(wsgi: Any, person: Person, key: str) -> None:
    leave_recording(wsgi, key, person, idempotency_key="one")
    answer = leave_recording(wsgi, key, person, sound(1), idempotency_key="one")
    assert answer.status_int == 409
    assert "a key of its own" in answer.json["detail"]


def test_keys_are_those_of_a_switch(wsgi: Any, person: Person, key: str) -> None:
    leave_recording(wsgi, key, person, idempotency_key="one")
    assert leave_recording(wsgi, node_key(wsgi), person, sound(1), idempotency_key="one").status_int == 201


def test_deposits_of_one_key_at_the_same_time_are_one_message(
    wsgi: Any,
    person: Person,
    key: str,
    box_of: Callable[..., Mailbox],
    blobs_of: Callable[..., list[str]],
) -> None:
    with ThreadPoolExecutor(6) as threads:
        answers = list(
            threads.map(lambda _: leave_recording(wsgi, key, person, idempotency_key="at once"), range(6))
        )
    assert sorted(answer.status_int for answer in answers) == [200] * 5 + [201]
    assert len({answer.json["message"] for answer in answers}) == 1
    assert box_of(person).new_count == 1
    assert len(blobs_of(person)) == 1


def test_a_switch_of_another_partner_learns_nothing(
    wsgi: Any, database: Database, tenants: Tenants, person: Person
) -> None:
    with database.as_operator("tests", "a switch of another partner") as session:
        theirs = create_node(session, f"node-{org_of(person)}", tenants.partner().id)
    foreign = leave_recording(wsgi, theirs, person)
    nobody = leave_recording(wsgi, theirs, person, organization="00000000-0000-0000-0000-000000000000")
    assert foreign.status_int == nobody.status_int == 404
    assert foreign.json == nobody.json


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"mailbox": ""}, "mailbox"),
        ({"mailbox": "2" * 40}, "mailbox"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"started_at": "2026-11-23T09:31:00"}, "started_at"),
        ({"started_at": "1912-11-23T09:31:00Z"}, "started_at"),
    ],
)
def test_a_field_that_is_wrong_is_named(
    wsgi: Any, person: Person, key: str, data: dict[str, str], field: str
) -> None:
    answer = leave_recording(wsgi, key, person, **data)
    assert answer.status_int == 422
    assert answer.json["detail"].startswith(f"{field}: ")


def test_what_is_said_of_a_call_never_costs_its_message(
    wsgi: Any, person: Person, key: str, message_of: Callable[..., Message], database: Database
) -> None:
    words = "One.\nTwo. " + "word " * 1000
    data = {"name": "Otis\0 \u202eMarlowe" + "x" * 200, "number": "1" * 65, "transcript": words}
    answer = leave_recording(wsgi, key, person, **data)
    assert answer.status_int == 201
    message = message_of(person, UUID(answer.json["message"]))
    assert message.name is not None
    assert message.name.startswith("Otis")
    assert message.name.isprintable()
    with database.run_as(org_of(person)) as session:
        recording = session.get_one(Recording, (org_of(person), message.recording_id))
        assert recording.transcript == words.strip()


def test_a_deposit_needs_a_key_and_no_encoding(wsgi: Any, person: Person, key: str) -> None:
    where = {"organization": str(org_of(person)), "mailbox": "214"}
    client, address = Client(wsgi, "127.0.0.1"), f"/switch/v1/voicemail?{urlencode(where)}"
    bearer = {"Authorization": f"Bearer {key}", "Content-Type": "audio/wav"}
    nameless = client.post(address, sound(), headers=bearer, status="*")
    assert (nameless.status_int, nameless.json["title"]) == (422, "No idempotency key")
    folded = {**bearer, "Idempotency-Key": "one", "Content-Encoding": "gzip"}
    assert client.post(address, sound(), headers=folded, status="*").status_int == 415


def test_a_full_mailbox_takes_nothing_and_says_so(
    wsgi: Any,
    person: Person,
    key: str,
    decide: Callable[..., None],
    blobs_of: Callable[..., list[str]],
) -> None:
    decide(person, "voicemail.quota_mb", 1)
    assert leave_recording(wsgi, key, person, sound(70)).status_int == 201
    answer = leave_recording(wsgi, key, person)
    assert (answer.status_int, answer.json["title"]) == (422, "Mailbox full")
    assert len(blobs_of(person)) == 1


def test_the_caller_is_known_when_it_is_a_colleague(
    wsgi: Any, tenants: Tenants, person: Person, key: str, message_of: Callable[..., Message]
) -> None:
    colleague = tenants.subscriber(person.organization, "Wren", "230", "+12125550158")  # type: ignore[arg-type]
    for number, stored in (("230", "230"), ("(212) 555-0158", "+12125550158")):
        answer = leave_recording(wsgi, key, person, number=number, name="Wren Halloway")
        found = message_of(person, UUID(answer.json["message"]))
        assert (found.number, found.name) == (stored, "Wren Halloway")
        assert found.caller_subscriber_id == colleague.id
    hidden = leave_recording(wsgi, key, person, number="anonymous")
    assert message_of(person, UUID(hidden.json["message"])).number is None


@pytest.mark.parametrize(("error", "status"), [(BlobsFull("no room"), 507), (BlobsAway("gone"), 503)])
def test_a_store_that_takes_nothing_is_no_acknowledgement(
    wsgi: Any,
    person: Person,
    key: str,
    box_of: Callable[..., Mailbox],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
) -> None:
    def fail(*_: Any) -> int:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(OrgBlobs, "put", fail)
        answer = leave_recording(wsgi, key, person, idempotency_key="later")
    assert answer.status_int == status
    assert answer.headers["Retry-After"]
    assert box_of(person).new_count == 0
    assert leave_recording(wsgi, key, person, idempotency_key="later").status_int == 201


def test_the_original_stays_when_nothing_can_be_made_of_it(
    wsgi: Any,
    person: Person,
    key: str,
    run_jobs: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ringstead_voicemail import rendering
    from ringstead_voicemail.sounds import SoundRefused

    body = sound()
    message = leave_recording(wsgi, key, person, body).json["message"]

    def refuse(*_: Any) -> None:
        raise SoundRefused("part", "The sound is broken in the middle; send it whole.")

    with monkeypatch.context() as broken:
        broken.setattr(rendering, "render", refuse)
        run_jobs()
    recording, files = recording_of(wsgi, person, message)
    assert (recording.state, files["original"]) == ("failed", body)
    assert "broken in the middle" in recording.error
    assert rendering.render_again(wsgi.database, org_of(person)) == "1 recordings are being made again."
    run_jobs()
    recording, files = recording_of(wsgi, person, message)
    assert recording.state == "ready"
    assert seconds_of(files["mp3"]) == pytest.approx(2, abs=0.15)


BASES = [
    sound(1, 8000, *kind) for kind in (("WAV", "PCM_16"), ("WAV", "GSM610"), ("MP3", None), ("OGG", "OPUS"))
]


@pytest.mark.fuzz
@given(data=st.data())
@settings(max_examples=150)
def test_no_file_whatever_is_answered_with_a_failure(
    wsgi: Any, person: Person, key: str, data: st.DataObject
) -> None:
    body = bytearray(data.draw(st.sampled_from(BASES)))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, min(len(body) - 1, 200)) | st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(body)) | st.just(len(body)))
    answer = leave_recording(wsgi, key, person, bytes(body[:end]))
    assert answer.status_int in (201, 422), answer.text
    if answer.status_int == 422:
        assert answer.json["detail"]
