"""Voicemail whose sound lies on S3."""

from collections.abc import Callable
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from support.objects import running_s3
from support.voicemail import leave_recording, org_of, seconds_of, sound

from ringstead.api.testing import Client, Person
from ringstead.blobs import BLOBS
from ringstead.resources import session_info


def test_sound_comes_from_a_bucket_and_goes_from_it(
    app_with: Callable[..., Any],
    portal: Callable[..., Client],
    person: Person,
    key: str,
    run_jobs: Callable[..., None],
) -> None:
    with running_s3() as address:
        app = app_with(blob_url=address)
        client = portal(person, app)
        body = sound(3)
        message = leave_recording(app, key, person, body).json["message"]
        run_jobs(app)
        audio = f"/voicemail/messages/{message}/audio"
        whole = client.get(audio)
        assert whole.content_type == "audio/mpeg"
        assert seconds_of(whole.body) == pytest.approx(3, abs=0.15)
        part = client.get(audio, headers={"Range": "bytes=100-299"}, status=206)
        assert part.body == whole.body[100:300]
        assert part.headers["Content-Range"] == f"bytes 100-299/{len(whole.body)}"
        client.get(audio, headers={"Range": "bytes=9999999-"}, status=416)
        client.get(audio, headers={"If-None-Match": whole.headers["ETag"]}, status=304)
        with ZipFile(BytesIO(client.get(f"/voicemail/messages.zip?id={message}").body)) as archive:
            (name,) = archive.namelist()
            assert seconds_of(archive.read(name)) == pytest.approx(3, abs=0.01)
        own = session_info(app.settings)[BLOBS].of(org_of(person))
        assert len(list(own.keys("voicemail"))) == 3
        for do in ("trash", "remove"):
            client.post_form("/voicemail/messages", {"id": message, "do": do}, status=303)
        run_jobs(app)
        assert list(own.keys("voicemail")) == []
