"""Mails, settings, what an organization decides, how long messages stay, and what is known of a person."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import pytest
from sqlalchemy import func, select, update
from support.voicemail import (
    add_greeting,
    leave_recording,
    open_link,
    org_of,
    post_as_guest,
    seconds_of,
    sound,
)

from ringstead.api import ErasureRefused, SpokenWords, Transcriber, Transcript
from ringstead.api.testing import Client, Person, Tenants
from ringstead.db.engine import Database
from ringstead.mail.transport import Refused, TryLater
from ringstead.tenancy.models import OrganizationSetting, PartnerSetting
from ringstead_voicemail import privacy, retention
from ringstead_voicemail.models import Greeting, Mailbox, Message, NotificationAddress, Recording


def mails_to(app: Any, address: str) -> list[Any]:
    """The mails that were sent to an address."""
    found = [
        message_from_bytes(p.read_bytes(), policy=policy.default)
        for p in (app.settings.var_dir / "mail").glob("*.eml")
    ]
    return [mail for mail in found if mail["To"] == address]


@pytest.fixture
def notified(database: Database, person: Person) -> Callable[..., str]:
    """`notified(notify, after="keep")`: an address that is confirmed and hears of new messages."""

    def make(notify: str, after: str = "keep") -> str:
        from ringstead_voicemail.mailboxes import own_mailbox

        email = f"{uuid4().hex}@example.net"
        with database.run_as(org_of(person)) as session:
            box = own_mailbox(session, person.subscriber.id)  # type: ignore[union-attr]
            box.notify, box.after_mail = notify, after
            session.add(
                NotificationAddress(
                    mailbox_id=box.id,
                    subscriber_id=person.subscriber.id,  # type: ignore[union-attr]
                    email=email,
                    verified_at=datetime.now(UTC),
                )
            )
        return email

    return make


@pytest.mark.parametrize("notify", ["notice", "link", "attach"])
def test_a_mail_says_who_called_and_holds_what_was_wanted(
    wsgi: Any,
    person: Person,
    key: str,
    notified: Callable[..., str],
    run_jobs: Callable[..., None],
    visitor: Callable[..., Client],
    notify: str,
) -> None:
    email = notified(notify)
    leave_recording(wsgi, key, person, name="Otis Marlowe", number="+12125550147")
    run_jobs()
    (mail,) = mails_to(wsgi, email)
    text = mail.get_body(("plain",)).get_content()
    assert "Otis Marlowe" in mail["Subject"]
    assert "+1 212 555 0147" in text
    files = list(mail.iter_attachments())
    assert len(files) == (notify == "attach")
    if files:
        assert files[0].get_content_type() == "audio/mpeg"
        assert seconds_of(files[0].get_content()) == pytest.approx(2, abs=0.15)
    assert ("/voicemail/link/" in text) is (notify == "link")


def test_nobody_hears_at_an_address_that_is_not_confirmed(
    wsgi: Any,
    portal: Callable[..., Client],
    visitor: Callable[..., Client],
    person: Person,
    key: str,
    run_jobs: Callable[..., None],
) -> None:
    email, client = f"{uuid4().hex}@example.net", portal(person)
    client.post_form(
        "/voicemail/settings", {"do": "mail", "notify": "notice", "after_mail": "keep"}, status=303
    )
    client.post_form("/voicemail/settings", {"do": "add", "email": "nonsense"}, status=422)
    client.post_form("/voicemail/settings", {"do": "add", "email": email}, status=303)
    leave_recording(wsgi, key, person)
    run_jobs()
    (mail,) = mails_to(wsgi, email)
    path = mail.get_body(("plain",)).get_content().partition("/voicemail/confirm/")[2].split()[0].strip(">)")
    guest = visitor(person.partner)
    guest.get(f"/voicemail/confirm/{path}")
    assert "no longer works" in guest.get(f"/voicemail/confirm/{path[:-3]}").text
    post_as_guest(guest, f"/voicemail/confirm/{path}")
    leave_recording(wsgi, key, person)
    run_jobs()
    assert len(mails_to(wsgi, email)) == 2


@pytest.mark.parametrize(
    ("answer", "state"), [(None, "trash"), (Refused("550 no"), "inbox"), (TryLater("451 later"), "inbox")]
)
def test_a_message_goes_only_once_the_mail_was_taken(
    wsgi: Any,
    database: Database,
    database_urls: Any,
    person: Person,
    key: str,
    notified: Callable[..., str],
    run_jobs: Callable[..., None],
    message_of: Callable[..., Message],
    monkeypatch: pytest.MonkeyPatch,
    answer: Exception | None,
    state: str,
) -> None:
    from ringstead.mail.transport import Folder

    notified("link", "trash")
    message = UUID(leave_recording(wsgi, key, person).json["message"])
    send = Folder.send

    def server(self: Folder, mail: Any, name: str) -> None:
        if answer is not None:
            raise answer
        send(self, mail, name)

    with monkeypatch.context() as wire:
        wire.setattr(Folder, "send", server)
        if isinstance(answer, TryLater):
            with pytest.raises(ExceptionGroup):
                run_jobs()
        else:
            run_jobs()
    assert message_of(person, message).folder == state
    run_jobs()


def test_rules_are_read_as_a_whole(portal: Callable[..., Client], tenants: Tenants) -> None:
    admin = tenants.person(tenants.organization(None, "voicemail"), role="org_admin")
    client = portal(admin)
    good = {
        "do": "rules",
        "quota_mb": "5",
        "message_seconds": "60",
        "greeting_seconds": "30",
        "trash_days": "7",
        "keep_days": "0",
        "link_days": "3",
        "pin_least": "4",
        "pin_most": "8",
        "transcriber": "core.none",
    }
    bad = client.post_form("/voicemail/organization", {**good, "trash_days": "0"}, status=422)
    assert "A number from 1 to 365" in bad.text
    client.post_form("/voicemail/organization", good, status=303)
    page = client.get("/voicemail/organization").html
    assert [page.find(id=name)["value"] for name in ("quota_mb", "trash_days")] == ["5", "7"]
    other = tenants.person(admin.organization)  # type: ignore[arg-type]
    portal(other).get("/voicemail/organization", status=403)


def test_a_shared_mailbox_is_made_opened_and_removed(
    wsgi: Any, portal: Callable[..., Client], tenants: Tenants, key: str
) -> None:
    organization = tenants.organization(None, "voicemail")
    admin = tenants.person(organization, role="org_admin", extension="201")
    member = tenants.person(organization, extension="202")
    client = portal(admin)
    new = {"do": "share", "name": "Front desk", "extension": "300", "members": "202"}
    for wrong in (
        {"name": ""},
        {"extension": "201"},
        {"extension": "x"},
        {"members": "999"},
        {"members": ""},
    ):
        client.post_form("/voicemail/organization", {**new, **wrong}, status=422)
    client.post_form("/voicemail/organization", new, status=303)
    answer = leave_recording(wsgi, key, member, mailbox="300")
    assert answer.status_int == 201
    theirs = portal(member)
    box = theirs.get("/voicemail").html.select("nav.boxes a")[1]["href"]
    assert answer.json["message"] in theirs.get(box).text
    theirs.get(f"/voicemail/settings?{box.partition('?')[2]}", status=200)
    mailbox = box.partition("box=")[2]
    client.post_form(
        "/voicemail/organization", {"do": "members", "mailbox": mailbox, "members": "201"}, status=303
    )
    theirs.get(box, status=404)
    asked = client.post_form("/voicemail/organization", {"do": "unshare", "mailbox": mailbox}, status=422)
    assert "for good: 1." in asked.text
    assert asked.html.find("input", {"name": "sure"})
    remove = {"do": "unshare", "mailbox": mailbox, "sure": "on"}
    client.post_form("/voicemail/organization", remove, status=303)
    client.get(box, status=404)


def test_who_leaves_a_shared_mailbox_hears_no_more_of_it(
    wsgi: Any, portal: Callable[..., Client], tenants: Tenants, key: str, run_jobs: Callable[..., None]
) -> None:
    organization = tenants.organization(None, "voicemail")
    admin = tenants.person(organization, role="org_admin", extension="201")
    member = tenants.person(organization, extension="202")
    client, theirs = portal(admin), portal(member)
    new = {"do": "share", "name": "Front desk", "extension": "300", "members": "201 202"}
    client.post_form("/voicemail/organization", new, status=303)
    box = theirs.get("/voicemail").html.select("nav.boxes a")[1]["href"].partition("box=")[2]
    page = f"/voicemail/settings?box={box}"
    theirs.post_form(page, {"do": "add", "email": member.account.email}, status=303)
    theirs.post_form(page, {"do": "mail", "notify": "notice", "after_mail": "keep"}, status=303)
    leave_recording(wsgi, key, member, mailbox="300")
    run_jobs()
    before = len(mails_to(wsgi, member.account.email))
    client.post_form(
        "/voicemail/organization", {"do": "members", "mailbox": box, "members": "201"}, status=303
    )
    leave_recording(wsgi, key, member, mailbox="300")
    run_jobs()
    assert len(mails_to(wsgi, member.account.email)) == before >= 2


def test_a_subscriber_goes_before_a_shared_mailbox_of_the_same_extension(
    wsgi: Any, portal: Callable[..., Client], tenants: Tenants, key: str
) -> None:
    organization = tenants.organization(None, "voicemail")
    admin = tenants.person(organization, role="org_admin", extension="201")
    new = {"do": "share", "name": "Front desk", "extension": "600", "members": "201"}
    portal(admin).post_form("/voicemail/organization", new, status=303)
    late = tenants.person(organization, extension="600")
    message = leave_recording(wsgi, key, late).json["message"]
    portal(late).get(f"/voicemail/messages/{message}", status=200)
    portal(admin).get(f"/voicemail/messages/{message}", status=404)


def test_a_hold_keeps_what_people_delete_too(
    portal: Callable[..., Client],
    person: Person,
    leave: Callable[..., UUID],
    decide: Callable[..., None],
    message_of: Callable[..., Message],
) -> None:
    message, client = leave(person), portal(person)
    decide(person, "voicemail.legal_hold", True)
    client.post_form("/voicemail/messages", {"id": str(message), "do": "trash"}, status=303)
    client.post_form("/voicemail/messages", {"id": str(message), "do": "remove"}, status=303)
    assert message_of(person, message) is not None
    decide(person, "voicemail.legal_hold", False)
    client.post_form("/voicemail/messages", {"id": str(message), "do": "remove"}, status=303)
    assert message_of(person, message) is None


def test_rules_hold_together_or_not_at_all(
    portal: Callable[..., Client], tenants: Tenants, database: Database
) -> None:
    admin = tenants.person(tenants.organization(None, "voicemail"), role="org_admin")
    client = portal(admin)
    form = {
        field["name"]: field.get("value", "")
        for field in client.get("/voicemail/organization").html.select(
            "[data-rule] input:not([type=checkbox])"
        )
    }
    with database.in_partner(admin.partner.id) as session:
        session.add(PartnerSetting(name="voicemail.trash_days", value=30, locked=True))  # type: ignore[arg-type]
    changed = {**form, "do": "rules", "transcriber": "core.none", "quota_mb": "7", "trash_days": "3"}
    assert "fixed this" in client.post_form("/voicemail/organization", changed, status=422).text
    with database.run_as(org_of(admin)) as session:
        assert session.scalars(select(OrganizationSetting)).all() == []
    for wrong in ("9" * 5000, "1234567890"):
        client.post_form("/voicemail/organization", {**changed, "quota_mb": wrong}, status=422)


def test_a_link_of_a_mail_plays_what_the_mail_put_into_the_trash(
    wsgi: Any,
    person: Person,
    key: str,
    notified: Callable[..., str],
    visitor: Callable[..., Client],
    portal: Callable[..., Client],
    run_jobs: Callable[..., None],
) -> None:
    email = notified("link", "trash")
    message = leave_recording(wsgi, key, person).json["message"]
    run_jobs()
    run_jobs()
    (mail,) = mails_to(wsgi, email)
    path = re.search(r"(/voicemail/link/[^\s\"<>]+)", mail.get_body(("plain",)).get_content()).group(1)  # type: ignore[union-attr]
    guest, mine = visitor(person.partner), portal(person)
    assert message in mine.get("/voicemail?folder=trash").text
    guest.get(path, status=200)
    mine.post_form("/voicemail/messages", {"id": message, "do": "restore"}, status=303)
    mine.post_form("/voicemail/messages", {"id": message, "do": "trash"}, status=303)
    guest.get(path, status=404)


def test_a_link_plays_nothing_where_voicemail_is_off(
    wsgi: Any, person: Person, key: str, visitor: Callable[..., Client], tenants: Tenants
) -> None:
    path = open_link(wsgi, person, leave_recording(wsgi, key, person).json["message"])
    guest = visitor(person.partner)
    guest.get(path, status=200)
    tenants.switch(person.organization, "voicemail", enabled=False)  # type: ignore[arg-type]
    guest.get(path, status=404)
    guest.get(f"{path}/audio", status=404)


def test_nobody_without_voicemail_in_their_package_hears_of_messages(
    wsgi: Any,
    person: Person,
    key: str,
    notified: Callable[..., str],
    run_jobs: Callable[..., None],
    visitor: Callable[..., Client],
    tenants: Tenants,
) -> None:
    """Messages are kept, and heard once the package has it."""
    message = leave_recording(wsgi, key, person).json["message"]
    path = open_link(wsgi, person, message)
    guest = visitor(person.partner)
    guest.get(path, status=200)
    assert person.subscriber is not None
    tenants.give(person.subscriber, tenants.package(person.partner, "calllogs"))
    guest.get(path, status=404)
    email = notified("attach")
    leave_recording(wsgi, key, person)
    run_jobs()
    assert mails_to(wsgi, email) == []
    tenants.give(person.subscriber, None)
    guest.get(path, status=200)


def test_nobody_mails_strangers_without_end(
    wsgi: Any, person: Person, key: str, portal: Callable[..., Client]
) -> None:
    message, client = leave_recording(wsgi, key, person).json["message"], portal(person)
    form = {"way": "mail", "to": "stranger@example.net"}
    answers = [
        client.post_form(f"/voicemail/messages/{message}/forward", form, status="*").status_int
        for _ in range(11)
    ]
    assert answers == [303] * 10 + [422]


def test_what_is_over_goes_each_night_and_a_hold_stops_it(
    wsgi: Any,
    database: Database,
    person: Person,
    key: str,
    leave: Callable[..., UUID],
    decide: Callable[..., None],
    message_of: Callable[..., Message | None],
    blobs_of: Callable[..., list[str]],
    run_jobs: Callable[..., None],
) -> None:
    old, trashed, fresh = leave(person, ago=60 * 24 * 40), leave(person), leave(person)
    sounding = UUID(leave_recording(wsgi, key, person).json["message"])
    run_jobs()
    with database.run_as(org_of(person)) as session:
        gone = datetime.now(UTC) - timedelta(days=31)
        for message in (trashed, sounding):
            session.execute(
                update(Message).where(Message.id == message).values(folder="trash", trashed_at=gone)
            )
    decide(person, "voicemail.keep_days", 30)
    decide(person, "voicemail.legal_hold", True)
    retention.retain(wsgi.database, org_id=org_of(person))
    assert all(message_of(person, one) is not None for one in (old, trashed, fresh, sounding))
    decide(person, "voicemail.legal_hold", False)
    retention.retain(wsgi.database, org_id=org_of(person))
    run_jobs()
    assert [message_of(person, one) is not None for one in (old, trashed, fresh, sounding)] == [
        False,
        False,
        True,
        False,
    ]
    assert blobs_of(person) == []


def test_the_sweep_takes_what_nothing_names_and_leaves_the_rest(
    wsgi: Any,
    database: Database,
    person: Person,
    key: str,
    blobs_of: Callable[..., list[str]],
    run_jobs: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ringstead.api.blobs import org_blobs

    leave_recording(wsgi, key, person)
    run_jobs()
    kept = blobs_of(person)
    with wsgi.database.run_as(org_of(person)) as session:
        org_blobs(session).put(f"voicemail/recordings/{uuid4()}/original", [b"left by a killed process"])
    retention.sweep(wsgi.database, org_id=org_of(person))
    assert len(blobs_of(person)) == len(kept) + 1
    monkeypatch.setattr(retention, "_UNNAMED_AFTER", timedelta(seconds=-60))
    retention.sweep(wsgi.database, org_id=org_of(person))
    assert blobs_of(person) == kept


def test_a_person_has_all_of_it_and_can_be_forgotten(
    wsgi: Any,
    database: Database,
    tenants: Tenants,
    person: Person,
    key: str,
    leave: Callable[..., UUID],
    decide: Callable[..., None],
    message_of: Callable[..., Message],
    run_jobs: Callable[..., None],
    blobs_of: Callable[..., list[str]],
) -> None:
    colleague = tenants.person(person.organization, extension="230")  # type: ignore[arg-type]
    leave_recording(wsgi, key, person, name="Otis")
    theirs = UUID(leave_recording(wsgi, key, colleague, number="214", name="Sam Example").json["message"])
    run_jobs()
    me = person.subscriber.id  # type: ignore[union-attr]
    with database.run_as(org_of(person)) as session:
        parts = {part.name: list(part.rows) for part in privacy.export_person(session, me)}
    assert parts["voicemail-messages"][0]["name"] == "Otis"
    assert len(parts["voicemail-left-for-others"]) == 1
    decide(person, "voicemail.legal_hold", True)
    with database.run_as(org_of(person)) as session, pytest.raises(ErasureRefused):
        privacy.erase_person(session, me, False)
    decide(person, "voicemail.legal_hold", False)
    with database.run_as(org_of(person)) as session:
        done = {one.what: one.count for one in privacy.erase_person(session, me, False)}
    assert done["voicemail messages"] == 1
    run_jobs()
    with database.run_as(org_of(person)) as session:
        assert (
            session.scalar(select(func.count()).select_from(Mailbox).where(Mailbox.subscriber_id == me)) == 0
        )
        assert session.scalar(select(func.count()).select_from(Recording)) == 1
        assert session.scalar(select(func.count()).select_from(Greeting)) == 0
    left = message_of(colleague, theirs)
    assert (left.name, left.number, left.caller_subscriber_id) == (None, None, None)
    assert len(blobs_of(person)) == 3


def test_a_persons_own_data_holds_their_sound(
    wsgi: Any, portal: Callable[..., Client], person: Person, key: str, run_jobs: Callable[..., None]
) -> None:
    body = sound(2, 16000, "MP3", None)
    message = leave_recording(wsgi, key, person, body).json["message"]
    greeting = add_greeting(wsgi, person, "Day")
    with ZipFile(BytesIO(portal(person).post_form("/account/data").body)) as archive:
        assert archive.read(f"voicemail/voicemail-messages/{message}.mp3") == body
        assert seconds_of(archive.read(f"voicemail/voicemail-greetings/{greeting}.wav")) > 0


def test_words_are_written_down_by_whom_the_organization_chose(
    wsgi: Any,
    person: Person,
    key: str,
    decide: Callable[..., None],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    portal: Callable[..., Client],
) -> None:
    from ringstead_voicemail import transcripts

    heard: list[float] = []

    def write(words: SpokenWords) -> Transcript:
        heard.append(seconds_of(words.path.read_bytes()))
        if len(heard) == 1:
            raise ConnectionError("the service is away")
        return Transcript(text="about the drawings", language="en")

    one = Transcriber(name="test.writer", title="Writer", transcribe=write)
    monkeypatch.setattr(transcripts, "transcribers", lambda _session: {"test.writer": one})
    message = leave_recording(wsgi, key, person).json["message"]
    with wsgi.database.run_as(org_of(person)) as session:
        recording = session.get_one(Message, (org_of(person), UUID(message))).recording_id
    from ringstead_voicemail.rendering import render_recording

    render_recording(wsgi.database, org_id=org_of(person), recording_id=recording, names=["mp3", "wav"])
    arguments = {
        "org_id": org_of(person),
        "recording_id": recording,
        "transcriber": "test.writer",
        "language": "",
    }
    with pytest.raises(ConnectionError):
        transcripts.transcribe(wsgi.database, **arguments)
    page = portal(person).get(f"/voicemail/messages/{message}")
    assert "could not be written down" in page.text
    transcripts.transcribe(wsgi.database, **arguments)
    assert heard[1] == pytest.approx(2, abs=0.01)
    assert "about the drawings" in portal(person).get(f"/voicemail/messages/{message}").text


def test_settings_are_kept(
    portal: Callable[..., Client], person: Person, box_of: Callable[..., Mailbox]
) -> None:
    client = portal(person)
    client.post_form("/voicemail/settings", {"do": "prompts", "caller": "on"}, status=303)
    client.post_form("/voicemail/settings", {"do": "speech", "language": "de"}, status=303)
    box = box_of(person)
    assert box.prompts == {"caller": True, "time": False, "instructions": False, "skip_pin": False}
    assert (box.language, box.transcribe) == ("de", False)
    client.post_form("/voicemail/settings", {"do": "nonsense"}, status=404)
