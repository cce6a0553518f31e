"""What a switch asks and is told: lamp, recordings to fetch, PIN, greetings, messages, codes."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from support.adapter import FakeAdapter
from support.voicemail import leave_recording, org_of, seconds_of, sound

from ringstead.api.testing import PASSWORD, Client, Person, Tenants
from ringstead.auth.passwords import Passwords
from ringstead.db.engine import Database
from ringstead.tenancy.models import Account
from ringstead_voicemail.greetings import activate, follow, greeting_now
from ringstead_voicemail.lamp import reconcile, tell_lamp
from ringstead_voicemail.models import Greeting, Mailbox
from ringstead_voicemail.pin import PinPolicy

GOOD = "295173"


@pytest.fixture
def where(person: Person) -> dict[str, str]:
    """The person's mailbox, as a switch names it."""
    return {"organization": str(org_of(person)), "mailbox": "214"}


@pytest.fixture
def with_pin(database: Database, person: Person) -> str:
    """The person's PIN, set, and their account's password."""
    from ringstead_voicemail.mailboxes import own_mailbox

    passwords = Passwords()
    with database.run_as(org_of(person)) as session:
        own_mailbox(session, person.subscriber.id).pin_hash = passwords.hash(GOOD)  # type: ignore[union-attr]
    with database.in_partner(person.partner.id) as session:
        account = session.get_one(Account, (person.partner.id, person.account.id))
        account.password_hash = passwords.hash(PASSWORD)
    return GOOD


def test_the_lamp_is_told_and_the_page_knows(
    portal: Callable[..., Client],
    person: Person,
    adapter: FakeAdapter,
    leave: Callable[..., UUID],
    run_jobs: Callable[..., None],
    box_of: Callable[..., Mailbox],
) -> None:
    leave(person)
    run_jobs()
    name, body, _key = adapter.told[-1]
    assert (name, body["mailbox"], body["new"], body["old"]) == ("mwi", "214", 1, 0)
    assert body["extensions"] == ["214"]
    assert (box_of(person).lamp_new, box_of(person).lamp_error) == (1, "")
    assert "In step" in portal(person).get("/voicemail/settings").text


def test_a_lamp_that_was_not_confirmed_is_told_again(
    wsgi: Any,
    portal: Callable[..., Client],
    person: Person,
    adapter: FakeAdapter,
    leave: Callable[..., UUID],
    run_jobs: Callable[..., None],
    box_of: Callable[..., Mailbox],
) -> None:
    from ringstead.api.switch import SwitchAway

    leave(person)
    run_jobs()
    leave(person)
    adapter.status = 503
    with pytest.raises(SwitchAway):
        tell_lamp(wsgi.database, org_id=org_of(person), mailbox_id=box_of(person).id)
    assert "answers 503" in box_of(person).lamp_error
    assert "Not confirmed" in portal(person).get("/voicemail/settings").text
    adapter.status = 200
    reconcile(wsgi.database, org_id=org_of(person))
    run_jobs()
    assert (box_of(person).lamp_new, box_of(person).lamp_error) == (2, "")


