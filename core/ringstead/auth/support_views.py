"""Support sessions on the portal: coming in, leaving, and what the people whose portals are opened see of it."""

from typing import Any, Final

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

from ringstead import audit
from ringstead.api import PUBLIC, SIGNED_IN, NavItem, Route, TenantContext, translations
from ringstead.auth import sessions, support
from ringstead.auth.membership import partner_session
from ringstead.auth.paths import SIGN_IN
from ringstead.auth.sign_in import header_text
from ringstead.auth.tokens import SESSION_COOKIE, drop_cookie, presented_token_hash, set_cookie
from ringstead.preferences.store import SettingRefused, set_for_organization
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.models import Account, Subscriber, SupportSession

_ = translations("ringstead")
MINE: Final = "/account/support"
RULES_PAGE: Final = "/organization/support"


def routes() -> list[Route]:
    """The pages, on the portal only."""
    ticket, post = "/support/{ticket}", ("POST",)
    return [
        Route(
            name="core.support.end", pattern="/support/end", view=leave, permission=SIGNED_IN, methods=post
        ),
        Route(name="core.support.end_page", pattern="/support/end", view=to_home, permission=PUBLIC),
        Route(
            name="core.support.ticket",
            pattern=ticket,
            view=show_ticket,
            permission=PUBLIC,
            renderer="core/support_ticket.pt",
        ),
        Route(
            name="core.support.enter",
            pattern=ticket,
            view=enter,
            permission=PUBLIC,
            methods=post,
            renderer="core/support_ticket.pt",
        ),
        Route(
            name="core.support.mine",
            pattern=MINE,
            view=show_mine,
            permission=SIGNED_IN,
            renderer="core/support_mine.pt",
            support="closed",
        ),
        Route(
            name="core.support.answer",
            pattern=f"{MINE}/{{id}}",
            view=answer,
            permission=SIGNED_IN,
            methods=post,
            support="closed",
        ),
        Route(name="core.support.answer_page", pattern=f"{MINE}/{{id}}", view=to_mine, permission=PUBLIC),
        Route(
            name="core.support.rules",
            pattern=RULES_PAGE,
            view=show_rules,
            permission=support.RULES.name,
            renderer="core/support_rules.pt",
            support="closed",
        ),
        Route(
            name="core.support.change_rules",
            pattern=RULES_PAGE,
            view=change_rules,
            permission=support.RULES.name,
            methods=post,
            support="closed",
        ),
    ]


def navigation() -> list[NavItem]:
    """For who looks after an organization."""
    return [
        NavItem(
            id="core.support.rules",
            title=_("Support access"),
            route="core.support.rules",
            permission=support.RULES.name,
            icon="life-buoy",
            section="account",
            order=850,
        )
    ]


def to_home(_context: TenantContext, _request: Request) -> Response:
    """`GET /support/end`, which only takes forms."""
    return HTTPSeeOther("/")


def to_mine(_context: TenantContext, _request: Request) -> Response:
    """`GET /account/support/{id}`, which only takes forms."""
    return HTTPSeeOther(MINE)


