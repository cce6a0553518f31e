"""The mailbox page and what people do on it, through the front door."""

from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import pytest
from support.voicemail import leave_recording, org_of, post_as_guest, seconds_of, sound

from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead_voicemail.models import Mailbox, MailboxMember, Message

LIST = ".plist > li"


@pytest.fixture
def deposited(wsgi: Any, key: str, run_jobs: Callable[..., None]) -> Callable[..., str]:
    """`deposited(person, seconds=2, **data)`: a message with sound, ready to be played; its id."""

    def put(person: Person, seconds: float = 2, **data: str) -> str:
        answer = leave_recording(wsgi, key, person, sound(seconds), **data)
        assert answer.status_int == 201, answer.text
        run_jobs()
        return str(answer.json["message"])

    return put


def test_messages_stand_newest_first_with_who_and_when(
    portal: Callable[..., Client], person: Person, leave: Callable[..., UUID]
) -> None:
    leave(person, ago=90, number="+12125550158", name="Wren Halloway")
    leave(person, ago=10)
    page = portal(person).get("/voicemail")
    rows = [" ".join(row.get_text(" ").split()) for row in page.html.select(LIST)]
    assert len(rows) == 2
    assert "Number withheld" in rows[0]
    assert "Wren Halloway" in rows[1]
    assert "+1 212 555 0158" in rows[1]
    assert "0:07" in rows[1]


def test_the_navigation_counts_what_is_new(
    portal: Callable[..., Client], tenants: Tenants, person: Person, leave: Callable[..., UUID]
) -> None:
    client = portal(person)
    assert client.get("/counts").json == {}
    leave(person)
    message = leave(person)
    assert client.get("/counts").json == {"voicemail.list": 2}
    client.post_form("/voicemail/messages", {"id": str(message), "do": "heard"}, status=303)
    answer = client.get("/counts")
    assert answer.json == {"voicemail.list": 1}
    assert answer.headers["Cache-Control"] == "no-store"
    colleague = tenants.person(person.organization)
    assert portal(colleague).get("/counts").json == {}


def test_a_colleague_is_named_by_the_resolver(
    portal: Callable[..., Client], tenants: Tenants, person: Person, leave: Callable[..., UUID]
) -> None:
    tenants.subscriber(person.organization, "Hazel Umberton", "231")  # type: ignore[arg-type]
    leave(person, number="231", name="231")
    assert "Hazel Umberton" in portal(person).get("/voicemail").html.select_one(LIST).text


def test_pages_follow_one_another_without_gaps(
    portal: Callable[..., Client], person: Person, leave: Callable[..., UUID]
) -> None:
    ids = [str(leave(person, ago=minute)) for minute in range(60)]
    client, url, seen = portal(person), "/voicemail", []
    while url:
        page = client.get(url)
        seen += [row["data-row"] for row in page.html.select(LIST)]
        older = page.html.find("a", rel="next")
        url = older["href"] if older else ""
    assert seen == ids


def test_search_finds_names_numbers_and_words(
    database: Database, portal: Callable[..., Client], person: Person, leave: Callable[..., UUID]
) -> None:
    leave(person, number="+12125550158", name="Wren Halloway")
    other = leave(person, number="+14155550139")
    with database.run_as(org_of(person)) as session:
        message = session.get_one(Message, (org_of(person), other))
        from ringstead_voicemail.models import Recording

        session.get_one(Recording, (org_of(person), message.recording_id)).transcript = "about the drawings"
    client = portal(person)
    for query, expected in (("halloway", 1), ("0139", 1), ("DRAWINGS", 1), ("%", 0), ("5550", 2)):
        assert len(client.get("/voicemail", {"q": query}).html.select(LIST)) == expected, query


def test_hearing_moving_and_bringing_back(
    portal: Callable[..., Client],
    person: Person,
    leave: Callable[..., UUID],
    box_of: Callable[..., Mailbox],
    message_of: Callable[..., Message],
) -> None:
    one, client = leave(person), portal(person)
    client.post_form("/voicemail/messages", {"id": one, "do": "heard"}, status=303)
    assert message_of(person, one).heard_at is not None
    assert (box_of(person).new_count, box_of(person).old_count) == (0, 1)
    client.post_form("/voicemail/messages", {"id": one, "do": "saved"}, status=303)
    assert message_of(person, one).folder == "saved"
    client.post_form("/voicemail/messages", {"id": one, "do": "trash"}, status=303)
    assert message_of(person, one).folder == "trash"
    client.post_form("/voicemail/messages", {"id": one, "do": "restore"}, status=303)
    assert message_of(person, one).folder == "saved"