def test_a_switch_that_hangs_holds_nobody_up(
    wsgi: Any, person: Person, adapter: FakeAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ringstead.api.switch import SwitchAway, tell_switches
    from ringstead.switch import telling

    monkeypatch.setattr(telling, "TIMEOUT", 0.2)
    adapter.is_hanging = True
    with pytest.raises(SwitchAway):
        tell_switches(wsgi.database, org_of(person), "mwi", {}, "k")


@pytest.mark.parametrize(
    ("status", "error"), [(302, "SwitchAway"), (404, "SwitchRefused"), (500, "SwitchAway")]
)
def test_what_a_switch_answers_decides(
    wsgi: Any, person: Person, adapter: FakeAdapter, status: int, error: str
) -> None:
    from ringstead.api import switch

    adapter.status = status
    with pytest.raises(getattr(switch, error)):
        switch.tell_switches(wsgi.database, org_of(person), "mwi", {}, "k")
    assert adapter.told == []


def test_without_a_switch_the_page_says_so(
    portal: Callable[..., Client],
    tenants: Tenants,
    leave: Callable[..., UUID],
    run_jobs: Callable[..., None],
) -> None:
    person = tenants.person(tenants.organization(None, "voicemail"))
    leave(person)
    run_jobs()
    assert "No phone system is connected" in portal(person).get("/voicemail/settings").text


def test_an_announced_recording_is_fetched_once_and_deleted_there(
    person: Person,
    adapter: FakeAdapter,
    tell: Callable[..., Any],
    where: dict[str, str],
    run_jobs: Callable[..., None],
    box_of: Callable[..., Mailbox],
) -> None:
    adapter.recordings["msg%201.wav"] = sound()
    for _ in range(2):
        answer = tell(adapter.node_key, "events/voicemail", recording="msg 1.wav", key="call-7", **where)
        assert answer.status_int == 202, answer.text
    run_jobs()
    assert adapter.recordings == {}
    assert box_of(person).new_count == 1
    # Announced again after all is done: gone there, known here, no second message.
    tell(adapter.node_key, "events/voicemail", recording="msg 1.wav", key="call-7", **where)
    run_jobs()
    assert box_of(person).new_count == 1


def test_what_was_stored_before_a_kill_is_only_deleted_there(
    wsgi: Any,
    person: Person,
    adapter: FakeAdapter,
    tell: Callable[..., Any],
    where: dict[str, str],
    run_jobs: Callable[..., None],
    box_of: Callable[..., Mailbox],
) -> None:
    adapter.recordings["a.wav"] = sound()
    leave_recording(wsgi, adapter.node_key, person, sound(), idempotency_key="call-8")
    tell(adapter.node_key, "events/voicemail", recording="a.wav", key="call-8", **where)
    run_jobs()
    assert (box_of(person).new_count, adapter.recordings) == (1, {})


def test_an_announcement_needs_an_adapter_and_names_no_address(
    person: Person, key: str, adapter: FakeAdapter, tell: Callable[..., Any], where: dict[str, str]
) -> None:
    assert tell(key, "events/voicemail", recording="a", key="k", **where).status_int == 422
    for name in ("..", "", "a\0b"):
        answer = tell(adapter.node_key, "events/voicemail", recording=name, key="k", **where)
        assert answer.status_int == 422


def test_five_wrong_pins_lock_the_phone_and_the_page(
    portal: Callable[..., Client],
    person: Person,
    key: str,
    tell: Callable[..., Any],
    where: dict[str, str],
    with_pin: str,
) -> None:
    assert tell(key, "voicemail/pin", pin=with_pin, **where).json == {"valid": True}
    for left in (4, 3, 2, 1):
        answer = tell(key, "voicemail/pin", pin="000000", **where)
        assert (answer.status_int, answer.json["tries"]) == (403, left)
    client, new = portal(person), {"pin": "864213579", "again": "864213579"}
    client.post_form("/voicemail/pin", {"current": "111", **new}, status=422)
    answer = tell(key, "voicemail/pin", pin=with_pin, **where)
    assert (answer.status_int, int(answer.headers["Retry-After"]) > 800) == (429, True)
    client.post_form("/voicemail/pin", {"current": with_pin, **new}, status=429)
    client.post_form("/voicemail/pin", {"password": PASSWORD, **new}, status=303)
    assert tell(key, "voicemail/pin", pin=new["pin"], **where).status_int == 200


def test_many_tries_at_once_are_counted_one_by_one(
    key: str, tell: Callable[..., Any], where: dict[str, str], with_pin: str
) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: tell(key, "voicemail/pin", pin="000000", **where), range(16)))
    statuses = [answer.status_int for answer in answers if answer.status_int != 503]
    assert statuses.count(403) <= 4
    assert set(statuses) <= {403, 429}


def test_a_day_has_fifteen_tries(
    database: Database,
    person: Person,
    key: str,
    tell: Callable[..., Any],
    where: dict[str, str],
    with_pin: str,
) -> None:
    from ringstead_voicemail.mailboxes import own_mailbox

    with database.run_as(org_of(person)) as session:
        box = own_mailbox(session, person.subscriber.id)  # type: ignore[union-attr]
        box.pin_day, box.pin_day_failures = datetime.now(UTC).date(), 15
    assert tell(key, "voicemail/pin", pin=with_pin, **where).status_int == 429


def test_a_first_pin_needs_the_password(portal: Callable[..., Client], person: Person) -> None:
    answer = portal(person).post_form("/voicemail/pin", {"pin": "295173", "again": "295173"}, status=422)
    assert "Enter the password that you sign in with" in answer.text


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("12345", "at least 6"),
        ("1" * 31, "at most 30"),
        ("111123", None),
        ("311118", "four times"),
        ("121212", "pattern"),
        ("123123", "pattern"),
        ("123456", "in order"),
        ("987654", "in order"),
        ("550158", "your own number"),
        ("851055", "your own number"),
        ("992149", "your own number"),
        ("29517x", "digits only"),
        ("٢٩٥١٧٣", "digits only"),
        ("295173", None),
    ],
)
def test_a_pin_that_anybody_would_guess_is_refused(pin: str, why: str | None) -> None:
    problem = PinPolicy().problem_with(pin, ["214", "+12125550158"])
    if pin == "111123":
        assert "four times" in str(problem.interpolate())
        return
    assert (problem is None) if why is None else (why in str(problem.interpolate()))


