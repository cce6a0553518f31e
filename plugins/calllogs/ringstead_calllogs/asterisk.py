"""What CDR and CEL of Asterisk have in common: the names of channels and fields. `docs/switch.md` has the tables."""

import re
from typing import Final, NamedTuple

from ringstead_calllogs.records import Direction

# `PJSIP/214-0000001a`: technology, endpoint, a number that makes it unique; `;1` and `;2` are a Local channel's ends.
_CHANNEL: Final = re.compile(r"(?P<kind>[A-Za-z0-9_]+)/(?P<name>.*?)(?:-[0-9a-f]{6,8})?(?:;[12])?", re.S)
_EXTENSION: Final = re.compile(r"(?P<extension>[0-9]{2,8})(?:[-_@](?P<rest>.*))?", re.S)
_PHONES: Final = frozenset({"PJSIP", "SIP", "IAX2", "SCCP", "SKINNY", "LOCAL"})
_DIALLED: Final = re.compile(r"\+?[0-9*#][0-9*#().\- ]*")
_LONGEST_INTERNAL: Final = 8
DOMAIN_MEND: Final = (
    "Set accountcode on the endpoints to the SIP domain or the UUID of an organization that this switch serves, or "
    "add ?domain= to the address."
)


class Endpoint(NamedTuple):
    """Who a channel leads to: `extension` is "" for a trunk; `device` tells the phones of an extension apart."""

    extension: str
    device: str
    is_local: bool


def endpoint(channel: str) -> Endpoint:
    """The endpoint of a channel by its name: `214`, `214-desk` and `214@domain` are the extension 214's."""
    found = _CHANNEL.fullmatch(channel)
    kind = found["kind"].upper() if found else ""
    extension = _EXTENSION.fullmatch(found["name"]) if found and kind in _PHONES else None
    if extension is None:
        return Endpoint("", "", kind == "LOCAL")
    is_device = extension["rest"] and not re.match(r"[0-9]+@", channel.partition("/")[2])
    return Endpoint(extension["extension"], extension["rest"][:64] if is_device else "", kind == "LOCAL")


def dialled(number: str) -> str:
    """What somebody dialled; "" for the dialplan's own extensions (`s`, `h`, `i`)."""
    return number if _DIALLED.fullmatch(number) else ""


def is_inside(number: str) -> bool:
    """Whether a number without a phone at its end is one of the organization's own: a feature code, a group."""
    return len(number) <= _LONGEST_INTERNAL and not number.startswith("+")


def mailbox(data: str) -> str:
    """The box in the arguments of VoiceMail() and Minivm: `214@default,u`."""
    return data.partition("&")[0].partition(",")[0].partition("@")[0].strip()


def leaves_message(application: str) -> bool:
    """Whether an application takes a message."""
    return application.lower() in ("voicemail", "minivmrecord", "minivmgreet")


def direction_of(
    caller: Endpoint, called: Endpoint | None, number: str, caller_number: str = ""
) -> Direction:
    """Incoming, outgoing or internal. Without `called` nobody was rung, and `number` is what was dialled.

    A Local channel is the switch itself: who calls is told by the number then.
    """
    we_call = bool(caller.extension)
    if caller.is_local:
        we_call = bool(caller_number) and is_inside(caller_number)
    we_are_called = not we_call or is_inside(number)
    if called is not None:
        we_are_called = bool(called.extension) or called.is_local
    # From outside to outside is a forward: it goes out.
    return ("internal" if we_call else "incoming") if we_are_called else "outgoing"
