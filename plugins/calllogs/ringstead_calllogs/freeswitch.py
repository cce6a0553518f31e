"""FreeSWITCH `mod_json_cdr`: one channel, as the module posts it, made one of our legs. Pure.

A channel to a phone (a B-leg) is a leg. The channel of who calls (an A-leg) is one when it rang nobody: voicemail, a
prompt, nothing. When it rang somebody, that phone's own channel tells more: the A-leg then bears the id of that leg and
a lower `revision`, so that it stands in for it until, or unless, the phone's own comes (`log-b-leg`). `docs/switch.md`
has the table.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, unquote_to_bytes

from ringstead_calllogs.causes import NUMBERS, UNANSWERED_BY_CAUSE
from ringstead_calllogs.foreign import Fields, Wrong, checked, end, json_object, owner
from ringstead_calllogs.preparing import Row, Terms
from ringstead_calllogs.records import Direction, Disposition, Guess, Record, Rejected

_DOMAIN_MEND: Final = (
    "Set domain_name (the user directory does) to a SIP domain of an organization that this switch serves, or add "
    "?domain= to the address."
)
_VARIABLE: Final = "Check the variable, and that the switch sets it."
TERMS: Final[Terms] = {
    "id": ("variables.uuid", "Send the channel's UUID, in up to 128 characters."),
    "linked_id": ("variables.call_uuid", "Send the UUID of the calling channel, in up to 128 characters."),
    "merges": ("variables.call_uuid", "Send the UUID of the calling channel, in up to 128 characters."),
    "organization": ("variables.domain_name", _DOMAIN_MEND),
    "domain": ("variables.domain_name", _DOMAIN_MEND),
    "from.number": ("callflow.caller_profile.caller_id_number", "Send up to 64 characters."),
    "to.number": ("callflow.caller_profile.destination_number", "Send up to 64 characters."),
    "requested.number": ("callflow.caller_profile.destination_number", "Send up to 64 characters."),
    "started_at": ("variables.start_uepoch", f"It is microseconds since 1970. {_VARIABLE}"),
    "answered_at": ("variables.answer_uepoch", f"It is microseconds since 1970, or 0. {_VARIABLE}"),
    "ended_at": ("variables.end_uepoch", f"It is microseconds since 1970. {_VARIABLE}"),
    "hangup_cause": ("variables.hangup_cause_q850", "Send a number from 0 to 999."),
}
# What `encode-values` always encodes: where one of these stands bare, the values are as they are.
_BARE: Final = re.compile(r'[\s"#&+:;<=>?@\[\]^`{|}]')
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_PHONE: Final = re.compile(
    r"(?:sofia/(?!external|gateway)[^/]+|user|verto\.rtc)/(?:sip:)?(?P<user>[^@;/]+).*", re.I | re.S
)
_VOICEMAIL: Final = frozenset({"voicemail", "minivm"})
_NOT_LEFT: Final = frozenset({"check", "auth", "auth_only"})
_EMPTY: Final = Fields({})
# Whom an A-leg called, whether that is one of ours, how it ended, and when it was picked up.
_Called = tuple[Guess, bool, Disposition, datetime | None]


def unwrapped(body: bytes) -> bytes:
    """The JSON of a body: bare, or as the form field `cdr` (`encode`), URL-encoded or base64.

    Only that field is looked for, so that a form of a million fields costs nothing.
    """
    text = body.strip()
    if text.startswith(b"{"):
        return text
    _, found, value = text.rpartition(b"cdr=")
    if not found:
        return text
    value = value.partition(b"&")[0]
    if b"%" in value[:8]:
        return unquote_to_bytes(value.replace(b"+", b"%20"))
    try:
        return b64decode(unquote_to_bytes(value))
    except ValueError:
        return value


def read_channel(line: int, data: bytes, domain: str, now: datetime) -> Row:
    """The leg of a channel; `domain` is of channels that name none. Raises `Rejected`."""
    uuid = None
    try:
        channel = _Channel(json_object(data))
        uuid = channel.uuid
        return checked(line, channel.record(domain), TERMS, now)
    except Wrong as wrong:
        raise Rejected(wrong.rejection(line, uuid)) from wrong


class _Channel:
    """One channel: its variables, and the profiles of who called whom, the newest first."""

    def __init__(self, cdr: dict[str, Any]) -> None:
        self.vars = Fields(_decoded(_object(cdr, "variables")), "variables.")
        self._channel_data = Fields(_object(cdr, "channel_data"), "channel_data.")
        flow = [_object({"callflow": entry}, "callflow") for entry in _list(cdr, "callflow")]
        profiles = [_object(entry, "caller_profile") for entry in flow]
        self.profile = _profile(profiles[0] if profiles else {})
        self.first_profile = _profile(profiles[-1] if profiles else {})
        self._times = Fields(_object(flow[-1], "times") if flow else {}, "callflow.times.")
        self.originator = _first(profiles, "originator", "originator_caller_profiles")
        self.originatee = _first(profiles, "originatee", "originatee_caller_profiles")
        self._apps = [
            Fields(_object({"app_log": app}, "app_log"), "app_log.applications.")
            for app in _list(_object(cdr, "app_log"), "applications")
        ]
        self.uuid = self.vars.text("uuid") or self.profile.text("uuid")
        if not self.uuid:
            raise Wrong("variables.uuid", "The field is missing.", TERMS["id"][1])

    def record(self, domain: str) -> Record:
        """Our leg."""
        is_called = (self._channel_data.text("direction") or self.vars.text("direction")) == "outbound"
        return self._called(domain) if is_called else self._calling(domain)

    def _called(self, domain: str) -> Record:
        """A B-leg: the phone that was rung."""
        called, is_ours = self._called_end()
        caller, we_call = self._originating_end()
        answered = self.vars.moment("answer_uepoch", "answer_epoch")
        asked = (self.originator or _EMPTY).text("destination_number") or self.vars.text("caller_destination")
        call, merges = self._call()
        return self._record(
            domain,
            id=self.uuid,
            revision=1,
            linked_id=call,
            merges=merges,
            direction=_direction(we_call, is_ours),
            caller=caller,
            called=called,
            requested=_asked_for(asked, called),
            answered_at=answered,
            disposition="answered" if answered else _unanswered(self.cause),
        )

    def _called_end(self) -> tuple[Guess, bool]:
        """Whose phone a B-leg rang, and whether it is a phone of the organization's."""
        place = self.vars.text("channel_name") or self.profile.text("chan_name")
        phone = _PHONE.fullmatch(place)
        name = self.profile.text("callee_id_name")
        name = "" if name == "Outbound Call" else name
        dialled = self.vars.text("dialed_user", "dialed_extension")
        if dialled or phone:
            return end(name=name, extension=dialled or (phone["user"] if phone else "")), True
        return end(self.profile.text("destination_number") or self.vars.text("sip_to_user"), name), False

    def _originating_end(self) -> tuple[Guess, bool]:
        """Who calls, as a B-leg knows it, and whether it is one of the organization."""
        other = self.originator or self.profile
        phone = _PHONE.fullmatch(other.text("chan_name")) if self.originator else None
        told = self.vars.text("call_direction").lower()
        is_ours = told in ("outbound", "local") if told else phone is not None
        number, name = other.text("caller_id_number"), other.text("caller_id_name")
        return end(number, name, (other.text("username") or number) if is_ours else ""), is_ours

    def _call(self) -> tuple[str, list[str]]:
        """The call's linked id, and the calls it took over: a phone that talks with somebody other than who called it
        was handed on (attended transfer, pickup), and its call is one with the other's."""
        call = self.vars.text("call_uuid", "originating_leg_uuid") or self.uuid
        peer = self.vars.text("signal_bond", "bridge_uuid")
        own = {"", self.uuid, call, self.vars.text("originating_leg_uuid")}
        return (
            (call, [])
            if peer in own or not self.vars.moment("answer_uepoch", "answer_epoch")
            else (peer, [call])
        )

    def _calling(self, domain: str) -> Record:
        """An A-leg."""
        user = self.vars.text("user_name", "sip_auth_username")
        told = self.vars.text("call_direction").lower()
        we_call = told in ("outbound", "local") if told else bool(user)
        number = self.profile.text("caller_id_number") or self.vars.text("caller_id_number", "sip_from_user")
        caller = end(
            number,
            self.profile.text("caller_id_name") or self.vars.text("caller_id_name"),
            (user or self.vars.text("sip_from_user") or number) if we_call else "",
        )
        box = self._mailbox()
        partner = (self.originatee or _EMPTY).text("uuid") or self.vars.text("bridge_uuid", "last_bridge_to")
        ends = self._left(box, we_call) if box else self._rang(we_call) if partner else self._alone(we_call)
        called, is_ours, disposition, answered = ends
        return self._record(
            domain,
            id=partner if partner and not box else self.uuid,
            revision=0 if partner and not box else 1,
            linked_id=self.vars.text("call_uuid") or self.uuid,
            direction=_direction(we_call, is_ours),
            caller=caller,
            called=called,
            requested=_asked_for(self._dialled(), called),
            answered_at=answered,
            disposition=disposition,
        )

    def _dialled(self) -> str:
        return self.vars.text("caller_destination") or self.first_profile.text("destination_number")

    def _destination(self) -> str:
        return self.profile.text("destination_number") or self.vars.text("destination_number", "sip_to_user")

    def _left(self, box: str, we_call: bool) -> _Called:
        return end(extension=box), True, "voicemail", self.vars.moment("answer_uepoch", "answer_epoch")

    def _rang(self, we_call: bool) -> _Called:
        """What an A-leg knows of the last phone that it rang."""
        other = self.originatee or _EMPTY
        place = other.text("chan_name")
        phone = _PHONE.fullmatch(place)
        number = other.text("destination_number") or self._destination()
        # Without the other's profile nothing says where it went, but who was called from outside is one of ours.
        is_ours = phone is not None if place else not we_call or len(number) <= 8
        called = end(number, "", (phone["user"] if phone else number) if is_ours else "")
        answered = self.vars.moment("bridge_uepoch", "bridge_epoch")
        if answered is None and self.vars.text("bridge_uuid", "last_bridge_to"):
            answered = self.vars.moment("answer_uepoch", "answer_epoch")
        cause = self.vars.text("originate_disposition")
        cause = self.cause if cause in ("", "SUCCESS") else cause
        return called, is_ours, "answered" if answered else _unanswered(cause), answered

    def _alone(self, we_call: bool) -> _Called:
        """An A-leg that rang nobody: who answered it was the switch."""
        number = self._destination()
        answered = self.vars.moment("answer_uepoch", "answer_epoch")
        is_ours = not we_call or len(number) <= 8
        called = end(number, extension=number if is_ours and not answered else "")
        return called, is_ours, "answered" if answered else _unanswered(self.cause), answered

    def _mailbox(self) -> str:
        """The mailbox that took a message, if one did."""
        applications = [(app.text("app_name"), app.text("app_data")) for app in self._apps]
        applications.append((self.vars.text("last_app"), self.vars.text("last_arg")))
        for name, data in reversed(applications):
            words = data.split()
            if name.lower() in _VOICEMAIL and not _NOT_LEFT.intersection(words):
                return (words[-1] if words else self._destination()).partition("@")[0]
        is_left = self.vars.text("voicemail_message").lower() == "true"
        return self.vars.text("voicemail_id") or self._destination() if is_left else ""

    @property
    def cause(self) -> str:
        """Why the channel ended, as FreeSWITCH calls it."""
        return self.vars.text("hangup_cause")

    def _record(self, domain: str, **fields: Any) -> Record:
        started = self.vars.moment("start_uepoch", "start_epoch") or self._times.moment("created_time")
        ended = self.vars.moment("end_uepoch", "end_epoch") or self._times.moment("hangup_time")
        for field, moment in (("started_at", started), ("ended_at", ended)):
            if moment is None:
                raise Wrong(TERMS[field][0], "The field is missing.", TERMS[field][1])
        assert started is not None
        assert ended is not None
        names = (
            self.vars.text(name) for name in ("domain_name", "dialed_domain", "domain_uuid", "accountcode")
        )
        number = NUMBERS.get(self.cause) or _whole(self.vars.text("hangup_cause_q850"))
        return Record(
            **owner(*names, domain), started_at=started, ended_at=ended, hangup_cause=number, **fields
        )


