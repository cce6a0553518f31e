"""What a partner does with an organization as a whole: name and limit, suspend and resume, keep it as a template."""

from typing import Any, Final

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from ringstead import audit
from ringstead.api import Route, Setting, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.console.new_organization import read_limit, templates_of
from ringstead.console.rights import CREATE
from ringstead.db.base import new_id
from ringstead.db.session import TenantSession
from ringstead.preferences.store import load, set_for_organization
from ringstead.subscribers.pages import unknown_act
from ringstead.tenancy import fields
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.calls import SUSPENDED_CALLS, policies
from ringstead.tenancy.models import FeaturePackage, Organization, OrganizationTemplate, Subscriber
from ringstead.tenancy.organizations import of_partner
from ringstead.tenancy.packages import by_name, list_packages
from ringstead.tenancy.templates import read_template

_ = translations("ringstead")
CHANGED: Final = audit.declare_action("organization.changed", _("Changed an organization"))
SUSPENDED: Final = audit.declare_action("organization.suspended", _("Suspended an organization"))
RESUMED: Final = audit.declare_action("organization.resumed", _("Resumed an organization"))
KEPT: Final = audit.declare_action("template.saved", _("Saved a template"))
FORGOTTEN: Final = audit.declare_action("template.removed", _("Removed a template"))


def routes() -> list[Route]:
    """The form of an organization's settings, and the list of templates."""
    care: Any = {
        "pattern": "/organizations/{id}/settings",
        "permission": CREATE.name,
        "renderer": "core/console_care.pt",
        "site": "console",
    }
    templates: Any = {
        "pattern": "/templates",
        "permission": CREATE.name,
        "renderer": "core/console_templates.pt",
        "site": "console",
    }
    return [
        Route(name="core.console.organizations.care", view=show, **care),
        Route(name="core.console.organizations.care.change", view=change, methods=("POST",), **care),
        Route(name="core.console.organizations.templates", view=show_templates, **templates),
        Route(
            name="core.console.organizations.templates.remove",
            view=remove_template,
            methods=("POST",),
            **templates,
        ),
    ]


