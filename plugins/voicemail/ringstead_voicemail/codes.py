"""Feature codes: one's own mailbox, any mailbox, and straight into somebody's mailbox.

Codes are those of Asterisk's and FreePBX's habit (`*97`, `*98`, and `*99` with an extension).
"""

from collections.abc import Mapping
from typing import Any

from ringstead.api import FeatureCall, FeatureCode, translations
from ringstead.api.models import TenantSession
from ringstead_voicemail.mailboxes import extension_of, mailbox_of_extension, own_mailbox

_ = translations("ringstead_voicemail")


def codes() -> list[FeatureCode]:
    """What people dial."""
    return [
        FeatureCode(
            name="voicemail.own",
            title=_("My mailbox"),
            code="*97",
            help=_("Listen to your messages."),
            answer=own,
        ),
        FeatureCode(
            name="voicemail.any",
            title=_("Any mailbox"),
            code="*98",
            takes="nothing",
            help=_("Asks for the extension and its PIN: from somebody else’s phone."),
            answer=any_mailbox,
        ),
        FeatureCode(
            name="voicemail.deposit",
            title=_("Leave a message"),
            code="*99",
            takes="extension",
            help=_("Straight into a colleague’s mailbox, without ringing."),
            answer=leave,
        ),
    ]


def own(session: TenantSession, call: FeatureCall) -> Mapping[str, Any]:
    """The menu of the caller's own mailbox; `pin` says whether it is to be asked."""
    mailbox = own_mailbox(session, call.subscriber.id)
    return {
        "do": "voicemail_menu",
        "mailbox": extension_of(session, mailbox),
        "pin": not mailbox.all_prompts["skip_pin"],
        "prompts": mailbox.all_prompts,
        "language": mailbox.language,
    }


def any_mailbox(session: TenantSession, call: FeatureCall) -> Mapping[str, Any]:
    """The menu of a mailbox that the caller names; its PIN is always asked."""
    return {"do": "voicemail_menu", "mailbox": None, "pin": True}


def leave(session: TenantSession, call: FeatureCall) -> Mapping[str, Any] | None:
    """Record a message for an extension; None when nobody has it."""
    mailbox = mailbox_of_extension(session, call.argument)
    if mailbox is None:
        return None
    return {"do": "voicemail_deposit", "mailbox": extension_of(session, mailbox)}
