"""Subscribers from a file: looked through first, then taken in all at once, and taken back if that was wrong.

The file is CSV (RFC 4180) in UTF-8 or UTF-16, with a head that names its columns. Each line is kept as an object:
`line` (its number in the file, from 1), `typed` (texts by field), `problems` (text by field), and, once taken in,
`id` (the subscriber's) or, once taken back, `kept` (why not).
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, Final
from uuid import UUID

from pyramid.request import Request
from sqlalchemy import select
from sqlalchemy.orm.attributes import flag_modified
from translationstring import TranslationString

from ringstead import audit, privacy
from ringstead.api import translations
from ringstead.db.base import new_id
from ringstead.db.session import TenantSession
from ringstead.subscribers import accounts, changes, forms, ranges
from ringstead.subscribers.changes import Person
from ringstead.subscribers.editing import offer_of
from ringstead.tenancy.models import Account, Membership, Subscriber, SubscriberImport, WebSession

_ = translations("ringstead")
MOST_LINES: Final = 1000
_LONGEST: Final = 300
IMPORTED: Final = audit.declare_action("subscriber.imported", _("Took subscribers in from a file"))
UNDONE: Final = audit.declare_action("subscriber.import-undone", _("Took back subscribers of a file"))
_REQUIRED: Final = ("name", "extension")


class FileRefused(ValueError):
    """A file that cannot be looked through; `why` says what would do."""

    def __init__(self, why: TranslationString) -> None:
        self.why = why
        super().__init__(str(why))


def read_lines(file: IO[bytes]) -> list[dict[str, Any]]:
    """The lines of a CSV file as `{"line", "typed"}`; at most `MOST_LINES`. Raises `FileRefused`."""
    text = _decoded(file)
    head, _rest = text.partition("\n")[::2]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = _columns(next(reader, []))
        return [
            {"line": number, "typed": _typed(columns, row)}
            for number, row in _numbered(reader)
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        broken = _("Line ${n} cannot be read as CSV (${why}). Save the table as CSV again.")
        raise FileRefused(broken % {"n": reader.line_num, "why": str(error)}) from None


def _decoded(file: IO[bytes]) -> str:
    raw = file.read()
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise FileRefused(
            _("The file is not in UTF-8. In a spreadsheet, save it as “CSV UTF-8”, and send it again.")
        ) from None
    if "\0" in text:
        raise FileRefused(_("This is no text. Save the table as “CSV UTF-8”, and send that file."))
    return text


def _columns(head: list[str]) -> list[str]:
    known = {name.casefold(): name for name in forms.FIELDS}
    columns = [known.get(cell.strip().casefold(), "") for cell in head]
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        why = _("The first line must name the columns; ${columns} is missing. It may hold: ${all}.")
        raise FileRefused(why % {"columns": ", ".join(missing), "all": ", ".join(forms.FIELDS)})
    return columns


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """The rows with the numbers of their lines; stops with an error where there are too many."""
    for count, row in enumerate(reader):
        if count >= MOST_LINES:
            raise FileRefused(
                _("There are more than ${n} lines. Send them in several files.") % {"n": MOST_LINES}
            )
        yield reader.line_num, row


def _typed(columns: list[str], row: list[str]) -> dict[str, str]:
    return {name: cell.strip()[:_LONGEST] for name, cell in zip(columns, row, strict=False) if name}


def check(request: Request, session: TenantSession, lines: list[dict[str, Any]]) -> list[Person | None]:
    """Write what is wrong with each line into its `problems`; returns the persons, None for lines with problems."""
    offer = offer_of(request, session, request.site.kind == "console")
    people: list[Person | None] = []
    for line in lines:
        person, problems = forms.read_person(line["typed"], offer)
        if person is not None:
            problems = changes.problems_of(session, person)
        line["problems"] = {field: _said(request, why) for field, why in problems.items()}
        people.append(person)
    _find_doubles(request, lines, people)
    return [None if line["problems"] else person for line, person in zip(lines, people, strict=True)]


def _find_doubles(request: Request, lines: list[dict[str, Any]], people: list[Person | None]) -> None:
    """Two lines of one file must not want the same extension or number."""
    for field in ("extension", "number"):
        values = Counter(getattr(person, field) for person in people if person is not None)
        for line, person in zip(lines, people, strict=True):
            value = None if person is None else getattr(person, field)
            if value is not None and values[value] > 1:
                twice = _("${value} is in the file ${n} times.") % {"value": value, "n": values[value]}
                line["problems"].setdefault(field, _said(request, twice))


def _said(request: Request, text: TranslationString) -> str:
    """A text in the reader's language: it is stored, and whoever looks at the file later reads it so."""
    translations_of = request.registry["ringstead.translations"]
    return str(translations_of.translate(text, target_language=request.tenant.locale))