def _direction(we_call: bool, we_are_called: bool) -> Direction:
    # From outside to outside is a forward: it goes out.
    return ("internal" if we_call else "incoming") if we_are_called else "outgoing"


def _unanswered(cause: str) -> Disposition:
    return UNANSWERED_BY_CAUSE.get(NUMBERS.get(cause, 0), "failed")


def _asked_for(number: str, called: Guess) -> Guess | None:
    return end(number) if number and number not in (called.number, called.extension) else None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else None


def _object(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Wrong(name, "This is no JSON object.", "Send it as mod_json_cdr does, or leave it out.")
    return found


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    found = values.get(name)
    # Old releases send one object.
    found = [found] if isinstance(found, dict) else found
    if found is None:
        return []
    if not isinstance(found, list):
        raise Wrong(name, "This is no JSON array.", "Send it as mod_json_cdr does, or leave it out.")
    return found


def _profile(values: Mapping[str, Any]) -> Fields:
    return Fields(values, "callflow.caller_profile.")


def _first(profiles: Iterable[Mapping[str, Any]], kind: str, name: str) -> Fields | None:
    """The other side's profile, from the newest of ours that knows one."""
    for profile in profiles:
        others = _list(_object(profile, kind), name)
        if others:
            return Fields(_object({kind: others[-1]}, kind), f"callflow.caller_profile.{kind}.")
    return None


def _decoded(variables: dict[str, Any]) -> dict[str, Any]:
    """The variables without the URL encoding that `encode-values` gives them; it is all of them, or none."""
    texts = [value for value in variables.values() if isinstance(value, str)]
    if any(_BARE.search(text) for text in texts) or not any(_ENCODED.search(text) for text in texts):
        return variables
    return {name: unquote(value) if isinstance(value, str) else value for name, value in variables.items()}