@given(
    pin=st.text("0123456789", min_size=6, max_size=12), number=st.text("0123456789", min_size=6, max_size=12)
)
def test_no_pin_shares_its_digits_with_the_number(pin: str, number: str) -> None:
    if PinPolicy().problem_with(pin, [number]) is None:
        assert pin not in number
        assert pin[::-1] not in number
        assert number not in pin
        assert not any(pin[at : at + 4] == pin[at] * 4 for at in range(len(pin) - 3))


def upload(client: Client, kind: str, body: bytes, **fields: str) -> Any:
    """Send the form of a new greeting as a browser does."""
    values = {"csrf_token": client.csrf_token, "kind": kind, **fields}
    return client.post(
        "/voicemail/greetings",
        values,
        upload_files=[("sound", "greeting.wav", body)],
        headers={"Origin": f"http://{client.host}"},
        status="*",
    )


def test_a_greeting_is_uploaded_played_and_fetched_by_the_switch(
    wsgi: Any,
    portal: Callable[..., Client],
    person: Person,
    key: str,
    tell: Callable[..., Any],
    where: dict[str, str],
    run_jobs: Callable[..., None],
) -> None:
    assert tell(key, "voicemail/greeting", why="busy", **where).json["kind"] == "standard"
    client = portal(person)
    assert upload(client, "unavailable", sound(3, 44100, "MP3", None), title="Day").status_int == 303
    run_jobs()
    page = client.get("/voicemail/greetings")
    player = page.html.select_one("[data-player]")
    assert seconds_of(client.get(player["data-audio"]).body) == pytest.approx(3, abs=0.15)
    for rate in (8000, 16000):
        chosen = tell(key, "voicemail/greeting", why="busy", rate=rate, **where).json
        assert chosen["kind"] == "unavailable"
        headers = {"Authorization": f"Bearer {key}"}
        switch = Client(wsgi, "127.0.0.1")
        answer = switch.get(chosen["url"], headers=headers)
        assert answer.content_type == "audio/wav"
        assert answer.headers["ETag"].strip('"') == chosen["etag"]
        assert len(answer.body) == pytest.approx(3 * rate * 2, rel=0.06)
        switch.get(chosen["url"], headers={**headers, "If-None-Match": answer.headers["ETag"]}, status=304)
        switch.get(chosen["url"], status=401)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "keinen Ton|etwas auf|kein Ton"),
        (b"no sound", "WAV, MP3 oder Ogg Opus"),
        (sound(100), "zu lang: höchstens 90 Sekunden"),
        (sound(5)[:4000], "Ein Teil der Datei fehlt"),
    ],
)
def test_a_greeting_that_is_none_is_refused_in_the_readers_words(
    portal: Callable[..., Client], person: Person, body: bytes, why: str
) -> None:
    client = portal(person)
    client.post_form("/language", {"locale": "de"}, status=303)
    answer = upload(client, "unavailable", body)
    assert answer.status_int == 422
    assert re.search(why, answer.html.select_one("#sound-error").text)


def test_an_absence_goes_before_all_until_its_day_is_over(
    portal: Callable[..., Client],
    person: Person,
    key: str,
    tell: Callable[..., Any],
    where: dict[str, str],
    run_jobs: Callable[..., None],
) -> None:
    client = portal(person)
    upload(client, "unavailable", sound())
    upload(client, "absence", sound())
    run_jobs()
    assert tell(key, "voicemail/greeting", **where).json["kind"] == "unavailable"
    forms = client.get("/voicemail/greetings").html.select("li form")
    action = next(form["action"] for form in forms if form.select_one("[name=until]"))
    client.post_form(action, {"do": "activate"}, status=422)
    day = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    client.post_form(action, {"do": "activate", "until": day}, status=303)
    assert tell(key, "voicemail/greeting", **where).json["kind"] == "absence"
    client.post_form(action, {"do": "stop"}, status=303)
    assert tell(key, "voicemail/greeting", **where).json["kind"] == "unavailable"
    client.post_form(action, {"do": "delete"}, status=303)
    assert action not in client.get("/voicemail/greetings").text


