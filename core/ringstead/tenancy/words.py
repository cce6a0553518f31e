"""Finding subscribers across a partner's organizations by words: of names, numbers, addresses, and what plugins add.

The table `directory_word` holds each subscriber's words; a search is a range of its index, because neither LIKE nor
trigrams use one under row-level security.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import aliased

from ringstead.db.session import TenantSession
from ringstead.tenancy.models import DirectoryWord, Organization, Subscriber

_NO_WORD: Final = re.compile(r"[\W_]+")
_NUMBER: Final = re.compile(r"[\s+\d().\-/]+")
_HARDWARE: Final = re.compile(r"[0-9a-f]{2}(?:[:.\-]?[0-9a-f]{2}){2,5}")
_END: Final = "\U0010ffff"
# As many as are looked at before they are put in the order of their names.
_CANDIDATES: Final = 200
# Of those whom the leading one of several words names, as many are looked at.
_LOOKED_AT: Final = 2000
_MOST_WORDS: Final = 6
LONGEST: Final = 254


@dataclass(frozen=True, slots=True)
class Found:
    """A subscriber whom a search found, and their organization's name and state."""

    subscriber: Subscriber
    organization: str
    organization_status: str


def folded(text: str) -> list[str]:
    """The words of a text as they are stored: lower-case, without accents and signs. The database does the same."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return [word for word in _NO_WORD.split(_without_accents(plain)) if word]


def _without_accents(text: str) -> str:
    return "".join(char for char in text if not "\u0300" <= char <= "\u036f")


def set_words(session: TenantSession, subscriber_id: UUID, source: str, words: Iterable[str]) -> None:
    """Let a subscriber of the session's organization be found by `words` (whole, or their beginnings), instead of what
    `source`, a plugin's name, gave before. A hardware address is a word, however it is written."""
    if source == "core":
        raise ValueError("the core's words are kept by the database")
    session.execute(
        delete(DirectoryWord).where(
            DirectoryWord.subscriber_id == subscriber_id, DirectoryWord.source == source
        )
    )
    wanted = {"".join(folded(word))[:LONGEST] for word in words} - {""}
    session.add_all(
        DirectoryWord(
            partner_id=session.scope.partner_id, subscriber_id=subscriber_id, source=source, word=word
        )
        for word in sorted(wanted)
    )
    session.flush()


def find_people(session: TenantSession, query: str, limit: int) -> list[Found]:
    """Subscribers whom `query` names, by name: all its words begin words of theirs, or it begins or ends their number,
    or begins an e-mail or hardware address. The session is a partner's, or an organization's."""
    found: dict[UUID, Found] = {}
    for beginnings in _readings(query):
        for row in _rows(session, beginnings):
            found.setdefault(row[0].id, Found(*row))
    return sorted(found.values(), key=lambda one: (one.subscriber.name, one.subscriber.id))[:limit]


def _readings(query: str) -> list[list[str]]:
    """What a query may mean: for each reading, the beginnings that words must have, all of them."""
    text = _without_accents(unicodedata.normalize("NFKD", query.strip().lower()))
    if "@" in text:
        return [[text]]
    readings = []
    digits = "".join(char for char in text if char in "0123456789")
    if digits and _NUMBER.fullmatch(text):
        readings += [[digits], ["~" + digits.lstrip("0")[::-1]]] if digits.strip("0") else [[digits]]
    elif _HARDWARE.fullmatch(text):
        readings.append(["".join(folded(text))])
    words = folded(text)[:_MOST_WORDS]
    if words and words not in readings:
        readings.append(words)
    return readings


def _rows(session: TenantSession, beginnings: list[str]) -> list[Any]:
    """Whom words with all these beginnings name. The longest leads, because the fewest words begin with it; where it is
    so common that not all whom it names could be looked at, another may know better."""
    rows: list[Any] = []
    for lead in sorted(beginnings, key=len, reverse=True):
        rows = list(session.execute(_statement(lead, [word for word in beginnings if word != lead])))
        if rows or not _is_common(session, lead):
            break
    return rows


def _is_common(session: TenantSession, lead: str) -> bool:
    some = select(DirectoryWord.word).where(_begins(DirectoryWord, lead)).limit(_LOOKED_AT).subquery()
    return session.scalar(select(func.count()).select_from(some)) == _LOOKED_AT


def _statement(lead: str, others: list[str]) -> Any:
    """The limit inside bounds what is read, however common a word is, and keeps the planner from reading all of it."""
    most = _LOOKED_AT if others else _CANDIDATES
    named = (
        select(DirectoryWord.org_id, DirectoryWord.subscriber_id)
        .where(_begins(DirectoryWord, lead))
        .limit(most)
        .subquery()
    )
    statement = (
        select(Subscriber, Organization.name, Organization.status)
        .join(named, and_(named.c.org_id == Subscriber.org_id, named.c.subscriber_id == Subscriber.id))
        .join(Organization, Organization.org_id == Subscriber.org_id)
    )
    for other in others:
        word = aliased(DirectoryWord)
        statement = statement.where(
            select(word.word).where(_same_person(word), _begins(word, other)).exists()
        )
    return statement.limit(_CANDIDATES)


def _same_person(word: Any) -> ColumnElement[bool]:
    return and_(word.org_id == Subscriber.org_id, word.subscriber_id == Subscriber.id)


def _begins(word: Any, beginning: str) -> ColumnElement[bool]:
    return and_(word.word >= beginning, word.word < beginning + _END)
