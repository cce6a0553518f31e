"""Records of FreeSWITCH and Asterisk through the front door: what each person sees of each example call.

Those of Asterisk are real: Asterisk 22 wrote them while phones called one another; `cel-two-calls`, `cdr-ami` and
`cdr-freepbx` are written by the documents, as all of FreeSWITCH's are.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from ringstead.api.testing import Person, Tenants
from ringstead.db.engine import Database
from ringstead.tenancy.models import Host
from ringstead_calllogs.models import Conversation

Read = Callable[[Person], list[Conversation]]
EXAMPLES: Final = Path(__file__).parent / "examples"
JSON, LINES, FORM = "application/json", "application/x-ndjson", "application/x-www-form-urlencoded"
_EPOCH: Final = re.compile(r"17956\d{5}")
_DATE: Final = re.compile(r"(2026-11-\d\d)([T ])(\d\d:\d\d:\d\d)")
_THEN: Final = 1795670000


@pytest.fixture
def office(tenants: Tenants, database: Database) -> dict[str, Any]:
    """Extensions 214, 215 and 216 of an organization with a SIP domain: persons by extension, and `domain`."""
    organization = tenants.organization(None, "calllogs")
    names = {"214": "Juno Birdsong", "215": "Pip Larkspur", "216": "Marlo Fennimore"}
    people = {e: tenants.person(organization, name, extension=e) for e, name in names.items()}
    partner = people["214"].partner
    domain = f"sip.{partner.slug}.test"
    with database.as_operator("tests", "make a SIP domain") as session:
        session.add(Host(name=domain, partner_id=partner.id, kind="sip", org_id=organization.org_id))
    return {**people, "domain": domain, "organization": organization}


def example(name: str, office: dict[str, Any], now: datetime) -> bytes:
    """An example's body, as if it had happened an hour ago in this office."""
    shift = int(now.timestamp()) - 3600 - _THEN
    text = (EXAMPLES / name).read_text().replace("bramblefinch.example", office["domain"])
    text = _EPOCH.sub(lambda found: str(int(found[0]) + shift), text)

    def moved(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(f"{found[1]}T{found[3]}") + timedelta(seconds=shift)
        return f"{moment:%Y-%m-%d}{found[2]}{moment:%H:%M:%S}"

    return _DATE.sub(moved, text).encode()


def sent(switch: Any, path: str, body: bytes, kind: str = JSON, **headers: str) -> Any:
    """The answer to a body that must be taken whole."""
    answer = switch.send(body, kind, path, **headers)
    assert answer.status_int == 200, answer.text
    assert answer.json["rejected"] == []
    return answer.json


def seen(call: Conversation) -> tuple[Any, ...]:
    return call.kind, call.disposition, call.number, call.ring_seconds, call.talk_seconds


WREN = "+12125550158"
# What each extension sees: the kind, how it ended, the other's number, seconds of ringing and of talking.
FREESWITCH: dict[str, dict[str, tuple[Any, ...]]] = {
    "answered": {"214": ("received", "answered", WREN, 6, 60)},
    "missed": {"215": ("missed", "missed", WREN, 20, 0)},
    "busy": {"215": ("missed", "missed", WREN, 2, 0)},
    "cancelled": {"215": ("missed", "missed", WREN, 8, 0)},
    "group": {
        "214": ("received", "answered_elsewhere", WREN, 8, 0),
        "215": ("received", "answered", WREN, 8, 60),
        "216": ("received", "answered_elsewhere", WREN, 8, 0),
    },
    "voicemail": {"214": ("missed", "voicemail", WREN, 22, 0)},
    "blind": {
        "214": ("received", "answered", WREN, 5, 24),
        "215": ("received", "answered", WREN, 5, 30),
    },
    "attended": {
        "214": ("received", "answered", WREN, 5, 44),
        "215": ("received", "answered", "214", 5, 59),
    },
    "outgoing": {"214": ("dialled", "answered", WREN, 10, 60)},
    "internal": {
        "214": ("dialled", "answered", "215", 3, 30),
        "215": ("received", "answered", "214", 3, 30),
    },
    "unallocated": {"214": ("dialled", "failed", "299", 1, 0)},
}


def near(found: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """The same, but for the second that fractions of seconds make."""
    return found[:3] == wanted[:3] and all(
        abs(a - b) <= 1 for a, b in zip(found[3:], wanted[3:], strict=True)
    )


def check(office: dict[str, Any], wanted: dict[str, tuple[Any, ...]], calls_of: Read) -> None:
    for extension in ("214", "215", "216"):
        calls = [seen(call) for call in calls_of(office[extension])]
        assert len(calls) == (extension in wanted), (extension, calls)
        if extension in wanted:
            assert near(calls[0], wanted[extension]), (extension, calls[0])


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("name", FREESWITCH)
def test_freeswitch(name: str, order: int, switch: Any, office: Any, now: datetime, calls_of: Read) -> None:
    """Channels come in any order, and again, and show the same."""
    files = sorted((EXAMPLES / "freeswitch").glob(f"{name}-*.json"))
    for _ in range(2):
        for file in files[::order]:
            sent(switch, "cdr/freeswitch", example(f"freeswitch/{file.name}", office, now))
        check(office, FREESWITCH[name], calls_of)


def test_freeswitch_without_the_legs_of_phones(
    switch: Any, office: Any, now: datetime, calls_of: Read
) -> None:
    """`log-b-leg` false: the calling channel stands in for the phone's, which takes its place when it comes."""
    body = example("freeswitch/answered-a.json", office, now)
    assert sent(switch, "cdr/freeswitch", body)["accepted"] == 1
    check(office, {"214": ("received", "answered", WREN, 7, 60)}, calls_of)
    assert sent(switch, "cdr/freeswitch", example("freeswitch/answered-b.json", office, now))["accepted"] == 1
    [call] = calls_of(office["214"])
    assert (call.leg_count, call.requested_number) == (1, None)
    assert sent(switch, "cdr/freeswitch", body)["duplicates"] == 1


def test_freeswitch_bodies(switch: Any, office: Any, now: datetime, calls_of: Read) -> None:
    """`encode` true and base64, and the bare JSON whose type `disable-100-continue` loses."""
    body = example("freeswitch/answered-b.json", office, now)
    forms = {
        FORM: [b"cdr=" + quote(body, safe="").encode(), b"uuid=x&cdr=" + quote(body).encode(), body],
        "application/x-www-form-base64-encoded": [b"cdr=" + b64encode(body)],
        JSON: [body],
        LINES: [json.dumps(json.loads(body)).encode()],
    }
    answers = [
        sent(switch, "cdr/freeswitch?uuid=x", text, kind) for kind, texts in forms.items() for text in texts
    ]
    assert [answer["accepted"] for answer in answers] == [1, 0, 0, 0, 0, 0]
    assert len(calls_of(office["214"])) == 1
    for kind, text in ((FORM, b""), (FORM, b"cdr="), (FORM, b"cdr=%"), (FORM, b"a=b"), (JSON, b"")):
        assert switch.send(text, kind, "cdr/freeswitch").status_int == 422


def test_freeswitch_signs_in_with_basic(switch: Any, office: Any, now: datetime) -> None:
    """mod_json_cdr knows `cred` only: any name, and the key as password."""
    body = example("freeswitch/answered-b.json", office, now)
    good = b64encode(f"fs-1:{switch.key}".encode()).decode()
    sent(switch, "cdr/freeswitch", body, Authorization=f"Basic {good}")
    for wrong in (
        "",
        "nonsense",
        "\u00e9",
        b64encode(b"fs-1:wrong").decode(),
        b64encode(switch.key.encode()).decode(),
    ):
        answer = switch.send(body, JSON, "cdr/freeswitch", Authorization=f"Basic {wrong}")
        assert answer.status_int == 401


ASTERISK: dict[str, dict[str, tuple[Any, ...]]] = {
    "cdr-answered": {"214": ("received", "answered", WREN, 1, 3)},
    "cdr-missed": {"215": ("missed", "missed", WREN, 6, 0)},
    "cdr-busy": {"215": ("missed", "missed", WREN, 0, 0)},
    "cdr-cancelled": {"215": ("missed", "missed", WREN, 2, 0)},
    "cdr-group": {
        "214": ("received", "answered_elsewhere", WREN, 1, 0),
        "215": ("received", "answered", WREN, 1, 3),
        "216": ("received", "answered_elsewhere", WREN, 1, 0),
    },
    "cdr-voicemail": {"214": ("missed", "voicemail", WREN, 8, 0)},
    "cdr-blind": {"214": ("received", "answered", WREN, 1, 2), "215": ("received", "answered", WREN, 0, 3)},
    "cdr-attended": {
        "214": ("received", "answered", WREN, 1, 6),
        "215": ("received", "answered", WREN, 0, 7),
    },
    "cdr-outgoing": {"214": ("dialled", "answered", WREN, 1, 2)},
    "cdr-internal": {
        "214": ("dialled", "answered", "215", 1, 2),
        "215": ("received", "answered", "214", 1, 2),
    },
    "cdr-unreachable": {"214": ("dialled", "failed", "299", 0, 0)},
    "cel-answered": {"214": ("received", "answered", WREN, 1, 3)},
    "cel-missed": {"215": ("missed", "missed", WREN, 6, 0)},
    "cel-busy": {"215": ("missed", "missed", WREN, 0, 0)},
    "cel-cancelled": {"215": ("missed", "missed", WREN, 2, 0)},
    "cel-group": {
        "214": ("received", "answered_elsewhere", WREN, 1, 0),
        "215": ("received", "answered", WREN, 1, 3),
        "216": ("received", "answered_elsewhere", WREN, 1, 0),
    },
    "cel-voicemail": {"214": ("missed", "voicemail", WREN, 8, 0)},
    "cel-blind": {"214": ("received", "answered", WREN, 1, 2), "215": ("received", "answered", WREN, 1, 1)},
    "cel-attended": {
        "214": ("received", "answered", WREN, 1, 10),
        "215": ("received", "answered", WREN, 1, 5),
    },
    "cel-two-calls": {
        "214": ("received", "answered", WREN, 2, 37),
        "215": ("received", "answered", "214", 2, 45),
    },
    "cel-outgoing": {"214": ("dialled", "answered", WREN, 1, 2)},
    "cel-internal": {
        "214": ("dialled", "answered", "215", 1, 2),
        "215": ("received", "answered", "214", 1, 2),
    },
    "cel-unreachable": {"214": ("dialled", "failed", "299", 0, 0)},
}


@pytest.mark.parametrize("name", ASTERISK)
def test_asterisk(name: str, switch: Any, office: Any, now: datetime, calls_of: Read) -> None:
    path = f"{name[:3]}/asterisk"
    body = example(f"asterisk/{name}.jsonl", office, now)
    sent(switch, path, body, LINES)
    check(office, ASTERISK[name], calls_of)
    backwards = b"\n".join(body.splitlines()[::-1])
    assert sent(switch, path, backwards, LINES)["accepted"] == 0
    check(office, ASTERISK[name], calls_of)


def test_asterisk_busy_and_cancelled_are_told_apart_for_who_called(
    switch: Any, office: Any, now: datetime, calls_of: Read
) -> None:
    text = example("asterisk/cel-cancelled.jsonl", office, now).replace(b"harbor-trunk", b"214")
    sent(switch, "cel/asterisk", text, LINES)
    assert [call.disposition for call in calls_of(office["214"])] == ["abandoned"]
    text = example("asterisk/cdr-busy.jsonl", office, now).replace(b"harbor-trunk", b"216")
    sent(switch, "cdr/asterisk", text, LINES)
    assert [call.disposition for call in calls_of(office["216"])] == ["busy"]


def test_events_that_come_piece_by_piece_are_corrected_by_the_whole(
    switch: Any, office: Any, now: datetime, calls_of: Read
) -> None:
    """The first call of an attended transfer ends, is sent, and turns out to be one with the second."""
    lines = example("asterisk/cel-two-calls.jsonl", office, now).splitlines()
    asking = [line for line in lines[:16] if b'.22"' in line] + lines[20:23]
    answer = switch.send(b"\n".join(asking), LINES, "cel/asterisk")
    assert answer.json["accepted"] == 0
    assert answer.json["ignored"] == 1
    sent(switch, "cel/asterisk", b"\n".join(lines[:23]), LINES)
    assert {call.leg_count for call in calls_of(office["214"])} == {1}
    assert sent(switch, "cel/asterisk", b"\n".join(lines), LINES)["accepted"] == 2
    [junos], [pips] = calls_of(office["214"]), calls_of(office["215"])
    assert (junos.leg_count, pips.talk_seconds) == (2, 45)
    assert junos.linked_id == pips.linked_id


def test_events_without_their_beginning_are_rejected(switch: Any, office: Any, now: datetime) -> None:
    lines = example("asterisk/cel-answered.jsonl", office, now).splitlines()
    answer = switch.send(b"\n".join(lines[3:]), LINES, "cel/asterisk")
    assert answer.status_int == 422
    assert {rejected["field"] for rejected in answer.json["rejected"]} == {"linkedid"}
    assert "LINKEDID_END" in answer.json["rejected"][0]["mend"]


def test_names_of_the_manager_interface_and_local_times(
    switch: Any, office: Any, now: datetime, calls_of: Read
) -> None:
    body = example("asterisk/cdr-ami.json", office, now)
    [rejected] = switch.send(body, JSON, "cdr/asterisk").json["rejected"]
    assert rejected["field"] == "StartTime"
    assert "usegmtime" in rejected["mend"]
    assert switch.send(body, JSON, "cdr/asterisk?tz=America/New_York").status_int == 422
    sent(switch, "cdr/asterisk?tz=UTC", body)
    check(
        office,
        {"214": ("dialled", "answered", "215", 4, 30), "215": ("received", "answered", "214", 4, 30)},
        calls_of,
    )
    assert calls_of(office["215"])[0].devices == ["softphone"]


def test_fields_of_freepbx_and_the_domain_in_the_address(
    switch: Any, office: Any, now: datetime, calls_of: Read
) -> None:
    body = example("asterisk/cdr-freepbx.json", office, now)
    [rejected] = switch.send(body, JSON, "cdr/asterisk").json["rejected"]
    assert rejected["field"] == "accountcode"
    for address in ("?domain=nowhere.test", "?domain="):
        assert switch.send(body, JSON, f"cdr/asterisk{address}").status_int == 422
    sent(switch, f"cdr/asterisk?domain={office['domain']}", body)
    [call] = calls_of(office["214"])
    assert (call.number, call.name, call.requested_number) == (WREN, "Wren Halloway", "+12125550100")
    assert (call.ring_seconds, call.talk_seconds) == (12, 60)
    by_id = body.replace(b'"accountcode": ""', f'"accountcode": "{office["organization"].org_id}"'.encode())
    assert sent(switch, "cdr/asterisk", by_id)["duplicates"] == 1


def test_an_extension_that_nobody_has_is_a_number(
    switch: Any, office: Any, now: datetime, calls_of: Read
) -> None:
    body = example("asterisk/cdr-internal.jsonl", office, now).replace(b"PJSIP/214", b"PJSIP/299")
    sent(switch, "cdr/asterisk", body, LINES)
    [call] = calls_of(office["215"])
    assert (call.number, call.name, call.disposition) == ("299", "Juno Birdsong", "answered")


ROUTES: Final = {
    "cdr/freeswitch": ("freeswitch/answered-b.json", JSON),
    "cdr/asterisk": ("asterisk/cdr-answered.jsonl", LINES),
    "cel/asterisk": ("asterisk/cel-answered.jsonl", LINES),
}


@pytest.mark.parametrize("path", ROUTES)
def test_a_switch_speaks_for_its_partner_only(
    path: str, make_switch: Callable[..., Any], tenants: Tenants, office: Any, now: datetime, calls_of: Read
) -> None:
    """Another partner's organization is told of as one that does not exist."""
    name, kind = ROUTES[path]
    body = example(name, office, now)
    foreign = make_switch(tenants.partner())
    nobodys = body.replace(office["domain"].encode(), b"sip.nowhere.test")
    answers = [foreign.send(text, kind, path) for text in (body, nobodys)]
    assert [answer.status_int for answer in answers] == [422, 422]
    assert answers[0].json == answers[1].json
    assert calls_of(office["214"]) == []
    sent(make_switch(office["214"].partner), path, body, kind)
    assert len(calls_of(office["214"])) == 1


@pytest.mark.parametrize("path", ROUTES)
def test_without_a_valid_key_nothing_is_read(path: str, switch: Any) -> None:
    assert switch.send(b"{}", JSON, path, Authorization="Bearer wrong").status_int == 401