def show_ticket(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /support/{ticket}`: the form that uses it; a script sends it at once."""
    with partner_session(request) as session:
        wish = _of_ticket(request, session)
        if wish is None:
            request.response.status_int = 410
            return {"is_over": True, "name": "", "path": ""}
        subscriber = session.get(Subscriber, (wish.org_id, wish.subscriber_id))
        return {"is_over": False, "name": subscriber.name if subscriber else "", "path": request.path}


def enter(_context: TenantContext, request: Request) -> Any:
    """`POST /support/{ticket}`: use it. This browser is signed in to the subscriber's portal, and out of any other."""
    with partner_session(request) as session:
        wish = _of_ticket(request, session)
        actor = None if wish is None else session.get(Account, (wish.partner_id, wish.actor_account_id))
        if wish is None or actor is None or actor.staff_role is None or actor.status != "active":
            request.response.status_int = 410
            return {"is_over": True, "name": "", "path": ""}
        sessions.end_by_token(session, presented_token_hash(request))
        browser = sessions.Browser("portal", request.client_address, header_text(request.user_agent))
        token = support.enter(session, wish, browser)
        support.record(request, audit.SUPPORT_OPENED, wish, session, actor)
        support.tell_subscriber(request, session, wish, "core/mail/support_opened")
    response = HTTPSeeOther("/")
    set_cookie(request, response, SESSION_COOKIE, token, max_age=int(support.LIFE.total_seconds()))
    return response


def _of_ticket(request: Request, session: Any) -> SupportSession | None:
    wish = support.find_ticket(session, request.matchdict["ticket"])
    elsewhere = wish is not None and request.site.org_id not in (None, wish.org_id)
    return None if elsewhere else wish


def leave(context: TenantContext, request: Request) -> Response:
    """`POST /support/end`: leave the portal."""
    if context.support is None:
        raise HTTPNotFound
    return leave_portal(context, request)


def leave_portal(context: TenantContext, request: Request) -> Response:
    """End the support session of this browser."""
    assert context.support is not None
    with partner_session(request) as session:
        wish = session.get_one(SupportSession, (context.org_id, context.support.id))
        support.end(session, wish)
        support.record(request, audit.SUPPORT_ENDED, wish, session)
    request.flash(
        _("You left the portal of ${name}. You may close this tab.", mapping={"name": context.person_name})
    )
    response = HTTPSeeOther(SIGN_IN)
    drop_cookie(request, response, SESSION_COOKIE)
    return response


def show_mine(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /account/support`: who opened, or wants to open, the reader's portal."""
    wishes = support.of_subscriber(request.db, context.subscriber_id)
    return {
        "rows": [
            (wish, support.state_of(wish), support.is_waiting(wish), support.is_open(wish)) for wish in wishes
        ],
        "asks_consent": context.preferences[support.CONSENT],
        "is_private": not context.preferences[support.PRIVATE],
    }


def answer(context: TenantContext, request: Request) -> Response:
    """`POST /account/support/{id}` with `do`: allow, refuse, or end what is open."""
    do = request.POST.get("do", "")
    with partner_session(request) as session:
        wish = session.get(
            SupportSession, (context.org_id, id_of(request.matchdict["id"])), with_for_update=True
        )
        if wish is None or (wish.org_id, wish.subscriber_id) != (context.org_id, context.subscriber_id):
            raise HTTPNotFound
        if do in ("allow", "refuse") and support.is_waiting(wish):
            support.answer(wish, do == "allow")
            action = audit.SUPPORT_ALLOWED if do == "allow" else audit.SUPPORT_REFUSED
            request.flash(
                _("Allowed. It can be opened once, within a day.") if do == "allow" else _("Refused")
            )
        elif do == "end" and support.is_open(wish):
            support.end(session, wish)
            action = audit.SUPPORT_ENDED
            request.flash(_("Ended. Nobody else is in your portal."))
        else:
            request.flash(_("There is nothing to answer any more."), "warn")
            return HTTPSeeOther(MINE)
        support.record(request, action, wish, session)
    return HTTPSeeOther(MINE)


def show_rules(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organization/support`: what support may do here, and what it did."""
    return {
        "rules": {name: context.preferences[name] for name in (support.CONSENT, support.PRIVATE)},
        "consent": support.CONSENT,
        "private": support.PRIVATE,
        "rows": [
            (wish, name, support.state_of(wish))
            for wish, name in support.of_organization(request.db, context.org_id)
        ],
    }


def change_rules(context: TenantContext, request: Request) -> Response:
    """`POST /organization/support` with the names of the rules that hold."""
    names = (support.CONSENT, support.PRIVATE)
    before = {name: bool(context.preferences[name]) for name in names}
    after = {name: request.POST.get(name) == "on" for name in names}
    try:
        for name in names:
            if before[name] != after[name]:
                set_for_organization(request.db, request.declared_settings, name, after[name])
    except SettingRefused:
        request.flash(_("Your provider has decided this."), "warn")
        request.tm.doom()
        return HTTPSeeOther(RULES_PAGE)
    if before != after:
        audit.record(request, audit.SUPPORT_RULES, detail=audit.changed(before, after))
    request.flash(_("Saved"))
    return HTTPSeeOther(RULES_PAGE)
