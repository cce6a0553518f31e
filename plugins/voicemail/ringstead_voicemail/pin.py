"""What a PIN must be like, and who may try how often.

The rules are those that Webex Calling has by default (its help page on voicemail passcode rules): no digit four times
in a row, no repeated pattern, no part of one's own number forwards or backwards; and no run of digits in order.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ringstead.api import translations
from ringstead.api.preferences import Preferences
from ringstead_voicemail.models import Mailbox
from ringstead_voicemail.settings import PIN_LEAST, PIN_MOST, PIN_OWN_NUMBER, PIN_REPEATS, PIN_RUNS

_ = translations("ringstead_voicemail")
TRIES: Final = 5
TRIES_A_DAY: Final = 15
LOCKED_FOR: Final = timedelta(minutes=15)
_SAME: Final = re.compile(r"(\d)\1{3}")
_PATTERN: Final = re.compile(r"(\d{2,})\1+")
_ORDER: Final = "01234567890"


@dataclass(frozen=True, slots=True)
class PinPolicy:
    """An organization's rules for PINs."""

    least: int = 6
    most: int = 30
    may_repeat: bool = False
    may_run: bool = False
    may_be_number: bool = False

    @classmethod
    def of(cls, preferences: Preferences) -> "PinPolicy":
        """As an organization has decided."""
        least = int(preferences[PIN_LEAST])
        return cls(
            least,
            max(least, int(preferences[PIN_MOST])),
            bool(preferences[PIN_REPEATS]),
            bool(preferences[PIN_RUNS]),
            bool(preferences[PIN_OWN_NUMBER]),
        )

    def problem_with(self, pin: str, numbers: Iterable[str] = ()) -> Any:
        """What is wrong with a PIN, in words; None when nothing is. `numbers` are the owner's extension and number."""
        if not pin.isascii() or not pin.isdigit():
            return _("A PIN is digits only.")
        if len(pin) < self.least:
            return _("Use at least ${n} digits.", mapping={"n": self.least})
        if len(pin) > self.most:
            return _("Use at most ${n} digits.", mapping={"n": self.most})
        if not self.may_repeat and (_SAME.search(pin) or _PATTERN.fullmatch(pin)):
            return _("Do not repeat a digit four times, or a pattern such as 121212.")
        if not self.may_run and (pin in _ORDER or pin in _ORDER[::-1]):
            return _("Do not use digits in order, such as 123456.")
        if not self.may_be_number and any(_is_like(pin, number) for number in numbers):
            return _("Do not use your own number, or a part of it.")
        return None


def _is_like(pin: str, number: str) -> bool:
    """Whether a PIN is in a number or holds it, forwards or backwards. Short extensions are in nearly everything."""
    digits = "".join(char for char in number if char.isdigit())
    return any(pin in text or (len(text) >= 3 and text in pin) for text in (digits, digits[::-1]) if text)


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a mailbox's PIN may be tried now: `left`, and `seconds` to wait when that is none."""

    left: int
    seconds: int = 0


def tries_left(mailbox: Mailbox, now: datetime) -> Tries:
    """By a locked mailbox's counters."""
    if mailbox.pin_locked_until is not None and mailbox.pin_locked_until > now:
        return Tries(0, int((mailbox.pin_locked_until - now).total_seconds()) + 1)
    today = mailbox.pin_day_failures if mailbox.pin_day == now.astimezone(UTC).date() else 0
    if today >= TRIES_A_DAY:
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return Tries(0, int((midnight - now).total_seconds()) + 1)
    return Tries(min(TRIES - mailbox.pin_failures, TRIES_A_DAY - today))


def count_failure(mailbox: Mailbox, now: datetime) -> Tries:
    """Count a wrong PIN of a locked mailbox; after five in a row nobody may try for a while."""
    today = now.astimezone(UTC).date()
    mailbox.pin_day_failures = (mailbox.pin_day_failures if mailbox.pin_day == today else 0) + 1
    mailbox.pin_day = today
    mailbox.pin_failures += 1
    if mailbox.pin_failures >= TRIES:
        mailbox.pin_failures, mailbox.pin_locked_until = 0, now + LOCKED_FOR
    return tries_left(mailbox, now)


def count_success(mailbox: Mailbox) -> None:
    """The PIN was right: the row of failures ends; those of the day stay counted."""
    mailbox.pin_failures, mailbox.pin_locked_until = 0, None