def test_what_is_in_the_trash_goes_for_good_and_nothing_else_does(
    portal: Callable[..., Client],
    person: Person,
    deposited: Callable[..., str],
    message_of: Callable[..., Message | None],
    blobs_of: Callable[..., list[str]],
    run_jobs: Callable[..., None],
) -> None:
    one, client = deposited(person), portal(person)
    client.post_form("/voicemail/messages", {"id": one, "do": "remove"}, status=303)
    assert message_of(person, UUID(one)) is not None
    client.post_form("/voicemail/messages", {"id": one, "do": "trash"}, status=303)
    client.post_form("/voicemail/messages", {"id": one, "do": "remove"}, status=303)
    assert message_of(person, UUID(one)) is None
    run_jobs()
    assert blobs_of(person) == []


def test_sound_is_sent_with_type_length_etag_and_ranges(
    portal: Callable[..., Client], person: Person, deposited: Callable[..., str]
) -> None:
    client, url = portal(person), f"/voicemail/messages/{deposited(person)}/audio"
    whole = client.get(url)
    assert (whole.content_type, whole.headers["Accept-Ranges"]) == ("audio/mpeg", "bytes")
    assert whole.content_length == len(whole.body)
    assert seconds_of(whole.body) == pytest.approx(2, abs=0.15)
    part = client.get(url, headers={"Range": "bytes=100-199"}, status=206)
    assert part.body == whole.body[100:200]
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.body)}"
    first = client.get(url, headers={"Range": "bytes=0-1"}, status=206)  # how Safari begins
    assert first.body == whole.body[:2]
    client.get(url, headers={"Range": f"bytes={len(whole.body)}-"}, status=416)
    client.get(url, headers={"If-None-Match": whole.headers["ETag"]}, status=304)
    head = client.head(url)
    assert (head.content_length, head.body) == (len(whole.body), b"")


def test_a_page_without_scripts_plays_and_that_counts_as_heard(
    portal: Callable[..., Client],
    person: Person,
    deposited: Callable[..., str],
    message_of: Callable[..., Message],
) -> None:
    one, client = deposited(person), portal(person)
    source = client.get(f"/voicemail/messages/{one}").html.select_one("noscript audio")["src"]
    assert message_of(person, UUID(one)).heard_at is None
    client.get(source)
    assert message_of(person, UUID(one)).heard_at is not None


def test_a_message_is_downloaded_as_wav_under_a_name_that_says_who(
    portal: Callable[..., Client], person: Person, deposited: Callable[..., str]
) -> None:
    one = deposited(person, name="Zoë / Ko", number="+12125550158")
    answer = portal(person).get(f"/voicemail/messages/{one}/download")
    assert answer.content_type == "audio/wav"
    assert "Zo%C3%AB%20_%20Ko.wav" in answer.headers["Content-Disposition"]
    assert seconds_of(answer.body) == pytest.approx(2, abs=0.01)


def test_several_messages_come_as_one_file(
    portal: Callable[..., Client], person: Person, deposited: Callable[..., str]
) -> None:
    ids = [deposited(person, seconds) for seconds in (1, 2)]
    client = portal(person)
    token = {"csrf_token": client.csrf_token, "do": "download"}
    fields = [*token.items(), *(("id", one) for one in ids)]
    answer = client.post(
        "/voicemail/messages", fields, headers={"Origin": f"http://{client.host}"}, status=303
    ).follow()
    with ZipFile(BytesIO(answer.body)) as archive:
        lengths = sorted(round(seconds_of(archive.read(name))) for name in archive.namelist())
    assert lengths == [1, 2]


def test_a_copy_goes_to_a_colleague_with_a_note(
    portal: Callable[..., Client], tenants: Tenants, person: Person, deposited: Callable[..., str]
) -> None:
    colleague = tenants.person(person.organization, "Hazel Umberton", extension="231")  # type: ignore[arg-type]
    one, client = deposited(person, name="Otis Marlowe"), portal(person)
    wrong = client.post_form(f"/voicemail/messages/{one}/forward", {"extension": "999"}, status=422)
    assert "Nobody has this extension" in wrong.text
    client.post_form(
        f"/voicemail/messages/{one}/forward", {"extension": "231", "note": "For you, I think"}, status=303
    )
    theirs = portal(colleague)
    row = theirs.get("/voicemail").html.select_one(LIST)
    assert "Otis Marlowe" in row.text
    page = theirs.get(f"/voicemail/messages/{row['data-row']}")
    assert "Sent on by Sam Example" in " ".join(page.html.select_one("#message").get_text().split())
    assert "For you, I think" in page.text
    theirs.get(f"/voicemail/messages/{row['data-row']}/audio", status=200)
    theirs.get(f"/voicemail/messages/{one}", status=404)


