"""The preferences of a subscriber, as whoever looks after them sees and changes them."""

from dataclasses import dataclass
from typing import Any, Final

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request

from ringstead import audit
from ringstead.api import Setting, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.db.session import TenantSession
from ringstead.plugins.enablement import enabled_plugins
from ringstead.plugins.registry import CORE
from ringstead.preferences import form
from ringstead.preferences.cascade import Resolved
from ringstead.preferences.form import Control
from ringstead.preferences.store import clear_for_subscriber, load, set_for_subscriber
from ringstead.subscribers import desk
from ringstead.subscribers.desk import Desk, desk_of, session_of
from ringstead.tenancy.models import Subscriber
from ringstead.web.choices import of_preferences

_ = translations("ringstead")
CHANGED: Final = audit.declare_action("subscriber.settings", _("Changed a subscriber’s settings"))
SOURCES: Final = {
    None: _("Nobody has decided."),
    "platform": _("Decided for this installation."),
    "partner": _("Decided by the provider."),
    "organization": _("Decided by the organization."),
    "package": _("Decided by their package."),
    "subscriber": _("Decided for this subscriber."),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A preference: its control, what holds, who decided that, and whether it can be changed here."""

    control: Control
    shown: Any
    source: Any
    is_fixed: bool


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET …/{subscriber}/settings`."""
    here = desk_of(request)
    with session_of(request, here) as session:
        return _values(request, session, here, desk.find(session, request))


def change(_context: TenantContext, request: Request) -> Any:
    """`POST …/{subscriber}/settings` with a `value-NAME` for each; an empty one is what the levels above say."""
    here = desk_of(request)
    with session_of(request, here) as session:
        subscriber = desk.find(session, request)
        wanted, old, errors = _read(request, session, subscriber)
        if errors:
            banner = Banner(_("Nothing was saved yet. See below."), "warn")
            values = _values(request, session, here, subscriber)
            return refused(request, {**values, "errors": errors, "banner": banner})
        for name, value in wanted.items():
            if value is None:
                clear_for_subscriber(session, subscriber.id, name)
            else:
                set_for_subscriber(
                    session, request.declared_settings, subscriber.id, name, value, by_admin=True
                )
        if wanted:
            audit.record(
                request,
                CHANGED,
                target=subscriber.name,
                detail=audit.changed(old, wanted),
                subject=subscriber.id,
                session=session,
            )
        request.flash(_("Saved."))
    return HTTPSeeOther(request.path)


def _read(
    request: Request, session: TenantSession, subscriber: Subscriber
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What is to be changed, what that was, and what is wrong with the form."""
    now = load(session, request.declared_settings, subscriber.id)
    wanted: dict[str, Any] = {}
    old: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for setting in _settings(request, session):
        field, found = f"value-{setting.name}", now.resolve(setting.name)
        if field not in request.POST or _is_fixed(found):
            continue
        typed = form.control(setting, of_preferences(request), typed=request.POST[field][:200])
        value, why = form.read(typed)
        if why is not None:
            errors[field] = why
        elif value != _own(found):
            wanted[setting.name], old[setting.name] = value, _own(found)
    return wanted, old, errors


def _own(found: Resolved) -> Any:
    return found.value if found.source == "subscriber" else None


def _is_fixed(found: Resolved) -> bool:
    return found.locked_by is not None and not found.is_admins


def _settings(request: Request, session: TenantSession) -> list[Setting]:
    """What is a subscriber's own, of the core and of the features that the organization has; lists have pages."""
    on = enabled_plugins(session) | {CORE}
    return [
        setting
        for plugin, given in request.plugins.contributions.items()
        if plugin in on
        for setting in given.settings
        if setting.level == "subscriber" and setting.type is not list
    ]


def _values(request: Request, session: TenantSession, here: Desk, subscriber: Subscriber) -> dict[str, Any]:
    now = load(session, request.declared_settings, subscriber.id)
    lines = [_line(request, setting, now.resolve(setting.name)) for setting in _settings(request, session)]
    return {
        "desk": here,
        "subscriber": subscriber,
        "lines": lines,
        "errors": {},
        "labels": {f"value-{line.control.name}": line.control.setting.title for line in lines},
    }


def _line(request: Request, setting: Setting, found: Resolved) -> Line:
    typed = request.POST.get(f"value-{setting.name}") if request.method == "POST" else None
    shown = form.control(setting, of_preferences(request), _own(found), typed and typed[:200])
    holds = form.control(setting, of_preferences(request), found.value)
    title = dict(holds.options).get(holds.text, holds.text)
    return Line(shown, title, SOURCES[found.source], _is_fixed(found))
