"""The numbers and extensions that an organization has: ranges, how full they are, and what would overlap."""

from typing import Any, Final, cast

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import func, select

from ringstead import audit
from ringstead.api import Route, TenantContext, translations
from ringstead.api.numbers import bare_number, e164
from ringstead.auth.answers import refused
from ringstead.console.rights import CREATE
from ringstead.db.session import TenantSession
from ringstead.preferences.store import load
from ringstead.subscribers import ranges
from ringstead.subscribers.ranges import Kind
from ringstead.tenancy import fields
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.models import NumberRange, Organization, Subscriber
from ringstead.tenancy.organizations import of_partner

_ = translations("ringstead")
ADDED: Final = audit.declare_action("numbers.added", _("Gave numbers to an organization"))
REMOVED: Final = audit.declare_action("numbers.removed", _("Took numbers from an organization"))


def routes() -> list[Route]:
    """The page of an organization's ranges."""
    more: Any = {
        "pattern": "/organizations/{id}/numbers",
        "permission": CREATE.name,
        "renderer": "core/console_numbers.pt",
        "site": "console",
    }
    return [
        Route(name="core.console.organizations.numbers", view=show, **more),
        Route(name="core.console.organizations.numbers.change", view=change, methods=("POST",), **more),
    ]


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations/{id}/numbers`."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    with request.database.run_as(organization.org_id) as session:
        return _values(session, organization)


def change(_context: TenantContext, request: Request) -> Any:
    """`POST /organizations/{id}/numbers` with `kind` (did or extension) and `range`, or `remove` (a range's id)."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    with request.database.run_as(organization.org_id) as session:
        if "remove" in request.POST:
            _remove(request, session)
        else:
            kind, text = request.POST.get("kind", ""), request.POST.get("range", "")[:80].strip()
            why = _add(request, session, kind, text)
            if why is not None:
                values = _values(session, organization, {kind: text})
                return refused(request, {**values, "errors": {f"range-{kind}": why}})
    return HTTPSeeOther(request.path)


def _add(request: Request, session: TenantSession, kind: str, text: str) -> Any:
    """Add a range; returns why not."""
    if kind not in ("did", "extension"):
        return _("Choose numbers or extensions.")
    region = load(session, request.declared_settings)["core.region"]
    found = read_range(cast(Kind, kind), text, region)
    if found is None:
        example = "+12125550100-+12125550149" if kind == "did" else "200-299"
        wrong = _("Enter the first and the last, at most ${n} in all, such as ${example}.")
        return wrong % {"n": ranges.LONGEST, "example": example}
    if ranges.add_range(session, cast(Kind, kind), *found) is None:
        return _conflict(request, session, cast(Kind, kind), *found)
    request.flash(_("Added: ${range}.") % {"range": "–".join(found)})
    audit.record(request, ADDED, target="-".join(found), detail={"kind": kind}, session=session)
    return None


def _conflict(request: Request, session: TenantSession, kind: Kind, first: str, last: str) -> Any:
    """What is in the way of a range, where it is the partner's own: nothing is told of others."""
    for row in ranges.ranges_of(session, kind):
        if len(row.first) == len(first) and row.first <= last and row.last >= first:
            return _("${first} to ${last} are here already.") % {"first": row.first, "last": row.last}
    if kind == "extension":
        return _("Some of these numbers are in use or belong elsewhere.")
    width = func.length(Subscriber.number) == len(first)
    number = Subscriber.number.collate("C")
    holder = request.db.execute(
        select(Subscriber.number, Organization.name)
        .join(Organization, Organization.org_id == Subscriber.org_id)
        .where(width, number >= first, number <= last, Subscriber.org_id != session.org_id)
        .order_by(number)
        .limit(1)
    ).first()
    if holder is not None:
        return _("${number} is in use at ${name}.") % {"number": holder[0], "name": holder[1]}
    return _("Some of these numbers are in use or belong elsewhere.")


def _remove(request: Request, session: TenantSession) -> None:
    """Take a range away. Subscribers keep the numbers that they have."""
    row = session.get(NumberRange, (session.org_id, id_of(request.POST.get("remove", ""))))
    if row is not None:
        session.delete(row)
        target = f"{row.first}-{row.last}"
        audit.record(request, REMOVED, target=target, detail={"kind": row.kind}, session=session)


def read_range(kind: Kind, text: str, region: str) -> tuple[str, str] | None:
    """A range from `first-last` (or one number) as it is stored; None for what is none, or too long a one.

    Numbers may be written the national way of `region`; of the last one, its last digits are enough.
    """
    first_text, _dash, last_text = text.replace("–", "-").partition("-")
    last_text = last_text.strip() or first_text
    read = _did if kind == "did" else _extension
    first, last = read(first_text.strip(), region), read(last_text, region)
    if (first is not None and last is None) or (first and last and len(last) < len(first)):
        digits = "".join(char for char in last_text if char.isdigit())
        last = first[: -len(digits)] + digits if 0 < len(digits) < len(first) else None
    if first is None or last is None or len(first) != len(last) or first > last:
        return None
    return (first, last) if ranges.size_of(first, last) <= ranges.LONGEST else None


def _did(text: str, region: str) -> str | None:
    bare = bare_number(text)
    number = None if bare is None else e164(bare, region)
    try:
        return None if number is None else fields.number(number)
    except ValueError:
        return None


def _extension(text: str, _region: str) -> str | None:
    try:
        return fields.extension(text)
    except ValueError:
        return None


def _values(
    session: TenantSession, organization: Organization, typed: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "organization": organization,
        "kinds": [
            ("did", _("Numbers"), _("Add numbers"), ranges.usage_of(session, "did")),
            ("extension", _("Extensions"), _("Add extensions"), ranges.usage_of(session, "extension")),
        ],
        "typed": typed or {},
        "errors": {},
    }
