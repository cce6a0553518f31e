"""Feature packages on the partner's console: which there are, what each gives, and who has them."""

import hashlib
import json
from typing import Any, Final

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ringstead import audit
from ringstead.api import Permission, Route, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.console.package_form import (
    WHO,
    Draft,
    draft_of,
    labels_of,
    new_draft,
    parts_of,
    read_draft,
)
from ringstead.console.switching import switchable
from ringstead.db.base import new_id
from ringstead.db.session import TenantSession
from ringstead.plugins.enablement import refused_plugins
from ringstead.subscribers.pages import unknown_act
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.models import FeaturePackage
from ringstead.tenancy.organizations import READ
from ringstead.tenancy.packages import by_name, list_packages, menu_of, replace, usage

_ = translations("ringstead")
MANAGE: Final = Permission(
    name="core:package:manage",
    title=_("Make and change feature packages"),
    default_roles=frozenset({"partner_admin"}),
)
SAVED: Final = audit.declare_action("package.saved", _("Saved a feature package"))
REMOVED: Final = audit.declare_action("package.removed", _("Removed a feature package"))
MOST: Final = 100


def permissions() -> list[Permission]:
    """The right to change packages."""
    return [MANAGE]


def routes() -> list[Route]:
    """The list, and the form of a new package and of one that there is."""
    new: Any = {"pattern": "/packages/new", "permission": MANAGE.name, "site": "console"}
    one: Any = {"pattern": "/packages/{package}", "permission": MANAGE.name, "site": "console"}
    form: Any = {"renderer": "core/console_package.pt"}
    post = ("POST",)
    return [
        Route(
            name="core.console.features.packages",
            pattern="/packages",
            view=show,
            permission=READ.name,
            renderer="core/console_packages.pt",
            site="console",
        ),
        Route(name="core.console.features.packages.new", view=show_new, **new, **form),
        Route(name="core.console.features.packages.create", view=create, methods=post, **new, **form),
        Route(name="core.console.features.packages.one", view=show_one, **one, **form),
        Route(name="core.console.features.packages.change", view=change, methods=post, **one, **form),
    ]


def show(context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /packages`: packages by features."""
    used = usage(request.db)
    return {
        "features": switchable(request.plugins),
        "packages": [(one, *used.get(one.id, (0, 0))) for one in list_packages(request.db)],
        "may_manage": context.can(MANAGE.name),
    }


def show_new(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /packages/new`: everything is ticked."""
    return _values(request, None, new_draft(request.plugins))


def create(_context: TenantContext, request: Request) -> Any:
    """`POST /packages/new` with the fields of the form and `do`: save or preview."""
    return _save(request, None)


def show_one(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /packages/{package}`."""
    package = _named(request)
    return _values(request, package, draft_of(package))


def change(_context: TenantContext, request: Request) -> Any:
    """`POST /packages/{package}` with the fields of the form and `do`: save or preview; or `remove` (with `instead`,
    the name of the package that whoever has this one gets, or nothing for none)."""
    package = _named(request)
    return _remove(request, package) if request.POST.get("do") == "remove" else _save(request, package)


def _named(request: Request) -> FeaturePackage:
    """The package of the address; whoever changes it, waits for who is about to."""
    key = (request.site.partner.id, id_of(request.matchdict["package"]))
    lock = request.method == "POST" or None
    found: FeaturePackage | None = request.db.get(FeaturePackage, key, with_for_update=lock)
    if found is None:
        raise HTTPNotFound
    return found


def _save(request: Request, package: FeaturePackage | None) -> Any:
    draft = read_draft(request, package)
    digest = _digest(package)
    if request.POST.get("do") == "preview":
        return _values(request, package, draft)
    if request.POST.get("do") != "save":
        raise unknown_act()
    if not draft.errors and request.POST.get("base", digest) != digest:
        text = _("Somebody changed this package meanwhile. Save again to put yours in its place.")
        return refused(request, {**_values(request, package, draft), "banner": Banner(text, "warn")})
    if not draft.errors:
        draft.errors.update(_write(request, request.db, package, draft.package))
    if draft.errors:
        banner = Banner(_("Nothing was saved yet. See below."), "warn")
        return refused(request, {**_values(request, package, draft), "banner": banner})
    request.flash(_("Saved. It holds from now on."))
    return HTTPSeeOther(request.route_path("core.console.features.packages"))


_COLUMNS: Final = ("name", "features", "closed", "settings", "admins_give")


def _digest(package: FeaturePackage | None) -> str:
    """Changes whenever a package does; empty for a new one."""
    if package is None:
        return ""
    values = json.dumps([getattr(package, name) for name in _COLUMNS], sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()[:16]


def _write(
    request: Request, session: TenantSession, package: FeaturePackage | None, draft: FeaturePackage
) -> dict[str, Any]:
    others = [one for one in list_packages(session) if package is None or one.id != package.id]
    if draft.name.casefold() in by_name(others):
        return {"name": _("There is a package of this name already.")}
    if package is None and len(others) >= MOST:
        return {"name": _("There are ${n} packages already. Remove one first.") % {"n": MOST}}
    before = {} if package is None else {name: getattr(package, name) for name in _COLUMNS}
    after = {name: getattr(draft, name) for name in _COLUMNS}
    try:
        with session.begin_nested():
            if package is None:
                session.add(FeaturePackage(id=new_id(), **after))
            else:
                for name, value in after.items():
                    setattr(package, name, value)
            session.flush()
    except IntegrityError:  # somebody took the name in the same moment
        return {"name": _("There is a package of this name already.")}
    if before != after:
        audit.record(request, SAVED, target=draft.name, detail=audit.changed(before, after))
    return {}


def _remove(request: Request, package: FeaturePackage) -> Any:
    """Who has it, gets another first: having none would give them everything without a word."""
    people, organizations = usage(request.db).get(package.id, (0, 0))
    if people or organizations:
        wanted = request.POST.get("instead")
        instead = None
        if wanted:
            others = [one for one in list_packages(request.db) if one.id != package.id]
            instead = by_name(others).get(wanted.casefold())
        if wanted is None or (wanted and instead is None):
            errors = {"instead": _("Choose what whoever has this package gets instead.")}
            return refused(request, {**_values(request, package, draft_of(package)), "errors": errors})
        replace(request.db, package.id, None if instead is None else instead.id)
    name = package.name
    request.db.delete(package)
    request.db.flush()
    audit.record(request, REMOVED, target=name, detail={"instead": request.POST.get("instead", "")[:80]})
    request.flash(_("The package ${name} is gone.") % {"name": name})
    return HTTPSeeOther(request.route_path("core.console.features.packages"))


def _values(request: Request, package: FeaturePackage | None, draft: Draft) -> dict[str, Any]:
    everything = frozenset(info.name for info in switchable(request.plugins)) - refused_plugins(request.db)
    people, organizations = (0, 0) if package is None else usage(request.db).get(package.id, (0, 0))
    others = select(FeaturePackage.name).order_by(FeaturePackage.name)
    if package is not None:
        others = others.where(FeaturePackage.id != package.id)
    return {
        "package": package,
        "base": _digest(package),
        "draft": draft.package,
        "parts_of": parts_of(request, draft),
        "menu": menu_of(request.plugins, everything, draft.package),
        "who": list(WHO.items()),
        "people": people,
        "organizations": organizations,
        "others": list(request.db.scalars(others)),
        "errors": draft.errors,
        "labels": labels_of(request),
    }
