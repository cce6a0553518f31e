"""Host names that a partner adds and gives up itself: its portals'.

Nobody can take a name that is another partner's or the platform's, nor one of a domain in which another partner has a
name: with a wildcard in their DNS, pages of one would appear under the other's name. Nor one that is nobody's domain
(`co.uk`): others have theirs below it. Every refusal of a taken name reads the same, whoever has it. Whoever runs the
installation may give partners names of one domain.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

import idna
from publicsuffixlist import PublicSuffixList
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ringstead.db.session import TenantSession
from ringstead.tenancy import fields
from ringstead.tenancy.directory import DirectoryRefused, add_host, announce_hosts
from ringstead.tenancy.models import Host, Organization, Partner

MOST_HOSTS: Final = 100


class HostRefused(ValueError):
    """A host name cannot be added or removed; `why` is one of the reasons below."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


MALFORMED, SUFFIX, TAKEN, KNOWN, TOO_MANY, LAST, NO_PORTAL = (
    "malformed",
    "suffix",
    "taken",
    "known",
    "too-many",
    "last",
    "no-portal",
)


@dataclass(frozen=True, slots=True)
class HostRow:
    """A host name of a partner; `organization` names the one it belongs to alone, if it does."""

    name: str
    kind: str
    organization: str


def list_hosts(session: Session, partner_id: UUID) -> list[HostRow]:
    """The partner's portals and consoles, by name, consoles last."""
    statement = (
        select(Host.name, Host.kind, Organization.name.label("organization"))
        .outerjoin(Organization, Organization.org_id == Host.org_id)
        .where(Host.partner_id == partner_id, Host.kind.in_(("portal", "console")))
        .order_by(Host.kind.desc(), Host.name)
    )
    return [HostRow(row.name, row.kind, row.organization or "") for row in session.execute(statement)]


def find_host(session: Session, partner_id: UUID, name: str) -> HostRow | None:
    """One of them by its name."""
    return next((row for row in list_hosts(session, partner_id) if row.name == name), None)


def add_portal_host(session: TenantSession, partner_id: UUID, name: str, platform: Collection[str]) -> str:
    """Add a portal host to a partner and announce it; returns its name as stored. Raises HostRefused."""
    full = host_of(name)
    domain = _suffixes().privatesuffix(full)
    if domain is None:
        raise HostRefused(SUFFIX)
    # Two at once would both find room; the partner's row makes one wait.
    session.execute(select(Partner.id).where(Partner.id == partner_id).with_for_update())
    mine = set(session.scalars(select(Host.name).where(Host.partner_id == partner_id)))
    if full in mine:
        raise HostRefused(KNOWN)
    if len(mine) >= MOST_HOSTS:
        raise HostRefused(TOO_MANY)
    # Of the domain that somebody registered, too: the wildcard that serves one name of it serves all others.
    is_free = session.scalar(
        select(func.host_is_free(partner_id, full) & func.host_is_free(partner_id, domain))
    )
    if not is_free or is_of_platform(full, platform):
        raise HostRefused(TAKEN)
    try:
        add_host(session, partner_id, name=full, kind="portal")
    except DirectoryRefused:  # somebody was quicker
        raise HostRefused(TAKEN) from None
    announce_hosts(session, partner_id)
    return full


def host_of(typed: str) -> str:
    """The host name in what somebody typed: a name, also in other letters than Latin ones, or a whole address.

    Raises HostRefused.
    """
    name = typed.strip()
    if "://" in name:
        name = name.partition("://")[2].partition("/")[0]
    try:
        if not name.isascii():
            name = idna.encode(name, uts46=True).decode()
        full = fields.host(name)
    except (ValueError, idna.IDNAError):
        raise HostRefused(MALFORMED) from None
    if full.rpartition(".")[2].isdigit():  # an address, or nothing that any DNS will ever have (RFC 3696)
        raise HostRefused(MALFORMED)
    return full


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    """Names below which anybody can register one: com, co.uk (the Public Suffix List of Mozilla)."""
    return PublicSuffixList()


def is_of_platform(name: str, platform: Collection[str]) -> bool:
    """Whether a name is one of the platform's, or above or below one. Below `localhost` everybody is at home."""
    return any(
        name == own or own.endswith(f".{name}") or ("." in own and name.endswith(f".{own}"))
        for own in platform
    )


def remove_portal_host(session: TenantSession, partner_id: UUID, name: str) -> None:
    """Give up a portal host and announce it. Raises HostRefused for the last one, and for what is no portal here."""
    session.execute(select(Partner.id).where(Partner.id == partner_id).with_for_update())
    portals = session.scalars(select(Host).where(Host.partner_id == partner_id, Host.kind == "portal")).all()
    host = next((one for one in portals if one.name == name), None)
    if host is None:
        raise HostRefused(NO_PORTAL)
    # Mails to people of organizations without a host of their own need one of the partner's to lead to.
    if host.org_id is None and sum(one.org_id is None for one in portals) == 1:
        raise HostRefused(LAST)
    session.delete(host)
    announce_hosts(session, partner_id)
