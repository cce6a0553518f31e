"""What tests of voicemail need: sound, and whose is what."""

import secrets
from io import BytesIO
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from ringstead.api.blobs import org_blobs
from ringstead.api.secrets import sign
from ringstead.api.testing import Client, Person
from ringstead_voicemail import greetings, links
from ringstead_voicemail.mailboxes import own_mailbox
from ringstead_voicemail.models import Message, NotificationAddress
from ringstead_voicemail.setting_views import PURPOSE
from ringstead_voicemail.taking_in import GREETING_RENDITIONS, take_in


def org_of(person: Person) -> UUID:
    """The organization of a subscriber."""
    assert person.organization is not None
    return person.organization.org_id


def me(person: Person) -> UUID:
    """The subscriber of a person."""
    assert person.subscriber is not None
    return person.subscriber.id


def sound(seconds: float = 2.0, rate: int = 8000, kind: str = "WAV", subtype: str | None = "PCM_16") -> bytes:
    """A sound file of one of the formats that libsndfile writes."""
    import numpy
    import soundfile

    at = numpy.arange(int(seconds * rate))
    samples = (numpy.sin(at * 440 * 6.283 / rate) * 9000 * numpy.abs(numpy.sin(at / rate))).astype("int16")
    file = BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def seconds_of(body: bytes) -> float:
    """How long a sound file lasts when it is decoded to its end."""
    import soundfile

    samples, rate = soundfile.read(BytesIO(body), dtype="int16")
    return len(samples) / rate


def leave_recording(app: Any, key: str, person: Person, body: bytes | None = None, **data: str) -> Any:
    """Deposit a recording as a switch does, in a person's mailbox unless `mailbox` says another; the answer.

    `idempotency_key` names it; every other word is a parameter of the address.
    """
    assert person.subscriber is not None
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "audio/wav",
        "Idempotency-Key": data.pop("idempotency_key", None) or secrets.token_hex(12),
    }
    values = {"organization": str(org_of(person)), "mailbox": person.subscriber.extension, **data}
    address = f"/switch/v1/voicemail?{urlencode(values)}"
    client = Client(app, "127.0.0.1")
    return client.post(address, sound() if body is None else body, headers=headers, status="*")


def post_as_guest(guest: Client, url: str, **values: str) -> Any:
    """Send the form of a page that nobody signs in for."""
    token = guest.get(url).html.find("input", {"name": "csrf_token"})["value"]
    return guest.post(url, {"csrf_token": token, **values}, headers={"Origin": f"http://{guest.host}"})


def add_greeting(app: Any, person: Person, title: str) -> str:
    """A greeting in a person's own mailbox; its id."""
    with app.database.run_as(org_of(person)) as session:
        box = own_mailbox(session, me(person))
        recording = take_in(session, org_blobs(session), [sound(1)], 90, GREETING_RENDITIONS)
        return str(greetings.add_greeting(session, box, recording, "unavailable", title).id)


def open_link(app: Any, person: Person, message: str) -> str:
    """A link that plays a person's message; its path."""
    with app.database.run_as(org_of(person)) as session:
        found = session.get_one(Message, (org_of(person), UUID(message)))
        return links.create_link(session, found, "guest@example.net", 7)


def address_to_confirm(app: Any, person: Person) -> str:
    """The path at which somebody confirms an address of a person's mailbox."""
    with app.database.run_as(org_of(person)) as session:
        address = NotificationAddress(
            subscriber_id=me(person),
            mailbox_id=own_mailbox(session, me(person)).id,
            email="guest@example.net",
        )
        session.add(address)
        session.flush()
        named = {"org": str(org_of(person)), "address": str(address.id)}
        return f"/voicemail/confirm/{sign(session, PURPOSE, named)}"


def is_gone(app: Any, person: Person, model: type[Any], row_id: str) -> bool:
    """Whether a message or greeting is not there any more, or only in the trash."""
    with app.database.run_as(org_of(person)) as session:
        row = session.get(model, (org_of(person), UUID(row_id)))
        return row is None or getattr(row, "folder", "") == "trash"