def test_a_greeting_that_follows_something_leaves_the_active_one_alone(
    portal: Callable[..., Client], person: Person, database: Database
) -> None:
    client = portal(person)
    upload(client, "unavailable", sound())
    upload(client, "unavailable", sound())
    with database.run_as(org_of(person)) as session:
        first, second = session.scalars(select(Greeting).order_by(Greeting.id)).all()
        assert (first.is_active, second.is_active) == (True, False)
        follow(session, first, "noticeboard.closed")
        assert not first.is_active
        activate(session, first)
        assert (first.is_active, first.situation) == (True, None)


def test_the_last_day_of_an_absence_is_not_over_yet(portal: Callable[..., Client], person: Person) -> None:
    client = portal(person)
    upload(client, "absence", sound())
    forms = client.get("/voicemail/greetings").html.select("li form")
    action = next(form["action"] for form in forms if form.select_one("[name=until]"))
    for day in ("9999-12-31", "2020-01-01", "soon"):
        client.post_form(action, {"do": "activate", "until": day}, status=422)


def test_which_greeting_is_played() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)

    def one(kind: str, **values: Any) -> Greeting:
        return Greeting(kind=kind, **({"is_active": True, "situation": None, "until": None} | values))

    usual, busy = one("unavailable"), one("busy")
    closed = one("unavailable", is_active=False, situation="routing.closed")
    over = one("absence", until=now - timedelta(hours=1))
    away = one("absence", until=now + timedelta(hours=1))
    every = [usual, busy, closed, over]
    assert greeting_now(every, "unavailable", set(), now) is usual
    assert greeting_now(every, "busy", set(), now) is busy
    assert greeting_now([usual, closed], "busy", set(), now) is usual
    assert greeting_now(every, "unavailable", {"routing.closed"}, now) is closed
    assert greeting_now([*every, away], "busy", {"routing.closed"}, now) is away
    assert greeting_now([], "busy", set(), now) is None


def test_listening_on_the_phone_is_listening_on_the_page(
    wsgi: Any,
    person: Person,
    key: str,
    tell: Callable[..., Any],
    where: dict[str, str],
    leave: Callable[..., UUID],
    box_of: Callable[..., Mailbox],
) -> None:
    one = leave(person, number="+12125550158")
    listed = tell(key, "voicemail/messages", **where).json
    assert (listed["new"], listed["messages"][0]["message"]) == (1, str(one))
    for _ in range(2):
        answer = tell(key, "voicemail/act", do="heard", messages=[str(one)], **where)
        assert answer.json == {"new": 0, "old": 1}
    tell(key, "voicemail/act", do="trash", messages=[str(one)], **where)
    assert (box_of(person).new_count, box_of(person).old_count) == (0, 0)
    assert tell(key, "voicemail/act", do="explode", messages=[], **where).status_int == 422
    assert tell(key, "voicemail/act", do="heard", messages=["x"], **where).status_int == 422


def test_codes_lead_to_mailboxes(
    tenants: Tenants, person: Person, key: str, tell: Callable[..., Any]
) -> None:
    who = {"organization": str(org_of(person)), "extension": "214"}
    own = tell(key, "feature-code", dialled="*97", **who).json
    assert (own["code"], own["do"], own["mailbox"], own["pin"]) == (
        "voicemail.own",
        "voicemail_menu",
        "214",
        True,
    )
    assert tell(key, "feature-code", dialled="*98", **who).json["mailbox"] is None
    assert tell(key, "feature-code", dialled="*99214", **who).json["do"] == "voicemail_deposit"
    for dialled in ("*99", "*99777", "*1", "97"):
        assert tell(key, "feature-code", dialled=dialled, **who).status_int == 404
    assert person.subscriber is not None
    tenants.give(person.subscriber, tenants.package(person.partner, "calllogs"))
    assert tell(key, "feature-code", dialled="*97", **who).status_int == 404, "not in the package"
    tenants.give(person.subscriber, None)
    assert tell(key, "feature-code", dialled="*97", **who).status_int == 200
    tenants.switch(person.organization, "voicemail", enabled=False)  # type: ignore[arg-type]
    assert tell(key, "feature-code", dialled="*97", **who).status_int == 404


def test_a_switch_of_another_partner_hears_nothing(
    database: Database, tenants: Tenants, person: Person, tell: Callable[..., Any], where: dict[str, str]
) -> None:
    from ringstead.switch.nodes import create_node

    with database.as_operator("tests", "a switch of another partner") as session:
        theirs = create_node(session, f"node-x-{org_of(person)}", tenants.partner().id)
    for path in ("pin", "greeting", "messages", "act"):
        answer = tell(theirs, f"voicemail/{path}", pin="1", do="heard", messages=[], **where)
        assert answer.status_int == 404, path
    assert tell(theirs, "feature-code", extension="214", dialled="*97", **where).status_int == 404
