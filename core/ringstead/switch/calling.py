"""Click to call: the subscriber's own phones ring, and then the number that they want."""

from typing import Any, Final
from uuid import UUID

from cachetools import TTLCache, cached
from pyramid.httpexceptions import HTTPSeeOther, HTTPTooManyRequests, HTTPUnprocessableEntity
from pyramid.request import Request
from pyramid.response import Response

from ringstead.api.contributions import JobSpec, Permission, Route
from ringstead.api.numbers import bare_number
from ringstead.api.throttling import seconds_to_wait
from ringstead.db.base import new_id
from ringstead.db.engine import Database
from ringstead.db.session import TenantSession
from ringstead.jobs.queue import defer
from ringstead.switch.telling import NoAdapter, SwitchRefused, adapters_for, tell_switches
from ringstead.tenancy.context import TenantContext
from ringstead.tenancy.models import Subscriber
from ringstead.web.addresses import is_local
from ringstead.web.i18n import messages

_ = messages("ringstead")
ORIGINATE = "core.originate"
# More than somebody at a desk calls, fewer than makes a stolen session worth anything to who earns by calls.
CALLS_A_MINUTE: Final = 10
CALLS_A_DAY: Final = 300
CALL = Permission(
    name="core:call:place",
    title=_("Have one’s phone call a number"),
    default_roles=frozenset({"subscriber", "org_admin"}),
)


def routes() -> list[Route]:
    """The form behind every «Call» button."""
    return [
        Route(name="core.call", pattern="/call", view=place_call, permission=CALL.name, methods=("POST",))
    ]


def jobs() -> list[JobSpec]:
    """What places the call."""
    # A call that comes minutes later surprises more than it helps.
    return [JobSpec(name=ORIGINATE, run=run_originate, attempts=3)]


def place_call(context: TenantContext, request: Request) -> Response:
    """`POST /call` with `number` and `back`: let the reader's phones ring, then the number. 429 after many of them."""
    number = bare_number(str(request.POST.get("number", ""))[:64])
    if number is None:
        raise HTTPUnprocessableEntity(_("That is no number that can be called."))
    seconds = seconds_to_wait(context, request, "core.call", CALLS_A_MINUTE, CALLS_A_DAY)
    if seconds:
        raise HTTPTooManyRequests(
            _("That were many calls in a short time. Dial the number on your phone."),
            headers=[("Retry-After", str(seconds))],
        )
    originate(request.db, context.subscriber_id, number)
    request.flash(_("Your phone rings in a moment. Pick it up, and ${number} is called.", number=number))
    back = str(request.POST.get("back", "/"))
    return HTTPSeeOther(back if is_local(back) else "/")


def originate(session: TenantSession, subscriber_id: UUID, number: str) -> None:
    """Queue a call of a subscriber to a number (E.164 or as dialled), in the session's own transaction."""
    defer(
        session,
        ORIGINATE,
        org_id=session.org_id,
        subscriber_id=subscriber_id,
        number=number,
        key=str(new_id()),
    )


def run_originate(database: Database, *, org_id: UUID, subscriber_id: UUID, number: str, key: str) -> None:
    """The job. What a switch refuses is not tried again."""
    with database.run_as(org_id) as session:
        found = session.get(Subscriber, (org_id, subscriber_id))
    if found is None:
        return
    body = {
        "organization": str(org_id),
        "subscriber": str(subscriber_id),
        "extension": found.extension,
        "number": number,
    }
    try:
        tell_switches(database, org_id, "originate", body, key)
    except (NoAdapter, SwitchRefused):
        return


def can_originate(context: TenantContext, request: Request) -> bool:
    """Whether a switch can place calls for the reader; kept for half a minute, as pages ask it for every button."""
    return context.can(CALL.name) and _has_adapter(request.database, context.partner.id)


@cached(TTLCache(maxsize=10_000, ttl=30), key=lambda _database, partner_id: partner_id)
def _has_adapter(database: Any, partner_id: UUID) -> bool:
    return bool(adapters_for(database, partner_id))
