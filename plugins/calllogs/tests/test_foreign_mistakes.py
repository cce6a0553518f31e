"""Rows of other switches that are wrong: named in the switch's words, and never a fault of ours."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringstead.api.testing import Person

JSON = "application/json"
EXAMPLES: Final = Path(__file__).parent / "examples"


def row(name: str, person: Person) -> dict[str, Any]:
    """An example's first row, of this person's organization and of an hour ago."""
    assert person.organization is not None
    text = (EXAMPLES / name).read_text().replace("bramblefinch.example", str(person.organization.org_id))
    first = json.loads(text if name.endswith(".json") else text.splitlines()[0])
    began = datetime.now(UTC) - timedelta(hours=1)
    if name.startswith("freeswitch"):
        began_us = int(began.timestamp()) * 1_000_000
        for n, field in enumerate(("start_uepoch", "answer_uepoch", "end_uepoch")):
            first["variables"][field] = str(began_us + n * 5_000_000)
        first["variables"] |= {
            "domain_name": "",
            "dialed_domain": "",
            "accountcode": str(person.organization.org_id),
        }
    else:
        first |= {"start": began.isoformat(), "answer": began.isoformat(), "end": began.isoformat()}
        first |= {"eventtime": began.timestamp()} if "eventtime" in first else {}
    return first


WRONG: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("cdr/asterisk", {"start": "2026-11-25 23:00:00"}, "start"),
    ("cdr/asterisk", {"start": "soon"}, "start"),
    ("cdr/asterisk", {"start": None}, "start"),
    ("cdr/asterisk", {"start": 1e300}, "start"),
    ("cdr/asterisk", {"start": [1]}, "start"),
    ("cdr/asterisk", {"end": "1971-01-01T00:00:00Z"}, "end"),
    ("cdr/asterisk", {"disposition": "EATEN"}, "disposition"),
    ("cdr/asterisk", {"uniqueid": ""}, "uniqueid"),
    ("cdr/asterisk", {"uniqueid": {}}, "uniqueid"),
    ("cdr/asterisk", {"uniqueid": "x" * 200}, "uniqueid"),
    ("cdr/asterisk", {"src": "5" * 65}, "src"),
    ("cdr/asterisk", {"src": True}, "src"),
    ("cdr/asterisk", {"accountcode": "sip.nowhere.test"}, "accountcode"),
    ("cdr/asterisk", {"accountcode": "", "peeraccount": ""}, "accountcode"),
    ("cdr/asterisk", {"duration": "long", "end": ""}, "duration"),
]


@pytest.mark.parametrize(("path", "changes", "field"), WRONG, ids=[f"{n}" for n in range(len(WRONG))])
def test_what_is_wrong_is_named_as_the_switch_names_it(
    path: str, changes: dict[str, Any], field: str, switch: Any, person: Person
) -> None:
    answer = switch.send(
        json.dumps(row("asterisk/cdr-answered.jsonl", person) | changes).encode(), JSON, path
    )
    assert answer.status_int == 422, answer.text
    [rejected] = answer.json["rejected"]
    assert (rejected["line"], rejected["field"]) == (1, field)
    assert rejected["error"].endswith((".", "?"))
    assert rejected["mend"].endswith(".")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start_uepoch": None, "start_epoch": "0"}, "variables.start_uepoch"),
        ({"uuid": []}, "variables.uuid"),
        ({"domain_name": "sip.nowhere.test"}, "variables.domain_name"),
        ({"domain_name": "", "accountcode": "214"}, "variables.domain_name"),
        ({"end_uepoch": "1"}, "variables.end_uepoch"),
    ],
)
def test_what_is_wrong_with_a_channel(
    changes: dict[str, Any], field: str, switch: Any, person: Person
) -> None:
    channel = row("freeswitch/answered-b.json", person)
    channel["variables"] |= changes
    for entry in channel["callflow"]:
        entry["times"] = {}
    answer = switch.send(json.dumps(channel).encode(), JSON, "cdr/freeswitch")
    assert answer.status_int == 422, answer.text
    assert [rejected["field"] for rejected in answer.json["rejected"]] == [field]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200)
    | st.sampled_from(["%41", "%", "a b", "0", "-1", "1795649742493187", "1e5", "PJSIP/214-0000001a", "{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
QUIET: Final = settings(
    max_examples=60,
)


def taken_or_refused(answer: Any) -> None:
    """200 or 422, and every rejection says what and the mend."""
    assert answer.status_int in (200, 422), answer.text
    for rejected in answer.json["rejected"]:
        assert rejected["error"]
        assert rejected["mend"]


CDR_FIELDS: Final = [
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start", "answer",
    "end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "linkedid", "peeraccount", "sequence",
    "userfield", "did", "cnum", "cnam", "dst_cnam", "hangupcause", "dialstatus", "Source", "STARTTIME",
]  # fmt: skip


@given(changes=st.dictionaries(st.sampled_from(CDR_FIELDS), ANYTHING, min_size=1, max_size=4))
@QUIET
def test_whatever_a_field_of_asterisk_holds(changes: dict[str, Any], switch: Any, person: Person) -> None:
    changed = row("asterisk/cdr-answered.jsonl", person) | changes
    taken_or_refused(switch.send(json.dumps(changed).encode(), JSON, "cdr/asterisk?tz=UTC"))


CEL_FIELDS: Final = [
    "eventtype", "eventtime", "name", "num", "exten", "context", "channame", "appname", "appdata", "accountcode",
    "uniqueid", "linkedid", "bridgepeer", "eventextra", "cid_num",
]  # fmt: skip
KINDS: Final = [
    "CHAN_START",
    "ANSWER",
    "HANGUP",
    "APP_START",
    "BLINDTRANSFER",
    "ATTENDEDTRANSFER",
    "LINKEDID_END",
]
EXTRA: Final = st.dictionaries(
    st.sampled_from(["hangupcause", "dialstatus", "transferee_channel_uniqueid", "channel2_uniqueid"]),
    ANYTHING,
)


@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from(["1.1", "1.2", "x-2.3"]),
            st.sampled_from(["1.1", "x-2.3"]),
            EXTRA,
            st.dictionaries(st.sampled_from(CEL_FIELDS), ANYTHING, max_size=2),
        ),
        min_size=1,
        max_size=8,
    )
)
@QUIET
def test_whatever_events_say(events: list[Any], switch: Any, person: Person) -> None:
    first = row("asterisk/cel-answered.jsonl", person)
    rows = [
        first
        | {"eventtype": kind, "uniqueid": channel, "linkedid": linked, "eventextra": json.dumps(extra)}
        | {"eventtime": first["eventtime"] + number}
        | changes
        for number, (kind, channel, linked, extra, changes) in enumerate(events)
    ]
    body = b"\n".join(json.dumps(event).encode() for event in rows)
    taken_or_refused(switch.send(body, "application/x-ndjson", "cel/asterisk"))


PLACES: Final = [
    "channel_data", "channel_data.direction", "variables", "variables.uuid", "variables.call_uuid",
    "variables.direction", "variables.start_uepoch", "variables.answer_uepoch", "variables.end_uepoch",
    "variables.hangup_cause",
    "variables.hangup_cause_q850", "variables.signal_bond", "variables.dialed_user", "variables.last_app",
    "variables.last_arg", "variables.domain_name", "variables.call_direction", "variables.channel_name", "app_log",
    "app_log.applications", "callflow", "callflow.0", "callflow.0.times", "callflow.0.caller_profile",
    "callflow.0.caller_profile.uuid", "callflow.0.caller_profile.originator",
    "callflow.0.caller_profile.originator.originator_caller_profiles",
    "callflow.0.caller_profile.originator.originator_caller_profiles.0.chan_name",
]  # fmt: skip


def put(holder: Any, path: str, value: Any) -> None:
    """Put a value where the path leads, if it leads somewhere."""
    name, _, rest = path.partition(".")
    key: Any = int(name) if name.isdigit() else name
    if not isinstance(holder, dict if isinstance(key, str) else list) or (key == 0 and not holder):
        return
    if rest:
        put(holder.get(key) if isinstance(holder, dict) else holder[key], rest, value)
    else:
        holder[key] = value


@pytest.mark.parametrize("name", ["answered-a", "answered-b", "voicemail-a"])
@given(changes=st.dictionaries(st.sampled_from(PLACES), ANYTHING, min_size=1, max_size=4))
@QUIET
def test_whatever_a_channel_holds(name: str, changes: dict[str, Any], switch: Any, person: Person) -> None:
    channel = row(f"freeswitch/{name}.json", person)
    for path, value in changes.items():
        put(channel, path, value)
    taken_or_refused(switch.send(json.dumps(channel).encode(), JSON, "cdr/freeswitch"))


@pytest.mark.parametrize("path", ["cdr/freeswitch", "cdr/asterisk", "cel/asterisk"])
@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"\xff\xfe",
        b"{}",
        b'{"uuid": "\\ud800"}',
        b"[" * 5000,
        b"\x00",
        b"{" * 9,
    ],
)
def test_a_body_that_is_no_row(body: bytes, path: str, switch: Any) -> None:
    answer = switch.send(body, JSON, path)
    assert answer.status_int == 422
    assert len(answer.json["rejected"]) == 1


@given(body=st.binary(max_size=200), kind=st.sampled_from(["urlencoded", "base64-encoded"]))
@QUIET
def test_whatever_a_form_holds(body: bytes, kind: str, switch: Any) -> None:
    answer = switch.send(b"cdr=" + body, f"application/x-www-form-{kind}", "cdr/freeswitch")
    assert answer.status_int in (200, 422)