def test_a_link_in_a_mail_plays_one_message_without_signing_in(
    wsgi: Any,
    portal: Callable[..., Client],
    visitor: Callable[..., Client],
    tenants: Tenants,
    person: Person,
    deposited: Callable[..., str],
    run_jobs: Callable[..., None],
    message_of: Callable[..., Message],
) -> None:
    one, client = deposited(person), portal(person)
    to = f"{uuid4().hex}@example.net"
    client.post_form(f"/voicemail/messages/{one}/forward", {"way": "mail", "to": to}, status=303)
    run_jobs()
    mail = next(text for text in mails(wsgi) if to in text)
    path = mail.partition("/voicemail/link/")[2].split()[0].partition(">")[0].strip("\"')")
    guest = visitor(person.partner)
    page = guest.get(f"/voicemail/link/{path}")
    sound_url = page.html.select_one("[data-audio]")["data-audio"]
    assert seconds_of(guest.get(sound_url).body) == pytest.approx(2, abs=0.15)
    guest.get(f"/voicemail/link/{path[:-2]}", status=404)
    visitor(tenants.partner()).get(f"/voicemail/link/{path}", status=404)
    post_as_guest(guest, f"/voicemail/link/{path}", do="heard")
    assert message_of(person, UUID(one)).heard_at is not None
    client.post_form(f"/voicemail/messages/{one}/links", status=303)
    guest.get(f"/voicemail/link/{path}", status=404)
    guest.get(sound_url, status=404)


def mails(app: Any) -> list[str]:
    """The mails that were sent, as text."""
    from email import message_from_bytes, policy

    found = []
    for path in sorted((app.settings.var_dir / "mail").glob("*.eml")):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        body = message.get_body(("plain",))
        found.append(f"{message['To']}\n{body.get_content() if body else ''}")
    return found


def test_another_persons_message_is_not_there(
    portal: Callable[..., Client], tenants: Tenants, person: Person, deposited: Callable[..., str]
) -> None:
    one = deposited(person)
    for stranger in (
        tenants.person(person.organization),  # type: ignore[arg-type]
        tenants.person(tenants.organization(None, "voicemail")),
    ):
        client = portal(stranger)
        for path in ("", "/audio", "/download", "/forward"):
            client.get(f"/voicemail/messages/{one}{path}", status=404)
        client.get(f"/voicemail/messages.zip?id={one}", status=404)
        for do in ("heard", "trash", "remove"):
            client.post_form("/voicemail/messages", {"id": one, "do": do}, status=404)
        client.post_form(f"/voicemail/messages/{one}/forward", {"extension": "214"}, status=404)
        client.post_form(f"/voicemail/messages/{one}/links", status=404)


def test_a_shared_mailbox_is_a_folder_of_its_members(
    database: Database,
    portal: Callable[..., Client],
    tenants: Tenants,
    person: Person,
    leave: Callable[..., UUID],
) -> None:
    with database.run_as(org_of(person)) as session:
        shared = Mailbox(name="Front desk", extension="200")
        session.add(shared)
        session.flush()
        session.add(MailboxMember(mailbox_id=shared.id, subscriber_id=person.subscriber.id))  # type: ignore[union-attr]
        box = shared.id
    leave(person, box, name="Courier")
    page = portal(person).get("/voicemail", {"box": str(box)})
    assert "Front desk" in page.html.select_one("nav.boxes").text
    assert "Courier" in page.html.select_one(LIST).text
    portal(tenants.person(person.organization)).get(f"/voicemail?box={box}", status=404)  # type: ignore[arg-type]


def test_new_messages_are_on_the_landing_page(
    portal: Callable[..., Client], person: Person, leave: Callable[..., UUID]
) -> None:
    for minute in range(5):
        leave(person, ago=minute, name=f"Caller {minute}")
    card = portal(person).get("/").html.find(id="card-voicemail-new") or portal(person).get("/").html
    rows = card.select(".vm-card > li")
    assert ["Caller 0" in rows[0].text, "Caller 2" in rows[2].text, len(rows)] == [True, True, 3]
    assert "5 new messages in all" in card.text
