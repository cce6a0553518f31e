"""What an organization decides about its voicemail."""

from typing import Final

from ringstead.api import Setting, translations

_ = translations("ringstead_voicemail")

QUOTA_MB: Final = "voicemail.quota_mb"
MESSAGE_SECONDS: Final = "voicemail.message_seconds"
GREETING_SECONDS: Final = "voicemail.greeting_seconds"
TRASH_DAYS: Final = "voicemail.trash_days"
KEEP_DAYS: Final = "voicemail.keep_days"
LEGAL_HOLD: Final = "voicemail.legal_hold"
TRANSCRIBER: Final = "voicemail.transcriber"
LINK_DAYS: Final = "voicemail.link_days"
PIN_LEAST: Final = "voicemail.pin_least"
PIN_MOST: Final = "voicemail.pin_most"
PIN_REPEATS: Final = "voicemail.pin_repeats"
PIN_RUNS: Final = "voicemail.pin_runs"
PIN_OWN_NUMBER: Final = "voicemail.pin_own_number"


def settings() -> list[Setting]:
    """All of them; those of one mailbox are columns of its row."""
    return [
        Setting(
            name=QUOTA_MB,
            title=_("Room in a mailbox, in megabytes"),
            type=int,
            default=100,
            level="package",
            help=_("0 sets no limit. What is in the trash does not count."),
            minimum=0,
        ),
        Setting(
            name=MESSAGE_SECONDS,
            title=_("Longest message, in seconds"),
            type=int,
            default=300,
            level="package",
            minimum=10,
            maximum=3600,
        ),
        Setting(
            name=GREETING_SECONDS,
            title=_("Longest greeting, in seconds"),
            type=int,
            default=90,
            level="package",
            minimum=5,
            maximum=600,
        ),
        Setting(
            name=TRASH_DAYS,
            title=_("Days that deleted messages stay in the trash"),
            type=int,
            default=30,
            level="organization",
            minimum=1,
            maximum=365,
        ),
        Setting(
            name=KEEP_DAYS,
            title=_("Days that messages are kept"),
            type=int,
            default=0,
            level="organization",
            help=_("0 keeps them for ever. Less than a week counts as a week."),
            minimum=0,
            maximum=3650,
        ),
        Setting(
            name=LEGAL_HOLD,
            title=_("Legal hold: remove no messages"),
            type=bool,
            default=False,
            level="organization",
        ),
        Setting(
            name=TRANSCRIBER,
            title=_("Who writes down what was said"),
            type=str,
            default="core.none",
            level="organization",
        ),
        Setting(
            name=LINK_DAYS,
            title=_("Days that a link in a mail plays a message"),
            type=int,
            default=7,
            level="organization",
            minimum=1,
            maximum=90,
        ),
        *_pin_policy(),
    ]


def _pin_policy() -> list[Setting]:
    """Defaults as Webex Calling has them (its help page on voicemail passcode rules)."""
    return [
        Setting(
            name=PIN_LEAST,
            title=_("Digits of a PIN, at least"),
            type=int,
            default=6,
            level="organization",
            minimum=4,
            maximum=30,
        ),
        Setting(
            name=PIN_MOST,
            title=_("Digits of a PIN, at most"),
            type=int,
            default=30,
            level="organization",
            minimum=4,
            maximum=30,
        ),
        Setting(
            name=PIN_REPEATS,
            title=_("A PIN may repeat a digit or a pattern"),
            type=bool,
            default=False,
            level="organization",
        ),
        Setting(
            name=PIN_RUNS,
            title=_("A PIN may be digits in order, such as 123456"),
            type=bool,
            default=False,
            level="organization",
        ),
        Setting(
            name=PIN_OWN_NUMBER,
            title=_("A PIN may be part of one’s own number"),
            type=bool,
            default=False,
            level="organization",
        ),
    ]
