"""Others' calls, for who leads a team, manages a location, or looks after the organization."""

from typing import Any, Final

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request

from ringstead.api import TenantContext
from ringstead.api.directory import find_groups, find_subscribers
from ringstead.api.models import TenantSession
from ringstead_calllogs.call_views import call_page, find_call
from ringstead_calllogs.filters import FilterForm, read_filter
from ringstead_calllogs.listing import ends_of, legs_of
from ringstead_calllogs.looks import Looker, record_looks
from ringstead_calllogs.presenting import Others
from ringstead_calllogs.scopes import PRIVATE, Kind, Narrowed, Scope, find_scope, narrow, people_in
from ringstead_calllogs.views import Place, count_new, is_htmx, list_page
from ringstead_calllogs.whose import Whose

# Of more people than this the form offers none by name; an extension can be typed.
MOST_CHOICES: Final = 200


def scope_of(context: TenantContext, request: Request) -> Scope:
    """The scope that the address names. Raises HTTPNotFound for one that is not the reader's.

    Its permission was asked for with the route.
    """
    words = request.matched_route.pattern.split("/")
    kind: Kind = words[3] if words[2] == "of" else "organization"
    slug, private = request.matchdict.get("slug", ""), context.preferences[PRIVATE]
    scope = find_scope(request.db, context.subscriber_id, kind, slug, private)
    if scope is None:
        raise HTTPNotFound
    return scope


def list_others(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/of/KIND/SLUG`: others' calls, with the filters of one's own and `person` and `location`."""
    scope = scope_of(context, request)
    form, narrowed = _asked(request, scope)
    choices = {} if is_htmx(request) else _choices(request.db, scope, narrowed)
    return list_page(context, request, form, Place(scope.path, narrowed.whose, scope, choices))


def new_others(context: TenantContext, request: Request) -> Any:
    """`GET /calls/of/KIND/SLUG/new`: how many calls the list does not show yet."""
    scope = scope_of(context, request)
    form, narrowed = _asked(request, scope)
    return count_new(context, request, form, Place(scope.path, narrowed.whose, scope))


def show_others_call(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /calls/of/KIND/SLUG/ID`: one of their calls; with htmx, the part that opens in the list."""
    scope = scope_of(context, request)
    whose = whose_of(request.db, scope)
    call = find_call(request, whose)
    legs = legs_of(request.db, call, whose)
    people = {call.subscriber_id}
    if scope.group is None:  # its page names everybody whose phones took part
        people |= {person for leg in legs for person in ends_of(leg)}
    names = {one.id: one.name for one in find_subscribers(request.db, filter(None, people))}
    shown = {call.subscriber_id, *names}
    record_looks(request.db, Looker.of(context, request.client_address), shown, scope, "call")
    if is_htmx(request):
        request.override_renderer = "calllogs/opened.pt"
    page = call_page(context, request, call, legs, scope.path, names if scope.group is None else {})
    return page | {"whose": Others(scope.path, names).name_of(call.subscriber_id)}


def whose_of(session: TenantSession, scope: Scope) -> Whose:
    """All whose calls a scope reaches."""
    if scope.group is None:
        return Whose.organization(scope.excluded)
    return Whose.people(person.id for person in people_in(session, scope))


def _asked(request: Request, scope: Scope) -> tuple[FilterForm, Narrowed]:
    """What the address bar asks for, and whose calls that are."""
    form = read_filter(request.GET, of_others=True)
    narrowed = narrow(request.db, scope, form.filter)
    return FilterForm(form.filter, form.texts, {**form.errors, **narrowed.errors}), narrowed


def _choices(session: TenantSession, scope: Scope, narrowed: Narrowed) -> dict[str, Any]:
    """What the filters offer: people, unless they are many, and the organization's locations."""
    people = narrowed.everybody
    if people is None:
        people = people_in(session, scope, MOST_CHOICES + 1)
    return {
        "people": people if len(people) <= MOST_CHOICES else (),
        "person": narrowed.person,
        "locations": {group.slug: group.name for group in find_groups(session, "location")},
    }