def settings() -> list[Setting]:
    """What becomes of calls while an organization is suspended."""
    return [
        Setting(
            name=SUSPENDED_CALLS,
            title=_("Calls while the organization is suspended"),
            type=str,
            default="all",
            level="organization",
            choices=policies(),
        )
    ]


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations/{id}/settings`."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    with request.database.run_as(organization.org_id) as session:
        return _values(request, session, organization)


def change(_context: TenantContext, request: Request) -> Any:
    """`POST /organizations/{id}/settings` with `do`: save (name, limit), suspend (calls), resume, template (name)."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    acts = {"save": _save, "suspend": _suspend, "resume": _resume, "template": _keep_template}
    act = acts.get(request.POST.get("do", ""))
    if act is None:
        raise unknown_act()
    with request.database.run_as(organization.org_id) as session:
        own = session.get_one(Organization, organization.org_id, with_for_update=True)
        errors = act(request, session, own)
        if errors:
            banner = Banner(_("Nothing was saved yet. See below."), "warn")
            typed = {
                name: request.POST.get(name, "")[:200] for name in ("name", "limit", "template", "package")
            }
            values = _values(request, session, own, typed)
            return refused(request, {**values, "errors": errors, "banner": banner})
    return HTTPSeeOther(request.path)


def _save(request: Request, session: TenantSession, own: Organization) -> dict[str, Any]:
    errors: dict[str, Any] = {}
    limit = read_limit(request.POST.get("limit", "").strip(), errors)
    try:
        name = fields.display_name(request.POST.get("name", ""))
    except ValueError:
        return {"name": _("Enter a name of at most 80 characters."), **errors}
    wanted = request.POST.get("package", "")
    package = by_name(list_packages(session)).get(wanted.casefold()) if wanted else None
    if wanted and package is None:
        errors["package"] = _("There is no such package. Choose one of the list.")
    if errors:
        return errors
    before = {"name": own.name, "limit": own.subscriber_limit, "package": _named(session, own)}
    own.name, own.subscriber_limit = name, limit
    own.package_id = None if package is None else package.id
    detail = audit.changed(before, {"name": name, "limit": limit, "package": _named(session, own)})
    audit.record(request, CHANGED, target=name, detail=detail, session=session)
    there = session.scalar(select(func.count()).select_from(Subscriber)) or 0
    full = _("Saved. ${n} subscribers are here: there can be no new one until there are fewer than ${most}.")
    is_over = limit is not None and there > limit
    request.flash(full % {"n": there, "most": limit} if is_over else _("Saved."))
    return {}


def _named(session: TenantSession, own: Organization) -> str:
    """The name of the package of everybody who has none of their own."""
    if own.package_id is None:
        return ""
    package = session.get(FeaturePackage, (own.partner_id, own.package_id))
    return "" if package is None else package.name


def _suspend(request: Request, session: TenantSession, own: Organization) -> dict[str, Any]:
    calls = request.POST.get("calls", "")
    if calls not in policies():
        return {"calls": _("Choose what becomes of calls.")}
    if own.status == "active":
        own.status = "suspended"
        set_for_organization(session, request.declared_settings, SUSPENDED_CALLS, calls)
        audit.record(request, SUSPENDED, target=own.name, detail={"calls": calls}, session=session)
        request.flash(_("${name} is suspended. Nobody of it can sign in.") % {"name": own.name})
    return {}


def _resume(request: Request, session: TenantSession, own: Organization) -> dict[str, Any]:
    if own.status == "suspended":
        own.status = "active"
        audit.record(request, RESUMED, target=own.name, session=session)
        request.flash(_("${name} is active again.") % {"name": own.name})
    return {}


def _keep_template(request: Request, session: TenantSession, own: Organization) -> dict[str, Any]:
    """Keep how an organization is for new ones; a template of the same name is replaced."""
    try:
        name = fields.display_name(request.POST.get("template", ""))
    except ValueError:
        return {"template": _("Enter a name of at most 80 characters.")}
    content = read_template(session, request.plugins)
    row = {"partner_id": own.partner_id, "name": name, "content": content}
    statement = insert(OrganizationTemplate).values({**row, "id": new_id()})
    request.db.execute(
        statement.on_conflict_do_update(
            index_elements=["partner_id", "name"], set_={"content": statement.excluded.content}
        )
    )
    audit.record(request, KEPT, target=name)
    request.flash(_("New organizations can begin as “${name}”.") % {"name": name})
    return {}


def _values(
    request: Request,
    session: TenantSession,
    organization: Organization,
    typed: dict[str, str] | None = None,
) -> dict[str, Any]:
    limit = organization.subscriber_limit
    now = {
        "name": organization.name,
        "limit": "" if limit is None else str(limit),
        "template": organization.name,
        "package": _named(session, organization),
    }
    return {
        "organization": organization,
        "calls": load(session, request.declared_settings)[SUSPENDED_CALLS],
        "typed": {**now, **{name: text for name, text in (typed or {}).items() if name in request.POST}},
        "errors": {},
        "packages": [package.name for package in list_packages(session)],
        "labels": {
            "name": _("Name"),
            "limit": _("Subscribers at most"),
            "package": _("Package"),
            "template": _("Template"),
        },
    }


def show_templates(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /templates`."""

    titles = {name: request.plugins.info(name).title for name in request.plugins.active}
    return {"templates": templates_of(request.db), "titles": titles}


def remove_template(_context: TenantContext, request: Request) -> Any:
    """`POST /templates` with `remove` (a template's id). Organizations that were made from it stay as they are."""
    wanted = id_of(request.POST.get("remove", ""))
    row = request.db.get(OrganizationTemplate, (request.site.partner.id, wanted))
    if row is not None:
        request.db.delete(row)
        audit.record(request, FORGOTTEN, target=row.name)
        request.flash(_("The template ${name} is gone.") % {"name": row.name})
    return HTTPSeeOther(request.path)
