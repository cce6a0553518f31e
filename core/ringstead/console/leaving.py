"""Removing an organization, in two steps: it is closed and exported, and can be brought back; then it is gone."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import delete, func, select

from ringstead import audit
from ringstead.api import JobSpec, Route, TenantContext, translations
from ringstead.auth.answers import refused
from ringstead.blobs import org_blobs
from ringstead.console.rights import CREATE
from ringstead.db.engine import Database
from ringstead.db.session import TenantSession
from ringstead.jobs import defer
from ringstead.mail import queue_mail
from ringstead.subscribers.pages import unknown_act
from ringstead.tenancy.addresses import id_of
from ringstead.tenancy.leaving import EXPORT_KEY, GRACE, export_organization, remove_organization
from ringstead.tenancy.models import Account, Membership, Organization, Subscriber, WebSession
from ringstead.tenancy.organizations import of_partner
from ringstead.web.blob_files import BlobFile, blob_response

_ = translations("ringstead")
PATTERN: Final = "/organizations/{id}/removal"
EXPORT: Final = "core.export_organization"
REMOVE: Final = "core.remove_organization"
LEAVES: Final = audit.declare_action("organization.leaves", _("Closed an organization to remove it"))
KEPT: Final = audit.declare_action("organization.kept", _("Brought a closed organization back"))
FETCHED: Final = audit.declare_action("organization.exported", _("Downloaded everything of an organization"))
REMOVED: Final = audit.declare_action("organization.removed", _("Removed an organization"))


def routes() -> list[Route]:
    """The page with its forms, and the file."""
    more: Any = {"permission": CREATE.name, "site": "console"}
    page: Any = {"pattern": PATTERN, "renderer": "core/console_removal.pt", **more}
    return [
        Route(name="core.console.organizations.removal", view=show, **page),
        Route(name="core.console.organizations.removal.act", view=act, methods=("POST",), **page),
        Route(
            name="core.console.organizations.removal.file",
            pattern=f"{PATTERN}/export.zip",
            view=download,
            **more,
        ),
    ]


def jobs() -> list[JobSpec]:
    """Making the file, removing, and removing those whose time has come."""
    return [
        JobSpec(name=EXPORT, run=run_export),
        JobSpec(name=REMOVE, run=run_removal),
        JobSpec(
            name="core.remove_left", run=remove_left, every="40 3 * * *", per="organization", everywhere=True
        ),
    ]


def run_export(database: Database, *, org_id: UUID) -> None:
    """Make the file."""
    export_organization(database, org_id)


def run_removal(database: Database, *, partner_id: UUID, org_id: UUID) -> None:
    """Remove an organization that is leaving."""
    remove_organization(database, partner_id, org_id)


def remove_left(database: Database, *, org_id: UUID) -> None:
    """Remove an organization whose fourteen days are over."""
    with database.run_as(org_id) as session:
        own = session.get_one(Organization, org_id)
        is_due = own.status == "leaving" and own.leaves_at is not None and own.leaves_at < datetime.now(UTC)
        if is_due:
            audit.record(session, REMOVED, target=own.name)
    if is_due:
        remove_organization(database, own.partner_id, org_id)


def show(_context: TenantContext, request: Request) -> dict[str, Any]:
    """`GET /organizations/{id}/removal`."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    with request.database.run_as(organization.org_id) as session:
        return _values(session, organization)


def act(_context: TenantContext, request: Request) -> Any:
    """`POST /organizations/{id}/removal` with `do`: leave or remove (with the short name as `sure`), or keep."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    do = request.POST.get("do", "")
    with request.database.run_as(organization.org_id) as session:
        own = session.get_one(Organization, organization.org_id, with_for_update=True)
        if do in ("leave", "remove") and request.POST.get("sure", "").strip() != own.slug:
            wrong = {"sure": _("Enter the short name of the organization.")}
            return refused(request, {**_values(session, own), "errors": wrong})
        if do == "leave":
            _leave(request, session, own)
        elif do == "keep":
            _keep(request, session, own)
        elif do == "remove":
            return _remove(request, session, own)
        else:
            raise unknown_act()
    return HTTPSeeOther(request.path)


def _leave(request: Request, session: TenantSession, own: Organization) -> None:
    if own.status == "leaving":
        return
    own.was_suspended = own.status == "suspended"
    own.status, own.leaves_at = "leaving", datetime.now(UTC) + GRACE
    session.execute(delete(WebSession).where(WebSession.org_id == own.org_id))
    _tell_admins(request, session, own)
    defer(session, EXPORT, org_id=own.org_id, queueing_lock=f"{EXPORT}:{own.org_id}")
    audit.record(request, LEAVES, target=own.name, session=session)
    request.flash(_("${name} is closed, and its export is being made.") % {"name": own.name})


def _tell_admins(request: Request, session: TenantSession, own: Organization) -> None:
    """Mail those who look after the organization: what nobody may hear in a support session is in the export, too."""
    admins = select(Account).join(Membership, Membership.account_id == Account.id)
    for account in session.scalars(
        admins.where(Membership.role == "org_admin", Account.status == "active").distinct()
    ):
        values = {"name": account.name, "actor": request.tenant.account.name, "organization": own.name}
        queue_mail(session, to=account.email, template="core/mail/organization_closed", values=values)


def _keep(request: Request, session: TenantSession, own: Organization) -> None:
    if own.status == "leaving":
        own.status, own.leaves_at = "suspended" if own.was_suspended else "active", None
        org_blobs(session).delete(EXPORT_KEY)
        audit.record(request, KEPT, target=own.name, session=session)
        again = _("${name} is suspended, as it was.") if own.was_suspended else _("${name} is active again.")
        request.flash(again % {"name": own.name})


def _remove(request: Request, session: TenantSession, own: Organization) -> Response | dict[str, Any]:
    if own.status != "leaving" or org_blobs(session).info(EXPORT_KEY) is None:
        wrong = {"sure": _("First it has to be closed and exported.")}
        return refused(request, {**_values(session, own), "errors": wrong})
    defer(session, REMOVE, partner_id=own.partner_id, org_id=own.org_id)
    audit.record(request, REMOVED, target=own.name, session=session)
    request.flash(_("${name} is being removed.") % {"name": own.name})
    return HTTPSeeOther(request.route_path("core.console.organizations"))


def download(_context: TenantContext, request: Request) -> Response:
    """`GET /organizations/{id}/removal/export.zip`: everything of the organization."""
    organization = of_partner(request.db, id_of(request.matchdict["id"]))
    with request.database.run_as(organization.org_id) as session:
        blobs = org_blobs(session)
        found = blobs.info(EXPORT_KEY) if organization.status == "leaving" else None
        if found is None:
            raise HTTPNotFound
        audit.record(request, FETCHED, target=organization.name, session=session)
    digest = f"{organization.org_id.hex}-{found.size}-{int(found.written_at.timestamp())}"
    file = BlobFile(
        key=EXPORT_KEY,
        size=found.size,
        digest=digest,
        media_type="application/zip",
        name=f"{organization.slug}.zip",
        modified=found.written_at,
    )
    return blob_response(request, blobs, file)


def _values(session: TenantSession, organization: Organization) -> dict[str, Any]:
    is_leaving = organization.status == "leaving"
    return {
        "organization": organization,
        "export": org_blobs(session).info(EXPORT_KEY) if is_leaving else None,
        "people": session.scalar(select(func.count()).select_from(Subscriber)) or 0,
        "errors": {},
        "labels": {"sure": _("Short name")},
    }
