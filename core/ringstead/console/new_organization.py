"""A new organization: from a template, with numbers, and with the admin who is invited to it."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import select

from ringstead import audit
from ringstead.api import Route, TenantContext, translations
from ringstead.auth.answers import Banner, refused
from ringstead.console.numbers import read_range
from ringstead.console.rights import CREATE
from ringstead.db.session import TenantSession
from ringstead.preferences.store import set_for_organization
from ringstead.subscribers import changes, ranges
from ringstead.subscribers.forms import Offer, read_person
from ringstead.tenancy import fields
from ringstead.tenancy.directory import DirectoryRefused, create_organization
from ringstead.tenancy.models import Organization, OrganizationTemplate
from ringstead.tenancy.templates import NOTHING, has_lost_package, write_template
from ringstead.web.choices import COUNTRIES, countries

_ = translations("ringstead")
CREATED: Final = audit.declare_action("organization.created", _("Created an organization"))
FIELDS: Final = (
    "name",
    "slug",
    "template",
    "time_zone",
    "region",
    "limit",
    "dids",
    "admin_name",
    "admin_email",
    "admin_extension",
)
LABELS: Final = {
    "name": _("Name"),
    "slug": _("Short name"),
    "template": _("Template"),
    "time_zone": _("Time zone"),
    "region": _("Country"),
    "limit": _("Subscribers at most"),
    "dids": _("Numbers"),
    "admin_name": _("Name of the admin"),
    "admin_email": _("Email of the admin"),
    "admin_extension": _("Extension of the admin"),
}
_NO_SLUG: Final = re.compile(r"[^a-z0-9]+")
_FIRST_EXTENSION: Final = "100"
_MOST_SUBSCRIBERS: Final = 1_000_000
_LONGEST_LIMIT: Final = len(str(_MOST_SUBSCRIBERS))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A new organization as the form says it, checked."""

    name: str
    slug: str
    content: Any
    time_zone: str
    region: str
    limit: int | None
    dids: tuple[str, str] | None
    admin: changes.Person | None


