"""How often one may try to sign in or ask for a password, and how a stranger cannot lock an owner out.

Four limits, of which each stops what the others let through:

* an address (IPv4, or IPv6 /64) at one partner: `PER_ADDRESS`. Stops one machine that tries one password on everybody.
* an account from one address: `PER_PAIR`. Stops one machine that tries many passwords on one person.
* an account from everywhere: `PER_ACCOUNT`, 100 a day as NIST SP 800-63B (5.2.2) asks. Stops many machines together.
* a browser that has signed in to the account before: `PER_DEVICE`, counted apart. So when strangers use up the
  account's limit, its owner still gets in from his own browser; and from a new one after a password reset by mail.

Only failures stay counted, for accounts that exist and for ones that do not alike.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from limits import RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from pyramid.request import Request
from pyramid.response import Response

from ringstead.auth.address import address_block
from ringstead.auth.throttle import Charge, Throttle
from ringstead.auth.tokens import read_signed, set_cookie, signer

PER_ADDRESS: Final = RateLimitItemPerMinute(100, 10)
PER_PAIR: Final = RateLimitItemPerMinute(8, 15)
PER_ACCOUNT: Final = RateLimitItemPerDay(100, 1)
PER_DEVICE: Final = RateLimitItemPerMinute(8, 15)
RESETS_PER_ADDRESS: Final = RateLimitItemPerHour(20, 1)
RESETS_PER_ACCOUNT: Final = RateLimitItemPerHour(3, 1)
CHECKS_PER_ACCOUNT: Final = RateLimitItemPerMinute(8, 15)

DEVICE_COOKIE: Final = "dev"
_DEVICE_SECONDS: Final = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Attempt:
    """Who tries what from where. `device` is the browser's number when it has signed in to this account before."""

    partner_id: UUID
    email: str
    address: str
    device: str | None = None

    def charges(self) -> tuple[Charge, Charge, Charge] | tuple[Charge, Charge]:
        """What the attempt costs, in the order of asking."""
        partner, sender = str(self.partner_id), address_block(self.address)
        by_address = Charge(PER_ADDRESS, ("sign-in-address", partner, sender))
        if self.device is not None:
            return by_address, Charge(PER_DEVICE, ("sign-in-device", partner, self.email, self.device))
        return (
            by_address,
            Charge(PER_PAIR, ("sign-in-pair", partner, self.email, sender)),
            Charge(PER_ACCOUNT, ("sign-in-account", partner, self.email)),
        )


class SignInGuard:
    """Decides whether an attempt may be made at all. All methods return the seconds to wait; 0 means go on."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle

    def try_sign_in(self, attempt: Attempt) -> int:
        """Count an attempt as failed until `succeeded` or `not_tried` says otherwise."""
        return self._throttle.take(attempt.charges())

    def succeeded(self, attempt: Attempt) -> None:
        """The password was right: this sender's own count starts anew, the others get their hit back."""
        by_address, by_sender, *by_account = attempt.charges()
        self._throttle.give_back([by_address, *by_account])
        self._throttle.forget([by_sender])

    def not_tried(self, attempt: Attempt) -> None:
        """The password was never looked at."""
        self._throttle.give_back(attempt.charges())

    def ask_reset(self, partner_id: UUID, email: str, address: str) -> int:
        """Count a wish for a reset mail."""
        partner = str(partner_id)
        return self._throttle.take(
            [
                Charge(RESETS_PER_ADDRESS, ("reset-address", partner, address_block(address))),
                Charge(RESETS_PER_ACCOUNT, ("reset-account", partner, email)),
            ]
        )

    def check_password(self, account_id: UUID) -> int:
        """Count a look at the current password by somebody who is signed in."""
        return self._throttle.take([Charge(CHECKS_PER_ACCOUNT, ("check", str(account_id)))])

    def checked(self, account_id: UUID) -> None:
        """It was right."""
        self._throttle.forget([Charge(CHECKS_PER_ACCOUNT, ("check", str(account_id)))])


def attempt_of(request: Request, email: str) -> Attempt:
    """The attempt that a request makes."""
    partner_id: UUID = request.site.partner.id
    return Attempt(partner_id, email, request.client_address, known_device(request, email))


def known_device(request: Request, email: str) -> str | None:
    """The browser's number, if it carries the proof of having signed in as `email` here."""
    owner, _, number = (read_signed(request, "device", DEVICE_COOKIE) or "").partition(".")
    return number if number and secrets.compare_digest(owner, _owner(request, email)) else None


def remember_device(request: Request, response: Response, email: str) -> None:
    """Give the browser that proof. It opens nothing: it only says that this browser is not a stranger."""
    if known_device(request, email) is None:
        value = f"{_owner(request, email)}.{secrets.token_hex(8)}"
        signed = signer(request, "device").sign(value.encode()).decode()
        set_cookie(request, response, DEVICE_COOKIE, signed, max_age=_DEVICE_SECONDS)


def _owner(request: Request, email: str) -> str:
    return hashlib.sha256(f"{request.site.partner.id}\0{email}".encode("utf-8", "surrogatepass")).hexdigest()[
        :32
    ]
