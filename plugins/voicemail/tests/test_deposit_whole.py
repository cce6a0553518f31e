"""A recording is taken whole or not at all, and what a switch says wrongly is its fault and not the portal's."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy
import pytest
import soundfile
from support.adapter import FakeAdapter
from support.voicemail import leave_recording, org_of, sound
from webtest import TestRequest

from ringstead.api.switch import SwitchRefused
from ringstead.api.testing import Client, Person
from ringstead.switch.nodes import authenticate
from ringstead_voicemail import fetching, sounds
from ringstead_voicemail.models import Mailbox, Message, Recording

SECONDS = 20


def mp3(rate: int, mode: str) -> bytes:
    """Twenty seconds; soundfile puts a frame with the length (Xing or Info) before the sound."""
    at = numpy.arange(SECONDS * rate)
    samples = (numpy.sin(at * 440 * 6.283 / rate) * 9000 * numpy.abs(numpy.sin(at / rate))).astype("int16")
    file = BytesIO()
    soundfile.write(file, samples, rate, format="MP3", bitrate_mode=mode, compression_level=0.5)
    return file.getvalue()


def without_length(body: bytes) -> bytes:
    """An MP3 without the frame that says how long it is."""
    header = next(name for name in (b"Xing", b"Info") if name in body[:200])
    return body[body.index(body[:2], body.index(header)) :]


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_an_mp3_of_a_constant_rate_is_whole_without_a_length(
    wsgi: Any, person: Person, key: str, run_jobs: Callable[..., None], rate: int
) -> None:
    body = without_length(mp3(rate, "CONSTANT"))
    answer = leave_recording(wsgi, key, person, body)
    assert answer.status_int == 201, answer.text
    run_jobs()
    with wsgi.database.run_as(org_of(person)) as session:
        message = session.get_one(Message, (org_of(person), UUID(answer.json["message"])))
        recording = session.get_one(Recording, (org_of(person), message.recording_id))
    assert (recording.state, recording.seconds) == ("ready", SECONDS)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_an_mp3_that_would_be_decoded_in_part_is_refused(
    wsgi: Any, person: Person, key: str, rate: int
) -> None:
    answer = leave_recording(wsgi, key, person, without_length(mp3(rate, "VARIABLE")))
    assert answer.status_int == 422
    assert "does not say how long it is" in answer.json["detail"]


@pytest.mark.parametrize("part", [0.5, 0.9, 0.94])
def test_an_mp3_that_has_lost_its_end_is_refused(wsgi: Any, person: Person, key: str, part: float) -> None:
    body = mp3(16000, "VARIABLE")
    answer = leave_recording(wsgi, key, person, body[: int(len(body) * part)])
    assert answer.status_int == 422
    assert "send it whole" in answer.json["detail"]


@pytest.mark.parametrize(
    ("kind", "subtype", "status"), [("WAV", "PCM_16", 201), ("OGG", "OPUS", 201), ("MP3", None, 411)]
)
def test_a_body_without_a_length_has_to_say_where_it_ends(
    wsgi: Any, person: Person, key: str, kind: str, subtype: str | None, status: int
) -> None:
    where = f"organization={org_of(person)}&mailbox=214"
    request = TestRequest.blank(f"/switch/v1/voicemail?{where}", method="POST")
    request.headers.update({"Authorization": f"Bearer {key}", "Host": "127.0.0.1", "Idempotency-Key": "one"})
    request.environ["wsgi.input"] = BytesIO(sound(2, 16000, kind, subtype))
    request.environ["wsgi.input_terminated"] = True
    request.environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    request.environ.pop("CONTENT_LENGTH", None)
    answer = request.get_response(wsgi)
    assert answer.status_int == status, answer.text


def test_a_body_that_breaks_off_is_no_message(
    wsgi: Any, person: Person, key: str, box_of: Callable[..., Mailbox]
) -> None:
    body = sound()
    where = f"organization={org_of(person)}&mailbox=214"
    request = TestRequest.blank(f"/switch/v1/voicemail?{where}", method="POST")
    request.headers.update({"Authorization": f"Bearer {key}", "Host": "127.0.0.1", "Idempotency-Key": "one"})
    request.environ["wsgi.input"] = BytesIO(body[:5000])
    request.environ["CONTENT_LENGTH"] = str(len(body))
    answer = request.get_response(wsgi)
    assert (answer.status_int, box_of(person).new_count) == (400, 0)
    assert "ends early" in answer.json["detail"]
    assert leave_recording(wsgi, key, person, body, idempotency_key="one").status_int == 201


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("mailbox=%ff&organization={org}", 422),
        ("mailbox=214&organization={org}&number=%ED%A0%80", 422),
        ("mailbox=214&domain=a%00b", 404),
        ("mailbox=214&organization={org}&started_at=0001-01-01T00:00:00%2B01:00", 422),
        ("mailbox=214&organization={org}&started_at=9999-12-31T23:59:59-10:00", 422),
    ],
)
def test_an_address_that_is_wrong_is_never_asked_for_again(
    wsgi: Any, person: Person, key: str, query: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "one", "Content-Type": "audio/wav"}
    address = f"/switch/v1/voicemail?{query.format(org=org_of(person))}"
    answer = Client(wsgi, "127.0.0.1").post(address, sound(), headers=headers, status="*")
    assert answer.status_int == status, answer.text
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("status", [401, 403])
def test_a_recording_that_an_adapter_withholds_is_not_taken_for_gone(
    wsgi: Any, person: Person, adapter: FakeAdapter, box_of: Callable[..., Mailbox], status: int
) -> None:
    adapter.recordings["a.wav"], adapter.status = sound(), status
    node = authenticate(wsgi.database.app_engine, f"Bearer {adapter.node_key}")
    assert node is not None
    # Called and not queued: a job that fails is tried again, in the tests that follow.
    work = partial(
        fetching.fetch,
        wsgi.database,
        org_id=org_of(person),
        node_id=node.id,
        recording="a.wav",
        key="one",
        mailbox="214",
        number="",
        caller="",
        started_at=datetime.now(UTC),
    )
    with pytest.raises(SwitchRefused, match=f"answers {status}"):
        work()
    assert (box_of(person).new_count, list(adapter.recordings)) == (0, ["a.wav"])
    adapter.status = 200
    work()
    assert (box_of(person).new_count, adapter.recordings) == (1, {})


def test_a_recording_that_breaks_off_on_its_way_stays_with_the_switch(
    adapter: FakeAdapter,
    person: Person,
    tell: Callable[..., Any],
    run_jobs: Callable[..., None],
    portal: Callable[..., Client],
) -> None:
    body = sound(6, 16000, "MP3", None)
    adapter.recordings["m.mp3"] = body
    adapter.breaks_off_after = len(body) // 3
    told = {"recording": "m.mp3", "key": "k1", "organization": str(org_of(person)), "mailbox": "214"}
    tell(adapter.node_key, "events/voicemail", **told)
    with suppress(ExceptionGroup):
        run_jobs()
    assert "m.mp3" in adapter.recordings
    assert portal(person).get("/voicemail").html.select(".plist > li") == []


def test_what_an_announcement_says_was_said_is_kept(
    wsgi: Any, person: Person, adapter: FakeAdapter, tell: Callable[..., Any], run_jobs: Callable[..., None]
) -> None:
    adapter.recordings["a.wav"] = sound()
    where = {"organization": str(org_of(person)), "mailbox": "214", "transcript": "ring me before noon"}
    tell(adapter.node_key, "events/voicemail", recording="a.wav", key=secrets.token_hex(8), **where)
    run_jobs()
    with wsgi.database.run_as(org_of(person)) as session:
        (recording,) = session.query(Recording).all()
    assert (recording.transcript_state, recording.transcript) == ("done", "ring me before noon")


def test_a_reading_process_that_ends_is_worth_another_try(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(sound())
    readers = sounds._Readers()
    with monkeypatch.context() as broken:
        broken.setattr(sounds.sys, "executable", "/bin/true")
        with pytest.raises(sounds.ReadingFailed):
            readers.ask("check", 10, path=str(path), most_seconds=60)
    assert readers.ask("check", 10, path=str(path), most_seconds=60)["seconds"] == 2


@pytest.mark.parametrize("junk", [b"\xff", b"\xff\xf3"])
def test_a_file_full_of_what_looks_like_frames_is_soon_read(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "hostile.mp3"
    path.write_bytes(mp3(16000, "VARIABLE") + junk * (32_000_000 // len(junk)))
    # Not refused: looking at it has stayed below the limit of processor time.
    assert sounds.check(path, 60).seconds == pytest.approx(SECONDS, abs=0.25)


def test_a_file_full_of_frames_that_are_not_played_is_refused_for_that(tmp_path: Path) -> None:
    path = tmp_path / "hostile.mp3"
    path.write_bytes(mp3(16000, "VARIABLE") + b"\xff\xf3\x18\xc0" * 8_000_000)
    with pytest.raises(sounds.SoundRefused, match="does not say how long it is"):
        sounds.check(path, 60)
