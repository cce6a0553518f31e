"""Looks at others' calls: who saw whose, through which scope; kept in the transaction that shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Text, insert, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from ringstead.api import Setting, TenantContext, translations
from ringstead.api.audit import declare_action, record
from ringstead.api.models import Base, CreatedAt, OrgScoped, TenantSession, new_id
from ringstead_calllogs.filters import Cursor
from ringstead_calllogs.scopes import Scope

_ = translations("ringstead_calllogs")
What = Literal["list", "call", "download", "report"]
PAGE_SIZE: Final = 25
VISIBLE: Final = "calllogs.looks_visible"
LOOKED: Final = declare_action("calllogs.looked", _("Looked at others’ calls"), is_everyday=True)
WHATS: Final = {
    "list": _("List of calls"),
    "call": _("A call, step by step"),
    "download": _("Download"),
    "report": _("Report"),
}


def setting() -> Setting:
    """Whether people see who looked at their calls."""
    return Setting(
        name=VISIBLE,
        title=_("Tell people who looked at their calls"),
        type=bool,
        default=False,
        level="organization",
        help=_("On a page of their own, linked from their calls. Looks are kept either way."),
    )


class Look(OrgScoped, Base):
    """That somebody (`account_id`) was shown calls of a subscriber, or a line of theirs in a report.

    `scope` is team, location or organization, `scope_name` its name then. `what` is one of `WHATS`.
    """

    __tablename__ = "calllogs_look"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[CreatedAt]
    subscriber_id: Mapped[UUID]
    account_id: Mapped[UUID]
    account_name: Mapped[str]
    scope: Mapped[str] = mapped_column(Text)
    scope_name: Mapped[str]
    what: Mapped[str]


@dataclass(frozen=True, slots=True)
class Looker:
    """Who looks: an account, the subscriber that they are here, and the address that they look from, if it is known."""

    id: UUID
    name: str
    subscriber_id: UUID | None
    address: str = ""

    @classmethod
    def of(cls, context: TenantContext, address: str = "") -> "Looker":
        """Whoever is signed in."""
        assert context.account is not None, "only somebody signed in may see others' calls"
        own = context.subscriber.id if context.subscriber is not None else None
        return cls(context.account.id, context.account.name, own, address)


def record_looks(
    session: TenantSession, actor: Looker, people: Iterable[UUID | None], scope: Scope, what: What
) -> None:
    """Keep that `actor` is shown calls of these people: a row for each of them, and one entry of the audit trail.

    Call it in the transaction that shows them, with those whose calls are in fact shown. One's own are no look.
    """
    seen = sorted({person for person in people if person is not None} - {actor.subscriber_id})
    if not seen:
        return
    look = {
        "org_id": session.org_id,
        "account_id": actor.id,
        "account_name": actor.name,
        "scope": scope.kind,
        "scope_name": scope.name,
        "what": what,
    }
    session.execute(insert(Look), [{**look, "id": new_id(), "subscriber_id": person} for person in seen])
    # Without a subject: the entries about somebody are theirs to have, and who looked is for the organization to tell.
    record(
        session,
        LOOKED,
        target=scope.path,
        # A page shows no more; of a large file or report, the rows above say whose it held.
        detail={"what": what, "count": len(seen), "people": [str(person) for person in seen[:PAGE_SIZE]]},
        actor=actor,
        address=actor.address,
    )


def looks_at(
    session: TenantSession, person: UUID, before: Cursor | None, size: int = PAGE_SIZE
) -> tuple[Sequence[Any], Cursor | None]:
    """The looks at a person's calls, newest first: a page, and the cursor of the next one."""
    columns = (Look.id, Look.at, Look.account_name, Look.scope, Look.scope_name, Look.what)
    found = select(*columns).where(Look.subscriber_id == person)
    if before is not None:
        found = found.where(tuple_(Look.at, Look.id) < tuple_(before.started_at, before.id))
    rows: Sequence[Any] = session.execute(
        found.order_by(Look.at.desc(), Look.id.desc()).limit(size + 1)
    ).all()
    if len(rows) <= size:
        return rows, None
    return rows[:size], Cursor(rows[size - 1].at, rows[size - 1].id)