def routes() -> list[Route]:
    """The form."""
    more: Any = {
        "pattern": "/organizations/new",
        "permission": CREATE.name,
        "renderer": "core/console_new_organization.pt",
        "site": "console",
    }
    return [
        Route(name="core.console.organizations.new", view=show, **more),
        Route(name="core.console.organizations.create", view=create, methods=("POST",), **more),
    ]


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations/new`: with the partner's own time zone and country."""
    preferences = request.tenant.preferences
    typed = {"time_zone": preferences["core.time_zone"], "region": preferences["core.region"]}
    return _values(request, {**typed, "admin_extension": _FIRST_EXTENSION})


def create(_context: TenantContext, request: Request) -> Any:
    """`POST /organizations/new`."""
    typed = {name: " ".join(request.POST.get(name, "")[:300].split()) for name in FIELDS}
    errors: dict[str, Any] = {}
    wanted = _read(request, typed, errors)
    if wanted is None or errors:
        return _refuse(request, typed, errors)
    # In a transaction of its own, because the organization must be there before anybody can be inside it. What could
    # go wrong inside was looked at before; should it still, an empty organization is left, which is seen and removable.
    try:
        with request.database.in_partner(request.site.partner.id) as session:
            made = create_organization(session, request.site.partner.id, slug=wanted.slug, name=wanted.name)
            audit.record(request, CREATED, target=made.name, session=session, org_id=made.org_id)
    except DirectoryRefused:
        why = _("There is an organization of the short name ${slug} already.") % {"slug": wanted.slug}
        return _refuse(request, typed, {"slug" if typed["slug"] else "name": why})
    _furnish(request, made, wanted)
    request.flash(_("${name} is here.") % {"name": made.name})
    return HTTPSeeOther(request.route_path("core.console.organization", id=made.org_id))


def _furnish(request: Request, made: Organization, wanted: Wanted) -> None:
    """Give a new organization what it begins with."""
    declared = request.declared_settings
    with request.database.run_as(made.org_id) as session:
        write_template(session, request.plugins, declared, wanted.content)
        organization = session.get_one(Organization, made.org_id)
        if wanted.limit is not None:
            organization.subscriber_limit = wanted.limit
        set_for_organization(session, declared, "core.time_zone", wanted.time_zone)
        set_for_organization(session, declared, "core.region", wanted.region)
        if wanted.dids is not None and ranges.add_range(session, "did", *wanted.dids) is None:
            request.flash(_("Its numbers were taken meanwhile. Give it others."), "warn")
        if wanted.admin is not None:
            _let_admin_in(request, session, wanted.admin)


def _let_admin_in(request: Request, session: TenantSession, admin: changes.Person) -> None:
    made = changes.create(request, session, admin)
    if isinstance(made, dict):
        request.flash(
            _("${name} could not be created. Try it on the list of subscribers.") % {"name": admin.name},
            "warn",
        )
    else:
        changes.invite(request, session, made)


def _read(request: Request, typed: dict[str, str], errors: dict[str, Any]) -> Wanted | None:
    """What the form says; what is wrong with it goes into `errors`."""
    try:
        name = fields.display_name(typed["name"])
    except ValueError:
        errors["name"] = _("Enter a name of at most 80 characters.")
        name = ""
    slug = typed["slug"] or slug_of(name)
    try:
        if name or typed["slug"]:  # without a name there is nothing to make one of
            fields.slug(slug)
    except ValueError:
        errors["slug"] = _("Use 1 to 40 lower-case letters, digits and hyphens.")
    zone, region = _place(request, typed, errors)
    content = _content(request, typed["template"], errors)
    found = Wanted(
        name,
        slug,
        content,
        zone,
        region,
        read_limit(typed["limit"], errors),
        _dids(request, typed, region, errors),
        _admin(typed, content, errors),
    )
    return None if errors else found


def slug_of(name: str) -> str:
    """A short name made of a name."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return _NO_SLUG.sub("-", plain).strip("-")[:40].strip("-")


def _place(request: Request, typed: dict[str, str], errors: dict[str, Any]) -> tuple[str, str]:
    zone, region = typed["time_zone"], typed["region"].upper()
    try:
        fields.time_zone(zone)
    except ValueError:
        errors["time_zone"] = _("Choose a time zone of the list, such as Europe/Vienna.")
    if region not in COUNTRIES:
        errors["region"] = _("Choose one of the list.")
    return zone, region


def _content(request: Request, template: str, errors: dict[str, Any]) -> Any:
    if not template:
        return NOTHING
    try:
        found = request.db.get(OrganizationTemplate, (request.site.partner.id, UUID(template)))
    except ValueError:
        found = None
    if found is None:
        errors["template"] = _("There is no such template. Choose one of the list.")
        return NOTHING
    if has_lost_package(request.db, found.content):
        errors["template"] = _(
            "The package of this template is gone. Choose another, or keep the template anew."
        )
    return found.content


def read_limit(text: str, errors: dict[str, Any]) -> int | None:
    """How many subscribers at most; empty: any number."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > _LONGEST_LIMIT or not 0 < int(text) <= _MOST_SUBSCRIBERS:
        errors["limit"] = _("Enter a whole number from 1, or nothing for any number.")
        return None
    return int(text)


def _dids(
    request: Request, typed: dict[str, str], region: str, errors: dict[str, Any]
) -> tuple[str, str] | None:
    if not typed["dids"]:
        return None
    found = read_range("did", typed["dids"], region)
    if found is None:
        errors["dids"] = _("Enter the first and the last number, such as +12125550100-+12125550149.")
    elif ranges.range_is_taken(request.db, *found):
        errors["dids"] = _("Some of these numbers are in use or belong elsewhere.")
        found = None
    return found


def _admin(typed: dict[str, str], content: Any, errors: dict[str, Any]) -> changes.Person | None:
    if not typed["admin_email"] and not typed["admin_name"]:
        return None
    words = {name: typed[f"admin_{name}"] for name in ("name", "email", "extension")}
    person, problems = read_person({**words, "role": "org_admin"}, Offer("US", {}, {}))
    if not words["email"]:
        problems["email"] = _("Enter an email address, such as name@example.com.")
    bounds = content.get("extensions", [])
    extension = words["extension"]
    if bounds and not any(len(extension) == len(a) and a <= extension <= b for a, b in bounds):
        within = ", ".join(f"{first}-{last}" for first, last in bounds)
        outside = _("The template has the extensions ${ranges}. Choose one of them.")
        problems.setdefault("extension", outside % {"ranges": within})
    errors.update({f"admin_{field}": why for field, why in problems.items()})
    return person


def templates_of(session: TenantSession) -> list[OrganizationTemplate]:
    """The partner's templates, by name."""
    return list(session.scalars(select(OrganizationTemplate).order_by(OrganizationTemplate.name)))


def _values(request: Request, typed: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "typed": {name: typed.get(name, "") for name in FIELDS},
        "templates": templates_of(request.db),
        "zones": request.declared_settings["core.time_zone"].choices,
        "countries": countries(request.tenant.locale),
        "errors": {},
        "labels": LABELS,
        **more,
    }


def _refuse(request: Request, typed: dict[str, str], errors: dict[str, Any]) -> dict[str, Any]:
    banner = Banner(_("Nothing was created yet. See below."), "warn")
    return refused(request, _values(request, typed, errors=errors, banner=banner))
