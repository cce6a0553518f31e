"""The host names of the partner's portals: which there are, whether people arrive there, a new one, one less."""

from typing import Any, Final

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request

from ringstead import audit
from ringstead.api import HostToCheck, NavItem, Route, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.console.brand import MANAGE, forget_after_commit
from ringstead.plugins.host_checks import HostChecks
from ringstead.subscribers.pages import unknown_act
from ringstead.tenancy import portal_hosts
from ringstead.tenancy.addresses import queried
from ringstead.tenancy.portal_hosts import HostRefused

_ = translations("ringstead")
ADDED: Final = audit.declare_action("host.added", _("Added a portal address"))
REMOVED: Final = audit.declare_action("host.removed", _("Removed a portal address"))
CHECKS: Final = "ringstead.host_checks"
_WHY: Final = {
    portal_hosts.MALFORMED: _("Enter a host name, such as voice.example.com."),
    portal_hosts.SUFFIX: _("Anybody can have a name below this one. Enter a name of your own domain."),
    portal_hosts.TAKEN: _("This name cannot be used here. Choose another, or ask whoever runs the portal."),
    portal_hosts.KNOWN: _("You have this address already."),
    portal_hosts.TOO_MANY: _("You have as many addresses as there may be. Remove one first."),
    portal_hosts.LAST: _("This is the last address of your portal; mails lead there. Add another one first."),
    portal_hosts.NO_PORTAL: _("You have no such portal address."),
}
_LONGEST: Final = 300


def routes() -> list[Route]:
    """The page with its forms."""
    page: Any = {
        "pattern": "/addresses",
        "permission": MANAGE.name,
        "site": "console",
        "renderer": "core/console_addresses.pt",
    }
    return [
        Route(name="core.console.addresses", view=show, **page),
        Route(name="core.console.addresses.change", view=change, methods=("POST",), **page),
    ]


def navigation() -> list[NavItem]:
    """The console's entry."""
    return [
        NavItem(
            id="core.console.addresses",
            title=_("Portal addresses"),
            route="core.console.addresses",
            permission=MANAGE.name,
            icon="globe",
            order=50,
            site="console",
        )
    ]


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /addresses`; with `look`, with what DNS and certificates are like."""
    return _values(request, looks=bool(queried(request, "look")))


def change(_context: TenantContext, request: Request) -> Any:
    """`POST /addresses` with a `name` and `do` add, or remove: that asks first, unless it is `sure`."""
    do, name = request.POST.get("do", ""), request.POST.get("name", "")[:_LONGEST].strip()
    if do == "remove" and not request.POST.get("sure"):
        if portal_hosts.find_host(request.db, request.site.partner.id, name) is None:
            raise HTTPNotFound
        return _values(request, leaving=name)
    if do not in ("add", "remove"):
        raise unknown_act()
    try:
        return _add(request, name) if do == "add" else _remove(request, name)
    except HostRefused as error:
        if do == "add":
            return refused(request, _values(request, typed=name, errors={"name": _WHY[error.why]}))
        return refused(request, _values(request, banner=Banner(_WHY[error.why], "warn")))


def _add(request: Request, name: str) -> HTTPSeeOther:
    partner_id = request.site.partner.id
    full = portal_hosts.add_portal_host(request.db, partner_id, name, request.deployment.platform_hosts)
    audit.record(request, ADDED, target=full)
    forget_after_commit(request)
    request.registry[CHECKS].forget(full)
    request.flash(_("${name} is added. It works as soon as its DNS leads here.") % {"name": full})
    return HTTPSeeOther("/addresses?look=1")


def _remove(request: Request, name: str) -> HTTPSeeOther:
    portal_hosts.remove_portal_host(request.db, request.site.partner.id, name)
    audit.record(request, REMOVED, target=name)
    forget_after_commit(request)
    request.flash(_("${name} is removed.") % {"name": name})
    return HTTPSeeOther("/addresses")


def _values(request: Request, *, looks: bool = False, **more: Any) -> dict[str, Any]:
    hosts = portal_hosts.list_hosts(request.db, request.site.partner.id)
    seen = {}
    if looks:
        checks: HostChecks = request.registry[CHECKS]
        scheme = request.deployment.public_scheme
        seen = checks.look(
            [HostToCheck(name=h.name, console=request.site.host, scheme=scheme) for h in hosts],
        )
    return {
        "hosts": hosts,
        "seen": seen,
        "looks": looks,
        "origins": {host.name: request.deployment.origin(host.name) for host in hosts},
        "console": request.site.host,
        "leaving": "",
        "typed": "",
        "errors": {},
        "labels": {"name": _("Host name")},
        "banner": None,
        **more,
    }
