"""Switch nodes: who may speak on `/switch/v1`, and for which partners."""

import binascii
import hashlib
import secrets
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from ringstead.db.base import Base, CreatedAt, new_id
from ringstead.sealing import declare_sealed

_KEY_BYTES = 32
declare_sealed("switch_node", "adapter_key")


class SwitchNodeRow(Base):
    """A switch. Only the SHA-256 of its key is stored. `partner_id` None: it carries the calls of every partner.

    `adapter_url` and `adapter_key` (sealed) are where and by which word the portal speaks to it.
    """

    __tablename__ = "switch_node"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    key_hash: Mapped[bytes] = mapped_column(unique=True)
    partner_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    last_seen_at: Mapped[datetime | None]
    adapter_url: Mapped[str | None]
    adapter_key: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class SwitchNode:
    """An authenticated node."""

    id: UUID
    name: str
    partner_id: UUID | None

    def serves(self, partner_id: UUID) -> bool:
        """Whether the node may speak for this partner's organizations."""
        return self.partner_id is None or self.partner_id == partner_id


class NodeNameTaken(ValueError):
    """There is a node of this name already."""


def create_node(session: Session, name: str, partner_id: UUID | None = None, key: str | None = None) -> str:
    """Register a switch and return its key, which is shown this once. `session` is an operator's."""
    if session.scalars(select(SwitchNodeRow.id).where(SwitchNodeRow.name == name)).first() is not None:
        raise NodeNameTaken(
            f"there is a switch node {name!r} already; choose another name, or give it a new key"
        )
    key = key or secrets.token_urlsafe(_KEY_BYTES)
    session.add(SwitchNodeRow(name=name, key_hash=_hash(key), partner_id=partner_id))
    session.flush()
    return key


def ensure_node(session: Session, name: str, key: str | None = None) -> tuple[str, bool]:
    """The node `name` with `key`; returns its key and whether that key was valid before.

    Without a key, or with one that is not the node's, the node gets a new one. `session` is an operator's.
    """
    row = session.scalars(select(SwitchNodeRow).where(SwitchNodeRow.name == name)).one_or_none()
    if row is None:
        return create_node(session, name), False
    if key is not None and secrets.compare_digest(row.key_hash, _hash(key)):
        return key, True
    return rekey_node(session, name), False


def rekey_node(session: Session, name: str) -> str:
    """Give a node a new key; the old one is worth nothing at once. Raises LookupError for an unknown name."""
    row = session.scalars(select(SwitchNodeRow).where(SwitchNodeRow.name == name)).one_or_none()
    if row is None:
        raise LookupError(f"there is no switch node {name!r}; `ringstead nodes list` shows them")
    key = secrets.token_urlsafe(_KEY_BYTES)
    row.key_hash = _hash(key)
    session.flush()
    return key


def set_adapter(session: Session, name: str, url: str | None, key: str | None) -> None:
    """Say where a node's adapter is (None: it has none); `key` comes sealed. Raises LookupError for an unknown name."""
    row = session.scalars(select(SwitchNodeRow).where(SwitchNodeRow.name == name)).one_or_none()
    if row is None:
        raise LookupError(f"there is no switch node {name!r}; `ringstead nodes list` shows them")
    row.adapter_url, row.adapter_key = url, key if url else None
    session.flush()


def list_nodes(session: Session) -> list[SwitchNodeRow]:
    """All nodes by name. `session` is an operator's."""
    return list(session.scalars(select(SwitchNodeRow).order_by(SwitchNodeRow.name)))


# Looked up by hash: the comparison happens in an index, so its time says nothing about other keys. `last_seen_at` moves
# at most once a minute, so that a busy switch does not write a row for each message.
_AUTHENTICATE = text("""
    WITH node AS (SELECT id, name, partner_id, last_seen_at FROM switch_node WHERE key_hash = :key_hash),
         seen AS (UPDATE switch_node s SET last_seen_at = now() FROM node n
                  WHERE s.id = n.id AND (n.last_seen_at IS NULL OR n.last_seen_at < now() - interval '1 minute'))
    SELECT id, name, partner_id FROM node
""")


def authenticate(engine: Engine, authorization: str | None) -> SwitchNode | None:
    """The node of an `Authorization: Bearer KEY` header (RFC 6750, section 2.1), or None.

    `Basic` (RFC 7617) with the key as password will do: FreeSWITCH knows no other way. Its user name is not looked at.
    """
    scheme, _, key = (authorization or "").partition(" ")
    key = key.strip() if scheme.lower() != "basic" else _password(key.strip())
    if scheme.lower() not in ("bearer", "basic") or not key or len(key) > 512:
        return None
    with engine.begin() as connection:
        row = connection.execute(_AUTHENTICATE, {"key_hash": _hash(key)}).one_or_none()
    return None if row is None else SwitchNode(row.id, row.name, row.partner_id)


def _password(credentials: str) -> str:
    """The password of Basic credentials; "" when they are none."""
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