def add(request: Request, session: TenantSession, name: str, lines: list[dict[str, Any]]) -> SubscriberImport:
    """Keep a file that was looked through, for its reader to decide about."""
    me = request.tenant.account
    found = SubscriberImport(
        id=new_id(), actor_account_id=me.id, actor_name=me.name, file_name=name[:200], lines=lines
    )
    session.add(found)
    session.flush()
    return found


def apply(request: Request, session: TenantSession, batch: SubscriberImport, invites: bool) -> int | None:
    """Take in the lines that have no problem, all or none; returns how many, None when a line has got one meanwhile.

    The organization's row is held, so nobody takes an extension or number between looking and writing.
    """
    organization = changes.hold_organization(session)
    wanted = [line for line in batch.lines if not line["problems"]]
    if any(line["typed"].get("number") for line in wanted):
        ranges.hold_numbers(session)
    people = check(request, session, wanted)
    left = changes.seats_left(session, organization)
    if left is not None and len(wanted) > left:
        full = _("The organization may have ${n} more subscribers.") % {"n": left}
        for line in wanted[left:]:
            line["problems"].setdefault("name", _said(request, full))
    flag_modified(batch, "lines")
    if any(line["problems"] for line in wanted):
        return None
    known = accounts.account_ids(request, {p.email: p.name for p in people if p is not None and p.email})
    made = []
    for line, person in zip(wanted, people, strict=True):
        assert person is not None  # no line has a problem
        subscriber = Subscriber(
            id=new_id(),
            partner_id=organization.partner_id,
            name=person.name,
            extension=person.extension,
            number=person.number,
            location_id=person.location_id,
            package_id=person.package_id,
        )
        line["id"] = str(subscriber.id)
        made.append((subscriber, person))
    session.add_all(subscriber for subscriber, _person in made)
    session.flush()
    _let_in(request, session, made, known, invites)
    batch.state, batch.applied_at = "applied", datetime.now(UTC)
    _record(request, session, IMPORTED, batch, len(made))
    return len(made)


def _let_in(
    request: Request,
    session: TenantSession,
    made: list[tuple[Subscriber, Person]],
    known: dict[str, UUID],
    invites: bool,
) -> None:
    session.add_all(
        Membership(
            id=new_id(),
            partner_id=subscriber.partner_id,
            account_id=known[person.email],
            subscriber_id=subscriber.id,
            role=person.role,
        )
        for subscriber, person in made
        if person.email
    )
    session.flush()
    for subscriber, person in made:
        detail = audit.changed({}, changes.said(person))
        audit.record(
            request,
            changes.CREATED,
            target=person.name,
            detail=detail,
            subject=subscriber.id,
            session=session,
        )
        if invites and person.email:
            accounts.invite(request, session, subscriber)


def _in_use(session: TenantSession, ids: list[UUID], batch: SubscriberImport) -> set[UUID]:
    """Who has chosen a password since, or has a browser signed in: an account may have been there before."""
    members = select(Membership.subscriber_id).where(Membership.subscriber_id.in_(ids))
    chose = members.join(Account, Account.id == Membership.account_id).where(
        Account.password_changed_at > batch.applied_at
    )
    signed_in = members.join(WebSession, WebSession.membership_id == Membership.id)
    return {*session.scalars(chose), *session.scalars(signed_in)}


def undo(request: Request, session: TenantSession, batch: SubscriberImport) -> tuple[int, int]:
    """Take back whom a file brought, with all that came for them since; returns how many went, and how many stayed:
    because they have signed in, or because a feature holds back what it keeps for them."""
    ids = [UUID(line["id"]) for line in batch.lines if "id" in line]
    there = {
        subscriber.id: subscriber
        for subscriber in session.scalars(select(Subscriber).where(Subscriber.id.in_(ids)))
    }
    in_use = _in_use(session, ids, batch)
    if request.tenant.subscriber is not None:
        in_use.add(request.tenant.subscriber.id)
    gone = 0
    for line in batch.lines:
        subscriber = there.get(UUID(line["id"])) if "id" in line else None
        if subscriber is None:
            continue
        if subscriber.id in in_use:
            line["kept"] = _said(request, _("Has signed in since."))
            continue
        try:
            with session.begin_nested():
                privacy.erase_person(request.plugins, session, subscriber.id)
                session.delete(subscriber)
                session.flush()
        except privacy.PrivacyFailed as error:
            line["kept"] = str(error)
            continue
        gone += 1
    flag_modified(batch, "lines")
    batch.state, batch.undone_at = "undone", datetime.now(UTC)
    session.flush()
    _record(request, session, UNDONE, batch, gone)
    return gone, len(there) - gone


def _record(
    request: Request, session: TenantSession, action: str, batch: SubscriberImport, count: int
) -> None:
    detail = {"count": count, "import": str(batch.id)}
    audit.record(request, action, target=batch.file_name, detail=detail, session=session)
