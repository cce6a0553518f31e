"""Secrets, for plugins: a PIN or a password as a hash, and links that prove themselves.

`hash_secret`/`verify_secret` are argon2id in the process's bounded pool; both raise `Busy` when that is full.
`sign(session, purpose, payload)` makes a token that `unsign` reads in sessions of the same partner.
"""

from uuid import UUID

from pyramid.request import Request

from ringstead.auth.guard import SignInGuard
from ringstead.auth.passwords import Busy, Passwords
from ringstead.signing import sign, unsign
from ringstead.tenancy.context import TenantContext
from ringstead.tenancy.models import Account

__all__ = ["Busy", "TooManyTries", "hash_secret", "is_password", "sign", "unsign", "verify_secret"]


class TooManyTries(Exception):
    """The password was tried too often; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"wait {seconds} seconds")


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
