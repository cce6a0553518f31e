"""Secrets, for plugins: a PIN or a password as a hash, links that prove themselves, and what must be read again.

`hash_secret`/`verify_secret` are argon2id in the process's bounded pool; both raise `Busy` when that is full.
`sign(session, purpose, payload)` makes a token that `unsign` reads in sessions of the same partner.
`seal(session, value)` encrypts a text for the database, `unseal` gives it back (or raises `CannotUnseal`). A plugin
calls `declare_sealed(table, column, keys)` where its models are, so that `ringstead keys` looks after what it stores.
"""

from uuid import UUID

from pyramid.request import Request
from sqlalchemy.orm import Session

from ringstead import sealing
from ringstead.auth.guard import SignInGuard
from ringstead.auth.passwords import Busy, Passwords
from ringstead.sealing import CannotUnseal, declare_sealed
from ringstead.signing import SECRET, sign, unsign
from ringstead.tenancy.context import TenantContext
from ringstead.tenancy.models import Account

__all__ = [
    "Busy",
    "CannotUnseal",
    "TooManyTries",
    "declare_sealed",
    "hash_secret",
    "is_password",
    "seal",
    "sign",
    "unseal",
    "unsign",
    "verify_secret",
]


class TooManyTries(Exception):
    """The password was tried too often; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"wait {seconds} seconds")


def seal(session: Session, value: str) -> str:
    """The text to store, encrypted under the deployment's key."""
    return sealing.seal(session.info[SECRET], value)


def unseal(session: Session, stored: str) -> str:
    """What was sealed. Raises `CannotUnseal` when the key is not known any more."""
    return sealing.unseal(session.info[SECRET], stored)


def hash_secret(request: Request, secret: str) -> str:
    """The hash to store."""
    return _pool(request).hash(secret)


def verify_secret(request: Request, stored: str | None, secret: str) -> bool:
    """Whether a secret is the one whose hash was stored; takes the same time when there is none."""
    return _pool(request).verify(stored, secret)


def is_password(context: TenantContext, request: Request, password: str) -> bool:
    """Whether somebody who is signed in knows their password: asked before what is risky. Raises `TooManyTries`."""
    assert context.account is not None
    account_id: UUID = context.account.id
    guard: SignInGuard = request.registry["ringstead.sign_in_guard"]
    seconds = guard.check_password(account_id)
    if seconds:
        raise TooManyTries(seconds)
    account = request.db.get_one(Account, (context.partner.id, account_id))
    is_right = _pool(request).verify(account.password_hash, password)
    if is_right:
        guard.checked(account_id)
    return is_right


def _pool(request: Request) -> Passwords:
    pool: Passwords = request.registry["ringstead.passwords"]
    return pool
