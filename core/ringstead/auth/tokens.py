"""Opaque tokens, and the cookies that carry them."""

import hashlib
import secrets

from itsdangerous import BadSignature, Signer, URLSafeTimedSerializer
from pyramid.request import Request
from pyramid.response import Response

from ringstead.keys import KeyRing
from ringstead.settings import Settings

SESSION_COOKIE = "sid"


def new_token() -> str:
    """A token of 32 random bytes, safe in addresses and cookies."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """What the database keeps of a token. It is random, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def cookie_name(settings: Settings, name: str) -> str:
    """A cookie's name; over https the browser itself binds it to this very host (RFC 6265bis, `__Host-`)."""
    return f"__Host-{name}" if settings.public_scheme == "https" else name


def session_cookie_name(settings: Settings) -> str:
    """The session cookie's neutral name."""
    return cookie_name(settings, SESSION_COOKIE)


def set_cookie(request: Request, response: Response, name: str, value: str, max_age: int | None) -> None:
    """Give the browser a cookie that scripts cannot read and other sites' posts do not carry."""
    settings: Settings = request.deployment
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=max_age,
        path="/",
        secure=settings.public_scheme == "https",
        httponly=True,
        samesite="Lax",
    )


def drop_cookie(request: Request, response: Response, name: str) -> None:
    """Take a cookie back. The attributes repeat: browsers ignore a `__Host-` deletion without them."""
    set_cookie(request, response, name, "", max_age=0)


def signer(request: Request, purpose: str) -> Signer:
    """Signs short values for one purpose on one host, so that a value of one is worth nothing on another."""
    return Signer(
        _keys(request),
        salt=_salt(request, purpose),
        key_derivation="hmac",
        digest_method=hashlib.sha256,
    )


def timed_serializer(request: Request, purpose: str) -> URLSafeTimedSerializer:
    """Does the same for longer values, and knows how old they are."""
    return URLSafeTimedSerializer(_keys(request), salt=_salt(request, purpose))


def _keys(request: Request) -> list[str]:
    ring: KeyRing = request.registry["ringstead.keys"]
    return ring.oldest_first()


def _salt(request: Request, purpose: str) -> str:
    return f"{purpose}:{request.site.host}"


def read_signed(request: Request, purpose: str, cookie: str) -> str | None:
    """The value of a signed cookie, or None when it is missing or not ours."""
    value = request.cookies.get(cookie_name(request.deployment, cookie))
    if not value:
        return None
    try:
        content: bytes = signer(request, purpose).unsign(value.encode("utf-8", "surrogatepass"))
        return content.decode()
    except (BadSignature, UnicodeDecodeError):
        return None


def presented_token_hash(request: Request) -> bytes | None:
    """The hash of the session token that this browser sent, whether or not it is worth anything."""
    token = request.cookies.get(session_cookie_name(request.deployment))
    return hash_token(token) if token else None
